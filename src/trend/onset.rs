//! The onset of drift: in which window it began, with its uncertainty.
//!
//! One change is fitted to the windows by least squares: before it the level of the reference (known with the reference's own error),
//! after it another level, or a steady move away. The fit is repeated with each window as the beginning. Beginnings that fit nearly
//! as well as the best one are plausible: [`CUT`] says how much lower their likelihood may be.

use serde::{Deserialize, Serialize};

use super::level::{Reading, ReferenceLevel};

/// `-ln(1 - sqrt(0.95))`. On either side of the true beginning, the logarithm of the likelihood exceeds that of the true one by an
/// exponentially distributed amount, or less; both amounts stay below this with probability 0.95. D. Siegmund, "Confidence sets in
/// change-point problems", International Statistical Review 56, 1988; B. E. Hansen, "Sample splitting and threshold estimation",
/// Econometrica 68, 2000.
const CUT: f64 = 3.676;

/// How a change goes on after its onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// At once to another level.
    Step,
    /// By the same amount in each window.
    Ramp,
}

/// Where a change began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Onset {
    /// The window in which it most likely began.
    pub likely: i64,
    /// The earliest plausible window (95 %); None: before the first window that is known.
    pub earliest: Option<i64>,
    /// The latest plausible window (95 %).
    pub latest: i64,
    /// Whether a step or a ramp fits better.
    pub shape: Shape,
    /// The level before, on the scale of the statistic: that of the reference and of the windows before the onset.
    pub before: f64,
    /// The level of the last window, without its noise.
    pub after: f64,
}

/// The onset of the change that explains `windows` best: numbers of windows or of finer panes on their grid, in order, with what was
/// seen in them. Windows may be missing; readings that are not known, and those out of order, are left out. None where no
/// change at all is plausible, too.
#[must_use]
pub fn onset(level: &ReferenceLevel, windows: &[(i64, Reading)]) -> Option<Onset> {
    let points = points(level, windows);
    let first = points.first()?;
    let whole = Whole::of(level, &points);
    let fits = fits(&whole, &points);
    let best = *fits.iter().max_by(|one, other| one.gain.total_cmp(&other.gain))?;

    // The scale is not known better than from the reference's windows and these: the likelihood of a t distribution.
    // Correlated windows say as much as fewer ones that are not.
    let count = u32::try_from(points.len()).map_or(f64::MAX, f64::from);
    let stretch = (1.0 + level.autocorrelation) / (1.0 - level.autocorrelation);
    let rest = level.freedom + (whole.squares - best.gain).max(0.0);
    let size = level.freedom + count;
    let loss = |gain: f64| size / (2.0 * stretch) * ((best.gain - gain) / rest).ln_1p();
    if loss(0.0) <= CUT {
        return None;
    }
    let (mut earliest, mut latest) = (best.window, best.window);
    for fit in fits.iter().filter(|fit| loss(fit.gain) <= CUT) {
        earliest = earliest.min(fit.window);
        latest = latest.max(fit.window);
    }
    Some(Onset {
        likely: best.window,
        earliest: (earliest > first.window).then_some(earliest),
        latest,
        shape: best.shape,
        before: level.mean + best.before,
        after: level.mean + best.before + best.slope * best.reach,
    })
}

/// A window as the fit sees it.
struct Point {
    window: i64,
    /// Windows since the last one, 0 or less.
    time: f64,
    /// Difference from the reference.
    value: f64,
    /// One over its variance.
    weight: f64,
}

fn points(level: &ReferenceLevel, windows: &[(i64, Reading)]) -> Vec<Point> {
    if !level.is_sound() {
        return Vec::new();
    }
    let Some((end, _)) = windows.last() else { return Vec::new() };
    let dispersion = level.dispersion.max(1.0);
    let mut points: Vec<Point> = Vec::with_capacity(windows.len());
    for (window, reading) in windows {
        if !reading.is_known() || points.last().is_some_and(|point| point.window >= *window) {
            continue;
        }
        let ago = i32::try_from(end.saturating_sub(*window)).unwrap_or(i32::MAX);
        points.push(Point {
            window: *window,
            time: -f64::from(ago),
            value: reading.value - level.mean,
            weight: 1.0 / (level.sampling() * level.judged(dispersion, reading.records)),
        });
    }
    points
}

/// Sums over all windows and the reference, whose value is 0 here.
struct Whole {
    weight: f64,
    mean: f64,
    /// Weighted squares about the mean: what a change can explain of at most.
    squares: f64,
}

impl Whole {
    fn of(level: &ReferenceLevel, points: &[Point]) -> Self {
        let reference = level.weight() / (level.sampling() * level.dispersion.max(1.0));
        let weight = reference + points.iter().map(|point| point.weight).sum::<f64>();
        let mean = points.iter().map(|point| point.weight * point.value).sum::<f64>() / weight;
        let squares = points.iter().map(|point| point.weight * point.value.powi(2)).sum::<f64>();
        Self { weight, mean, squares: squares - weight * mean * mean }
    }
}

