//! Wider limits that people accepted because of false alarms: they hold beside those of the configuration, the wider of both.

use std::borrow::Cow;

use super::{JudgeSpec, MeasureRule, Subject};
use crate::measure::{Measure, Thresholds};

/// Limits of a measure of a column, or of the number of records, that a person accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedLimits {
    /// Whose effect they are held against.
    pub subject: Subject,
    /// By which measure.
    pub measure: Measure,
    pub limits: Thresholds,
}

impl JudgeSpec {
    /// The limits of a measure of a subject; none where it decides nothing.
    #[must_use]
    pub fn limits_of(&self, subject: &Subject, measure: Measure) -> Option<Thresholds> {
        let Some(name) = subject.column() else {
            return self.rows.filter(|rule| rule.measure == measure).and_then(|rule| rule.limits);
        };
        let column = self.columns.iter().find(|column| column.name == name)?;
        column.measures.iter().find(|rule| rule.measure == measure).and_then(|rule| rule.limits)
    }

    /// The same with accepted limits. They never make a limit narrower, and no measure decide that decides nothing.
    #[must_use]
    pub fn with_accepted(&self, accepted: &[AcceptedLimits]) -> Cow<'_, Self> {
        let widens = |accepted: &&AcceptedLimits| {
            let configured = self.limits_of(&accepted.subject, accepted.measure);
            configured.is_some_and(|configured| configured.or_wider(accepted.limits) != configured)
        };
        let accepted: Vec<&AcceptedLimits> = accepted.iter().filter(widens).collect();
        if accepted.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut widened = self.clone();
        for AcceptedLimits { subject, measure, limits } in accepted {
            let rules = match subject {
                Subject::Rows => widened.rows.as_mut(),
                Subject::Column(name) => {
                    let column = widened.columns.iter_mut().find(|column| column.name == *name);
                    column.and_then(|column| column.measures.iter_mut().find(|rule| rule.measure == *measure))
                }
            };
            if let Some(MeasureRule { limits: Some(configured), .. }) = rules {
                *configured = configured.or_wider(*limits);
            }
        }
        Cow::Owned(widened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{ColumnRules, FalseAlarms};
    use crate::record::ColumnType;

    fn spec() -> JudgeSpec {
        JudgeSpec {
            rows: Some(MeasureRule {
                measure: Measure::RowCount,
                limits: Some(Measure::RowCount.default_thresholds()),
            }),
            ..JudgeSpec::new(vec![ColumnRules::of_type("x", ColumnType::Numeric)], 100, FalseAlarms::DEFAULT)
        }
    }

    fn accepted(subject: Subject, measure: Measure, warn: f64, critical: f64) -> AcceptedLimits {
        AcceptedLimits { subject, measure, limits: Thresholds { warn, critical } }
    }

    #[test]
    fn the_wider_of_both_holds() {
        let x = || Subject::Column("x".to_owned());
        let limits =
            |accepted: &[AcceptedLimits], measure| spec().with_accepted(accepted).limits_of(&x(), measure);
        let wider = accepted(x(), Measure::LocationChange, 0.05, 0.4);
        assert_eq!(limits(&[wider], Measure::LocationChange), Some(Thresholds { warn: 0.1, critical: 0.4 }));
        let narrower = accepted(x(), Measure::LocationChange, 0.05, 0.15);
        assert!(matches!(spec().with_accepted(&[narrower]), Cow::Borrowed(_)));
        let rows = accepted(Subject::Rows, Measure::RowCount, 3.0, 6.0);
        let widened = spec();
        let widened = widened.with_accepted(std::slice::from_ref(&rows));
        assert_eq!(widened.limits_of(&Subject::Rows, Measure::RowCount), Some(rows.limits));
    }

    #[test]
    fn what_decides_nothing_stays_so() {
        let others = [
            accepted(Subject::Column("x".to_owned()), Measure::Psi, 1.0, 2.0),
            accepted(Subject::Column("gone".to_owned()), Measure::LocationChange, 1.0, 2.0),
            accepted(Subject::Rows, Measure::LocationChange, 1.0, 2.0),
        ];
        assert!(matches!(spec().with_accepted(&others), Cow::Borrowed(_)));
    }
}
