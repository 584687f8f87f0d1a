//! The judging machine: (merged window, baseline, rules) -> findings and a verdict. It reads no clock and no
//! store.
//!
//! A finding moves only when its effect is *material* (at or above a limit) and *significant* (above what chance produces
//! at these sizes, corrected over all findings of the window).
//!
//! *Drifted* has one meaning everywhere, in rules, pages, messages and reports: a verdict of [`Verdict::Critical`]. Below
//! that limit and at or above the lower one is a warning; *moved* is either. See [`Verdict::drifts`] and
//! [`Verdict::moved`].

mod movement;
mod rules;
mod volume;
pub mod why;

pub use movement::{Movement, movement};
pub use rules::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};

use serde::{Deserialize, Serialize};

use crate::distribution::{Distribution, MIN_VALUES, WindowCounts};
use crate::measure::{Measure, Pair, Score, noise_floor};

/// Verdict. Only ok, warn and critical are about drift; the others are outcomes of their own, never green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Compared, no drift.
    Ok,
    /// Warning: below the limit of drift.
    Warn,
    /// Drift.
    Critical,
    /// Too few records in the window or the baseline.
    NotEnoughData,
    /// No baseline.
    NoBaseline,
    /// The measure is undefined here, for example because all values are null.
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

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Critical => "drift",
            Self::NotEnoughData => "not enough data",
            Self::NoBaseline => "no baseline",
            other => other.as_str(),
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Ok, Self::Warn, Self::Critical, Self::NotEnoughData, Self::NoBaseline, Self::Undefined];
        all.into_iter().find(|verdict| verdict.as_str() == name)
    }

    /// Whether it is drift.
    #[must_use]
    pub fn drifts(self) -> bool {
        self == Self::Critical
    }

    /// Whether it is drift or a warning.
    #[must_use]
    pub fn moved(self) -> bool {
        matches!(self, Self::Warn | Self::Critical)
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

/// What the rows of a window are called where columns are listed by name.
pub const RECORDS: &str = "(records)";

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The values of a column.
    Column(String),
    /// The rows of the window as a whole: how many, or how columns go together.
    Rows,
}

impl Subject {
    /// The column it is about; none when it is about the rows.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Rows => None,
        }
    }

    /// What it is called where subjects are listed by name: that of the column, [`RECORDS`] for the rows.
    #[must_use]
    pub fn name(&self) -> &str {
        self.column().unwrap_or(RECORDS)
    }

    /// The one that is called so in lists.
    #[must_use]
    pub fn from_name(name: String) -> Self {
        if name == RECORDS { Self::Rows } else { Self::Column(name) }
    }

    /// Whether it is about this column.
    #[must_use]
    pub fn is_column(&self, name: &str) -> bool {
        self.column() == Some(name)
    }

    /// The name used in tables: that of the column, empty for the rows. No column has an empty name.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        self.column().unwrap_or_default()
    }

    /// The one of this stored name.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        if name.is_empty() { Self::Rows } else { Self::Column(name) }
    }
}

/// One measure of one subject in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    pub measure: Measure,
    /// Its numbers; none when undefined or not computed.
    pub score: Option<Score>,
    /// The limits it was held against.
    pub warn: f64,
    /// The limits it was held against.
    pub critical: f64,
    /// The effect that chance alone exceeds as rarely as the significance says, where it is known without the values; of all others
    /// the p-value says it.
    pub noise_floor: Option<f64>,
    /// Whether chance alone does not explain it, whatever the limits.
    #[serde(default)]
    pub significant: bool,
    /// What was decided.
    pub verdict: Verdict,
}

impl Finding {
    /// The effect as a multiple of the limit of drift, see [`strength`]; 0 without a score.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.score.map_or(0.0, |score| strength(score.effect, self.critical, self.noise_floor, self.verdict))
    }

    /// The verdict with both limits multiplied by a factor: at 1 its own. What chance explains stays as it is, whatever the
    /// limits, and so does what has no score.
    #[must_use]
    pub fn verdict_with(&self, factor: f64) -> Verdict {
        let Some(score) = self.score.filter(|_| self.significant) else { return self.verdict };
        if score.effect >= self.critical * factor {
            Verdict::Critical
        } else if score.effect >= self.warn * factor {
            Verdict::Warn
        } else {
            Verdict::Ok
        }
    }

    /// The limit its verdict was held against: that of a warning for warnings, otherwise that of drift.
    #[must_use]
    pub fn limit(&self) -> f64 {
        if self.verdict == Verdict::Warn { self.warn } else { self.critical }
    }
}

/// An effect as a multiple of the limit of drift: 1 and more is drift where it is significant.
///
/// Without a limit (0) what chance produces stands in for it, and where there is no such effect (significance is a p-value)
/// it is 1 for drift and 0 otherwise: always finite.
#[must_use]
pub fn strength(effect: f64, critical: f64, noise_floor: Option<f64>, verdict: Verdict) -> f64 {
    let limit = if critical > 0.0 { critical } else { noise_floor.unwrap_or(0.0) };
    let strength = if limit > 0.0 { effect / limit } else { f64::from(u8::from(verdict.drifts())) };
    if strength.is_finite() { strength } else { f64::MAX }
}

