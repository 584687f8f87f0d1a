//! Proposals of wider limits, and the limits that people accepted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::account::{LimitChoice, LimitDecision, Obstacle, Proposal};
use crate::escape::plain;
use crate::judge::why::{effect_words, number};
use crate::judge::{JudgeSpec, Subject};
use crate::measure::Thresholds;
use crate::record::Timestamp;

/// Limits of the effect of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LimitsView {
    /// At or above it: warn.
    pub warn: f64,
    /// At or above it: drift.
    pub critical: f64,
}

impl From<Thresholds> for LimitsView {
    fn from(Thresholds { warn, critical }: Thresholds) -> Self {
        Self { warn, critical }
    }
}

impl LimitsView {
    /// For people: `warn 0.1, drift 0.2`.
    #[must_use]
    pub fn in_words(self) -> String {
        format!("warn {}, drift {}", number(self.warn), number(self.critical))
    }
}

/// Who decided about limits, when and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PersonsDecision {
    /// ID by which it is withdrawn: that of the proposal that the person decided about.
    pub id: Uuid,
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: Timestamp,
    /// Why.
    pub comment: String,
}

impl From<&LimitDecision> for PersonsDecision {
    fn from(decision: &LimitDecision) -> Self {
        Self {
            id: decision.id,
            by: decision.actor.clone(),
            at: decision.at.into(),
            comment: decision.comment.clone(),
        }
    }
}

/// A proposal of wider limits for a measure that carried a false alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProposalView {
    /// Proposal ID; another one when other limits are proposed.
    pub id: Uuid,
    /// Column name; `(records)` for the number of records.
    pub column: String,
    /// Measure.
    pub measure: String,
    /// Limits that hold now.
    pub limits: LimitsView,
    /// Wider limits; null if there are none, see `obstacle`.
    pub proposed: Option<LimitsView>,
    /// Why no wider limits can be proposed.
    pub obstacle: Option<String>,
    /// Largest effect in a window of the false alarms.
    pub largest_effect: f64,
    /// The false alarms it rests on.
    pub alerts: Vec<Uuid>,
    /// Stored false alarms that would not have fired with these limits.
    pub prevents: u64,
    /// Of `alerts`, those that would not have fired with all proposals together.
    pub prevents_together: u64,
    /// Stored alerts judged real that would not have fired with these limits.
    pub misses: u64,
    /// Stored alerts that are not judged and would not have fired with these limits.
    pub not_judged: u64,
    /// Who dismissed these limits, or wider ones; null if nobody did.
    pub dismissed: Option<PersonsDecision>,
}

impl ProposalView {
    /// A proposal, and whether a person dismissed it or one as wide.
    #[must_use]
    pub fn new(proposal: &Proposal, decided: &[LimitDecision]) -> Self {
        let dismissal = decided.iter().find(|decision| {
            let limits = &decision.limits;
            let is_as_wide = |wider: &Thresholds| limits.limits.or_wider(*wider) == limits.limits;
            decision.choice == LimitChoice::Dismissed
                && (&limits.subject, limits.measure) == (&proposal.subject, proposal.measure)
                && proposal.wider.as_ref().is_ok_and(is_as_wide)
        });
        Self {
            id: proposal.id,
            column: proposal.subject.name().to_owned(),
            measure: proposal.measure.as_str().to_owned(),
            limits: proposal.today.into(),
            proposed: proposal.wider.ok().map(LimitsView::from),
            obstacle: proposal.wider.err().map(|obstacle| in_words(obstacle, proposal.largest)),
            largest_effect: proposal.largest,
            alerts: proposal.rests_on.clone(),
            prevents: proposal.outcome.prevents,
            prevents_together: proposal.outcome.prevents_together,
            misses: proposal.outcome.misses,
            not_judged: proposal.outcome.not_judged,
            dismissed: dismissal.map(PersonsDecision::from),
        }
    }

