//! Columns whose values nobody is to read: they are counted, and their values are neither kept nor shown.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use sha2::{Digest as _, Sha256};

/// The key in a field's metadata that marks its column.
const KEY: &str = "driftd.sensitive";

/// Bytes of a digest that are shown: two of a thousand categories have the same with a chance of one in two million.
const BYTES: usize = 5;

/// Whether a column of a record batch is sensitive.
#[must_use]
pub fn is_sensitive(field: &Field) -> bool {
    field.metadata().contains_key(KEY)
}

/// Marks a field.
pub(super) fn marked(field: Field) -> Field {
    field.with_metadata(HashMap::from([(KEY.to_owned(), "true".to_owned())]))
}

/// The short hash that stands for a category: the same for the same text of the same column, in training data and in
/// production. It hides a name from readers; who can guess the text can check the guess.
#[must_use]
pub fn hashed_category(column: &str, text: &str) -> String {
    let digest = Sha256::digest([column.as_bytes(), [0u8].as_slice(), text.as_bytes()].concat());
    let mut hash = "#".to_owned();
    for byte in digest.iter().take(BYTES) {
        // Writing to a String cannot fail.
        let _infallible = write!(hash, "{byte:02x}");
    }
    hash
}

/// The columns of a batch with hashes instead of the categories and words of sensitive ones.
pub(super) fn hidden(schema: &SchemaRef, arrays: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let fields = schema.fields().iter();
    fields
        .zip(arrays)
        .map(|(field, array)| if is_sensitive(field) { hashed(field.name(), array) } else { array })
        .collect()
}

fn hashed(column: &str, array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8 => Arc::new(hashed_texts(column, array.as_string::<i32>())),
        DataType::List(item) if item.data_type() == &DataType::Utf8 => {
            let lists = array.as_list::<i32>();
            let texts: ArrayRef = Arc::new(hashed_texts(column, lists.values().as_string::<i32>()));
            Arc::new(ListArray::new(Arc::clone(item), lists.offsets().clone(), texts, lists.nulls().cloned()))
        }
        // Numbers, booleans and vectors are counted and then gone: samples leave them out.
        _ => array,
    }
}

fn hashed_texts(column: &str, texts: &StringArray) -> StringArray {
    // A column has few categories beside its rows.
    let mut known: HashMap<&str, String> = HashMap::new();
    texts
        .iter()
        .map(|text| text.map(|text| known.entry(text).or_insert_with(|| hashed_category(column, text)).clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;

    use super::*;
    use crate::record::{ColumnType, ModelSchema, batch_of};

    #[test]
    fn categories_and_words_of_sensitive_columns_are_hashes_and_others_are_not() {
        let schema = ModelSchema::of_features(&[
            ("city", ColumnType::Categorical),
            ("note", ColumnType::Text),
            ("plan", ColumnType::Categorical),
        ])
        .unwrap()
        .with_sensitive(&["city", "note"]);
        let records =
            [r#"{"city":"Berlin","note":"Berlin calls","plan":"basic"}"#, r#"{"city":"Berlin","plan":"basic"}"#];
        let batch = batch_of(&schema, records.map(str::to_owned)).batch;
        let texts = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        assert_eq!(texts("city").value(0), hashed_category("city", "Berlin"));
        assert_eq!(texts("city").value(0), texts("city").value(1));
        assert_eq!(texts("plan").value(0), "basic");
        let words = batch.column_by_name("note.tokens").unwrap().as_list::<i32>().value(0);
        let words = words.as_string::<i32>();
        assert!(words.len() == 2 && words.iter().flatten().all(|word| word.starts_with('#') && word.len() == 11));
    }
}
