//! The parts of a column's report: measures and bars.

use crate::binning::{CategoricalBinning, single};
use crate::chart::{Bar, BarKind};
use crate::distribution::Distribution;
use crate::judge::why::{Sides, number};
use crate::judge::{ChangeDetail, Finding};
use crate::measure::{Pair, Points, Side, WITHOUT_BOUND};
use crate::preset::ToolScore;
use crate::record::number_of;

use super::text::SMALLEST;
use super::{MeasureReport, Outcome};

/// Bars for the values of a numeric column.
const NUMERIC_BARS: usize = 24;
/// Bars for categories; the others share one.
const CATEGORY_BARS: usize = 24;

/// How much a measure says: its effect or statistic as a multiple of its limit; for p-values, the ratio of orders of
/// magnitude.
pub(super) fn strength(measure: &MeasureReport) -> f64 {
    let ratio = match (measure.effect.or(measure.statistic), measure.p_value, measure.threshold) {
        (_, Some(p_value), Some(level)) if measure.effect.is_none() => {
            p_value.max(SMALLEST).ln() / level.clamp(SMALLEST, 0.999).ln()
        }
        (Some(size), _, Some(limit)) if limit > 0.0 => size / limit,
        _ => 0.0,
    };
    if ratio.is_finite() { ratio } else { 0.0 }
}

/// The measure that says most about a column: of those with the worst verdict the one that is furthest along. One without a
/// value says nothing.
pub(super) fn leading(measures: &[MeasureReport]) -> Option<&MeasureReport> {
    let says_nothing =
        |measure: &MeasureReport| matches!(measure.verdict, Outcome::Undefined | Outcome::NotEnoughData);
    measures.iter().min_by(|left, right| {
        says_nothing(left)
            .cmp(&says_nothing(right))
            .then(left.verdict.order().cmp(&right.verdict.order()))
            .then(strength(right).total_cmp(&strength(left)))
    })
}

pub(super) fn of_finding(finding: &Finding, pair: Option<&Pair<'_>>) -> MeasureReport {
    let score = finding.score;
    let bounded = score.filter(|score| score.effect < WITHOUT_BOUND);
    MeasureReport {
        measure: finding.measure.as_str().to_owned(),
        statistic: score.map(|score| score.statistic).filter(|value| value.is_finite()),
        p_value: score.and_then(|score| score.p_value).filter(|value| value.is_finite()),
        effect: bounded.map(|score| score.effect).filter(|value| value.is_finite()),
        warn: finding.limits.map(|limits| limits.warn),
        threshold: finding.limits.map(|limits| limits.critical),
        noise_floor: finding.noise_floor.filter(|floor| floor.is_finite()),
        verdict: finding.verdict.into(),
        detail: match (&finding.change, pair) {
            (Some(change), _) => change_in_words(finding, change),
            (None, Some(pair)) => finding.measure.detail(pair),
            (None, None) => String::new(),
        },
        change: finding.change.clone(),
    }
}

fn change_in_words(finding: &Finding, change: &ChangeDetail) -> String {
    let power = change.power_in_words(finding.score.map_or(0, |score| score.n_window));
    let parts = [change.in_words(finding.measure), power];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

pub(super) fn of_tool(score: &ToolScore) -> MeasureReport {
    MeasureReport {
        measure: score.measure.as_str().to_owned(),
        statistic: score.statistic.filter(|value| value.is_finite()),
        p_value: score.p_value.filter(|value| value.is_finite()),
        effect: None,
        warn: None,
        threshold: score.threshold,
        noise_floor: None,
        verdict: Outcome::of_tool(score.drift),
        detail: score.detail.clone(),
        change: None,
    }
}

/// Both distributions as bars: shares of all rows.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn bars(pair: &Pair<'_>, points: Option<&Points>, sides: Option<&Sides>) -> Vec<Bar> {
    let (before, after) = (pair.baseline(), pair.window());
    let (n, m) = (before.rows().max(1) as f64, after.rows().max(1) as f64);
    let bar = |label: String, kind: BarKind, baseline: f64, window: f64| Bar {
        label,
        kind,
        baseline: baseline / n,
        window: window / m,
    };
    let counted = |label: String, kind: BarKind, baseline: u64, window: u64| {
        bar(label, kind, baseline as f64, window as f64)
    };
    let mut bars = match (pair.categorical_binning(), points) {
        (Some(binning), _) => categories(pair, binning, &counted),
        (None, Some(points)) => values(pair, points, sides, &bar),
        (None, None) => Vec::new(),
    };
    let absent: [(&str, BarKind, Counter); 2] =
        [("null", BarKind::Null, Distribution::nulls), ("invalid", BarKind::Invalid, Distribution::invalid)];
    for (label, kind, of) in absent {
        if of(before) + of(after) > 0 {
            bars.push(counted(label.to_owned(), kind, of(before), of(after)));
        }
    }
    bars
}

