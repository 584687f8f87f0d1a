//! What windows of the usual size would find, and longer ones.

use super::held_out::sum;
use super::series::Series;
use crate::distribution::WindowCounts;
use crate::judge::{Power, power};
use crate::record::{EventTime, TimeSpan};
use crate::reference::{ReferenceRule, Selection};
use crate::replay::CountedWindow;
use crate::variation::{Bins, ChangeTest, LEAST_WINDOWS};
use crate::window::WindowSpan;

/// Longer windows that are looked at, as multiples of the usual length.
const TIMES: [usize; 2] = [2, 4];

/// What a window of the usual size would find, column by column.
#[derive(Clone, Debug)]
pub struct Powers {
    /// The accepted chance of a false finding in a window.
    pub(super) level: f64,
    /// How much windows are like the one before, 0 to 0.9.
    pub(super) autocorrelation: f64,
    /// By column, in the order of the rules.
    pub(super) columns: Vec<Vec<Power>>,
}

/// What windows that are several times as long would find: neighbours put together.
#[derive(Clone, Debug, PartialEq)]
pub struct LongerWindows {
    /// How many times as long.
    pub times: usize,
    /// Records of such a window, the middle one.
    pub records: u64,
    /// By column, in the order of the rules.
    pub columns: Vec<Vec<Power>>,
}

/// A reference for power.
struct Known {
    counts: WindowCounts,
    test: ChangeTest,
}

impl Known {
    fn of(windows: &[&WindowCounts], bins: Bins, follow_each_other: bool) -> Option<Self> {
        let counts = sum(windows)?;
        let test = ChangeTest::learned(&counts, if follow_each_other { windows } else { &[] }, bins);
        Some(Self { counts, test })
    }

    /// The level of a window that ends every so often, and what windows of so many records find.
    fn powers(&self, series: &Series<'_>, every: TimeSpan, records: u64) -> (f64, Vec<Vec<Power>>) {
        let rules = series.rules;
        let spread = rules.spread_over(every, series.number, Some(&self.test));
        let level = rules.judge.false_alarms.level(&spread);
        let own = rules.judge.level_of_one(level);
        let of_column = |column: &crate::judge::ColumnRules| {
            let reference = self.counts.column(&column.name);
            let usable = reference.filter(|reference| {
                reference.present() > 0 && !reference.has_values_without_bins() && !reference.lies_beyond_bins()
            });
            usable.map_or_else(Vec::new, |reference| power(column, (&self.test, reference), records, own))
        };
        (level, rules.judge.columns.iter().map(of_column).collect())
    }
}

impl Powers {
    pub(super) fn new(series: &Series<'_>, windows: &[&CountedWindow], records: u64) -> Self {
        let Some(known) = usual_reference(series, windows) else {
            let spread = series.rules.spread_over(series.every(), series.number, None);
            let level = series.rules.judge.false_alarms.level(&spread);
            return Self {
                level,
                autocorrelation: 0.0,
                columns: vec![Vec::new(); series.rules.judge.columns.len()],
            };
        };
        let (level, columns) = known.powers(series, series.every(), records);
        Self { level, autocorrelation: known.test.variation().autocorrelation(), columns }
    }
}

impl LongerWindows {
    /// What longer windows would find, as far as enough of them can be put together. Nothing of windows that overlap, or that are compared
    /// with earlier windows: their reference would be another one.
    pub(super) fn all(series: &Series<'_>, windows: &[&CountedWindow]) -> Vec<Self> {
        if series.held_out.is_none() || !series.rules.reach.is_pane() {
            return Vec::new();
        }
        TIMES.into_iter().filter_map(|times| longer(series, windows, times)).collect()
    }
}

fn longer(series: &Series<'_>, windows: &[&CountedWindow], times: usize) -> Option<LongerWindows> {
    let together: Vec<WindowCounts> = windows
        .chunks_exact(times)
        .filter_map(|chunk| sum(&chunk.iter().map(|window| &window.counts).collect::<Vec<_>>()))
        .collect();
    if together.len() < LEAST_WINDOWS {
        return None;
    }
    let records = super::median(together.iter().map(WindowCounts::rows).collect())?;
    if records < series.rules.judge.min_records {
        return None;
    }
    let known = Known::of(&together.iter().collect::<Vec<_>>(), series.reference.bins, true)?;
    let every = TimeSpan::from_micros(series.every().micros().saturating_mul(i64::try_from(times).ok()?));
    let (_, columns) = known.powers(series, every, records);
    Some(LongerWindows { times, records, columns })
}

/// What the last window is compared with by the first rule of the monitor: for a baseline all windows.
fn usual_reference(series: &Series<'_>, windows: &[&CountedWindow]) -> Option<Known> {
    let all = || windows.iter().map(|window| &window.counts).collect::<Vec<_>>();
    let bins = series.reference.bins;
    let last = windows.last()?;
    let span = WindowSpan::of_pane(last.key.clone(), last.end);
    let rule = series.spec.references.rules.first().unwrap_or(&ReferenceRule::Fixed);
    let earlier = || windows.iter().filter(|window| window.key.start < last.key.start);
    match rule.selection(&span).ok().flatten() {
        None => Known::of(&all(), bins, true),
        Some(Selection::Latest(most)) => {
            let earlier: Vec<&WindowCounts> = earlier().map(|window| &window.counts).collect();
            Known::of(earlier.get(earlier.len().saturating_sub(most)..)?, Bins::OfOthers, true)
        }
        Some(Selection::Within(ranges)) => {
            let is_within = |start: EventTime| ranges.iter().any(|(from, to)| (*from..*to).contains(&start));
            let selected: Vec<&WindowCounts> =
                earlier().filter(|window| is_within(window.key.start)).map(|window| &window.counts).collect();
            Known::of(&selected, Bins::OfOthers, true)
        }
        // About as many records at the same time: sampling noise of both.
        Some(Selection::OfVersion(_) | Selection::OfOthers(_)) => {
            Known::of(&[&last.counts], Bins::OfOthers, false)
        }
    }
}

/// A smaller change is one by so much.
const BETTER: f64 = 0.75;

/// Whether another power finds changes that are smaller by far, or any where none was found.
pub(super) fn smaller(now: &Power, then: &Power) -> bool {
    match (now.size, then.size) {
        (Some(now), Some(then)) => then <= now * BETTER,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}
