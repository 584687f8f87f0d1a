//! Compares the two windows of a pair, column by column.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::thinned;
use crate::distribution::{Distribution, MIN_VALUES, WindowCounts};
use crate::judge::{Against, Finding, JudgeSpec, Judgement, Verdict, judge, leading};
use crate::measure::{Measure, Pair, total_variation};
use crate::record::EventTime;
use crate::variation::ChangeTest;

/// The windows of both sides with the same start.
#[derive(Clone, Copy, Debug)]
pub struct SidePair<'a> {
    /// Start of both windows.
    pub start: EventTime,
    /// What was counted of the champion.
    pub champion: &'a WindowCounts,
    /// What was counted of the challenger.
    pub challenger: &'a WindowCounts,
    /// What the champion's window was compared with: both sides are held against it; none where it had no reference.
    pub reference: Option<&'a WindowCounts>,
}

/// The verdict of a pair of windows on a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairedVerdict {
    /// Both sides are within the limits of each other, and neither drifts alone.
    Same,
    /// The sides differ by more than the drift limit, and neither is the one that drifts.
    Differs,
    /// The challenger drifts from the reference, the champion does not, and they differ by at least the warn limit.
    ChallengerWorse,
    /// The same the other way round.
    ChampionWorse,
    /// Too few records or values on a side.
    NotEnoughData,
    /// The sides are on different bins, or a measure has no value.
    NotComparable,
}

impl PairedVerdict {
    /// The name used in tables, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::ChallengerWorse => "challenger_worse",
            Self::ChampionWorse => "champion_worse",
            Self::NotEnoughData => "not_enough_data",
            Self::NotComparable => "not_comparable",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::ChallengerWorse => "challenger worse",
            Self::ChampionWorse => "champion worse",
            Self::NotEnoughData => "not enough data",
            Self::NotComparable => "not comparable",
        }
    }

    /// Whether the sides were compared.
    #[must_use]
    pub fn is_compared(self) -> bool {
        !matches!(self, Self::NotEnoughData | Self::NotComparable)
    }

    /// Order of verdicts: the higher, the more evidence against the challenger.
    fn rank(self) -> u8 {
        match self {
            Self::ChallengerWorse => 5,
            Self::Differs => 4,
            Self::ChampionWorse => 3,
            Self::NotComparable => 2,
            Self::NotEnoughData => 1,
            Self::Same => 0,
        }
    }
}

/// A column of a pair of windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PairedColumn {
    /// The column.
    pub column: String,
    /// Verdict of the pair.
    pub verdict: PairedVerdict,
    /// Distance of the champion from the reference, as a multiple of the drift limit; null when it was not judged.
    pub champion: Option<f64>,
    /// Distance of the challenger from the same reference, as a multiple of the drift limit; null when it was not judged.
    pub challenger: Option<f64>,
    /// The leading measure of the direct comparison; null when the sides were not compared.
    #[schema(value_type = Option<String>)]
    pub measure: Option<Measure>,
    /// Its effect, champion against challenger.
    pub effect: Option<f64>,
    /// Its drift limit.
    pub limit: Option<f64>,
    /// The effect as a multiple of the drift limit.
    pub difference: Option<f64>,
    /// Whether the effect is at or above the warn limit.
    #[serde(default)]
    pub material: bool,
    /// Whether the challenger is further from the reference than the champion, at equal sizes; null for a tie, or when that is
    /// not known.
    #[serde(default)]
    pub further: Option<bool>,
}

/// Compares both sides, column by column, in the order of the monitor's columns.
#[must_use]
pub fn compare_pair(pair: SidePair<'_>, spec: &JudgeSpec) -> Vec<PairedColumn> {
    // Pairs are few, and a challenge ends: they are no part of the monitor's budget.
    let level = spec.false_alarms.per_window();
    let test = pair.reference.filter(|_| spec.has_changes()).map(ChangeTest::of_sampling);
    let reference = pair.reference.map(|counts| Against { test: test.as_ref(), ..Against::counts(counts) });
    let against = |side: &WindowCounts| judge(side, reference, spec, level);
    let (champion, challenger) = (against(pair.champion), against(pair.challenger));
    let direct = judge(pair.challenger, Some(Against::counts(pair.champion)), spec, level);
    let columns = spec.columns.iter().map(|rules| {
        let name = rules.name.as_str();
        let most = leading(findings(&direct, name)).filter(|finding| finding.score.is_some());
        let verdict =
            paired(verdict_of(&direct, name), [verdict_of(&champion, name), verdict_of(&challenger, name)]);
        let compared = most.filter(|_| verdict.is_compared());
        PairedColumn {
            column: name.to_owned(),
            verdict,
            champion: strength_of(&champion, name),
            challenger: strength_of(&challenger, name),
            measure: compared.map(|finding| finding.measure),
            effect: compared.and_then(|finding| Some(finding.score?.effect)),
            limit: compared.and_then(|finding| Some(finding.limits?.critical)),
            difference: compared.map(Finding::strength),
            material: findings(&direct, name).any(is_material),
            further: further(pair, name, spec).filter(|_| verdict.is_compared()),
        }
    });
    columns.collect()
}