/// Of the findings of a column the one that says most: of those with the worst verdict the one whose effect is largest.
/// What a column's score is, and what it is ranked by; none without findings.
pub fn leading<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<&'a Finding> {
    findings.max_by(|left, right| {
        let ranks = left.verdict.rank().cmp(&right.verdict.rank());
        ranks.then_with(|| left.strength().total_cmp(&right.strength()))
    })
}

/// A column with its worst verdict and how it moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnJudgement {
    pub column: String,
    /// The worst verdict of its measures.
    pub verdict: Verdict,
    /// The [`Finding::strength`] of its [`leading`] finding: what columns are ranked by.
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
    /// Every measure of every subject, those of a subject one after the other.
    pub findings: Vec<Finding>,
    /// Every column, the most moved first.
    pub columns: Vec<ColumnJudgement>,
}

impl Judgement {
    /// The columns that drifted or warn, most moved first.
    pub fn moved(&self) -> impl Iterator<Item = &ColumnJudgement> {
        self.columns.iter().filter(|column| column.verdict.moved())
    }
}

/// Judges a window against its baseline.
#[must_use]
pub fn judge(window: &WindowCounts, baseline: Option<&WindowCounts>, spec: &JudgeSpec) -> Judgement {
    let too_few = [Some(window), baseline].into_iter().flatten().any(|side| side.rows() < spec.min_records);
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
        let pair = pair.map(|pair| {
            pair.values_only(spec.values_only).of_records(baseline.map_or(0, WindowCounts::rows), window.rows())
        });
        let first = findings.len();
        for rule in &rules.measures {
            findings.push(match (blanket, &pair) {
                (Some(verdict), _) => unscored(rules, rule, verdict),
                // A column the baseline does not have, or has on other bins, cannot be compared.
                (None, None) => unscored(rules, rule, Verdict::NoBaseline),
                (None, Some(pair)) if rule.measure.needs_bins() && pair.baseline().has_values_without_bins() => {
                    unscored(rules, rule, Verdict::NoBaseline)
                }
                (None, Some(pair)) if rule.measure.reads_values() && has_few_values(pair, spec.min_records) => {
                    unscored(rules, rule, Verdict::NotEnoughData)
                }
                (None, Some(pair)) if rule.measure.reads_values() && pair.baseline().lies_beyond_bins() => {
                    unscored(rules, rule, Verdict::Undefined)
                }
                (None, Some(pair)) => finding(rules, rule, pair, significance),
            });
        }
        let own = findings.get(first..).unwrap_or_default();
        columns.push(ColumnJudgement {
            column: rules.name.clone(),
            verdict: column_verdict(own, before, after),
            strength: leading(own.iter()).map_or(0.0, Finding::strength),
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

/// Whether a side has values, but too few to say anything. Without any the measure has no value, which is another outcome.
fn has_few_values(pair: &Pair<'_>, min_records: u64) -> bool {
    let few = |side: &Distribution| (1..MIN_VALUES.min(min_records)).contains(&side.present());
    few(pair.baseline()) || few(pair.window())
}

fn unscored(rules: &ColumnRules, rule: &MeasureRule, verdict: Verdict) -> Finding {
    Finding {
        subject: Subject::Column(rules.name.clone()),
        measure: rule.measure,
        score: None,
        warn: rule.thresholds.warn,
        critical: rule.thresholds.critical,
        noise_floor: None,
        significant: false,
        verdict,
    }
}

fn finding(rules: &ColumnRules, rule: &MeasureRule, pair: &Pair<'_>, significance: f64) -> Finding {
    let Some(score) = rule.measure.score(pair).filter(|score| score.effect.is_finite()) else {
        return unscored(rules, rule, Verdict::Undefined);
    };
    let floor = noise_floor(rule.measure, &score, significance);
    let significant = score.effect > 0.0 && score.p_value.is_some_and(|p_value| p_value <= significance);
    let blank = unscored(rules, rule, Verdict::Ok);
    let finding =
        Finding { score: Some(score), noise_floor: (floor > 0.0).then_some(floor), significant, ..blank };
    Finding { verdict: finding.verdict_with(1.0), ..finding }
}

fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.reduce(Verdict::worse).unwrap_or(Verdict::Undefined)
}

/// The worst verdict of the findings; a column without a value on one side, or with a reference beyond its bins, is never found
/// in order.
fn column_verdict(findings: &[Finding], before: Option<&Distribution>, after: Option<&Distribution>) -> Verdict {
    let verdict = worst(findings.iter().map(|finding| finding.verdict));
    let few = findings.iter().any(|finding| finding.verdict == Verdict::NotEnoughData);
    if verdict == Verdict::Ok && few {
        return Verdict::NotEnoughData;
    }
    if verdict == Verdict::Ok && before.is_some_and(Distribution::has_values_without_bins) {
        return Verdict::NoBaseline;
    }
    let empty = |column: Option<&Distribution>| column.is_none_or(|column| column.present() == 0);
    let beyond = before.is_some_and(Distribution::lies_beyond_bins);
    if verdict == Verdict::Ok && (empty(before) || empty(after) || beyond) { Verdict::Undefined } else { verdict }
}

#[cfg(test)]
mod tests;
