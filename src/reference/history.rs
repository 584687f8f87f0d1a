//! Closed windows that are kept in memory for the references of later ones: what a replay has in place of the database.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::season::TimeRange;
use super::{Part, Reference, ReferencePlan, ReferenceRule, RowsOfWindow, Selection, UsualRows};
use crate::record::EventTime;
use crate::window::{MOST_PANES, Series, WHOLE, WindowKey, WindowReach, WindowSpan};

/// Windows of a series after which those that are not needed are dropped.
const LOOK_EVERY: usize = 64;
/// Windows with an alert about data quality that are kept at most.
const EXCLUDED: usize = 64;

/// What is known of the windows of each series, by their starts.
type BySeries<T> = HashMap<Series, BTreeMap<EventTime, T>>;

/// The windows there were, by series, as far back as the rules of a plan reach.
#[derive(Clone, Debug)]
pub struct History {
    plan: ReferencePlan,
    reach: WindowReach,
    windows: BySeries<Part>,
    /// The numbers of records of complete windows, which reach back as far as the rules for these.
    rows: BySeries<RowsOfWindow>,
    /// Alerts about data quality, by version and segment: since when, and until when if they are over.
    broken: HashMap<Series, HashMap<Uuid, (EventTime, Option<EventTime>)>>,
}

impl History {
    /// No window yet.
    #[must_use]
    pub fn new(plan: ReferencePlan, reach: WindowReach) -> Self {
        Self { plan, reach, windows: HashMap::new(), rows: HashMap::new(), broken: HashMap::new() }
    }

    /// Adds a window; those that no rule reaches any more are dropped.
    pub fn add(&mut self, key: &WindowKey, part: Part) {
        if self.plan.is_fixed() || part.counts.rows() == 0 {
            return;
        }
        let (number, span) = self.plan.reach();
        // What a window reaches back over is in none of its references.
        let pane = part.end.since(part.start);
        let own = self.reach.longest(pane);
        let number = number + usize::try_from(own.micros() / pane.micros().max(1)).unwrap_or(MOST_PANES);
        let oldest = part.start.shifted(-span).shifted(-own);
        let series = (key.version.clone(), key.segment.clone());
        self.windows.entry(series.clone()).or_default().insert(part.start, part);
        if self.windows.get(&series).is_some_and(|windows| !windows.len().is_multiple_of(LOOK_EVERY)) {
            return;
        }
        // Windows that are excluded take nobody's place; of those the latest ones are kept, as an alert may be over.
        let usable: HashSet<EventTime> = self
            .usable(&series)
            .filter(|part| self.plan.admits(part.start, part.end))
            .map(|part| part.start)
            .collect();
        let Some(windows) = self.windows.get_mut(&series) else { return };
        let mut kept = (0, 0);
        let starts: Vec<EventTime> = windows.keys().rev().copied().collect();
        for start in starts {
            let is_usable = usable.contains(&start);
            let place = if is_usable { &mut kept.0 } else { &mut kept.1 };
            *place += 1;
            let is_needed = if is_usable { *place <= number || start >= oldest } else { *place <= EXCLUDED };
            if !is_needed {
                windows.remove(&start);
            }
        }
    }

    /// Adds the number of records of a complete window; those that no rule reaches any more are dropped.
    pub fn add_rows(&mut self, key: &WindowKey, window: RowsOfWindow) {
        if self.plan.volume.is_empty() || window.rows == 0 {
            return;
        }
        let (number, span) = self.plan.volume_reach();
        let oldest = window.start.shifted(-span);
        let windows = self.rows.entry((key.version.clone(), key.segment.clone())).or_default();
        windows.insert(window.start, window);
        while windows.len() > number + EXCLUDED
            && let Some(first) = windows.first_entry().filter(|first| *first.key() < oldest)
        {
            first.remove();
        }
    }

    /// What the number of records of a window is compared with, given its reference.
    #[must_use]
    pub fn usual_rows(&self, window: &WindowSpan, reference: Option<&Reference>) -> UsualRows {
        if self.plan.volume.is_empty() {
            return UsualRows::default();
        }
        let last = WindowSpan::of_pane(window.key.clone(), window.end);
        let by_rule = |rule: &ReferenceRule| {
            let selection = rule.selection(&last).ok()??;
            UsualRows::of_windows(rule, &last.key, self.select_rows(&last.key, &selection)).ok()
        };
        let of_reference = UsualRows::of_reference(reference, window);
        of_reference.or_else(|| self.plan.volume.iter().find_map(by_rule)).unwrap_or_default()
    }

