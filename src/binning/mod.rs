//! Binnings: the fixed bins of one column. Counts on the same binning add up and can be compared.

mod build;
mod categorical;
mod embedding;
mod level;
mod numeric;
pub mod single;
pub mod universal;

pub use build::{BinningError, BuildOptions, categorical_from_counts, numeric_from_buckets, numeric_from_values};
pub use categorical::{CategoricalBinning, RareCounts, category_hash};
pub use embedding::{EmbeddingBinning, MAX_COMPONENTS};
pub use level::Level;
pub use numeric::NumericBinning;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::record::{Column, ColumnType, MAX_COLUMNS, ModelSchema};

/// How the values of one column are put into bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Binning {
    /// Intervals between cuts, with open ends; for numeric columns with a baseline.
    Numeric(NumericBinning),
    /// Sign and log-linear buckets, the same for all data; for numeric columns without a baseline.
    UniversalNumeric,
    /// One bin a known category, one for rare known ones, one for unseen ones.
    Categorical(CategoricalBinning),
    /// No bins: sums of vectors.
    Embedding(EmbeddingBinning),
}

impl Binning {
    /// The binning of a column that has no baseline yet.
    #[must_use]
    pub fn universal(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Numeric => Self::UniversalNumeric,
            ColumnType::Categorical | ColumnType::Text => Self::Categorical(CategoricalBinning::empty()),
            ColumnType::Embedding => Self::Embedding(EmbeddingBinning::empty()),
            ColumnType::Boolean => Self::Categorical(CategoricalBinning::boolean()),
        }
    }

    /// Whether distributions on it can be compared with a baseline.
    #[must_use]
    pub fn is_universal(&self) -> bool {
        match self {
            Self::UniversalNumeric => true,
            Self::Numeric(_) => false,
            Self::Categorical(binning) => binning.categories().is_empty(),
            Self::Embedding(binning) => binning.dimensions() == 0,
        }
    }
}

/// Why what is stored is no binning, or no set of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// The bins of numbers.
    #[error("the cuts of a numeric binning must be finite and strictly increasing, at least two")]
    Cuts,
    /// The length of vectors.
    #[error("a vector of {0} components; at most {MAX_COMPONENTS} are compared")]
    Components(usize),
    /// More columns than a model has.
    #[error("bins of {0} columns; a model may have at most {MAX_COLUMNS}")]
    Columns(usize),
    /// Columns of one name.
    #[error("two columns `{0}`")]
    Twice(String),
}

/// The binnings of all columns of a monitor, with the identity that counts carry along.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BinningSetFile")]
pub struct BinningSet {
    id: Uuid,
    columns: Vec<(String, Binning)>,
    /// Columns whose values are not to be shown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    sensitive: BTreeSet<String>,
}

/// As stored: validated on the way in, since the database is input too.
#[derive(Deserialize)]
struct BinningSetFile {
    id: Uuid,
    columns: Vec<(String, Binning)>,
    #[serde(default)]
    sensitive: BTreeSet<String>,
}

impl TryFrom<BinningSetFile> for BinningSet {
    type Error = StoredError;

    fn try_from(file: BinningSetFile) -> Result<Self, StoredError> {
        let BinningSetFile { id, columns, sensitive } = file;
        if columns.len() > MAX_COLUMNS {
            return Err(StoredError::Columns(columns.len()));
        }
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = columns.iter().find(|(name, _)| !names.insert(name.as_str())) {
            return Err(StoredError::Twice(twice.clone()));
        }
        Ok(Self { id, columns, sensitive })
    }
}

impl BinningSet {
    /// A set of named binnings; its id is derived from its content, so equal sets have equal ids.
    #[must_use]
    pub fn new(columns: Vec<(String, Binning)>) -> Self {
        // Hashed as it is written: with a bin for every value the text would be larger than the data.
        let mut hash = Hashing(Xxh3::new());
        // Serialising plain data cannot fail; half of it would only make the id less telling.
        let _infallible = serde_json::to_writer(&mut hash, &columns);
        Self {
            id: Uuid::new_v5(&Uuid::from_u128(NAMESPACE), &hash.0.digest128().to_be_bytes()),
            columns,
            sensitive: BTreeSet::new(),
        }
    }

    /// The set with those columns marked that are sensitive in a schema. It is another set then: categories of such columns
    /// are hashes, and counts of names do not add up with counts of hashes.
    #[must_use]
    pub fn hiding(mut self, schema: &ModelSchema) -> Self {
        let marked = schema.columns().iter().filter(|column| column.sensitive);
        self.sensitive = marked.map(|column| column.name.clone()).collect();
        for name in &self.sensitive {
            self.id = Uuid::new_v5(&self.id, name.as_bytes());
        }
        self
    }

    /// Whether the values of a column are not to be shown.
    #[must_use]
    pub fn is_sensitive(&self, column: &str) -> bool {
        self.sensitive.contains(column)
    }

    /// The universal set for a schema: what is counted until there is a baseline.
    #[must_use]
    pub fn universal(schema: &ModelSchema) -> Self {
        Self::new(
            schema
                .columns()
                .iter()
                .map(|column| (column.name.clone(), Binning::universal(column.column_type)))
                .collect(),
        )
        .hiding(schema)
    }

