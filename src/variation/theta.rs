//! The confidence distribution of theta, the variance between windows in units of the variance between records.
//!
//! `Q / (1 + mean size * theta)` is about chi-square. Read as a function of theta this is a distribution of it: at the chance `u`
//! that chi-square lies below a quantile, theta is where `Q` over that quantile puts it. A p-value is the average over this
//! distribution, at fixed nodes `u` that are dense where chi-square is small and theta large: that is what decides far out.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::dispersion::Sizes;
use super::law::chi_square_quantile;

/// How many nodes there are.
pub(super) const NODES: usize = 26;
/// The node that stands for the distribution where one number is shown: theta a little above its median.
const SHOWN: usize = 19;

/// Chances and weights of the nodes: the trapezoid rule on 1e-9 to 1.
static GRID: LazyLock<[(f64, f64); NODES]> = LazyLock::new(|| {
    let mut chances = [0.06, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 1.0].into_iter();
    let mut half_decades = (-18..=-3).map(|exponent| 10f64.powf(f64::from(exponent) / 2.0));
    let mut grid = std::array::from_fn(|_| (half_decades.next().or_else(|| chances.next()).unwrap_or(1.0), 0.0));
    let mut below = 0.0;
    for node in 0..NODES {
        let at = |node: usize| grid.get(node).map(|(chance, _)| *chance);
        let (chance, next) = (at(node).unwrap_or(1.0), at(node + 1).unwrap_or(1.0));
        // What is below the first node is its own.
        let weight = f64::midpoint(next, chance) - below;
        below = f64::midpoint(next, chance);
        if let Some(entry) = grid.get_mut(node) {
            entry.1 = weight;
        }
    }
    grid
});

/// The weight of each node with those after it.
static REST: LazyLock<[f64; NODES]> = LazyLock::new(|| {
    let mut rest = GRID.map(|(_, weight)| weight);
    let mut sum = 0.0;
    for weight in rest.iter_mut().rev() {
        sum += *weight;
        *weight = sum;
    }
    rest
});

/// The variance of a difference over its sampling part, at each node.
pub(super) struct Ratios {
    nodes: [f64; NODES],
    /// From this node on sampling is all: theta falls from node to node.
    varying: usize,
}

impl Ratios {
    /// The average of a function of the ratio.
    pub(super) fn average(&self, of: impl Fn(f64) -> f64) -> f64 {
        let varying = GRID.iter().zip(&self.nodes).take(self.varying);
        let sum: f64 = varying.map(|((_, weight), ratio)| weight * of(*ratio)).sum();
        REST.get(self.varying).map_or(sum, |weight| sum + weight * of(1.0))
    }
}

/// What stands for all nodes where one number is shown.
pub(super) const fn shown(values: &[f64; NODES]) -> f64 {
    values[SHOWN]
}

/// Quantiles of chi-square at the nodes, by degrees of freedom.
#[derive(Default)]
pub(super) struct Quantiles(HashMap<u64, [f64; NODES]>);

impl Quantiles {
    fn of(&mut self, degrees: f64) -> &[f64; NODES] {
        self.0.entry(degrees.to_bits()).or_insert_with(|| {
            let quantile =
                |chance| if chance < 1.0 { chi_square_quantile(chance, degrees) } else { f64::INFINITY };
            GRID.map(|(chance, _)| quantile(chance))
        })
    }
}

/// The variation of one statistic between windows, ready to judge windows of any size.
#[derive(Clone, Debug)]
pub(super) struct Theta {
    nodes: [f64; NODES],
    /// How many of them are positive.
    varying: usize,
    sizes: Sizes,
    /// Of the reference's own mean.
    concentration: f64,
}

impl Theta {
    /// From a dispersion (Q with what is borrowed, and its degrees of freedom), at an autocorrelation of the windows.
    pub(super) fn new(
        q: f64,
        degrees: f64,
        sizes: Sizes,
        autocorrelation: f64,
        quantiles: &mut Quantiles,
    ) -> Self {
        let inflation = (1.0 + autocorrelation) / (1.0 - autocorrelation);
        let seen = (1.0 - inflation / super::size(sizes.windows.max(1))).max(0.2);
        let scale = 1.0 / (sizes.mean * seen);
        let nodes = if q > 0.0 && sizes.mean > 0.0 {
            quantiles.of(degrees).map(|quantile| (q / quantile - 1.0).max(0.0) * scale)
        } else {
            [0.0; NODES]
        };
        Self { nodes, varying: varying(&nodes), sizes, concentration: sizes.concentration * inflation }
    }

    /// From a mean ratio of a statistic to its expectation, with so many degrees of freedom.
    pub(super) fn of_ratio(ratio: f64, degrees: f64, sizes: Sizes, quantiles: &mut Quantiles) -> Self {
        let mut nodes = [0.0; NODES];
        if ratio > 0.0 && sizes.mean > 0.0 {
            nodes = quantiles.of(degrees).map(|quantile| (ratio * degrees / quantile - 1.0).max(0.0) / sizes.mean);
        }
        Self { nodes, varying: varying(&nodes), sizes, concentration: sizes.concentration }
    }

    /// The sampling variance of a window's mean less the reference's, per unit of variance between records.
    pub(super) fn sampling(&self, records: f64) -> f64 {
        1.0 / records + 1.0 / self.sizes.total
    }

    /// The variance of that difference over its sampling part, at each node.
    ///
    /// Windows that are smaller than the reference's are treated as if the excess came from records that are alike within a window,
    /// larger ones as if whole windows moved: the more cautious of both.
    pub(super) fn ratios(&self, records: f64) -> Ratios {
        let factor = self.factor(records);
        Ratios { nodes: self.nodes.map(|theta| 1.0 + theta * factor), varying: self.varying }
    }

    /// The ratio where one number is shown.
    pub(super) fn ratio(&self, records: f64) -> f64 {
        1.0 + shown(&self.nodes) * self.factor(records)
    }

    fn factor(&self, records: f64) -> f64 {
        ((self.sizes.mean / records).max(1.0) + self.concentration) / self.sampling(records)
    }

    /// How many independent records a window of so many is worth.
    pub(super) fn effective_size(&self, records: f64) -> f64 {
        1.0 / (1.0 / records + shown(&self.nodes))
    }

    /// Whether the reference's windows vary more than sampling.
    pub(super) fn varies(&self) -> bool {
        shown(&self.nodes) > 0.0
    }

    /// The reference's records.
    pub(super) const fn total(&self) -> f64 {
        self.sizes.total
    }

    /// Theta where one number is shown.
    pub(super) const fn shown(&self) -> f64 {
        shown(&self.nodes)
    }
}

fn varying(nodes: &[f64; NODES]) -> usize {
    nodes.iter().take_while(|theta| **theta > 0.0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_a_distribution() {
        assert!((GRID.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(GRID.iter().all(|(_, weight)| *weight > 0.0) && GRID.is_sorted_by_key(|(chance, _)| *chance));
        assert_eq!(GRID[SHOWN].0, 0.35);
        assert_eq!(GRID[NODES - 1].0, 1.0);
    }

    #[test]
    fn windows_without_dispersion_leave_sampling_alone() {
        let sizes = Sizes::of([100.0; 24].into_iter());
        assert_eq!(sizes, Sizes { windows: 24, total: 2400.0, mean: 100.0, concentration: 0.041_666_666_7 });
        let theta = Theta::new(0.0, 23.0, sizes, 0.0, &mut Quantiles::default());
        assert!((theta.ratios(50.0).average(|ratio| ratio) - 1.0).abs() < 1e-12);
        assert_eq!(theta.effective_size(50.0), 50.0);
    }
}
