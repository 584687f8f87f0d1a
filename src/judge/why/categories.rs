//! Signatures in categorical columns.

use std::collections::BTreeMap;

use super::hours::{clock, shifted};
use super::{Cause, Reason};
use crate::measure::{Categories, Pair, Proportions};
use crate::record::number_of;

const FEW: u64 = 20;
/// A change with a larger p-value is none.
const CHANGED: f64 = 1e-6;
/// Of categories that are said to be as before, one with a smaller p-value (together) and a change of this share is not.
const UNLIKE: f64 = 0.001;
const NOTHING: f64 = 0.01;
/// Names at least this alike (share of letters that stay) are one name misspelt.
const ALIKE: f64 = 0.7;

/// A category and how often a side has it.
type Named<'a> = (&'a str, u64);

/// Counts of one category on both sides.
type Counts<'a> = BTreeMap<&'a str, (u64, u64)>;

pub(super) fn signatures(pair: &Pair<'_>, categories: &Categories) -> Vec<Reason> {
    let sizes: (u64, u64) = (categories.baseline.iter().sum(), categories.window.iter().sum());
    if sizes.0 < FEW || sizes.1 < FEW {
        return Vec::new();
    }
    // Categories that share a bin have no names that could be told.
    let nameless = |name: &str| {
        let binning = pair.categorical_binning();
        binning.is_some_and(|binning| {
            [binning.rare_bin(), binning.unseen_bin()].map(|bin| binning.label(bin)).contains(&name)
        })
    };
    let counts: Counts<'_> = categories
        .names
        .iter()
        .map(String::as_str)
        .zip(categories.pairs())
        .filter(|(name, _)| !nameless(name))
        .collect();
    let held: u64 = counts.values().map(|(_, after)| after).sum();
    if held == sizes.1
        && let Some(reason) = constant(&counts, sizes)
    {
        return vec![reason];
    }
    let mut reasons: Vec<Reason> = nulls_replaced(pair, &counts, sizes).into_iter().collect();
    let hours =
        |side: fn(&(u64, u64)) -> u64| clock(counts.iter().map(|(text, both)| (text.parse().ok(), side(both))));
    if let Some((before, after)) = hours(|both| both.0).zip(hours(|both| both.1)) {
        reasons.extend(shifted(&before, &after));
        return reasons;
    }
    match truncated(&counts, sizes) {
        Some(reason) => reasons.push(reason),
        None => reasons.extend(renamed(&counts, sizes)),
    }
    reasons
}