    /// Whether a person is to decide about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.proposed.is_some() && self.dismissed.is_none()
    }

    /// What it would do, in words: `prevents 1 of 2 false alarms (2 with all proposals), misses no real alert`.
    #[must_use]
    pub fn outcome_in_words(&self) -> String {
        let all = self.alerts.len() as u64;
        let alarms = if all == 1 { "false alarm" } else { "false alarms" };
        let mut text = format!("prevents {} of {all} {alarms}", self.prevents.min(all));
        if self.prevents_together > self.prevents {
            let _infallible = write!(text, " ({} with all proposals)", self.prevents_together);
        }
        let _infallible = match self.misses {
            0 => write!(text, ", misses no real alert"),
            misses => write!(text, ", misses {misses} real"),
        };
        if self.not_judged > 0 {
            let _infallible = write!(text, ", suppresses {} not judged", self.not_judged);
        }
        text
    }
}

fn in_words(obstacle: Obstacle, largest: f64) -> String {
    match obstacle {
        Obstacle::RealAlert { alert, effect } => {
            let id = alert.to_string();
            let short = id.get(..8).unwrap_or_default();
            format!(
                "limits cannot separate them: the false alarms have effects up to {}, and alert {short}, which was judged real, has {}",
                effect_words(largest),
                effect_words(effect)
            )
        }
        Obstacle::BeyondMeasure => {
            format!(
                "no effect would reach a limit above {}: the measure would decide nothing",
                effect_words(largest)
            )
        }
    }
}

/// Limits that a person accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AcceptedLimitsView {
    /// ID, that of the proposal.
    pub id: Uuid,
    /// Column name; `(records)` for the number of records.
    pub column: String,
    /// Measure.
    pub measure: String,
    /// Accepted limits.
    pub limits: LimitsView,
    /// Configured limits; null if the measure decides nothing in the configuration, or the monitor is not configured on this daemon.
    pub configured: Option<LimitsView>,
    /// Limits that hold: the wider of both; null without configured ones.
    pub in_force: Option<LimitsView>,
    /// Why accepted limits have no effect, or only in part; null if they hold.
    pub note: Option<String>,
    /// The false alarms it rests on.
    pub alerts: Vec<Uuid>,
    /// Who accepted them.
    pub accepted: PersonsDecision,
}

impl AcceptedLimitsView {
    pub(super) fn new(decision: &LimitDecision, configured: Option<&JudgeSpec>) -> Self {
        let limits = &decision.limits;
        let configured = configured.and_then(|judge| judge.limits_of(&limits.subject, limits.measure));
        let in_force = configured.map(|configured| configured.or_wider(limits.limits));
        let note = match (configured, in_force) {
            (Some(configured), Some(in_force)) if configured == in_force => {
                Some("no effect: the configured limits are at least as wide")
            }
            (Some(_), Some(in_force)) if in_force != limits.limits => {
                Some("the configuration has one of the limits wider, which holds")
            }
            (None, _) => Some("no effect: the measure decides nothing in the configuration"),
            _ => None,
        };
        Self {
            id: decision.id,
            column: limits.subject.name().to_owned(),
            measure: limits.measure.as_str().to_owned(),
            limits: limits.limits.into(),
            configured: configured.map(LimitsView::from),
            in_force: in_force.map(LimitsView::from),
            note: note.map(str::to_owned),
            alerts: decision.alerts.clone(),
            accepted: decision.into(),
        }
    }
}