/// How many values of a column are absent in a way.
type Counter = fn(&Distribution) -> u64;

type MakeBar<'a, T> = dyn Fn(String, BarKind, T, T) -> Bar + 'a;

fn categories(pair: &Pair<'_>, binning: &CategoricalBinning, bar: &MakeBar<'_, u64>) -> Vec<Bar> {
    let (before, after) = (pair.baseline().counts(), pair.window().counts());
    let (n, m) = (pair.baseline().present().max(1), pair.window().present().max(1));
    let mut all: Vec<(usize, u64, u64)> = before
        .iter()
        .zip(after)
        .enumerate()
        .map(|(bin, (before, after))| (bin, *before, *after))
        .filter(|(_, before, after)| before + after > 0)
        .collect();
    // What the baseline does not have is unseen, whether it has a bin of its own or not.
    let unseen: u64 = all.iter().filter(|(_, before, _)| *before == 0).map(|(_, _, after)| after).sum();
    all.retain(|(_, before, _)| *before > 0);
    // By the larger of both shares, then in the order of the bins.
    all.sort_by_key(|(bin, before, after)| {
        (std::cmp::Reverse((u128::from(*before) * u128::from(m)).max(u128::from(*after) * u128::from(n))), *bin)
    });
    let rest: (u64, u64) =
        all.iter().skip(CATEGORY_BARS).fold((0, 0), |sum, (_, before, after)| (sum.0 + before, sum.1 + after));
    let others = all.len().saturating_sub(CATEGORY_BARS);
    let mut bars: Vec<Bar> = all
        .iter()
        .take(CATEGORY_BARS)
        .map(|(bin, before, after)| bar(binning.label(*bin).to_owned(), BarKind::Value, *before, *after))
        .collect();
    if others > 0 {
        bars.push(bar(number_of(others, "other"), BarKind::Other, rest.0, rest.1));
    }
    if unseen > 0 {
        bars.push(bar("unseen".to_owned(), BarKind::Unseen, 0, unseen));
    }
    bars
}

/// A bar of a column with few values: a value, or those of a bin where one side is known by its bins alone.
struct Single {
    low: f64,
    high: f64,
    /// Whether these are values, rather than where a bin lies.
    is_value: bool,
    bin: Option<usize>,
    before: f64,
    after: f64,
}

impl Single {
    /// Takes another one in when it is the same value, or of the same bin.
    fn takes(&mut self, next: &Self) -> bool {
        let same = self.low == next.low || (self.bin.is_some() && self.bin == next.bin);
        if same {
            match (self.is_value, next.is_value) {
                (true, true) => self.high = next.high,
                (false, true) => (self.low, self.high, self.is_value) = (next.low, next.high, true),
                (_, false) => {}
            }
            self.before += next.before;
            self.after += next.after;
        }
        same
    }
}