/// Columns with the most evidence against the challenger first.
pub(super) fn order_by_verdict(left: &PairedColumn, right: &PairedColumn) -> Ordering {
    let difference = |column: &PairedColumn| column.difference.unwrap_or(0.0);
    let ranks = right.verdict.rank().cmp(&left.verdict.rank());
    ranks.then_with(|| difference(right).total_cmp(&difference(left))).then_with(|| left.column.cmp(&right.column))
}

fn findings<'a>(judgement: &'a Judgement, column: &'a str) -> impl Iterator<Item = &'a Finding> {
    judgement.findings.iter().filter(move |finding| finding.subject.is_column(column))
}

fn verdict_of(judgement: &Judgement, column: &str) -> Verdict {
    let judged = judgement.columns.iter().find(|judged| judged.column == column);
    judged.map_or(Verdict::Undefined, |judged| judged.verdict)
}

fn strength_of(judgement: &Judgement, column: &str) -> Option<f64> {
    let judged = judgement.columns.iter().find(|judged| judged.column == column)?;
    judged.verdict.is_judged().then_some(judged.strength)
}

/// Whether an effect is large enough to matter, whatever chance explains in one window.
fn is_material(finding: &Finding) -> bool {
    finding.score.zip(finding.limits).is_some_and(|(score, limits)| score.effect >= limits.warn)
}

/// One side is worse only when the two differ by more than chance explains and by at least the warn limit: otherwise two that are
/// alike, one a little above a limit and one a little below, would get different verdicts.
fn paired(direct: Verdict, [champion, challenger]: [Verdict; 2]) -> PairedVerdict {
    match direct {
        Verdict::NotEnoughData => return PairedVerdict::NotEnoughData,
        Verdict::NoBaseline | Verdict::Undefined => return PairedVerdict::NotComparable,
        Verdict::Ok | Verdict::Warn | Verdict::Critical => {}
    }
    let known = champion.is_judged() && challenger.is_judged();
    match (champion.drifts(), challenger.drifts()) {
        (false, true) if known && direct.moved() => PairedVerdict::ChallengerWorse,
        (true, false) if known && direct.moved() => PairedVerdict::ChampionWorse,
        _ if direct.drifts() => PairedVerdict::Differs,
        _ => PairedVerdict::Same,
    }
}

/// Whether the challenger is further from the reference, by total variation on groups of equal mass, at the size of the smaller
/// side; none for a tie, without a reference on the same bins, and for what has no groups.
fn further(pair: SidePair<'_>, column: &str, spec: &JudgeSpec) -> Option<bool> {
    let reference = pair.reference?.column(column)?;
    if reference.lies_beyond_bins() || reference.has_values_without_bins() {
        return None;
    }
    let groups = |side: &Distribution| {
        let pair = Pair::new(reference, side).ok()?.values_only(spec.values_only);
        Some(pair.grouped())
    };
    let champion = groups(pair.champion.column(column)?)?;
    let challenger = groups(pair.challenger.column(column)?)?;
    let size = |counts: &[u64]| counts.iter().sum::<u64>();
    let both = size(&champion.window).min(size(&challenger.window));
    if both < MIN_VALUES.min(spec.min_records) || champion.filled() < 2 && challenger.filled() < 2 {
        return None;
    }
    // The same for both sides, so that a comparison the other way round gives the opposite.
    let seed = xxh3_64_with_seed(column.as_bytes(), pair.start.micros().unsigned_abs());
    let distance =
        |groups: &crate::measure::Groups| total_variation(&groups.baseline, &thinned(&groups.window, both, seed));
    match distance(&challenger)?.total_cmp(&distance(&champion)?) {
        Ordering::Greater => Some(true),
        Ordering::Less => Some(false),
        Ordering::Equal => None,
    }
}
