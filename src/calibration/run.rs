//! One run over the windows: what they are judged against, what the verdicts are, which alerts fire.

use std::sync::Arc;

use super::held_out::HeldOut;
use super::windows::Chosen;
use crate::alert::ChangeKind;
use crate::baseline::Baseline;
use crate::closing::DecisionRules;
use crate::distribution::WindowCounts;
use crate::record::TimeSpan;
use crate::reference::{ReferencePlan, ReferenceRule, RuleName};
use crate::replay::{CountedWindow, Judging, JudgingSpec, ReplayedWindow};

/// How the windows are divided into what is judged and what it is judged against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Division {
    /// Each against all others: the monitor compares with a baseline.
    HeldOut,
    /// Each against the earlier windows that these rules of the monitor select, as in the daemon.
    Earlier(Vec<RuleName>),
}

impl Division {
    pub(super) fn of(plan: &ReferencePlan) -> Self {
        let earlier: Vec<RuleName> = moving(plan).rules.iter().map(ReferenceRule::name).collect();
        match plan.rules.first() {
            Some(ReferenceRule::Fixed) | None => Self::HeldOut,
            Some(_) => Self::Earlier(earlier),
        }
    }
}

/// A plan without the stored baseline, which would have the window itself in it.
fn moving(plan: &ReferencePlan) -> ReferencePlan {
    let rules = plan.rules.iter().filter(|rule| **rule != ReferenceRule::Fixed).cloned().collect();
    ReferencePlan { rules, ..plan.clone() }
}

/// How windows are judged in a run.
pub(super) struct Running<'a> {
    pub(super) rules: DecisionRules,
    pub(super) plan: &'a ReferencePlan,
    pub(super) silence: TimeSpan,
    /// What windows are judged against; otherwise the rules of the plan select it.
    pub(super) held_out: Option<&'a HeldOut>,
    /// Whose windows are given back.
    pub(super) chosen: &'a Chosen,
}

/// What is judged when single windows are rehearsed: nothing that is followed over windows, no retraining, nobody to tell.
pub(super) fn single_windows(rules: &DecisionRules) -> DecisionRules {
    let mut rules = DecisionRules { retrain: None, shadow: None, receivers: Vec::new(), ..rules.clone() };
    for column in &mut rules.judge.columns {
        column.measures.retain(|rule| !rule.measure.has_own_budget());
    }
    rules
}

impl Running<'_> {
    /// Judges the windows, which are in order of time.
    pub(super) fn run(self, windows: &[CountedWindow]) -> Vec<ReplayedWindow> {
        let Some(first) = windows.first() else { return Vec::new() };
        let plan = moving(self.plan);
        // Nothing is taken from it: it says that the counts are on these bins.
        let baseline = Baseline::of_counts(WindowCounts::empty(Arc::clone(first.counts.binnings())));
        let spec = JudgingSpec { rules: self.rules, references: plan, silence: self.silence };
        let mut judging = Judging::new(spec, vec![(String::new(), baseline)]);
        for of_start in windows.chunk_by(|left, right| left.key.start == right.key.start) {
            match self.held_out {
                Some(held_out) => judging.judge_against(of_start.to_vec(), |key| held_out.reference(key)),
                None => judging.judge(of_start.to_vec()),
            }
        }
        let mut judged = judging.finish().0;
        judged.retain(|window| self.chosen.takes(&window.key.version, &window.key.segment));
        judged
    }
}

/// Whether an alert fires with a window.
pub(super) fn fires(window: &ReplayedWindow) -> bool {
    window.changes.iter().any(|transition| transition.change.kind == ChangeKind::Firing)
}
