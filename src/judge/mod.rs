//! The judging machine: (merged window, baseline, rules) -> findings and a verdict. It reads no clock and no
//! store.
//!
//! A finding drifts only when its effect is *material* (at or above a threshold) and *significant* (above
//! what chance produces at these sizes, corrected over all findings of the window).

mod movement;
mod rules;
pub mod why;

pub use movement::{Movement, movement};
pub use rules::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};

use serde::{Deserialize, Serialize};

use crate::distribution::{Distribution, WindowCounts};
use crate::measure::{Measure, Pair, Score, noise_floor};

/// What was decided. Only the first three say anything about drift; the others are outcomes of their own,
/// never green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Compared, and nothing to report.
    Ok,
    /// Drift worth a look.
    Warn,
    /// Drift worth an alert.
    Critical,
    /// Too few records to say anything.
    NotEnoughData,
    /// Nothing to compare with.
    NoBaseline,
    /// The measure has no value here, for example because every value is null.
    Undefined,
}

impl Verdict {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Critical => "critical",
            Self::NotEnoughData => "not_enough_data",
            Self::NoBaseline => "no_baseline",
            Self::Undefined => "undefined",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Ok, Self::Warn, Self::Critical, Self::NotEnoughData, Self::NoBaseline, Self::Undefined];
        all.into_iter().find(|verdict| verdict.as_str() == name)
    }

    /// Whether something was said: the others are outcomes of their own.
    #[must_use]
    pub fn is_judged(self) -> bool {
        matches!(self, Self::Ok | Self::Warn | Self::Critical)
    }

    /// The louder of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// How loud it is when several are combined.
    fn rank(self) -> u8 {
        match self {
            Self::Ok => 1,
            Self::Undefined | Self::NoBaseline | Self::NotEnoughData => 0,
            Self::Warn => 2,
            Self::Critical => 3,
        }
    }
}

/// One measure of one column in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The column.
    pub column: String,
    /// The measure.
    pub measure: Measure,
    /// Its numbers; none when undefined or not computed.
    pub score: Option<Score>,
    /// The limits it was held against.
    pub warn: f64,
    /// The limits it was held against.
    pub critical: f64,
    /// The effect chance alone may produce at these sizes.
    pub noise_floor: Option<f64>,
    /// What was decided.
    pub verdict: Verdict,
}

/// A column with its worst verdict and how it moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnJudgement {
    /// The column.
    pub column: String,
    /// The worst verdict of its measures.
    pub verdict: Verdict,
    /// Largest effect relative to its critical threshold: what columns are ranked by.
    pub strength: f64,
    /// Before and after.
    pub movement: Movement,
}

/// What was decided about a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// By the rule over columns.
    pub verdict: Verdict,
    /// Records in the window.
    pub n_window: u64,
    /// Records in the baseline; 0 without one.
    pub n_baseline: u64,
    /// Every measure of every column.
    pub findings: Vec<Finding>,
    /// Every column, the most moved first.
    pub columns: Vec<ColumnJudgement>,
}

impl Judgement {
    /// The columns that drifted, most moved first.
    pub fn drifted(&self) -> impl Iterator<Item = &ColumnJudgement> {
        self.columns.iter().filter(|column| matches!(column.verdict, Verdict::Warn | Verdict::Critical))
    }
}

/// Judges a window against its baseline.
#[must_use]
pub fn judge(window: &WindowCounts, baseline: Option<&WindowCounts>, spec: &JudgeSpec) -> Judgement {
    let too_few = window.rows() < spec.min_records;
    let blanket = match baseline {
        None => Some(Verdict::NoBaseline),
        Some(_) if too_few => Some(Verdict::NotEnoughData),
        Some(_) => None,
    };
    let tests = spec.columns.iter().map(|column| column.measures.len()).sum::<usize>().max(1);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
    let significance = spec.significance / tests as f64;
    let mut findings = Vec::new();
    let mut columns = Vec::new();
    for rules in &spec.columns {
        let after = window.column(&rules.name);
        let before = baseline.and_then(|baseline| baseline.column(&rules.name));
        let before = before.filter(|before| !before.is_left_out());
        let pair = before.zip(after).and_then(|(before, after)| Pair::new(before, after).ok());
        let pair = pair.map(|pair| pair.values_only(spec.values_only));
        let first = findings.len();
        for rule in &rules.measures {
            findings.push(match (blanket, &pair) {
                (Some(verdict), _) => unscored(rules, rule, verdict),
                // A column the baseline does not have, or has on other bins, cannot be compared.
                (None, None) => unscored(rules, rule, Verdict::NoBaseline),
                (None, Some(pair)) => finding(rules, rule, pair, significance),
            });
        }
        let own = findings.get(first..).unwrap_or_default();
        columns.push(ColumnJudgement {
            column: rules.name.clone(),
            verdict: column_verdict(own, before, after),
            strength: own.iter().map(strength).fold(0.0, f64::max),
            movement: movement(before, after),
        });
    }
    let verdict = blanket.unwrap_or_else(|| spec.rule.verdict(&columns));
    columns.sort_by(|left, right| {
        right
            .verdict
            .rank()
            .cmp(&left.verdict.rank())
            .then_with(|| right.strength.total_cmp(&left.strength))
            .then_with(|| left.column.cmp(&right.column))
    });
    Judgement {
        verdict,
        n_window: window.rows(),
        n_baseline: baseline.map_or(0, WindowCounts::rows),
        findings,
        columns,
    }
}

fn unscored(rules: &ColumnRules, rule: &MeasureRule, verdict: Verdict) -> Finding {
    Finding {
        column: rules.name.clone(),
        measure: rule.measure,
        score: None,
        warn: rule.thresholds.warn,
        critical: rule.thresholds.critical,
        noise_floor: None,
        verdict,
    }
}

fn finding(rules: &ColumnRules, rule: &MeasureRule, pair: &Pair<'_>, significance: f64) -> Finding {
    let Some(score) = rule.measure.score(pair).filter(|score| score.effect.is_finite()) else {
        return unscored(rules, rule, Verdict::Undefined);
    };
    let floor = noise_floor(rule.measure, pair, &score, significance);
    let significant =
        score.effect > floor && score.p_value.is_none_or(|p_value| rule.measure.passes(p_value, significance));
    let verdict = if !significant || score.effect < rule.thresholds.warn {
        Verdict::Ok
    } else if score.effect < rule.thresholds.critical {
        Verdict::Warn
    } else {
        Verdict::Critical
    };
    Finding { score: Some(score), noise_floor: Some(floor), ..unscored(rules, rule, verdict) }
}

fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.reduce(Verdict::worse).unwrap_or(Verdict::Undefined)
}

/// The worst verdict of the findings; a column without a value on one side is never found in order.
fn column_verdict(findings: &[Finding], before: Option<&Distribution>, after: Option<&Distribution>) -> Verdict {
    let verdict = worst(findings.iter().map(|finding| finding.verdict));
    let empty = |column: Option<&Distribution>| column.is_none_or(|column| column.present() == 0);
    if verdict == Verdict::Ok && (empty(before) || empty(after)) { Verdict::Undefined } else { verdict }
}

/// The effect as a multiple of its critical threshold; 0 for a finding that does not drift.
fn strength(finding: &Finding) -> f64 {
    match (finding.verdict, finding.score) {
        (Verdict::Warn | Verdict::Critical, Some(score)) if finding.critical > 0.0 => {
            score.effect / finding.critical
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
