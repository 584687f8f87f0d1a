//! The values of the columns that drift, on both sides, for the search of reasons: they are read once more, alone.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use xxhash_rust::xxh3::xxh3_64;

use super::{CompareError, OpenFile};
use crate::baseline::BaselineError;
use crate::binning::single;
use crate::measure::{Categories, Points, Values};
use crate::record::{ColumnType, ModelSchema};

/// Beyond this many distinct values of a column, those with the larger hashes are left out: a sample that does not depend
/// on the order of rows.
const MAX_DISTINCT: usize = 500_000;
/// Columns looked at in one pass, which bounds memory.
const TOGETHER: usize = 8;

/// How often each side has a value.
type Counts<K> = HashMap<K, (u64, u64)>;

enum Collected {
    Numbers(Counts<u64>, u64),
    Texts(Counts<String>, u64),
}

/// The values of these columns.
pub(super) fn values(
    schema: &ModelSchema,
    drifting: &[&str],
    baseline: &impl OpenFile,
    window: &impl OpenFile,
) -> Result<BTreeMap<String, Values>, CompareError> {
    let mut found = BTreeMap::new();
    for names in drifting.chunks(TOGETHER) {
        let columns = schema.columns().iter().filter(|column| names.contains(&column.name.as_str()));
        // A part of a valid schema is one.
        let Ok(part) = ModelSchema::new(columns.cloned().collect()) else { continue };
        let mut collected: Vec<Collected> = part
            .columns()
            .iter()
            .map(|column| match column.column_type {
                ColumnType::Numeric => Collected::Numbers(Counts::new(), u64::MAX),
                _ => Collected::Texts(Counts::new(), u64::MAX),
            })
            .collect();
        collect(&mut collected, &part, baseline, |counts| &mut counts.0).map_err(CompareError::Baseline)?;
        collect(&mut collected, &part, window, |counts| &mut counts.1).map_err(CompareError::Window)?;
        for (column, collected) in part.columns().iter().zip(collected) {
            found.insert(column.name.clone(), collected.values());
        }
    }
    Ok(found)
}

fn collect(
    columns: &mut [Collected],
    schema: &ModelSchema,
    file: &impl OpenFile,
    side: fn(&mut (u64, u64)) -> &mut u64,
) -> Result<(), BaselineError> {
    for item in file.open(schema)? {
        let item = item?;
        for (collected, array) in columns.iter_mut().zip(item.batch.batch.columns()) {
            collected.add(array.as_ref(), side);
        }
    }
    Ok(())
}

impl Collected {
    fn add(&mut self, array: &dyn Array, side: fn(&mut (u64, u64)) -> &mut u64) {
        match self {
            Self::Numbers(counts, limit) => {
                let Some(values) = array.as_primitive_opt::<Float64Type>() else { return };
                for value in values.iter().flatten().filter(|value| value.is_finite()) {
                    // Adding zero makes negative zero positive: one value.
                    let bits = (value + 0.0).to_bits();
                    if *limit == u64::MAX || xxh3_64(&bits.to_le_bytes()) < *limit {
                        *side(counts.entry(bits).or_default()) += 1;
                        thin(counts, limit, |bits| xxh3_64(&bits.to_le_bytes()));
                    }
                }
            }
            Self::Texts(counts, limit) => {
                let mut add = |text: &str| {
                    if *limit < u64::MAX && xxh3_64(text.as_bytes()) >= *limit {
                        return;
                    }
                    match counts.get_mut(text) {
                        Some(both) => *side(both) += 1,
                        None => *side(counts.entry(text.to_owned()).or_default()) += 1,
                    }
                    thin(counts, limit, |text| xxh3_64(text.as_bytes()));
                };
                if let Some(values) = array.as_string_opt::<i32>() {
                    values.iter().flatten().for_each(&mut add);
                } else if let Some(values) = array.as_boolean_opt() {
                    values.iter().flatten().for_each(|value| add(if value { "true" } else { "false" }));
                }
            }
        }
    }

    fn values(self) -> Values {
        match self {
            Self::Numbers(counts, _) => {
                let all_single = |side: fn(&(u64, u64)) -> u64| {
                    counts
                        .iter()
                        .filter(|(_, both)| side(both) > 0)
                        .all(|(bits, _)| single::is_single(f64::from_bits(*bits)))
                };
                // A side in single precision can only be compared in it.
                let rounded = all_single(|both| both.0) != all_single(|both| both.1);
                let value = |bits: u64| {
                    let value = f64::from_bits(bits);
                    let single = f64::from(single::nearest(value));
                    if rounded && single.is_finite() { single::written(single) } else { value }
                };
                let all = counts.iter().map(|(bits, (before, after))| (value(*bits), *before, *after)).collect();
                Values::Numeric { points: Points::summed(all), integers: false }
            }
            Self::Texts(counts, _) => Values::Categorical(Categories::from_counts(counts.into_iter().collect())),
        }
    }
}

/// Halves the range of hashes until few enough values are left.
fn thin<K: std::hash::Hash + Eq>(counts: &mut Counts<K>, limit: &mut u64, hash: impl Fn(&K) -> u64) {
    while counts.len() > MAX_DISTINCT {
        *limit /= 2;
        counts.retain(|value, _| hash(value) < *limit);
    }
}