#[expect(clippy::cast_precision_loss, reason = "a sample has some thousand values")]
fn constant(counts: &Counts<'_>, (n, m): (u64, u64)) -> Option<Reason> {
    let mut held = counts.iter().filter(|(_, (_, after))| *after > 0);
    let (name, (before, _)) = held.next()?;
    if held.next().is_some() {
        return None;
    }
    let mut old = counts.iter().filter(|(_, (before, _))| *before > 0);
    if let (Some((first, (times, _))), None) = (old.next(), old.next()) {
        return (first != name && *times == n).then(|| {
            Reason::new(
                Cause::Constant,
                format!("every value of the window is `{name}`; every value of the baseline is `{first}`"),
            )
        });
    }
    let share = *before as f64 / n as f64;
    // A value that is nearly always there may well fill a window.
    if share > 0.0 && share.ln() * m as f64 > -14.0 {
        return None;
    }
    Some(Reason::new(
        Cause::Constant,
        format!("every value of the window is `{name}` ({:.1} % of the baseline)", share * 100.0),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn nulls_replaced(pair: &Pair<'_>, counts: &Counts<'_>, (n, m): (u64, u64)) -> Option<Reason> {
    let (before, after) = (pair.baseline(), pair.window());
    let fell = Proportions { baseline: (before.nulls(), before.rows()), window: (after.nulls(), after.rows()) };
    let (loss, p_value) = (-fell.change()?, fell.p_value()?);
    if loss < 0.005 || p_value > CHANGED {
        return None;
    }
    let present = before.present() as f64 / before.rows() as f64;
    let now_present = after.present() as f64 / after.rows() as f64;
    let growth = |(name, (before, after)): (&&str, &(u64, u64))| {
        ((*name).to_owned(), *after as f64 / m as f64 * now_present - *before as f64 / n as f64 * present)
    };
    let (name, gain) = counts.iter().map(growth).max_by(|left, right| left.1.total_cmp(&right.1))?;
    ((0.7..1.4).contains(&(gain / loss)) && others_are_alike(counts, &name)).then(|| {
        Reason::new(
            Cause::NullsReplaced,
            format!(
                "nulls seem to be replaced by `{name}`: nulls fell by {:.1} points while it rose by {:.1}",
                loss * 100.0,
                gain * 100.0
            ),
        )
    })
}

/// Whether the categories but this one have the shares among themselves that they had.
#[expect(clippy::cast_precision_loss, reason = "some thousand categories")]
fn others_are_alike(counts: &Counts<'_>, but: &str) -> bool {
    let others: Vec<(u64, u64)> =
        counts.iter().filter(|(name, _)| **name != but).map(|(_, counts)| *counts).collect();
    let (n, m) = others.iter().fold((0, 0), |(n, m), (before, after)| (n + before, m + after));
    let level = UNLIKE / others.len().max(1) as f64;
    let moved = |(before, after): (u64, u64)| {
        let change = Proportions { baseline: (before, n), window: (after, m) };
        change.p_value().is_some_and(|p_value| p_value < level)
            && change.change().is_some_and(|change| change.abs() >= NOTHING)
    };
    !others.into_iter().any(moved)
}

/// Categories that are gone, and new ones, with their shares' counts.
fn gone_and_new<'a>(counts: &Counts<'a>, (n, m): (u64, u64)) -> (Vec<Named<'a>>, Vec<Named<'a>>) {
    let left = |before: u64, after: u64| Proportions { baseline: (before, n), window: (after, m) };
    let significant = |change: Proportions| change.p_value().is_some_and(|p_value| p_value < CHANGED);
    // Products of counts are larger than any count.
    let fell =
        |before: u64, after: u64| u128::from(after) * u128::from(n) * 20 < u128::from(before) * u128::from(m);
    let gone = counts
        .iter()
        .filter(|(_, (before, after))| fell(*before, *after) && significant(left(*before, *after)))
        .map(|(name, (before, _))| (*name, *before));
    let new = counts
        .iter()
        .filter(|(_, (before, after))| *before == 0 && significant(left(*before, *after)))
        .map(|(name, (_, after))| (*name, *after));
    (gone.collect(), new.collect())
}

/// New names are beginnings of gone ones, all cut at one length.
fn truncated(counts: &Counts<'_>, sizes: (u64, u64)) -> Option<Reason> {
    let (gone, new) = gone_and_new(counts, sizes);
    let longest = |names: &mut dyn Iterator<Item = &str>| names.map(|name| name.chars().count()).max();
    let limit = longest(&mut counts.iter().filter(|(_, (_, after))| *after > 0).map(|(name, _)| *name))?;
    let before = longest(&mut counts.iter().filter(|(_, (before, _))| *before > 0).map(|(name, _)| *name))?;
    if limit >= before || new.is_empty() {
        return None;
    }
    // A trailing blank of the cut may have been trimmed away.
    let cut = |name: &str| -> String { name.chars().take(limit).collect() };
    let explained = new.iter().all(|(name, _)| {
        counts.iter().any(|(old, (before, _))| {
            *before > 0 && old.len() > name.len() && cut(old).trim_end() == name.trim_end()
        })
    });
    let example = gone.iter().find_map(|(old, _)| {
        let short = new.iter().find(|(name, _)| cut(old).trim_end() == name.trim_end())?;
        Some((*old, short.0))
    })?;
    explained.then(|| {
        Reason::new(
            Cause::Truncated,
            format!(
                "texts seem to be cut after {}: `{}` became `{}`",
                number_of(limit, "character"),
                example.0,
                example.1
            ),
        )
    })
}

/// A gone and a new category of one share whose names are alike, or that are the only ones to match.
#[expect(clippy::cast_precision_loss, reason = "a sample has some thousand values")]
fn renamed(counts: &Counts<'_>, (n, m): (u64, u64)) -> Option<Reason> {
    let (gone, new) = gone_and_new(counts, (n, m));
    let same_size = |before: u64, after: u64| {
        Proportions { baseline: (before, n), window: (after, m) }.p_value().is_some_and(|p_value| p_value > 1e-3)
    };
    let mut pairs = Vec::new();
    for (old, before) in &gone {
        let matching: Vec<&(&str, u64)> = new.iter().filter(|(_, after)| same_size(*before, *after)).collect();
        let alike = matching.iter().filter_map(|(name, after)| Some((how_alike(old, name)?, *name, *after))).min();
        let found = alike.or(match (matching.as_slice(), gone.len(), new.len()) {
            // Nothing else could have become of it.
            ([(name, after)], 1, 1) if *before as f64 >= 0.02 * n as f64 => {
                Some((Likeness::Unlike, *name, *after))
            }
            _ => None,
        });
        pairs.extend(found.map(|(likeness, name, after)| (likeness, *old, name, *before, after)));
    }
    let (likeness, ..) = pairs.first()?;
    let listed: Vec<String> = pairs
        .iter()
        .take(3)
        .map(|(_, old, name, before, after)| {
            let shares = (*before as f64 / n as f64 * 100.0, *after as f64 / m as f64 * 100.0);
            format!("`{}` ({:.1} %) to `{}` ({:.1} %)", shown(old), shares.0, shown(name), shares.1)
        })
        .collect();
    let more = if pairs.len() > 3 { format!(" and {} more", pairs.len() - 3) } else { String::new() };
    Some(Reason::new(
        Cause::Renamed,
        format!("categories seem renamed{}: {}{more}", likeness.words(), listed.join(", ")),
    ))
}

/// Blanks at the ends are to be seen.
fn shown(name: &str) -> String {
    name.replace(' ', "\u{b7}")
}

/// In what two names differ, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Case,
    Blanks,
    Signs,
    Spelling,
    Unlike,
}

impl Likeness {
    fn words(self) -> &'static str {
        match self {
            Self::Case => " (upper and lower case)",
            Self::Blanks => " (blanks, here shown as dots)",
            Self::Signs => " (signs between words)",
            Self::Spelling => " (spelling)",
            Self::Unlike => "",
        }
    }
}

fn how_alike(old: &str, name: &str) -> Option<Likeness> {
    let blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters =
        |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase();
    if old.to_lowercase() == name.to_lowercase() {
        Some(Likeness::Case)
    } else if blanks(old) == blanks(name) {
        Some(Likeness::Blanks)
    } else if !letters(old).is_empty() && letters(old) == letters(name) {
        Some(Likeness::Signs)
    } else if strsim::normalized_levenshtein(old, name) >= ALIKE {
        Some(Likeness::Spelling)
    } else {
        None
    }
}
