//! The rehearsal of one series: a model version and a segment.

use super::columns::ColumnRehearsal;
use super::held_out::{HeldOut, of_series};
use super::interval::Rate;
use super::powers::{LongerWindows, Powers};
use super::run::{Division, fires};
use super::{ReferenceWindows, RehearsalSpec, is_judged, median};
use crate::closing::DecisionRules;
use crate::judge::{Judgement, RECORDS, Verdict};
use crate::record::{EventTime, TimeSpan};
use crate::replay::{CountedWindow, ReplayedWindow};
use crate::variation::LEAST_WINDOWS;

/// How many records windows have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub least: u64,
    pub median: u64,
    pub most: u64,
}

/// Why nothing is said about false alarms of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRehearsed {
    /// It has fewer windows than it takes to learn how windows differ, and to judge one more.
    TooFewWindows {
        /// How many it takes.
        needed: usize,
    },
    /// No window was judged: all have fewer records than the monitor wants.
    TooFewRecords {
        /// `judge.min_records`.
        min_records: u64,
    },
    /// No window was judged, because no rule gave a reference, or no column can be compared.
    NoneJudged,
}

/// A window of the reference, and what is falsely found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsedWindow {
    pub start: EventTime,
    pub end: EventTime,
    pub records: u64,
    /// A window that drifts is a false window.
    pub verdict: Verdict,
    /// The columns that moved, most moved first, and [`RECORDS`].
    pub columns: Vec<String>,
    /// Whether an alert fires with it.
    pub fires: bool,
}

/// What a rehearsal says of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRehearsal {
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    /// The start of the first window.
    pub from: EventTime,
    /// The end of the last one.
    pub to: EventTime,
    /// Windows that there are.
    pub windows: usize,
    /// Windows with a verdict about drift.
    pub judged: usize,
    /// Records of a window, all windows taken.
    pub records: Sizes,
    /// Records of the usual window that is judged, which power is for; without any the least that one has.
    pub usual: u64,
    /// How many folds the windows were cut into; 0 where rules select the reference.
    pub folds: usize,
    /// Why nothing is said about false alarms; none where something is.
    pub not_rehearsed: Option<NotRehearsed>,
    /// The accepted chance of a false finding in a window, over all columns.
    pub level: f64,
    /// Of judged windows those with a finding that chance does not explain, whatever its limits.
    pub significant: Rate,
    /// Those that drift: false windows.
    pub false_windows: Rate,
    /// Those that only warn.
    pub warned: usize,
    /// Alerts that fire. Those of one window count once.
    pub alerts: usize,
    /// All windows in order of time.
    pub all: Vec<RehearsedWindow>,
    /// How much windows are like the one before, 0 to 0.9.
    pub autocorrelation: f64,
    /// In the order of the monitor.
    pub columns: Vec<ColumnRehearsal>,
    /// What longer windows would find.
    pub longer: Vec<LongerWindows>,
}

impl SeriesRehearsal {
    /// The windows that drift or warn, in order of time.
    pub fn moved(&self) -> impl Iterator<Item = &RehearsedWindow> {
        self.all.iter().filter(|window| window.verdict.moved())
    }
}

/// What all series of a rehearsal share.
pub(super) struct Series<'a> {
    pub(super) spec: &'a RehearsalSpec,
    pub(super) rules: &'a DecisionRules,
    pub(super) reference: &'a ReferenceWindows,
    pub(super) judged: &'a [ReplayedWindow],
    pub(super) held_out: Option<&'a HeldOut>,
    /// How many series share the budget.
    pub(super) number: usize,
}

impl Series<'_> {
    pub(super) fn rehearsal(&self, series: &(String, String)) -> SeriesRehearsal {
        let (version, segment) = series;
        let counted: Vec<&CountedWindow> = of_series(&self.reference.windows, series).collect();
        let replayed: Vec<&ReplayedWindow> = self
            .judged
            .iter()
            .filter(|window| window.key.version == *version && window.key.segment == *segment)
            .collect();
        let judged: Vec<&ReplayedWindow> = replayed.iter().copied().filter(|window| is_judged(window)).collect();
        let sizes: Vec<u64> = replayed.iter().map(|window| window.judgement.n_window).collect();
        let records = Sizes {
            least: sizes.iter().copied().min().unwrap_or(0),
            most: sizes.iter().copied().max().unwrap_or(0),
            median: median(sizes).unwrap_or(0),
        };
        let usual = median(judged.iter().map(|window| window.judgement.n_window).collect());
        let usual = usual.unwrap_or_else(|| records.median.max(self.rules.judge.min_records));
        let powers = Powers::new(self, &counted, usual);
        let flags = |has: fn(&Judgement) -> bool| {
            let flags: Vec<bool> = judged.iter().map(|window| has(&window.judgement)).collect();
            Rate::of_windows(&flags)
        };
        let columns = ColumnRehearsal::all(self, &counted, &replayed, &powers);
        SeriesRehearsal {
            version: version.clone(),
            segment: segment.clone(),
            from: counted.first().map(|window| window.key.start).unwrap_or_default(),
            to: counted.last().map(|window| window.end).unwrap_or_default(),
            windows: counted.len(),
            judged: judged.len(),
            records,
            usual,
            folds: self.held_out.map_or(0, |held_out| held_out.folds(series)),
            not_rehearsed: self.obstacle(counted.len(), judged.len(), records),
            level: powers.level,
            significant: flags(|judgement| {
                judgement.findings.iter().any(|finding| finding.significant && finding.limits.is_some())
            }),
            false_windows: flags(|judgement| judgement.verdict.drifts()),
            warned: judged.iter().filter(|window| window.judgement.verdict == Verdict::Warn).count(),
            alerts: replayed.iter().filter(|window| fires(window)).count(),
            all: replayed.iter().map(|window| rehearsed(window)).collect(),
            autocorrelation: powers.autocorrelation,
            columns,
            longer: LongerWindows::all(self, &counted),
        }
    }

    fn obstacle(&self, windows: usize, judged: usize, records: Sizes) -> Option<NotRehearsed> {
        let needed = LEAST_WINDOWS + 1;
        let min_records = self.rules.judge.min_records;
        if Division::of(&self.spec.references) == Division::HeldOut && windows < needed {
            Some(NotRehearsed::TooFewWindows { needed })
        } else if judged == 0 && records.most < min_records {
            Some(NotRehearsed::TooFewRecords { min_records })
        } else {
            (judged == 0).then_some(NotRehearsed::NoneJudged)
        }
    }

    /// How often a window of the monitor ends.
    pub(super) fn every(&self) -> TimeSpan {
        self.spec.length.span()
    }
}

fn rehearsed(window: &ReplayedWindow) -> RehearsedWindow {
    let rows = window.judgement.rows().filter(|finding| finding.verdict.moved()).map(|_| RECORDS.to_owned());
    RehearsedWindow {
        start: window.from,
        end: window.end,
        records: window.judgement.n_window,
        verdict: window.judgement.verdict,
        columns: window.judgement.moved().map(|column| column.column.clone()).chain(rows).collect(),
        fires: fires(window),
    }
}
