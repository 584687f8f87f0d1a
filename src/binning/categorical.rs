//! Categorical bins: known categories, rare known ones together, and what was never seen before.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The stable hash by which rare known categories are recognised.
#[must_use]
pub fn category_hash(category: &str) -> u64 {
    xxh3_64(category.as_bytes())
}

/// One bin for each known category, then a bin shared by the rare known ones, then one for unseen ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "CategoricalBinningFile", into = "CategoricalBinningFile")]
pub struct CategoricalBinning {
    categories: Vec<String>,
    rare: Vec<u64>,
    rare_counts: Option<RareCounts>,
    by_name: HashMap<String, usize>,
}

/// What is known of the rare categories of the sample that the bins were placed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RareCounts {
    /// Their values.
    pub values: u64,
    /// How many have one value.
    pub once: u64,
    /// How many have two values.
    pub twice: u64,
    /// How many have as many values as the rarest category with a bin of its own.
    pub tied: u64,
    /// How many values of rare and of unseen categories another sample of the same size has on average (Good 1953): which
    /// categories are rare in this one is partly chance.
    pub foreseen: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct CategoricalBinningFile {
    categories: Vec<String>,
    rare: Vec<u64>,
    /// Left out where it is not known or there are none, so that sets of earlier versions keep their identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rare_counts: Option<RareCounts>,
}

impl From<CategoricalBinningFile> for CategoricalBinning {
    fn from(file: CategoricalBinningFile) -> Self {
        Self { rare_counts: file.rare_counts, ..Self::new(file.categories, file.rare) }
    }
}

impl From<CategoricalBinning> for CategoricalBinningFile {
    fn from(binning: CategoricalBinning) -> Self {
        Self { categories: binning.categories, rare: binning.rare, rare_counts: binning.rare_counts }
    }
}

impl PartialEq for CategoricalBinning {
    fn eq(&self, other: &Self) -> bool {
        self.categories == other.categories && self.rare == other.rare && self.rare_counts == other.rare_counts
    }
}

impl CategoricalBinning {
    /// Bins for these categories (duplicates after the first are dropped) and the hashes of rare ones.
    #[must_use]
    pub fn new(categories: Vec<String>, mut rare: Vec<u64>) -> Self {
        let mut by_name = HashMap::with_capacity(categories.len());
        let mut kept = Vec::with_capacity(categories.len());
        for category in categories {
            if !by_name.contains_key(&category) {
                by_name.insert(category.clone(), kept.len());
                kept.push(category);
            }
        }
        rare.sort_unstable();
        rare.dedup();
        Self { categories: kept, rare, rare_counts: None, by_name }
    }

    /// The same bins, with how often the rare categories were there.
    #[must_use]
    pub fn with_rare_counts(self, rare_counts: RareCounts) -> Self {
        Self { rare_counts: Some(rare_counts), ..self }
    }

    /// No category known: everything is unseen.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    /// The bins of a boolean column.
    #[must_use]
    pub fn boolean() -> Self {
        Self::new(vec!["false".to_owned(), "true".to_owned()], Vec::new())
    }

    /// The known categories that have a bin of their own.
    #[must_use]
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// How many rare known categories share a bin.
    #[must_use]
    pub fn rare(&self) -> usize {
        self.rare.len()
    }

    /// How often what the bins were placed by has its rare categories; `None` where there are none or that is not known, as
    /// for bins of earlier versions.
    #[must_use]
    pub fn rare_counts(&self) -> Option<RareCounts> {
        self.rare_counts
    }

    /// How many bins there are: known categories, rare, unseen.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.categories.len() + 2
    }

    /// The bin shared by rare known categories.
    #[must_use]
    pub fn rare_bin(&self) -> usize {
        self.categories.len()
    }

    /// The bin of categories never seen before.
    #[must_use]
    pub fn unseen_bin(&self) -> usize {
        self.categories.len() + 1
    }

    /// The bin of a category.
    #[must_use]
    pub fn bin(&self, category: &str) -> usize {
        if let Some(bin) = self.by_name.get(category) {
            *bin
        } else if !self.rare.is_empty() && self.rare.binary_search(&category_hash(category)).is_ok() {
            self.rare_bin()
        } else {
            self.unseen_bin()
        }
    }

    /// What a bin is called in findings.
    #[must_use]
    pub fn label(&self, bin: usize) -> &str {
        match self.categories.get(bin) {
            Some(category) => category,
            None if bin == self.rare_bin() => "(rare)",
            None => "(unseen)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_rare_and_unseen_categories_have_their_bins() {
        let binning = CategoricalBinning::new(vec!["a".into(), "b".into(), "a".into()], vec![category_hash("z")]);
        assert_eq!(["a", "b", "z", "q"].map(|category| binning.bin(category)), [0, 1, 2, 3]);
        assert_eq!(binning.bins(), 4);
        assert_eq!(binning.label(2), "(rare)");
        assert_eq!(binning.label(3), "(unseen)");
    }
}
