//! Which bins carry the score.

use super::{Cause, Reason, number};
use crate::binning::single;
use crate::measure::{Pair, Span};

/// A group of bins and what it does for the score.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// What the group holds, in words.
    pub label: String,
    /// Its share in the baseline.
    pub before: f64,
    /// Its share in the window.
    pub after: f64,
    /// Its share of the Jensen-Shannon divergence, from 0 to 1.
    pub share: f64,
    /// The bins it is made of.
    pub span: Span,
}

/// The groups a column is compared on with their shares of the Jensen-Shannon divergence, whose terms are never negative,
/// largest first. Empty when a side has no value or nothing differs.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn contributions(pair: &Pair<'_>) -> Vec<Contribution> {
    let groups = pair.grouped();
    let (n, m) = (groups.baseline.iter().sum::<u64>() as f64, groups.window.iter().sum::<u64>() as f64);
    if n == 0.0 || m == 0.0 {
        return Vec::new();
    }
    let term = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
    let mut found: Vec<Contribution> = groups
        .baseline
        .iter()
        .zip(&groups.window)
        .zip(&groups.spans)
        .map(|((before, after), span)| {
            let (p, q) = (*before as f64 / n, *after as f64 / m);
            let middle = f64::midpoint(p, q);
            Contribution {
                label: label(pair, span),
                before: p,
                after: q,
                share: (term(p, middle) + term(q, middle)).max(0.0),
                span: span.clone(),
            }
        })
        .collect();
    let all: f64 = found.iter().map(|group| group.share).sum();
    if all <= 0.0 {
        return Vec::new();
    }
    for group in &mut found {
        group.share /= all;
    }
    found.sort_by(|left, right| right.share.total_cmp(&left.share));
    found
}

/// What a group of bins holds, in words.
fn label(pair: &Pair<'_>, span: &Span) -> String {
    let Span::Bins(first, last) = span else { return "no valid value".to_owned() };
    if let Some(binning) = pair.categorical_binning() {
        if *first == binning.unseen_bin() {
            return unseen(pair);
        }
        return format!("`{}`", binning.label(*first));
    }
    let Some(binning) = pair.numeric_binning() else { return "all values".to_owned() };
    if pair.window().is_sensitive() {
        return by_rank(pair, *first, *last);
    }
    if first == last && binning.is_atom(*first) {
        return binning
            .shown_ends(*first)
            .0
            .map_or_else(String::new, |value| format!("exactly {}", number(value)));
    }
    // The value that is written may lie on this side of the cut or beyond it: behind a frequent value bins begin just above it.
    let is_below = |cut: Option<f64>, written: f64| {
        let value: Option<f64> = number(written).parse().ok();
        value.zip(cut).is_some_and(|(value, cut)| single::class_of(value).0 < cut)
    };
    let (low_cut, high_cut) = (binning.ends(*first).0, binning.ends(*last).1);
    match (binning.shown_ends(*first).0, binning.shown_ends(*last).1) {
        (Some(low), Some(high)) => {
            let open = if is_below(low_cut, low) { "(" } else { "[" };
            let close = if is_below(high_cut, high) { "]" } else { ")" };
            format!("{open}{}, {}{close}", number(low), number(high))
        }
        (None, Some(high)) => format!("below {}", number(high)),
        (Some(low), None) => format!("above {}", number(low)),
        (None, None) => "all values".to_owned(),
    }
}

/// The categories that the baseline does not have, the most frequent ones by name.
fn unseen(pair: &Pair<'_>) -> String {
    let Some(unseen) = pair.window().unseen() else { return "unseen categories".to_owned() };
    let names = unseen.heaviest();
    let told: Vec<String> = names.iter().take(NAMES).map(|(name, _)| format!("`{name}`")).collect();
    #[expect(clippy::cast_precision_loss, reason = "a few names")]
    let more = (unseen.distinct() - told.len() as f64).round();
    match (told.as_slice(), more >= 1.0) {
        ([], _) => "unseen categories".to_owned(),
        ([name], false) => format!("{name} (unseen)"),
        (_, false) => format!("{} (unseen)", told.join(", ")),
        (_, true) => {
            let about = if unseen.is_exact() { "" } else { "about " };
            format!("{} and {about}{more} more (unseen)", told.join(", "))
        }
    }
}

/// Unseen categories that are named.
const NAMES: usize = 3;

/// Where bins lie among the values of the baseline, without an end of them.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn by_rank(pair: &Pair<'_>, first: usize, last: usize) -> String {
    let counts = pair.baseline().counts();
    if first == 0 && last == 0 {
        return "below the baseline's range".to_owned();
    }
    if first + 1 == counts.len() {
        return "above the baseline's range".to_owned();
    }
    let all = pair.baseline().present().max(1) as f64;
    let below = |end: usize| counts.iter().take(end).sum::<u64>() as f64 / all * 100.0;
    format!("from the {:.0} % to the {:.0} % quantile of the baseline", below(first), below(last + 1))
}

pub(super) fn reason(pair: &Pair<'_>) -> Option<Reason> {
    let found = contributions(pair);
    let leading: Vec<String> = found
        .iter()
        .take(3)
        .filter(|group| group.share >= 0.1)
        .map(|group| {
            let word = if group.after >= group.before { "rose" } else { "fell" };
            format!(
                "{} {word} from {:.1} % to {:.1} % ({:.0} % of the difference)",
                group.label,
                group.before * 100.0,
                group.after * 100.0,
                group.share * 100.0
            )
        })
        .collect();
    (!leading.is_empty()).then(|| Reason::new(Cause::Bins, leading.join("; ")))
}