/// The best change with a given beginning.
#[derive(Clone, Copy)]
struct Fit {
    window: i64,
    shape: Shape,
    /// By how much it reduces the weighted squares.
    gain: f64,
    before: f64,
    /// The change per unit of the regressor.
    slope: f64,
    /// The regressor in the last window.
    reach: f64,
}

/// For each window as the beginning, a step and a ramp.
fn fits(whole: &Whole, points: &[Point]) -> Vec<Fit> {
    let mut fits = Vec::with_capacity(2 * points.len());
    // Weighted sums over the windows from the beginning on, of powers of time with and without the value.
    let [mut ones, mut times, mut squares, mut values, mut products] = [0.0; 5];
    for point in points.iter().rev() {
        ones += point.weight;
        times += point.weight * point.time;
        squares += point.weight * point.time.powi(2);
        values += point.weight * point.value;
        products += point.weight * point.time * point.value;
        // A ramp is at 1 in its first window.
        let start = point.time - 1.0;
        let ramp = (times - start * ones, squares - 2.0 * start * times + start * start * ones);
        for (shape, regressor, regressor_squares, with_value, reach) in [
            (Shape::Step, ones, ones, values, 1.0),
            (Shape::Ramp, ramp.0, ramp.1, products - start * values, -start),
        ] {
            let spread = regressor_squares - regressor * regressor / whole.weight;
            let common = with_value - regressor * whole.mean;
            if spread > 0.0 {
                let slope = common / spread;
                let before = whole.mean - slope * regressor / whole.weight;
                let gain = common * slope;
                fits.push(Fit { window: point.window, shape, gain, before, slope, reach });
            }
        }
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LEVEL, reading};
    use super::*;

    fn windows(values: &[f64]) -> Vec<(i64, Reading)> {
        (0..).zip(values.iter().copied().map(reading)).collect()
    }

    #[test]
    fn a_step_without_noise_is_found_exactly() {
        let values: Vec<f64> = (0..30).map(|window| if window < 20 { 0.0 } else { 1.0 }).collect();
        let onset = onset(&LEVEL, &windows(&values)).unwrap();
        let expected =
            Onset { likely: 20, earliest: Some(20), latest: 20, shape: Shape::Step, before: 0.0, after: 1.0 };
        assert_eq!(Onset { before: onset.before.round(), after: onset.after.round(), ..onset }, expected);
        assert!((onset.after - 1.0).abs() < 1e-9 && onset.before.abs() < 1e-9);
    }

    #[test]
    fn a_ramp_without_noise_is_found_exactly_across_missing_windows() {
        let ramp = (0..40)
            .filter(|window| window % 7 != 3)
            .map(|window: i32| (i64::from(window) + 1_000_000, reading(0.1 * f64::from((window - 19).max(0)))));
        let onset = onset(&LEVEL, &ramp.collect::<Vec<_>>()).unwrap();
        assert_eq!((onset.likely, onset.shape), (1_000_020, Shape::Ramp));
        assert!((onset.after - 2.0).abs() < 1e-6, "{onset:?}");
    }

    #[test]
    fn a_change_of_all_windows_may_have_begun_before() {
        let onset = onset(&LEVEL, &windows(&[0.5; 12])).unwrap();
        assert_eq!((onset.likely, onset.earliest, onset.latest), (0, None, 0));
    }

    #[test]
    fn one_window_is_enough_for_a_large_change() {
        let onset = onset(&LEVEL, &[(17, reading(2.0))]).unwrap();
        assert_eq!((onset.likely, onset.earliest, onset.latest), (17, None, 17));
    }

    #[test]
    fn without_a_change_there_is_no_onset() {
        assert_eq!(onset(&LEVEL, &[]), None);
        assert_eq!(onset(&LEVEL, &[(0, reading(0.05))]), None);
        assert_eq!(onset(&LEVEL, &windows(&[0.0; 50])), None);
        let alternating: Vec<f64> = (0..50).map(|window| if window % 2 == 0 { 0.06 } else { -0.06 }).collect();
        assert_eq!(onset(&LEVEL, &windows(&alternating)), None);
        assert_eq!(onset(&ReferenceLevel { freedom: f64::NAN, ..LEVEL }, &windows(&[1.0; 9])), None);
    }

    #[test]
    fn unknown_readings_and_those_out_of_order_are_left_out() {
        let values: Vec<f64> = (0..30).map(|window| if window < 20 { 0.0 } else { 1.0 }).collect();
        let mut disturbed = windows(&values);
        disturbed.insert(10, (3, reading(9.0)));
        disturbed.insert(15, (14, reading(f64::NAN)));
        disturbed.insert(25, (24, Reading { value: 5.0, records: 0.0 }));
        assert_eq!(onset(&LEVEL, &disturbed).unwrap().likely, 20);
    }
}