    fn select_rows(&self, key: &WindowKey, selection: &Selection) -> Vec<RowsOfWindow> {
        self.earlier((&self.rows, |window| window.end), key, key.start, selection)
    }

    /// The windows of the series of a key before a time that a rule selects, of those that may be part of a reference; none for a rule
    /// that selects others.
    fn earlier<T: Clone>(
        &self,
        (windows, end): (&BySeries<T>, fn(&T) -> EventTime),
        key: &WindowKey,
        before: EventTime,
        selection: &Selection,
    ) -> Vec<T> {
        let series = (key.version.clone(), key.segment.clone());
        let broken = self.broken_ranges(&series);
        let earlier = windows.get(&series).into_iter().flat_map(|windows| windows.range(..before));
        let usable = earlier
            .filter(|(start, window)| self.plan.admits(**start, end(window)) && !is_within_any(&broken, **start));
        match selection {
            Selection::Latest(most) => {
                let mut latest: Vec<T> = usable.map(|(_, window)| window.clone()).collect();
                latest.split_off(latest.len().saturating_sub(*most))
            }
            Selection::Within(ranges) => {
                let is_within =
                    |start: &EventTime| ranges.iter().any(|(from, to): &TimeRange| from <= start && start < to);
                usable.filter(|(start, _)| is_within(start)).map(|(_, window)| window.clone()).collect()
            }
            Selection::OfVersion(_) | Selection::OfOthers(_) => Vec::new(),
        }
    }

    /// Says that an alert about the data of a series holds for the windows from here on.
    pub fn broken_since(&mut self, series: &Series, alert: Uuid, since: EventTime) {
        self.broken.entry(series.clone()).or_default().insert(alert, (since, None));
    }

    /// Says that such an alert, if it is one, does not hold for the windows from here on.
    pub fn mended_at(&mut self, series: &Series, alert: Uuid, until: EventTime) {
        if let Some(range) = self.broken.get_mut(series).and_then(|alerts| alerts.get_mut(&alert)) {
            range.1 = Some(until);
        }
    }

    /// Whether an alert says that the data of a series, or of its version as a whole, is broken.
    #[must_use]
    pub fn is_broken(&self, series: &Series) -> bool {
        self.broken_ranges(series).iter().any(|(_, until)| until.is_none())
    }

    /// The windows that a rule selects for the reference of a window.
    #[must_use]
    pub fn select(&self, window: &WindowSpan, selection: &Selection) -> Vec<Part> {
        let key = &window.key;
        match selection {
            Selection::Latest(_) | Selection::Within(_) => {
                self.earlier((&self.windows, |part| part.end), key, window.from, selection)
            }
            Selection::OfVersion(version) => {
                let champion = (version.clone(), key.segment.clone());
                self.in_time(&champion, window).cloned().collect()
            }
            Selection::OfOthers(column) => {
                let is_other = |series: &&Series| {
                    series.0 == key.version
                        && series.1 != key.segment
                        && series.1.split_once('=').is_some_and(|(name, _)| name == column)
                };
                let others = self.windows.keys().filter(is_other);
                others.flat_map(|series| self.in_time(series, window)).cloned().collect()
            }
        }
    }

    /// The windows of a series without an alert about data quality, of its own or of the whole.
    fn usable(&self, series: &Series) -> impl Iterator<Item = &Part> {
        let broken = self.broken_ranges(series);
        let windows = self.windows.get(series).into_iter().flat_map(BTreeMap::values);
        windows.filter(move |part| !is_within_any(&broken, part.start))
    }

    /// The windows of a series in the time of another; alerts about their data do not exclude them.
    fn in_time(&self, series: &Series, window: &WindowSpan) -> impl Iterator<Item = &Part> {
        let windows = self.windows.get(series).into_iter();
        windows.flat_map(|windows| windows.range(window.from..window.end)).map(|(_, part)| part)
    }

    fn broken_ranges(&self, series: &Series) -> Vec<(EventTime, Option<EventTime>)> {
        let whole = (series.0.clone(), WHOLE.to_owned());
        let alerts = [series, &whole].into_iter().filter_map(|series| self.broken.get(series));
        alerts.flat_map(|alerts| alerts.values().copied()).collect()
    }
}

fn is_within_any(ranges: &[(EventTime, Option<EventTime>)], time: EventTime) -> bool {
    ranges.iter().any(|(since, until)| *since <= time && until.is_none_or(|until| time < until))
}
