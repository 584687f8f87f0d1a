//! Calibration: how often a monitor would alarm although nothing changed, and what it would find, before anybody relies on it.
//!
//! A *rehearsal* judges the windows of a reference against each other, by the rules of the monitor: with the level that its budget of
//! false alarms gives, its material limits, the life of its alerts. Whatever is found is false by assumption: all of these windows
//! are called normal. It reads no clock and no store.
//!
//! | the monitor compares with | a window is judged against |
//! | --- | --- |
//! | a baseline (`fixed`) | all other windows: those of about a tenth of the time are judged together, and none of them is in their reference |
//! | earlier windows (`rolling`, `seasonal`, `previous`), others of its time (`version`, `rest`) | those that the rule selects, as in the daemon |
//!
//! Slow drift is not rehearsed: it is followed over all windows since a baseline, and spends a quarter of the budget of its own.

mod alternatives;
mod budget;
mod columns;
mod held_out;
mod interval;
mod pattern;
mod powers;
mod run;
mod series;
mod suggestion;
#[cfg(test)]
mod tests;
mod windows;

pub use alternatives::Alternative;
pub use budget::{Budget, Standing};
pub use columns::{ColumnRehearsal, FalseFindings, Remark};
pub use interval::{AlertRate, Rate};
pub use pattern::Pattern;
pub use powers::{LongerWindows, Powers};
pub use run::Division;
pub use series::{NotRehearsed, RehearsedWindow, SeriesRehearsal, Sizes};
pub use suggestion::{Suggestion, Topic};
pub use windows::{Chosen, Collecting, MOST_COUNTS, ReferenceWindows};

use crate::closing::DecisionRules;
use crate::record::TimeSpan;
use crate::reference::ReferencePlan;
use crate::replay::ReplayedWindow;
use crate::window::{WHOLE, WindowLength, WindowReach};
use alternatives::Trials;
use held_out::HeldOut;
use run::{Running, single_windows};
use series::Series;
use windows::series_of;

/// A monitor, as far as a rehearsal needs it.
#[derive(Clone, Debug)]
pub struct RehearsalSpec {
    /// Measures, limits, alerts.
    pub rules: DecisionRules,
    /// What windows are compared with.
    pub references: ReferencePlan,
    /// For how long others have records, when the alerts of a version or segment without any end.
    pub silence: TimeSpan,
    /// How long windows, or their panes, are.
    pub length: WindowLength,
}

/// What a rehearsal says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    pub monitor: String,
    pub division: Division,
    /// All versions and segments, the whole of a version before its segments.
    pub series: Vec<SeriesRehearsal>,
    /// All series together against the budget.
    pub budget: Budget,
    /// Other settings that were rehearsed on the same windows, where windows were false.
    pub alternatives: Vec<Alternative>,
    pub suggestions: Vec<Suggestion>,
    /// Starts of earlier windows that were left out, because there are too many.
    pub earlier: usize,
    /// Windows that are in no reference, because they overlap an excluded calendar.
    pub excluded: usize,
}

/// Rehearses a monitor on the windows of a reference.
#[must_use]
pub fn rehearse(spec: &RehearsalSpec, reference: &ReferenceWindows) -> Rehearsal {
    let rules = single_windows(&spec.rules);
    let division = Division::of(&spec.references);
    let windows = &reference.windows;
    let own = reach_of(spec, reference);
    let held_out = (division == Division::HeldOut).then(|| HeldOut::new(windows, reference.bins, own));
    let running = Running {
        rules: rules.clone(),
        plan: &spec.references,
        silence: spec.silence,
        held_out: held_out.as_ref(),
        chosen: &reference.chosen,
    };
    let judged = running.run(windows);
    let mut all = series_of(windows);
    let sharing = all.len();
    all.retain(|(version, segment)| reference.chosen.takes(version, segment));
    let together =
        Series { spec, rules: &rules, reference, judged: &judged, held_out: held_out.as_ref(), number: sharing };
    let series: Vec<SeriesRehearsal> = all.iter().map(|series| together.rehearsal(series)).collect();
    let budget = Budget::of(&rules, &judged, &series, spec.length.span());
    let trials = Trials {
        spec,
        reference,
        rules: &rules,
        held_out: held_out.as_ref(),
        judged: &judged,
        series: &series,
        budget: &budget,
        sharing,
    };
    let alternatives = trials.alternatives();
    let suggestions = suggestion::suggestions(spec, &series, &budget, &alternatives);
    Rehearsal {
        monitor: spec.rules.monitor.clone(),
        division,
        series,
        budget,
        alternatives,
        suggestions,
        earlier: reference.earlier,
        excluded: reference.excluded,
    }
}

/// How far windows reach back over panes before their own, about: twice as many as hold the records of a window.
fn reach_of(spec: &RehearsalSpec, reference: &ReferenceWindows) -> TimeSpan {
    let longest = spec.rules.reach.longest(spec.length.span());
    let WindowReach::Records(records) = spec.rules.reach else { return longest };
    let rows =
        reference.windows.iter().filter(|window| window.key.segment == WHOLE).map(|window| window.counts.rows());
    let panes = (2 * records).div_ceil(median(rows.collect()).unwrap_or(1).max(1));
    spec.length.span().times(i64::try_from(panes).unwrap_or(i64::MAX)).min(longest)
}

/// Whether a window has a verdict about drift.
fn is_judged(window: &ReplayedWindow) -> bool {
    window.judgement.verdict.is_judged()
}

/// The middle one of some numbers; none of none.
fn median(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}
