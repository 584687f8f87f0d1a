//! Judging: (merged window, reference, rules, level) -> findings and a verdict.

use std::borrow::Cow;
use std::collections::HashMap;

use super::change::{ColumnChanges, measure_of, stepped_down};
use super::{
    ColumnJudgement, ColumnRules, Finding, JudgeSpec, Judgement, MeasureRule, Subject, Verdict, leading, movement,
};
use crate::distribution::{Distribution, MIN_VALUES, WindowCounts};
use crate::measure::{Measure, Pair, noise_floor};
use crate::variation::ChangeTest;

/// What a window is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// What was counted in the reference, on the bins of the window.
    pub counts: &'a WindowCounts,
    /// How the windows of the reference differ from each other; without it sampling noise alone is assumed.
    pub test: Option<&'a ChangeTest>,
    /// The findings about slow drift, by column; none where windows are not followed.
    pub lasting: Option<&'a HashMap<String, Finding>>,
}

impl<'a> Against<'a> {
    /// Counts alone: nothing is known of how windows of the reference differ.
    #[must_use]
    pub fn counts(counts: &'a WindowCounts) -> Self {
        Self { counts, test: None, lasting: None }
    }
}

/// A column on both sides.
struct Compared<'a> {
    rules: &'a ColumnRules,
    before: Option<&'a Distribution>,
    after: Option<&'a Distribution>,
    /// Both, when they are on the same bins.
    pair: Option<Pair<'a>>,
}

impl<'a> Compared<'a> {
    fn new(
        rules: &'a ColumnRules,
        window: &'a WindowCounts,
        reference: Option<&'a WindowCounts>,
        spec: &JudgeSpec,
    ) -> Self {
        let after = window.column(&rules.name);
        let before = reference.and_then(|reference| reference.column(&rules.name));
        let before = before.filter(|before| !before.is_left_out());
        let pair = before.zip(after).and_then(|(before, after)| Pair::new(before, after).ok());
        let pair = pair.map(|pair| {
            let rows = reference.map_or(0, WindowCounts::rows);
            pair.values_only(spec.values_only).of_records(rows, window.rows())
        });
        Self { rules, before, after, pair }
    }

    /// Why a measure says nothing of the column; none when it can be computed.
    fn obstacle(&self, rule: &MeasureRule, spec: &JudgeSpec) -> Option<Verdict> {
        // A column the reference does not have, or has on other bins, cannot be compared.
        let Some(pair) = &self.pair else { return Some(Verdict::NoBaseline) };
        if rule.measure.needs_bins() && pair.baseline().has_values_without_bins() {
            Some(Verdict::NoBaseline)
        } else if rule.measure.reads_values() && has_few_values(pair, spec.min_records) {
            Some(Verdict::NotEnoughData)
        } else if rule.measure.reads_values() && pair.baseline().lies_beyond_bins() {
            Some(Verdict::Undefined)
        } else {
            None
        }
    }

    /// The changes of the column that its rules ask for, without those that an obstacle forbids.
    fn changes(&self, test: &ChangeTest, spec: &JudgeSpec) -> Option<ColumnChanges<'a>> {
        if !self.rules.measures.iter().any(|rule| rule.measure.is_change()) {
            return None;
        }
        let mut changes = test.changes(self.pair.as_ref()?.window())?;
        let is_asked_for = |rule: &&MeasureRule| rule.measure.is_change() && self.obstacle(rule, spec).is_none();
        let asked_for: Vec<Measure> =
            self.rules.measures.iter().filter(is_asked_for).map(|rule| rule.measure).collect();
        changes.retain(|change| asked_for.contains(&measure_of(change.statistic)));
        Some(ColumnChanges::new(self.rules, changes))
    }
}

/// Judges a window against its reference. `level` is the accepted chance of a false finding in the window, over all columns.
#[must_use]
pub fn judge(window: &WindowCounts, against: Option<Against<'_>>, spec: &JudgeSpec, level: f64) -> Judgement {
    let reference = against.map(|against| against.counts);
    let too_few = [Some(window), reference].into_iter().flatten().any(|side| side.rows() < spec.min_records);
    let blanket = match reference {
        None => Some(Verdict::NoBaseline),
        Some(_) if too_few => Some(Verdict::NotEnoughData),
        Some(_) => None,
    };
    let level = spec.level_of_one(level);
    let compared: Vec<Compared<'_>> =
        spec.columns.iter().map(|rules| Compared::new(rules, window, reference, spec)).collect();
    let test = against.filter(|_| blanket.is_none() && spec.has_changes()).map(|against| match against.test {
        Some(test) => Cow::Borrowed(test),
        None => Cow::Owned(ChangeTest::of_sampling(against.counts)),
    });
    let changes: Vec<Option<ColumnChanges<'_>>> =
        compared.iter().map(|column| column.changes(test.as_deref()?, spec)).collect();
    let levels = stepped_down(&changes, level);
    let mut findings = Vec::new();
    let mut columns = Vec::new();
    for ((column, own), own_level) in compared.iter().zip(&changes).zip(levels) {
        let first = findings.len();
        for rule in &column.rules.measures {
            if rule.measure.has_own_budget() {
                let lasting = against.and_then(|against| against.lasting).filter(|_| blanket.is_none());
                findings.extend(lasting.and_then(|lasting| lasting.get(&column.rules.name)).cloned());
                continue;
            }
            let obstacle = blanket.or_else(|| column.obstacle(rule, spec));
            findings.push(match (obstacle, &column.pair) {
                (None, Some(pair)) if rule.measure.is_change() => own
                    .as_ref()
                    .zip(test.as_deref())
                    .and_then(|(changes, test)| changes.finding(rule, pair.baseline(), test, own_level))
                    .unwrap_or_else(|| unscored(column.rules, rule, Verdict::Undefined)),
                (None, Some(pair)) => finding(column.rules, rule, pair, level),
                (obstacle, _) => unscored(column.rules, rule, obstacle.unwrap_or(Verdict::NoBaseline)),
            });
        }
        let own = findings.get(first..).unwrap_or_default();
        columns.push(ColumnJudgement {
            column: column.rules.name.clone(),
            verdict: column_verdict(own, column.before, column.after),
            strength: leading(own.iter()).map_or(0.0, Finding::strength),
            movement: movement(column.before, column.after),
        });
    }
    let verdict = blanket.unwrap_or_else(|| spec.rule.verdict(&columns));
    columns.sort_by(|left, right| {
        let ranks = right.verdict.rank().cmp(&left.verdict.rank());
        ranks.then_with(|| right.strength.total_cmp(&left.strength)).then_with(|| left.column.cmp(&right.column))
    });
    Judgement {
        verdict,
        n_window: window.rows(),
        n_baseline: reference.map_or(0, WindowCounts::rows),
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
        limits: rule.limits,
        noise_floor: None,
        significant: false,
        verdict,
        change: None,
    }
}

fn finding(rules: &ColumnRules, rule: &MeasureRule, pair: &Pair<'_>, significance: f64) -> Finding {
    // What decides nothing needs no p-value: the findings about changes say what chance explains.
    let score = if rule.limits.is_some() { rule.measure.score(pair) } else { rule.measure.distance(pair) };
    let Some(score) = score.filter(|score| score.effect.is_finite()) else {
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