/// Equal bars over where nearly all values of both sides lie; what is out of the baseline's range stands apart.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some dozen bars"
)]
fn values(pair: &Pair<'_>, points: &Points, sides: Option<&Sides>, bar: &MakeBar<'_, f64>) -> Vec<Bar> {
    let ends = points.of(Side::Baseline).next().zip(points.of(Side::Baseline).next_back());
    let Some(((first, _), (last, _))) = ends else { return Vec::new() };
    // The cuts know the ends of the range better than the means of the bins at its ends.
    let (first, last) = pair.numeric_binning().map_or((first, last), |binning| {
        let cuts = binning.cuts();
        let exact = pair.is_exact();
        let known = |cut: Option<&f64>, value: f64| cut.copied().filter(|_| !exact).unwrap_or(value);
        let (first, last) = (known(cuts.first(), first), known(cuts.last(), last));
        // What is equal to zero in single precision, or zero but for rounding, is zero.
        let rounding = (last - first) * 1e-12;
        let plain = |end: f64| if single::nearest(end) == 0.0 || end.abs() < rounding { 0.0 } else { end };
        (plain(first), plain(last))
    });
    let (low, high) = {
        let at = |level| points.quantile(Side::Baseline, level).unwrap_or(first);
        let (low, high) = (at(0.005), at(0.995));
        let spread = high - low;
        // Long tails are cut, unless they are short.
        (
            if low - first < spread / 4.0 { first } else { low },
            if last - high < spread / 4.0 { last } else { high },
        )
    };
    let distinct = points.of(Side::Baseline).count();
    let width = (high - low) / NUMERIC_BARS as f64;
    let place = |value: f64| {
        if width > 0.0 { (((value - low) / width).max(0.0) as usize).min(NUMERIC_BARS - 1) } else { 0 }
    };
    let (mut below, mut above) = ((0.0, 0.0), (0.0, 0.0));
    let mut counts = vec![(0.0f64, 0.0f64); if width > 0.0 { NUMERIC_BARS } else { 1 }];
    let mut single: Vec<Single> = Vec::new();
    for side in [Side::Baseline, Side::Window] {
        // The values themselves, all or a sample, where they are at hand: the bins of the baseline may be wide.
        let exact = sides.and_then(|sides| sides.of(side));
        let side_points = exact.map_or(points, |(points, _)| points);
        let column = if side == Side::Baseline { pair.baseline() } else { pair.window() };
        let scale = column.present() as f64 / side_points.size(side).max(1) as f64;
        for (value, count) in side_points.of(side) {
            let weight = count as f64 * scale;
            let (n, m) = if side == Side::Baseline { (weight, 0.0) } else { (0.0, weight) };
            let add = |target: &mut (f64, f64), part: f64| {
                target.0 += n * part;
                target.1 += m * part;
            };
            if value < first {
                add(&mut below, 1.0);
                continue;
            }
            if value > last {
                add(&mut above, 1.0);
                continue;
            }
            if distinct <= NUMERIC_BARS {
                let bin = pair.numeric_binning().filter(|_| !pair.is_exact()).map(|binning| binning.bin(value));
                single.push(Single {
                    low: value,
                    high: value,
                    is_value: exact.is_some(),
                    bin,
                    before: n,
                    after: m,
                });
            }
            // A bin wider than a bar is spread evenly over the bars it covers.
            let ends = pair.numeric_binning().filter(|_| exact.is_none()).and_then(|binning| {
                let (low, high) = binning.ends(binning.bin(value));
                low.zip(high)
            });
            let (from, to) = ends.map_or((value, value), |(low, high)| (low.max(first), high.min(last)));
            let covered = place(from)..=place(to);
            if to - from <= width || covered.clone().count() < 2 {
                if let Some(target) = counts.get_mut(place(value)) {
                    add(target, 1.0);
                }
                continue;
            }
            for index in covered {
                let left = if index == 0 { from } else { (low + width * index as f64).max(from) };
                let right =
                    if index + 1 == NUMERIC_BARS { to } else { (low + width * (index + 1) as f64).min(to) };
                if let Some(target) = counts.get_mut(index) {
                    add(target, (right - left).max(0.0) / (to - from));
                }
            }
        }
    }
    single.sort_by(|left, right| left.low.total_cmp(&right.low));
    single.dedup_by(|next, kept| kept.takes(next));
    // The ends of a bar are values.
    let hidden = pair.window().is_sensitive();
    let said = |value: f64, place: usize| if hidden { format!("bar {}", place + 1) } else { number(value) };
    let mut bars: Vec<Bar> = if distinct <= NUMERIC_BARS && single.len() <= 2 * NUMERIC_BARS {
        single
            .into_iter()
            .enumerate()
            .map(|(place, single)| {
                let label = match (said(single.low, place), said(single.high, place)) {
                    (low, high) if low == high => low,
                    (low, high) => format!("{low} to {high}"),
                };
                bar(label, BarKind::Value, single.before, single.after)
            })
            .collect()
    } else {
        counts
            .into_iter()
            .enumerate()
            .map(|(index, (before, after))| {
                bar(said(low + width * index as f64, index), BarKind::Value, before, after)
            })
            .collect()
    };
    for (label, kind, (before, after)) in [("below", BarKind::Below, below), ("above", BarKind::Above, above)] {
        if before + after > 0.0 {
            bars.push(bar(label.to_owned(), kind, before, after));
        }
    }
    bars
}
