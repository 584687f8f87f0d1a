//! What the dispersions of a monitor's other columns say about one: empirical Bayes for variances (G. K. Smyth, "Linear models and
//! empirical Bayes methods for assessing differential expression in microarray experiments", 2004).

use std::collections::BTreeMap;

use statrs::function::gamma::digamma;

use super::law::{trigamma, trigamma_inverse};
use super::{Statistic, size};

/// With fewer columns nothing is borrowed.
const LEAST_COLUMNS: usize = 5;
/// So many degrees of freedom are borrowed at most, before they are halved.
const LARGEST_DEGREES: f64 = 60.0;
/// A category with at least this share is a common one.
const COMMON: f64 = 0.05;

/// Statistics whose dispersions are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Location,
    Spread,
    Tail,
    Group,
    CommonCategory,
    RareCategory,
    Null,
    Invalid,
}

impl Family {
    /// `None` for statistics that borrow nothing. `share` is the reference's.
    pub(super) fn of(statistic: Statistic, share: f64) -> Option<Self> {
        match statistic {
            Statistic::Location => Some(Self::Location),
            Statistic::Spread => Some(Self::Spread),
            Statistic::LowTail | Statistic::HighTail => Some(Self::Tail),
            Statistic::Group(_) => Some(Self::Group),
            Statistic::Category(_) if share >= COMMON => Some(Self::CommonCategory),
            Statistic::Category(_) => Some(Self::RareCategory),
            Statistic::Null => Some(Self::Null),
            Statistic::Invalid => Some(Self::Invalid),
            Statistic::Below
            | Statistic::Above
            | Statistic::Unseen
            | Statistic::Stuck(_)
            | Statistic::Surge(_)
            | Statistic::Mix => None,
        }
    }
}

/// What a column borrows: degrees of freedom, and the dispersion at which they are. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Prior {
    pub degrees: f64,
    pub dispersion: f64,
}

/// A column's dispersion of a family, with its degrees of freedom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub share: f64,
    pub dispersion: f64,
    pub degrees: f64,
}

/// The priors by family. Of each column one statistic counts, that with the largest share.
pub(super) fn priors(columns: impl Iterator<Item = Vec<(Family, Own)>>) -> BTreeMap<Family, Prior> {
    let mut pools: BTreeMap<Family, Vec<Own>> = BTreeMap::new();
    for column in columns {
        let mut largest: BTreeMap<Family, Own> = BTreeMap::new();
        for (family, own) in column {
            let best = largest.entry(family).or_insert(own);
            if own.share > best.share {
                *best = own;
            }
        }
        for (family, own) in largest {
            pools.entry(family).or_default().push(own);
        }
    }
    pools.into_iter().map(|(family, pool)| (family, prior(&pool))).collect()
}

fn prior(pool: &[Own]) -> Prior {
    let pool: Vec<&Own> = pool.iter().filter(|own| own.dispersion > 0.0).collect();
    if pool.len() < LEAST_COLUMNS {
        return Prior::default();
    }
    let count = size(pool.len());
    // Logarithms of dispersions, less what chance alone makes of their expectation.
    let logs: Vec<f64> = pool
        .iter()
        .map(|own| own.dispersion.ln() - digamma(own.degrees / 2.0) + (own.degrees / 2.0).ln())
        .collect();
    let mean = logs.iter().sum::<f64>() / count;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let chance = pool.iter().map(|own| trigamma(own.degrees / 2.0)).sum::<f64>() / count;
    let excess = variance - chance;
    let degrees =
        if excess > 0.0 { (2.0 * trigamma_inverse(excess)).min(LARGEST_DEGREES) } else { LARGEST_DEGREES };
    let dispersion = (mean + digamma(degrees / 2.0) - (degrees / 2.0).ln()).exp().max(1.0);
    // Half of it: columns with a dispersion of their own among many others would pay for those.
    Prior { degrees: degrees / 2.0, dispersion }
}
