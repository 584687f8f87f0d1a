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
    by_name: HashMap<String, usize>,
}

#[derive(Clone, Serialize, Deserialize)]
struct CategoricalBinningFile {
    categories: Vec<String>,
    rare: Vec<u64>,
}

impl From<CategoricalBinningFile> for CategoricalBinning {
    fn from(file: CategoricalBinningFile) -> Self {
        Self::new(file.categories, file.rare)
    }
}

impl From<CategoricalBinning> for CategoricalBinningFile {
    fn from(binning: CategoricalBinning) -> Self {
        Self { categories: binning.categories, rare: binning.rare }
    }
}

impl PartialEq for CategoricalBinning {
    fn eq(&self, other: &Self) -> bool {
        self.categories == other.categories && self.rare == other.rare
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
        Self { categories: kept, rare, by_name }
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