/// The limits that hold because they were accepted, for the file of the monitor.
pub(super) fn toml<'a>(accepted: impl Iterator<Item = &'a LimitDecision>, judge: &JudgeSpec) -> Option<String> {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    for LimitDecision { limits, .. } in accepted {
        let Some(configured) = judge.limits_of(&limits.subject, limits.measure) else { continue };
        let Thresholds { warn, critical } = configured.or_wider(limits.limits);
        if (Thresholds { warn, critical }) == configured {
            continue;
        }
        let table = tables.entry(limits.subject.as_stored()).or_insert_with(|| match &limits.subject {
            Subject::Rows => "[judge.thresholds]\n".to_owned(),
            Subject::Column(name) => {
                format!("# In the entry of the column `{}`:\n[columns.thresholds]\n", plain(name))
            }
        });
        let line = format!("{} = {{ warn = {warn:?}, critical = {critical:?} }}\n", limits.measure.as_str());
        table.push_str(&line);
    }
    let text = tables.into_values().collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{AcceptedLimits, ColumnRules, FalseAlarms};
    use crate::measure::Measure;
    use crate::record::{ColumnType, EventTime};

    fn judge() -> JudgeSpec {
        JudgeSpec::new(vec![ColumnRules::of_type("x", ColumnType::Numeric)], 100, FalseAlarms::DEFAULT)
    }

    fn decision(choice: LimitChoice, measure: Measure, warn: f64, critical: f64) -> LimitDecision {
        LimitDecision {
            id: Uuid::from_u128(1),
            choice,
            limits: AcceptedLimits {
                subject: Subject::Column("x".to_owned()),
                measure,
                limits: Thresholds { warn, critical },
            },
            alerts: Vec::new(),
            actor: "ada".to_owned(),
            comment: String::new(),
            at: EventTime::default(),
        }
    }

    #[test]
    fn accepted_limits_say_what_holds_and_how_to_move_them_into_the_file() {
        let judge = judge();
        let accepted = [
            decision(LimitChoice::Accepted, Measure::LocationChange, 0.18, 0.35),
            decision(LimitChoice::Accepted, Measure::GroupChange, 0.05, 0.1),
            decision(LimitChoice::Accepted, Measure::SpreadChange, 0.05, 0.4),
            decision(LimitChoice::Accepted, Measure::Psi, 1.0, 2.0),
        ];
        assert_eq!(
            toml(accepted.iter(), &judge).unwrap(),
            "# In the entry of the column `x`:\n[columns.thresholds]\n\
             location_change = { warn = 0.18, critical = 0.35 }\nspread_change = { warn = 0.1, critical = 0.4 }\n"
        );
        let views = accepted.iter().map(|decision| AcceptedLimitsView::new(decision, Some(&judge)));
        let views: Vec<AcceptedLimitsView> = views.collect();
        let notes: Vec<Option<&str>> = views.iter().map(|limits| limits.note.as_deref()).collect();
        let expected = [
            None,
            Some("no effect: the configured limits are at least as wide"),
            Some("the configuration has one of the limits wider, which holds"),
            Some("no effect: the measure decides nothing in the configuration"),
        ];
        assert_eq!(notes, expected);
        assert_eq!(views[2].in_force, Some(LimitsView { warn: 0.1, critical: 0.4 }));
    }

    fn proposal(critical: f64) -> Proposal {
        Proposal {
            id: Uuid::from_u128(2),
            subject: Subject::Column("x".to_owned()),
            measure: Measure::LocationChange,
            today: Thresholds { warn: 0.1, critical: 0.2 },
            wider: Ok(Thresholds { warn: critical / 2.0, critical }),
            largest: 0.3,
            rests_on: vec![Uuid::from_u128(3)],
            outcome: crate::account::Outcome { prevents_together: 1, ..Default::default() },
        }
    }

    #[test]
    fn a_dismissed_proposal_is_open_again_when_wider_limits_are_needed() {
        let dismissed = [decision(LimitChoice::Dismissed, Measure::LocationChange, 0.17, 0.34)];
        assert!(!ProposalView::new(&proposal(0.34), &dismissed).is_open());
        let narrower = ProposalView::new(&proposal(0.3), &dismissed);
        assert_eq!(
            narrower.dismissed.map(|decision| decision.id),
            Some(dismissed[0].id),
            "by which it is withdrawn"
        );
        assert!(ProposalView::new(&proposal(0.4), &dismissed).is_open());
        let accepted = [decision(LimitChoice::Accepted, Measure::LocationChange, 0.17, 0.34)];
        let view = ProposalView::new(&proposal(0.34), &accepted);
        assert!(view.is_open());
        assert_eq!(
            view.outcome_in_words(),
            "prevents 0 of 1 false alarm (1 with all proposals), misses no real alert"
        );
    }
}
