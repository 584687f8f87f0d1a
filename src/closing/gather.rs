//! A window that reaches back over several panes: their sum.

use crate::distribution::WindowCounts;
use crate::record::EventTime;
use crate::reference::Part;
use crate::window::{OffsetRanges, WindowKey, WindowReach, WindowSpan};

/// A pane before the one that closes.
#[derive(Clone, Debug)]
pub struct EarlierPane {
    /// Its counts.
    pub part: Part,
    /// Where its records come from.
    pub offsets: OffsetRanges,
    /// Whether every partition had passed its end.
    pub complete: bool,
}

/// A window as it is judged: its last pane with those before it that it reaches back to.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Which panes it is made of.
    pub span: WindowSpan,
    /// Their sum.
    pub counts: WindowCounts,
    /// Where its records come from.
    pub offsets: OffsetRanges,
    /// Whether all its panes are complete.
    pub complete: bool,
    /// The ids of its earlier panes, as far as they are stored.
    pub ids: Vec<i64>,
}

impl Gathered {
    /// The window of one pane.
    #[must_use]
    pub fn of_pane(
        (key, end): (WindowKey, EventTime),
        counts: WindowCounts,
        offsets: OffsetRanges,
        complete: bool,
    ) -> Self {
        Self { span: WindowSpan::of_pane(key, end), counts, offsets, complete, ids: Vec::new() }
    }

    /// Takes in the panes that the window reaches back to: `earlier` are those of its series, the latest first. It ends before
    /// the first one that is counted on other bins, so that its counts are those of all its records.
    pub fn reach_back(&mut self, reach: WindowReach, earlier: impl IntoIterator<Item = EarlierPane>) {
        for EarlierPane { part, offsets, complete } in earlier {
            if !reach.takes(part.start, self.span.end, (self.span.panes.len(), self.counts.rows())) {
                break;
            }
            let Some(part) = part.on(self.counts.binnings()) else { break };
            if self.counts.merge(&part.counts).is_err() {
                break;
            }
            self.span.extend(part.start);
            self.offsets.merge(&offsets);
            self.complete &= complete;
            self.ids.extend(part.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::binning::{Binning, BinningSet, NumericBinning};
    use crate::record::{ColumnType, ModelSchema, TimeSpan, batch_of};
    use crate::window::WHOLE;

    fn at(hour: i64) -> EventTime {
        EventTime::from_micros(hour * 3_600_000_000).unwrap()
    }

    fn bins(cuts: &[f64]) -> Arc<BinningSet> {
        let binning = NumericBinning::new(cuts.to_vec(), 0.1).unwrap();
        Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(binning))]))
    }

    fn counts(bins: &Arc<BinningSet>, records: u32) -> WindowCounts {
        let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
        let batch = batch_of(&schema, (0..records).map(|x| format!("{{\"x\": {x}}}")));
        let mut counts = WindowCounts::empty(Arc::clone(bins));
        counts.count(&batch, &(0..records).collect::<Vec<u32>>());
        counts
    }

    fn pane(bins: &Arc<BinningSet>, hour: i64, complete: bool) -> EarlierPane {
        let part = Part { id: Some(hour), start: at(hour), end: at(hour + 1), counts: Arc::new(counts(bins, 10)) };
        EarlierPane { part, offsets: OffsetRanges::default(), complete }
    }

    fn window(bins: &Arc<BinningSet>) -> Gathered {
        let key = WindowKey { version: String::new(), segment: WHOLE.to_owned(), start: at(9) };
        Gathered::of_pane((key, at(10)), counts(bins, 10), OffsetRanges::default(), true)
    }

    #[test]
    fn a_sliding_window_is_the_sum_of_its_panes() {
        let bins = bins(&[0.0, 5.0, 10.0]);
        let mut window = window(&bins);
        window.reach_back(
            WindowReach::Time(TimeSpan::hours(4)),
            (0..9).rev().map(|hour| pane(&bins, hour, hour != 7)),
        );
        assert_eq!((window.counts.rows(), window.span.from, window.ids.as_slice()), (40, at(6), &[8, 7, 6][..]));
        assert_eq!(window.counts, counts_of_four(&bins));
        assert!(!window.complete, "one of its panes is not");
    }

    fn counts_of_four(bins: &Arc<BinningSet>) -> WindowCounts {
        let mut sum = counts(bins, 10);
        for _ in 0..3 {
            sum.merge(&counts(bins, 10)).unwrap();
        }
        sum
    }

    #[test]
    fn a_window_begins_where_the_bins_change() {
        let (now, before) = (bins(&[0.0, 5.0, 10.0]), bins(&[0.0, 3.0, 10.0]));
        let mut window = window(&now);
        let panes = (0..9).rev().map(|hour| pane(if hour < 7 { &before } else { &now }, hour, true));
        window.reach_back(WindowReach::Records(100), panes);
        assert_eq!((window.counts.rows(), window.span.from), (30, at(7)));
    }

    #[test]
    fn a_tumbling_window_is_its_pane() {
        let bins = bins(&[0.0, 5.0, 10.0]);
        let mut window = window(&bins);
        window.reach_back(WindowReach::Pane, (0..9).rev().map(|hour| pane(&bins, hour, true)));
        assert_eq!((window.counts.rows(), window.span.from), (10, at(9)));
    }
}
