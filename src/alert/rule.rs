//! Rules: which findings of a window make which alert.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AlertPolicy, Level, Severity};
use crate::judge::{ColumnJudgement, Finding, Judgement, Subject, Verdict, WindowRule};
use crate::measure::Measure;

/// What an alert of a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The model: one alert for all columns together.
    Model,
    /// Each column has an alert of its own.
    Column,
}

/// What kind of problem a rule is about: what inhibits what depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Values moved.
    Drift,
    /// Values are missing or broken.
    DataQuality,
    /// There are more or fewer records than usual.
    Volume,
    /// The daemon or what it reads from has a problem.
    Operational,
}

impl RuleKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Drift, Self::DataQuality, Self::Volume, Self::Operational];

    /// The name used in labels and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::DataQuality => "data_quality",
            Self::Volume => "volume",
            Self::Operational => "operational",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it is about columns of windows.
    #[must_use]
    pub fn is_about_columns(self) -> bool {
        matches!(self, Self::Drift | Self::DataQuality)
    }
}

/// A rule of a monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Its name, one of a kind in the monitor.
    pub name: String,
    /// What kind of problem it is about.
    pub kind: RuleKind,
    /// The model or each column.
    pub scope: Scope,
    /// The measures it looks at.
    pub measures: Vec<Measure>,
    /// The columns it looks at; all when none.
    pub columns: Option<Vec<String>>,
    /// The least severity that counts.
    pub severity: Severity,
    /// How many columns make a window drift, with scope [`Scope::Model`].
    pub window: WindowRule,
    /// The bar to resolve, as a part of the threshold, above 0 and at most 1.
    pub resolve_below: f64,
    /// When it fires and resolves.
    pub policy: AlertPolicy,
    /// Labels its alerts carry beside those of the monitor.
    pub labels: BTreeMap<String, String>,
}

/// What a window says to a rule about the model or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The column; none for the model.
    pub column: Option<String>,
    /// What it says.
    pub level: Level,
}

impl AlertRule {
    /// Whether a finding is one it looks at.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        self.looks_at(&finding.subject, finding.measure)
    }

    /// Whether it looks at a measure of a subject.
    #[must_use]
    pub fn looks_at(&self, subject: &Subject, measure: Measure) -> bool {
        let asked = |columns: &Vec<String>| columns.iter().any(|column| subject.is_column(column));
        self.measures.contains(&measure) && self.columns.as_ref().is_none_or(asked)
    }

    /// What a judged window says. Windows that say nothing about drift (too few records, no baseline, undefined) give
    /// nothing: they neither raise nor resolve an alert.
    #[must_use]
    pub fn observe(&self, judgement: &Judgement) -> Vec<Observation> {
        if self.kind == RuleKind::Volume {
            let level = judgement
                .rows()
                .and_then(|finding| self.level(finding.verdict, finding.verdict_with(self.resolve_below)));
            return level.map(|level| Observation { column: None, level }).into_iter().collect();
        }
        let judged = columns_of(judgement, |finding| self.covers(finding), |finding| finding.verdict);
        // Held against the lower bar for resolving.
        let held = columns_of(
            judgement,
            |finding| self.covers(finding),
            |finding| finding.verdict_with(self.resolve_below),
        );
        match self.scope {
            Scope::Model => {
                let verdict = self.window.verdict(&judged);
                let level = self.level(verdict, self.window.verdict(&held));
                level.map(|level| Observation { column: None, level }).into_iter().collect()
            }
            Scope::Column => judged
                .into_iter()
                .zip(held)
                .filter_map(|(judged, held)| {
                    let level = self.level(judged.verdict, held.verdict)?;
                    Some(Observation { column: Some(judged.column), level })
                })
                .collect(),
        }
    }

    fn level(&self, verdict: Verdict, held: Verdict) -> Option<Level> {
        if matches!(verdict, Verdict::NotEnoughData | Verdict::NoBaseline | Verdict::Undefined) {
            return None;
        }
        let severity = severity_of(verdict).filter(|severity| *severity >= self.severity);
        let between = severity_of(held).is_some_and(|severity| severity >= self.severity);
        Some(match (severity, between) {
            (Some(severity), _) => Level::drifting(severity),
            (None, true) => Level::Between,
            (None, false) => Level::Quiet,
        })
    }
}

/// How bad a verdict is, when it is.
fn severity_of(verdict: Verdict) -> Option<Severity> {
    match verdict {
        Verdict::Critical => Some(Severity::Critical),
        Verdict::Warn => Some(Severity::Warn),
        _ => None,
    }
}

/// The columns as some of the findings and a verdict of each show them.
fn columns_of(
    judgement: &Judgement,
    covers: impl Fn(&Finding) -> bool,
    verdict: impl Fn(&Finding) -> Verdict,
) -> Vec<ColumnJudgement> {
    let covered: Vec<&Finding> = judgement.findings.iter().filter(|finding| covers(finding)).collect();
    let columns = covered.chunk_by(|left, right| left.subject == right.subject).filter_map(|findings| {
        let name = findings.first()?.subject.column()?;
        let worst = |findings: &mut dyn Iterator<Item = &&Finding>| {
            findings.map(|finding| verdict(finding)).reduce(Verdict::worse)
        };
        let all = worst(&mut findings.iter())?;
        // Shares in order say nothing about values that could not be compared.
        let values = worst(&mut findings.iter().filter(|finding| finding.measure.reads_values()));
        let verdict = values.filter(|values| all == Verdict::Ok && !values.is_judged()).unwrap_or(all);
        Some(ColumnJudgement {
            column: name.to_owned(),
            verdict,
            strength: 0.0,
            movement: crate::judge::Movement::default(),
        })
    });
    columns.collect()
}

impl AlertRule {
    /// The rules of a monitor that names none: drift of values, missing or broken ones, the number of records.
    #[must_use]
    pub fn defaults(severity: Severity, policy: AlertPolicy, resolve_below: f64, window: WindowRule) -> Vec<Self> {
        [RuleKind::Drift, RuleKind::DataQuality, RuleKind::Volume]
            .map(|kind| Self {
                name: kind.as_str().to_owned(),
                kind,
                scope: Scope::Model,
                measures: Self::measures_of(kind),
                columns: None,
                severity,
                window: if kind == RuleKind::DataQuality { WindowRule::Columns(1) } else { window },
                resolve_below,
                policy,
                labels: BTreeMap::new(),
            })
            .to_vec()
    }

    /// The measures a kind of rule looks at when it names none.
    #[must_use]
    pub fn measures_of(kind: RuleKind) -> Vec<Measure> {
        let kind_of = |measure: &Measure| match measure {
            Measure::RowCount => RuleKind::Volume,
            measure if measure.is_about_quality() => RuleKind::DataQuality,
            _ => RuleKind::Drift,
        };
        Measure::ALL.into_iter().filter(|measure| kind_of(measure) == kind).collect()
    }
}
