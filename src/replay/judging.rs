//! Judging counted windows one after the other, as the daemon does when it closes them: for replays of logs, and for stored
//! windows that are judged again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::{ReplayedAlert, ReplayedWindow};
use crate::alert::{
    ChangeKind, ChangeReason, Evidence, Routing, RuleKind, SeriesAlerts, Transition, WindowEvidence,
};
use crate::baseline::Baseline;
use crate::binning::BinningSet;
use crate::closing::{
    ClosingWindow, Decision, DecisionRules, EarlierPane, Gathered, RefreshedAlert, decide_window,
};
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::SeriesTrend;
use crate::record::{EventTime, TimeSpan};
use crate::reference::{
    Fit, History, Part, Reference, ReferenceChoice, ReferencePlan, Resolution, RowsOfWindow, Unusable, UsualRows,
};
use crate::window::{OffsetRanges, Series, WindowKey, WindowSpan};

/// A window with all that was counted in it.
#[derive(Clone, Debug)]
pub struct CountedWindow {
    /// Its id, when it is stored.
    pub id: Option<i64>,
    /// Version, segment, start.
    pub key: WindowKey,
    pub end: EventTime,
    /// What was counted.
    pub counts: WindowCounts,
    /// A sample of its records, empty when none is kept.
    pub sample: RecordSample,
    /// What it is made of.
    pub offsets: OffsetRanges,
    /// Whether every partition had passed its end.
    pub complete: bool,
    /// Whether its number of records can be compared: not of the last window of a log, which ends where the log was cut.
    pub is_whole: bool,
}

/// How windows are judged.
#[derive(Clone, Debug)]
pub struct JudgingSpec {
    /// Measures, limits, alerts, retraining.
    pub rules: DecisionRules,
    /// What windows are compared with.
    pub references: ReferencePlan,
    /// For how long others have records, when the alerts of a version or segment without any end.
    pub silence: TimeSpan,
}

/// The machine: counted windows in the order of their starts in, verdicts and alerts out.
pub struct Judging {
    spec: JudgingSpec,
    /// With what they are called, the preferred one first.
    baselines: Vec<(String, Baseline)>,
    /// Closed windows, and those that close with them, for references.
    history: History,
    alerts: HashMap<Series, SeriesAlerts>,
    /// Where each series stands after its last window.
    trends: HashMap<Series, SeriesTrend>,
    /// Closed panes that later windows may reach back to, the last one first.
    panes: HashMap<Series, VecDeque<EarlierPane>>,
    /// The start of the last window of each series.
    last: HashMap<Series, EventTime>,
    /// The same, with the windows that close now.
    starts: HashMap<Series, EventTime>,
    /// Every alert there was, and what it rests on.
    episodes: HashMap<Uuid, ReplayedAlert>,
    requested: Vec<Uuid>,
    requests: Vec<EventTime>,
    done: Vec<ReplayedWindow>,
}

impl Judging {
    /// Nothing judged yet; a window is compared with the first baseline that has bins for its counts.
    #[must_use]
    pub fn new(spec: JudgingSpec, baselines: Vec<(String, Baseline)>) -> Self {
        Self {
            history: History::new(spec.references.clone(), spec.rules.reach),
            spec,
            baselines,
            alerts: HashMap::new(),
            trends: HashMap::new(),
            panes: HashMap::new(),
            last: HashMap::new(),
            starts: HashMap::new(),
            episodes: HashMap::new(),
            requested: Vec::new(),
            requests: Vec::new(),
            done: Vec::new(),
        }
    }

    /// The preferred baseline.
    pub(super) fn baseline(&self) -> Option<&(String, Baseline)> {
        self.baselines.first()
    }

    /// Prefers this baseline from now on.
    pub(super) fn prefer(&mut self, name: String, baseline: Baseline) {
        self.baselines.insert(0, (name, baseline));
    }

    /// The windows and the alerts there were.
    #[must_use]
    pub fn finish(self) -> (Vec<ReplayedWindow>, HashMap<Uuid, ReplayedAlert>) {
        (self.done, self.episodes)
    }

    /// Takes windows into account for the references of later ones without judging them.
    pub fn remember(&mut self, windows: &[CountedWindow]) {
        for CountedWindow { key, end, counts, .. } in windows.iter().filter(|window| window.complete) {
            self.remember_rows(key, RowsOfWindow { start: key.start, end: *end, rows: counts.rows() });
        }
        if self.spec.references.is_fixed() {
            return;
        }
        for CountedWindow { id, key, end, counts, .. } in windows {
            self.history.add(key, Part { id: *id, start: key.start, end: *end, counts: Arc::new(counts.clone()) });
        }
    }

    /// Takes the number of records of a complete window into account for that of later ones.
    pub fn remember_rows(&mut self, key: &WindowKey, window: RowsOfWindow) {
        self.history.add_rows(key, window);
    }

