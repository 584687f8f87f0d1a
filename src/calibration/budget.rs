//! All series together against the budget of false alarms.

use std::collections::BTreeMap;

use super::interval::{AlertRate, Rate, number};
use super::is_judged;
use super::run::fires;
use super::series::SeriesRehearsal;
use crate::closing::DecisionRules;
use crate::judge::FalseAlarms;
use crate::record::{EventTime, TimeSpan};
use crate::replay::ReplayedWindow;

/// Alerts are counted per this time where no budget names another one.
const PERIOD: TimeSpan = TimeSpan::days(30);

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What was seen lies below it with its whole interval.
    Kept,
    /// What was seen lies above it with its whole interval.
    Broken,
    /// So few windows cannot tell.
    Unknown,
}

/// All series together against the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// What is accepted.
    pub accepted: FalseAlarms,
    pub standing: Standing,
    /// The time that alerts are counted per: that of the budget.
    pub period: TimeSpan,
    /// Alerts that fired. None when no window was judged.
    pub alerts: Option<AlertRate>,
    /// Times with a window of any series that drifts, of all times with a window that was judged.
    pub windows: Rate,
    /// The chance of a false window that is accepted at such a time: the level of a window, times the series.
    pub level: f64,
    /// How many times with a window, in all, would show that it is kept if nothing more were false; none when it is known, or is beyond any
    /// reason.
    pub windows_needed: Option<f64>,
    /// How often a window ends.
    pub every: TimeSpan,
}

/// What was seen at one start, in all series.
#[derive(Clone, Copy, Default)]
struct Seen {
    judged: usize,
    drifts: bool,
    fires: bool,
}

impl Budget {
    pub(super) fn of(
        rules: &DecisionRules,
        judged: &[ReplayedWindow],
        series: &[SeriesRehearsal],
        every: TimeSpan,
    ) -> Self {
        let mut starts: BTreeMap<EventTime, Seen> = BTreeMap::new();
        for window in judged {
            let seen = starts.entry(window.key.start).or_default();
            seen.judged += usize::from(is_judged(window));
            seen.drifts |= window.judgement.verdict.drifts();
            seen.fires |= fires(window);
        }
        let seen: Vec<Seen> = starts.into_values().filter(|seen| seen.judged > 0).collect();
        let accepted = rules.judge.false_alarms;
        let period = accepted.period().unwrap_or(PERIOD);
        let periods = number(seen.len()) * every.as_seconds() / period.as_seconds();
        let fired = seen.iter().filter(|seen| seen.fires).count();
        let alerts = (!seen.is_empty()).then(|| AlertRate::new(fired, periods));
        let windows = Rate::of_windows(&seen.iter().map(|seen| seen.drifts).collect::<Vec<_>>());
        let side_by_side = seen.iter().map(|seen| seen.judged).sum::<usize>();
        let level = series.iter().map(|series| series.level).fold(0.0, f64::max);
        let level = (level * number(side_by_side) / number(seen.len()).max(1.0)).min(1.0);
        let is_broken_by_windows = windows.count > 0 && windows.low > level;
        let (standing, needed) = match (accepted, alerts) {
            (_, None) => (Standing::Unknown, None),
            (FalseAlarms::PerWindow(_), _) if is_broken_by_windows => (Standing::Broken, None),
            (FalseAlarms::PerWindow(_), _) if windows.high <= level => (Standing::Kept, None),
            (FalseAlarms::PerWindow(_), _) => (Standing::Unknown, windows.windows_needed(level)),
            (FalseAlarms::Budget { alarms, .. }, Some(alerts)) if is_broken_by_windows || alerts.low > alarms => {
                (Standing::Broken, None)
            }
            (FalseAlarms::Budget { alarms, .. }, Some(alerts)) if alerts.high <= alarms => (Standing::Kept, None),
            (FalseAlarms::Budget { alarms, .. }, Some(alerts)) => {
                let periods = alerts.periods_needed(alarms);
                let windows = |periods: f64| periods * period.as_seconds() / every.as_seconds().max(1.0);
                (Standing::Unknown, Some(windows(periods)))
            }
        };
        Self { accepted, standing, period, alerts, windows, level, windows_needed: needed, every }
    }

    /// Whether alerts are more than accepted; otherwise a broken budget is broken by windows that drift.
    #[must_use]
    pub fn is_broken_by_alerts(&self) -> bool {
        match (self.accepted, self.alerts) {
            (FalseAlarms::Budget { alarms, .. }, Some(alerts)) => alerts.low > alarms,
            _ => false,
        }
    }
}
