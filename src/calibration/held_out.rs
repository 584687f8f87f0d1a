//! Cross-validation: every window is judged against the others.
//!
//! The windows of a series are cut into folds of windows that follow each other, and those of a fold are judged against the sum of all
//! others. Neighbours are alike, so a fold is no random choice; and few windows give folds of one window, so that the reference
//! stays as large as it can.

use std::collections::HashMap;
use std::sync::Arc;

use super::windows::series_of;
use crate::distribution::WindowCounts;
use crate::record::{EventTime, TimeSpan};
use crate::reference::Reference;
use crate::replay::CountedWindow;
use crate::variation::{Bins, ChangeTest, LEAST_WINDOWS};
use crate::window::{Series, WindowKey};

/// Up to so many windows each is a fold of its own.
const ALONE: usize = 12;
/// Folds of more windows.
const FOLDS: usize = 10;

/// The references of the windows of every series.
pub(super) struct HeldOut(HashMap<Series, Vec<Fold>>);

/// Windows that are judged against all others.
struct Fold {
    first: EventTime,
    last: EventTime,
    /// None when too few windows are left.
    reference: Option<Reference>,
}

impl HeldOut {
    /// `own`: how far a window reaches back over panes before its own, which are in no reference of it.
    pub(super) fn new(windows: &[CountedWindow], bins: Bins, own: TimeSpan) -> Self {
        let folds = |series: &Series| {
            let of_series: Vec<&CountedWindow> = of_series(windows, series).collect();
            let chunks = of_series.chunks(fold_size(of_series.len()));
            let fold = |chunk: &[&CountedWindow]| {
                let (first, last) = (chunk.first()?.key.start, chunk.last()?.end);
                let from = first.shifted(-own);
                let is_apart = |window: &&&CountedWindow| window.end <= from || window.key.start >= last;
                let others: Vec<&WindowCounts> =
                    of_series.iter().filter(is_apart).map(|window| &window.counts).collect();
                Some(Fold { first, last, reference: reference(&others, bins) })
            };
            chunks.filter_map(fold).collect()
        };
        Self(series_of(windows).into_iter().map(|series| (series.clone(), folds(&series))).collect())
    }

    /// What a window is judged against.
    pub(super) fn reference(&self, key: &WindowKey) -> Option<Reference> {
        let folds = self.0.get(&(key.version.clone(), key.segment.clone()))?;
        folds.iter().find(|fold| (fold.first..fold.last).contains(&key.start))?.reference.clone()
    }

    /// How many folds a series has.
    pub(super) fn folds(&self, series: &Series) -> usize {
        self.0.get(series).map_or(0, Vec::len)
    }
}

/// Windows of a fold, of so many.
fn fold_size(windows: usize) -> usize {
    if windows <= ALONE { 1 } else { windows.div_ceil(FOLDS) }
}

/// The windows of one series.
pub(super) fn of_series<'a>(
    windows: &'a [CountedWindow],
    (version, segment): &'a Series,
) -> impl Iterator<Item = &'a CountedWindow> {
    windows.iter().filter(move |window| window.key.version == *version && window.key.segment == *segment)
}

fn reference(others: &[&WindowCounts], bins: Bins) -> Option<Reference> {
    if others.len() < LEAST_WINDOWS {
        return None;
    }
    let counts = sum(others)?;
    let test = Arc::new(ChangeTest::learned(&counts, others, bins));
    Some(Reference::baseline("the other windows".to_owned(), Some(counts), Some(test)))
}

/// The sum of counts on the same bins; none without any.
pub(super) fn sum(counts: &[&WindowCounts]) -> Option<WindowCounts> {
    WindowCounts::sum(counts.iter().copied()).ok().flatten()
}