    /// As [`Self::remember`], and for the windows that reach back over them.
    pub fn remember_panes(&mut self, windows: &[CountedWindow]) {
        self.remember(windows);
        for CountedWindow { key, .. } in windows {
            self.starts.insert((key.version.clone(), key.segment.clone()), key.start);
        }
        if self.spec.rules.reach.is_pane() {
            return;
        }
        for CountedWindow { id, key, end, counts, offsets, complete, .. } in windows {
            let series = (key.version.clone(), key.segment.clone());
            let part = Part { id: *id, start: key.start, end: *end, counts: Arc::new(counts.clone()) };
            let panes = self.panes.entry(series).or_default();
            panes.push_front(EarlierPane { part, offsets: offsets.clone(), complete: *complete });
            let longest = self.spec.rules.reach.longest(end.since(key.start));
            while panes.back().is_some_and(|pane| pane.part.start < end.shifted(-longest)) {
                panes.pop_back();
            }
        }
    }

    /// Judges the windows of one start, in their order.
    pub fn judge(&mut self, windows: Vec<CountedWindow>) {
        self.remember_panes(&windows);
        for window in windows {
            self.judge_one(window, None);
        }
    }

    /// As [`Self::judge`], each window against a reference that is given instead of one by the rules of the monitor. A window without
    /// one has no verdict.
    pub fn judge_against(
        &mut self,
        windows: Vec<CountedWindow>,
        reference: impl Fn(&WindowKey) -> Option<Reference>,
    ) {
        self.remember_panes(&windows);
        for window in windows {
            let given = Resolution::default();
            let given = match reference(&window.key) {
                Some(reference) => given.found(reference),
                None => given.nothing(),
            };
            self.judge_one(window, Some(given));
        }
    }

    /// The window that ends with a pane.
    fn gathered(&self, pane: CountedWindow) -> Gathered {
        let CountedWindow { key, end, counts, offsets, complete, .. } = pane;
        let (start, series) = (key.start, (key.version.clone(), key.segment.clone()));
        let mut window = Gathered::of_pane((key, end), counts, offsets, complete);
        let panes = self.panes.get(&series).into_iter().flatten();
        let earlier = panes.filter(|pane| pane.part.start < start && pane.part.counts.rows() > 0);
        window.reach_back(self.spec.rules.reach, earlier.cloned());
        window
    }

    fn judge_one(&mut self, mut pane: CountedWindow, given: Option<(Option<Reference>, ReferenceChoice)>) {
        let (id, key, end, is_whole) = (pane.id, pane.key.clone(), pane.end, pane.is_whole);
        let series = (key.version.clone(), key.segment.clone());
        let alerts = self.alerts.remove(&series).unwrap_or_default();
        let chosen = self.baselines.iter().find_map(|(name, baseline)| {
            Some((Fit::of(pane.counts.binnings(), &baseline.binnings)?, name, baseline))
        });
        if let Some((fit, _, baseline)) = chosen {
            fit.apply(&mut pane.counts, &baseline.binnings);
        }
        let (pane_rows, sample) = (pane.counts.rows(), std::mem::replace(&mut pane.sample, RecordSample::new(0)));
        let Gathered { span, counts, offsets, complete, .. } = self.gathered(pane);
        let evidence = WindowEvidence {
            id,
            start: span.from.into(),
            end: end.into(),
            records: counts.rows(),
            late_records: 0,
            complete,
            revision: 0,
            offsets,
        };
        let (reference, choice) = given
            .unwrap_or_else(|| self.reference(&span, chosen.map(|(_, name, baseline)| (name.as_str(), baseline))));
        let usual_rows =
            if is_whole { self.history.usual_rows(&span, reference.as_ref()) } else { UsualRows::default() };
        let from = span.from;
        let closing = ClosingWindow {
            span,
            counts,
            pane_rows,
            sample,
            evidence,
            reference,
            usual_rows,
            series: self.series_within(end),
            accepted: Vec::new(),
            rested_on: self.rested_on(&alerts),
            alerts,
            feed_broken: false,
            requested: self.requested.clone(),
            requests: self.requests.clone(),
            amends: None,
            trend: Some(self.trends.remove(&series).unwrap_or_default()),
        };
        let decision = decide_window(&closing, &self.spec.rules, &Routing::default(), end);
        self.take((id, key, from, end), &series, choice, decision);
    }

