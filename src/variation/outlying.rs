//! Windows of a reference that stand out: an incident in the reference must not become its natural variation. They are left out as a whole.

use super::dispersion::Series;
use super::law::student_upper;
use super::scores::Scored;
use super::size;

/// With fewer windows none is left out.
const LEAST_WINDOWS: usize = 12;
/// At most one window in so many is left out.
const PART: usize = 10;
/// The level of the test.
const LEVEL: f64 = 0.001;
/// Rarer shares come in bursts by nature.
const RAREST: f64 = 0.02;

/// Which windows Grubbs' test (1950) finds, about the median, in any statistic with enough records; the farthest first.
///
/// Of `places` windows so many have records.
pub(super) fn outlying<'a>(
    windows: usize,
    places: usize,
    statistics: impl Iterator<Item = (&'a Scored, &'a Series)>,
) -> Vec<bool> {
    let mut found = vec![false; places];
    if windows < LEAST_WINDOWS {
        return found;
    }
    let distances: Vec<Distances> = statistics
        .filter(|(scored, series)| says_something(scored, series))
        .map(|(_, series)| Distances::of(series))
        .collect();
    let limit = student_upper(LEVEL / (2.0 * size(windows)), size(windows) - 2.0);
    for left_out in 0..windows / PART {
        let degrees = size(windows - 2 - left_out);
        let farthest = distances
            .iter()
            .filter_map(|distances| distances.farthest(&found, degrees))
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        match farthest {
            Some((window, distance)) if distance > limit => {
                if let Some(found) = found.get_mut(window) {
                    *found = true;
                }
            }
            _ => break,
        }
    }
    found
}

/// Whether a single window of a statistic may be called outlying.
pub(super) fn says_something(scored: &Scored, series: &Series) -> bool {
    !scored.statistic.is_foreign() && series.share.is_none_or(|share| share >= RAREST)
}

/// The distances of windows from the median, in units of a record's deviation, the farthest first.
struct Distances {
    windows: Vec<(usize, f64)>,
    /// Of sampling.
    least: f64,
}

impl Distances {
    fn of(series: &Series) -> Self {
        let mut values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
        let median = f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2));
        let mut windows: Vec<(usize, f64)> = series
            .points
            .iter()
            .map(|point| (point.window, (point.value - median).abs() * point.records.sqrt()))
            .collect();
        windows.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Self { windows, least: series.unit.sqrt() }
    }

    /// The farthest window that was not found yet, by the deviation of the others.
    fn farthest(&self, found: &[bool], degrees: f64) -> Option<(usize, f64)> {
        let mut rest = self.windows.iter().filter(|(window, _)| found.get(*window) != Some(&true));
        let (window, distance) = rest.next()?;
        let squares: f64 = rest.map(|(_, distance)| distance * distance).sum();
        Some((*window, distance / (squares / degrees).sqrt().max(self.least)))
    }
}
