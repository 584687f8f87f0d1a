//! What follows from a look at the daemon's own work.

use super::evidence::set_own;
use super::{ChangedAlert, groups_of};
use crate::alert::{Evidence, Labels, Observation, Routing, RuleKind, SeriesAlerts, SeriesKey, Sign};
use crate::record::EventTime;
use crate::window::WHOLE;

/// What is looked at when no window closes: a monitor's input, or the daemon's deliveries.
#[derive(Clone, Copy, Debug)]
pub struct CheckScope<'a> {
    /// The monitor; empty for the daemon.
    pub monitor: &'a str,
    /// Labels of all alerts.
    pub labels: &'a Labels,
    /// Names of the receivers that are told whatever the routes say.
    pub receivers: &'a [String],
    /// The daemon's routes.
    pub routing: &'a Routing,
}

/// Decides what signs mean: each about the monitor as a whole, or about one receiver. Rules without a sign stay as they
/// are.
#[must_use]
pub fn decide_checks(
    alerts: &SeriesAlerts,
    scope: CheckScope<'_>,
    signs: &[(Option<String>, Sign)],
    now: EventTime,
) -> (SeriesAlerts, Vec<ChangedAlert>) {
    let mut next = alerts.clone();
    let series = SeriesKey { monitor: scope.monitor, version: "", segment: WHOLE };
    let mut changes = Vec::new();
    for (receiver, sign) in signs {
        let rule = sign.rule;
        let observation = Observation { column: receiver.clone(), level: sign.level };
        let Some(transition) = next.observe(series, now, rule.as_str(), rule.policy(), observation) else {
            continue;
        };
        let mut labels = scope.labels.clone();
        let own = [
            ("alertname", rule.as_str()),
            ("kind", RuleKind::Operational.as_str()),
            ("monitor", scope.monitor),
            ("severity", transition.change.severity.as_str()),
            ("receiver", receiver.as_deref().unwrap_or_default()),
        ];
        set_own(&mut labels, &own);
        let over = transition.change.kind.is_over();
        let whose = if scope.monitor.is_empty() { String::new() } else { format!("{}: ", scope.monitor) };
        let evidence = (!over).then(|| Evidence {
            summary: format!("{whose}{}", sign.summary),
            advice: sign.advice(),
            ..Evidence::default()
        });
        let groups = groups_of(&transition, scope.routing, &labels, scope.receivers);
        changes.push(ChangedAlert { transition, kind: RuleKind::Operational, labels, evidence, groups });
    }
    (next, changes)
}