    fn take(
        &mut self,
        (id, key, from, end): (Option<i64>, WindowKey, EventTime, EventTime),
        series: &Series,
        reference: ReferenceChoice,
        decision: Decision,
    ) {
        let Decision { judgement, alerts, changes, refreshed, retrain, trend, request, .. } = decision;
        self.trends.extend(trend.map(|trend| (series.clone(), trend)));
        let phase = alerts.states().map(|(_, _, state)| state.phase).max().unwrap_or_default();
        self.last.insert(series.clone(), key.start);
        self.alerts.insert(series.clone(), alerts);
        // Windows of one start close one after the other: what is gone at the first is gone at all.
        let begins = self.done.last().is_none_or(|last| last.key.start != key.start);
        let gone = if begins { self.end_gone(key.start) } else { Vec::new() };
        for changed in &changes {
            let change = &changed.transition.change;
            if changed.kind == RuleKind::DataQuality {
                match change.kind {
                    ChangeKind::Firing => self.history.broken_since(series, change.id, change.since),
                    kind if kind.is_over() => self.history.mended_at(series, change.id, key.start),
                    _ => {}
                }
            }
            let alert = self.episodes.entry(change.id).or_default();
            (alert.windows, alert.judged) = (change.windows, change.judged);
            if let Some(evidence) = &changed.evidence {
                alert.evidence = evidence.clone();
            }
        }
        for RefreshedAlert { id, evidence, windows, judged, .. } in refreshed {
            self.episodes.insert(id, ReplayedAlert { evidence, windows, judged });
        }
        let requested_by = request.map(|request| request.alert());
        if let Some(alert) = requested_by {
            self.requested.push(alert);
            self.requests.push(end);
        }
        let changes: Vec<Transition> = changes.into_iter().map(|changed| changed.transition).collect();
        self.done.push(ReplayedWindow {
            id,
            key,
            from,
            end,
            reference,
            judgement,
            phase,
            changes,
            retraining: retrain,
            requested_by,
            gone,
        });
    }

    /// The reference by the first rule that gives one, as the daemon resolves it. `baseline` is that whose bins the window's
    /// counts are on.
    fn reference(
        &self,
        window: &WindowSpan,
        baseline: Option<(&str, &Baseline)>,
    ) -> (Option<Reference>, ReferenceChoice) {
        let key = &window.key;
        let mut tried = Resolution::default();
        for rule in &self.spec.references.rules {
            let found = match baseline {
                None => Err(Unusable::no_baseline()),
                Some((name, baseline)) => rule.selection(window).and_then(|selection| match selection {
                    None => Ok(of_baseline(name, baseline, &key.segment)),
                    Some(selection) => {
                        let bins: &Arc<BinningSet> = &baseline.binnings;
                        rule.reference(
                            key,
                            bins,
                            self.history.select(window, &selection),
                            self.spec.references.min_records,
                        )
                    }
                }),
            };
            match found {
                Ok(reference) => return tried.found(reference),
                Err(reason) => tried.pass_over(rule.name(), &reason),
            }
        }
        // Otherwise nothing could be said that ends the alert, whose windows are in no reference.
        let series = (key.version.clone(), key.segment.clone());
        match baseline.filter(|_| self.history.is_broken(&series)) {
            Some((name, baseline)) => tried.found(of_baseline(name, baseline, &key.segment)),
            None => tried.nothing(),
        }
    }

    /// Ends the alerts of series that have had no records for so long that they are gone, as the daemon does.
    fn end_gone(&mut self, newest: EventTime) -> Vec<Uuid> {
        let (last, silence) = (&self.last, self.spec.silence);
        let is_gone = |series: &Series| last.get(series).is_some_and(|start| start.shifted(silence) < newest);
        let gone = self.alerts.iter_mut().filter(|(series, _)| is_gone(series));
        let ended: Vec<(Series, Uuid)> = gone
            .flat_map(|(series, alerts)| {
                let ended = alerts.end_all(ChangeReason::NoMoreRecords).into_iter();
                ended.map(|transition| (series.clone(), transition.change.id))
            })
            .collect();
        for (series, alert) in &ended {
            self.history.mended_at(series, *alert, newest);
        }
        ended.into_iter().map(|(_, alert)| alert).collect()
    }

    /// How many series share the budget of false alarms: those with a window that starts within its period before `end`.
    fn series_within(&self, end: EventTime) -> usize {
        let Some(period) = self.spec.rules.judge.false_alarms.period() else { return 1 };
        let from = end.shifted(-period);
        self.starts.values().filter(|start| **start >= from).count()
    }

    /// What the running alerts of a series rested on before.
    fn rested_on(&self, alerts: &SeriesAlerts) -> HashMap<Uuid, Evidence> {
        let episodes = alerts.states().filter_map(|(_, _, state)| state.episode.as_ref());
        episodes
            .filter_map(|episode| Some((episode.id, self.episodes.get(&episode.id)?.evidence.clone())))
            .collect()
    }
}

/// A baseline as the reference of windows of a segment.
fn of_baseline(name: &str, baseline: &Baseline, segment: &str) -> Reference {
    let (counts, test) = (baseline.segments.get(segment), baseline.tests.get(segment));
    Reference::baseline(name.to_owned(), counts.cloned(), test.cloned())
}
