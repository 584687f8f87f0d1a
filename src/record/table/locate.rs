//! Where a path lies in a record batch: in columns, structs and maps as in the objects of JSON.

use arrow::array::{Array, ArrayRef, AsArray, MapArray, RecordBatch, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;

use crate::record::FieldPath;

/// The values at a path.
pub(super) struct LocatedValues {
    pub(super) array: ArrayRef,
    /// Rows in which the object around the value is there; in the others the value is missing rather than null. `None`
    /// where it is there in all.
    pub(super) within: Option<NullBuffer>,
}

/// The field of a file that a path begins at, and the steps that are left below it: an own field first, then a flat one
/// that has the whole path as its name, as tools write it that flatten objects.
pub(super) fn root<'a>(fields: &Fields, path: &'a FieldPath) -> Option<(usize, &'a [String])> {
    let (first, rest) = path.steps().split_first()?;
    let nested = |kind: &DataType| rest.is_empty() || matches!(kind, DataType::Struct(_) | DataType::Map(..));
    let position = |name: &str| fields.iter().position(|field| field.name() == name);
    let own = position(first).filter(|index| fields.get(*index).is_some_and(|field| nested(field.data_type())));
    own.map(|index| (index, rest)).or_else(|| position(&path.steps().join(".")).map(|index| (index, &[][..])))
}

/// The values at a path; `None` when the batch has no such column.
///
/// # Errors
/// When Arrow cannot take values out of a map.
pub(super) fn locate(batch: &RecordBatch, path: &FieldPath) -> Result<Option<LocatedValues>, ArrowError> {
    let schema = batch.schema_ref();
    let Some((index, rest)) = root(schema.fields(), path) else { return Ok(None) };
    let mut array = batch.column(index).clone();
    let mut within: Option<NullBuffer> = None;
    for step in rest {
        let outer = array.logical_nulls();
        let (inner, found) = match array.data_type() {
            DataType::Struct(_) => match array.as_struct().column_by_name(step) {
                Some(inner) => (inner.clone(), None),
                None => return Ok(None),
            },
            DataType::Map(..) => entries(array.as_map(), step)?,
            _ => return Ok(None),
        };
        within = NullBuffer::union(NullBuffer::union(within.as_ref(), outer.as_ref()).as_ref(), found.as_ref());
        array = inner;
    }
    Ok(Some(LocatedValues { array, within }))
}

/// The values that the rows of a map have under a key, of several the last, and the rows that have it.
fn entries(map: &MapArray, key: &str) -> Result<(ArrayRef, Option<NullBuffer>), ArrowError> {
    let keys = arrow::compute::cast(map.keys(), &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let offsets = map.offsets();
    let places: UInt32Array = (0..map.len())
        .map(|row| {
            let range = offsets.get(row).zip(offsets.get(row + 1)).filter(|_| map.is_valid(row));
            let (start, end) = range?;
            let at = |place: &i32| {
                usize::try_from(*place).is_ok_and(|place| keys.is_valid(place) && keys.value(place) == key)
            };
            (*start..*end).rev().find(at).and_then(|place| u32::try_from(place).ok())
        })
        .collect();
    let found: NullBuffer = places.iter().map(|place| place.is_some()).collect();
    let values = if map.values().is_empty() {
        new_null_array(map.values().data_type(), map.len())
    } else {
        take(map.values(), &places, None)?
    };
    Ok((values, Some(found)))
}

/// The paths of all columns that are not structs, structs inside of structs as paths, in the order of the file.
pub(super) fn leaves(fields: &Fields) -> Vec<(FieldPath, DataType)> {
    fn walk(fields: &Fields, path: &mut Vec<String>, found: &mut Vec<(FieldPath, DataType)>) {
        for field in fields {
            path.push(field.name().clone());
            match field.data_type() {
                DataType::Struct(inner) if path.len() < DEEPEST => walk(inner, path, found),
                kind => found.push((FieldPath::of_steps(path.clone()), kind.clone())),
            }
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(fields, &mut Vec::new(), &mut found);
    found
}

/// The deepest object that is looked into.
pub(super) const DEEPEST: usize = 8;