    /// Whether counts made on a universal set can be moved to this one: the same columns, with bins that were placed by such
    /// counts. No bin of this set parts a bucket of the other, unless that is coarser than those that the bins were placed by.
    #[must_use]
    pub fn holds_whole_buckets_of(&self, universal: &Self) -> bool {
        self.columns.len() == universal.columns.len()
            && self.columns.iter().zip(&universal.columns).all(|((name, binning), (other, counted))| {
                name == other
                    && match (counted, binning) {
                        (Binning::UniversalNumeric, Binning::UniversalNumeric) => true,
                        (Binning::UniversalNumeric, Binning::Numeric(binning)) => {
                            binning.level().is_some()
                                || binning.cuts().iter().all(|cut| universal::is_lower_end(*cut))
                        }
                        (Binning::Categorical(from), Binning::Categorical(_)) => {
                            from.categories().is_empty() || binning == counted
                        }
                        (Binning::Embedding(_), Binning::Embedding(_)) => binning == counted,
                        _ => false,
                    }
            })
    }

    /// Whether this set fits a schema: the same columns in the same order, of the same types.
    #[must_use]
    pub fn fits(&self, schema: &ModelSchema) -> bool {
        self.columns.len() == schema.columns().len()
            && self
                .columns
                .iter()
                .zip(schema.columns())
                .all(|((name, binning), column)| *name == column.name && self.fits_column(binning, column))
    }

    /// The columns for which this set does not fit a schema: those that one of the two lacks, and those that have another type
    /// in it or are sensitive in one alone. Empty when it fits, and when nothing but the order differs.
    #[must_use]
    pub fn unfit_columns(&self, schema: &ModelSchema) -> Vec<String> {
        let binning =
            |wanted: &str| self.columns.iter().find(|(name, _)| name == wanted).map(|(_, binning)| binning);
        let fits =
            |column: &Column| binning(&column.name).is_some_and(|binning| self.fits_column(binning, column));
        let unfit = schema.columns().iter().filter(|column| !fits(column)).map(|column| &column.name);
        let is_wanted = |name: &String| schema.columns().iter().any(|column| column.name == *name);
        let unwanted = self.columns.iter().map(|(name, _)| name).filter(|name| !is_wanted(name));
        unfit.chain(unwanted).cloned().collect()
    }

    fn fits_column(&self, binning: &Binning, column: &Column) -> bool {
        self.is_sensitive(&column.name) == column.sensitive
            && match binning {
                Binning::Numeric(_) | Binning::UniversalNumeric => column.column_type == ColumnType::Numeric,
                Binning::Categorical(_) => {
                    !matches!(column.column_type, ColumnType::Numeric | ColumnType::Embedding)
                }
                Binning::Embedding(_) => column.column_type == ColumnType::Embedding,
            }
    }

    /// Equal for equal content.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Column names and binnings in schema order.
    #[must_use]
    pub fn columns(&self) -> &[(String, Binning)] {
        &self.columns
    }
}

/// What is written to it is hashed.
struct Hashing(Xxh3);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Namespace of binning ids.
const NAMESPACE: u128 = 0x6472_6966_7464_4269_6e6e_696e_6753_6574;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_does_not_fit_names_the_columns() {
        let set = BinningSet::universal(
            &ModelSchema::of_features(&[
                ("a", ColumnType::Numeric),
                ("b", ColumnType::Numeric),
                ("c", ColumnType::Categorical),
            ])
            .unwrap(),
        );
        let unfit = |columns: &[(&str, ColumnType)]| {
            let schema = ModelSchema::of_features(columns).unwrap();
            (set.fits(&schema), set.unfit_columns(&schema))
        };
        let (numeric, categorical) = (ColumnType::Numeric, ColumnType::Categorical);
        assert_eq!(unfit(&[("a", numeric), ("b", numeric), ("c", categorical)]), (true, vec![]));
        assert_eq!(
            unfit(&[("b", numeric), ("a", numeric), ("c", categorical)]),
            (false, vec![]),
            "the order alone"
        );
        let found = unfit(&[("a", categorical), ("c", categorical), ("d", numeric)]);
        assert_eq!(found, (false, vec!["a".to_owned(), "d".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn the_id_of_a_set_is_that_of_its_text_and_never_changes() {
        let numeric = NumericBinning::new(vec![0.0, 0.1, 1e300], 0.25).unwrap();
        let set = BinningSet::new(vec![
            ("x".into(), Binning::Numeric(numeric)),
            ("k".into(), Binning::Categorical(CategoricalBinning::new(vec!["ä".into()], vec![7]))),
        ]);
        let text = serde_json::to_vec(set.columns()).unwrap();
        let hash = xxhash_rust::xxh3::xxh3_128(&text).to_be_bytes();
        assert_eq!(set.id(), Uuid::new_v5(&Uuid::from_u128(NAMESPACE), &hash));
        assert_eq!(set.id().to_string(), "ff8f3dbf-ea0d-5584-aff1-c2052f0e6f89");
    }
}
