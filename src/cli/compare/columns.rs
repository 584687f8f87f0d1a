//! Which columns of two files are compared, as which type, and why others are not.

use std::collections::{HashMap, HashSet};

use crate::cli::CliError;
use crate::cli::files::DataFile;
use crate::record::table::{FileColumn, FileProfile, OF_NUMBERS, TWICE, WITH_COMMAS};
use crate::record::{Column, ColumnRole, ColumnType, Derivation, ModelSchema, listed, nearest};

/// The columns to compare.
pub(super) struct ComparedColumns {
    pub(super) schema: ModelSchema,
    pub(super) integers: Vec<bool>,
    pub(super) notes: Vec<String>,
}

pub(super) fn choose(
    baseline: &DataFile,
    window: &DataFile,
    wanted: &[String],
) -> Result<ComparedColumns, CliError> {
    let read =
        |file: &DataFile| file.profile().map_err(|error| CliError::Failed(format!("{}: {error}", file.name())));
    let (before, after) = (read(baseline)?, read(window)?);
    for (file, profile) in [(baseline, &before), (window, &after)] {
        if profile.columns.is_empty() {
            let what =
                if profile.rows == 0 { "it has no row" } else { "none of its rows is a record with fields" };
            return Err(CliError::Failed(format!("{}: there is no column to compare: {what}", file.name())));
        }
    }
    let mut notes = Vec::new();
    for (side, profile) in [("baseline", &before), ("window", &after)] {
        notes.extend(profile.remarks.iter().map(|remark| format!("the {side}: {remark}")));
    }
    let chosen = if wanted.is_empty() {
        let chosen = guessed(&before, &after, &mut notes);
        // Files of two different things, or with the names written in another way.
        if !before.columns.iter().any(|column| of(&after, &column.name).is_some()) {
            return Err(CliError::Failed(format!(
                "the columns of {} are not in {}: there is nothing to compare\n{}",
                baseline.name(),
                window.name(),
                notes.join("\n")
            )));
        }
        for (said, profile) in [
            ("columns and their types are those of the baseline's", &before),
            ("the window's columns are those of its", &after),
        ] {
            if !profile.complete {
                let rows = match profile.rows {
                    1 => "row".to_owned(),
                    rows => format!("{rows} rows"),
                };
                notes.push(format!("{said} first {rows}"));
            }
        }
        chosen
    } else {
        named_columns(&before, &after, wanted, baseline, &mut notes)?
    };
    let integers: HashSet<String> =
        after.columns.iter().filter(|column| column.integers).map(|column| column.name.clone()).collect();
    // A text or an embedding stands for several columns.
    let (columns, integers): (Vec<Column>, Vec<bool>) = chosen
        .into_iter()
        .flat_map(|(column, column_type)| {
            let integers = column.integers && integers.contains(&column.name);
            let FileColumn { name, path, .. } = column;
            let column = Column {
                name,
                path,
                role: ColumnRole::Feature,
                column_type,
                derivation: Derivation::Value,
                sensitive: false,
            };
            column.expand().into_iter().map(move |column| (column, integers))
        })
        .unzip();
    if columns.is_empty() {
        return Err(CliError::Failed(format!(
            "{}: no column can be compared\n{}\nhint: choose columns with --column",
            baseline.name(),
            notes.join("\n")
        )));
    }
    let schema = ModelSchema::new(columns).map_err(|error| {
        let listed = notes.join("\n");
        CliError::Failed(format!("{}: {error}\nhint: choose columns with --column\n{listed}", baseline.name()))
    })?;
    Ok(ComparedColumns { schema, integers, notes })
}

fn of(profile: &FileProfile, name: &str) -> Option<FileColumn> {
    profile.columns.iter().find(|column| column.name == name).cloned()
}

/// All columns of the baseline that can be compared; why others are not, is noted.
fn guessed(before: &FileProfile, after: &FileProfile, notes: &mut Vec<String>) -> Vec<(FileColumn, ColumnType)> {
    let mut chosen = Vec::new();
    let mut refused: HashSet<String> = HashSet::new();
    let mut refuse = |column: &FileColumn, found: &str, notes: &mut Vec<String>| {
        if !refused.insert(column.name.clone()) {
            return;
        }
        let shown = if column.name.is_empty() {
            "a column without a name".to_owned()
        } else {
            format!("`{}`", column.name)
        };
        let way = match found {
            TWICE => "; rename one of the two".to_owned(),
            WITH_COMMAS => format!(
                "; decimal commas are read where semicolons or tabs stand between the columns; --column {}:categorical compares the texts",
                column.name
            ),
            _ if column.name.is_empty() => String::new(),
            found if found.starts_with(OF_NUMBERS) => {
                format!("; store it as numbers, or name it with --column {}:categorical", column.name)
            }
            _ => format!("; name it with --column {}:TYPE to compare it", column.name),
        };
        notes.push(format!("{shown} is not compared: it is {found}{way}"));
    };
    let others: HashMap<&str, &FileColumn> =
        after.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    for column in &before.columns {
        let there = others.get(column.name.as_str()).map(|there| (*there).clone());
        // Of a nested and a flat column the nested path finds both.
        let column = match &there {
            Some(there) if there.path.steps().len() > column.path.steps().len() => {
                &FileColumn { path: there.path.clone(), ..column.clone() }
            }
            _ => column,
        };
        if let Some(there) = there.as_ref().filter(|there| there.found == TWICE) {
            refuse(column, &there.found, notes);
            continue;
        }
        let other = there.as_ref().and_then(|there| there.column_type);
        let kind = match (column.column_type, other) {
            // A column without a value in the baseline's first rows is what the window has it for.
            (kind, other) if column.found == "empty" => other.or(kind),
            // Codes that are numbers on one side and numbers and text on the other are codes on both.
            (Some(ColumnType::Numeric), Some(ColumnType::Categorical)) if there.as_ref().is_some_and(is_mixed) => {
                other
            }
            // What is a number only because its file has no types, and text on the other side, is a category on both.
            (Some(ColumnType::Numeric), Some(ColumnType::Categorical))
                if before.untyped && there.as_ref().is_some_and(|there| there.found == OF_NUMBERS) =>
            {
                other
            }
            (kind, _) => kind,
        };
        let Some(kind) = kind else {
            refuse(column, &column.found, notes);
            continue;
        };
        chosen.push((column.clone(), kind));
        if kind == ColumnType::Categorical && column.found == OF_NUMBERS {
            notes.push(format!(
                "`{}` is {OF_NUMBERS}: it is compared as categories; store it as numbers, unless they are codes, to compare those",
                column.name
            ));
        }
        if kind == ColumnType::Categorical && [Some(column), there.as_ref()].into_iter().flatten().any(is_mixed) {
            notes.push(format!(
                "`{0}` has numbers and text: it is compared as categories; name it with --column {0}:numeric to compare its numbers",
                column.name
            ));
        }
        if let Some(there) = &there
            && let Some(other) = there.column_type.filter(|other| *other != kind)
            && there.found != "empty"
            && kind != ColumnType::Categorical
        {
            notes.push(format!(
                "`{}` is {} in the baseline and {} in the window, which would be compared as {}; it is compared as {}",
                column.name, column.found, there.found, other.as_str(), kind.as_str()
            ));
        }
    }
    let names =
        |profile: &FileProfile| profile.columns.iter().map(|column| column.name.clone()).collect::<HashSet<_>>();
    let (old, now) = (names(before), names(after));
    let gone: Vec<&str> =
        before.columns.iter().map(|column| column.name.as_str()).filter(|name| !now.contains(*name)).collect();
    let new: Vec<&str> =
        after.columns.iter().map(|column| column.name.as_str()).filter(|name| !old.contains(*name)).collect();
    let near = |name: &&&str| {
        nearest(name, new.iter().copied().take(LOOKED_AT)).map(|near| format!("`{name}` to `{near}`"))
    };
    let renamed: Vec<String> = gone.iter().take(LOOKED_AT).filter_map(|name| near(&name)).collect();
    if !renamed.is_empty() {
        notes.push(format!("columns were probably renamed: {}", renamed.join(", ")));
    }
    for (side, names) in [("baseline", gone), ("window", new)] {
        if !names.is_empty() {
            let names: Vec<&str> =
                names.iter().map(|name| if name.is_empty() { "a column without a name" } else { name }).collect();
            notes.push(format!("only the {side} has: {}", listed(&names, LOOKED_AT)));
        }
    }
    chosen
}

/// Names that are looked at for one that was renamed; among thousands a guess would take long and say little.
const LOOKED_AT: usize = 50;

fn is_mixed(column: &FileColumn) -> bool {
    column.found == "numbers and text"
}

/// The columns asked for by name.
fn named_columns(
    before: &FileProfile,
    after: &FileProfile,
    wanted: &[String],
    baseline: &DataFile,
    notes: &mut Vec<String>,
) -> Result<Vec<(FileColumn, ColumnType)>, CliError> {
    let mut chosen = Vec::new();
    for text in wanted {
        let known = |name: &str| of(before, name).or_else(|| of(after, name));
        // A column whose name has a colon is meant before a type is.
        let (name, kind) = if known(text).is_some() { (text.as_str(), None) } else { named(text)? };
        let column = known(name).ok_or_else(|| unknown(name, before, baseline))?;
        if [of(before, name), of(after, name)].iter().flatten().any(|column| column.found == TWICE) {
            return Err(CliError::Failed(format!(
                "`{name}` is in the file more than once: which of them is meant cannot be known\nhint: rename or drop one of them"
            )));
        }
        for (side, has, lacks) in [("baseline", before, after), ("window", after, before)] {
            if of(has, name).is_some() && of(lacks, name).is_none() {
                let names = lacks.columns.iter().map(|column| column.name.as_str()).take(LOOKED_AT);
                let near =
                    nearest(name, names).map_or(String::new(), |near| format!("; the other file has `{near}`"));
                notes.push(format!(
                    "only the {side} has `{name}`: every value of the other side counts as missing{near}"
                ));
            }
        }
        let kind = kind.or(column.column_type).ok_or_else(|| {
            CliError::Failed(format!(
                "`{name}` is {}\nhint: say what to read it as, such as --column {name}:categorical",
                column.found
            ))
        })?;
        chosen.push((column, kind));
    }
    Ok(chosen)
}

/// `NAME` or `NAME:TYPE`; a name may have colons.
fn named(text: &str) -> Result<(&str, Option<ColumnType>), CliError> {
    let Some((name, word)) = text.rsplit_once(':') else { return Ok((text, None)) };
    match ColumnType::ALL.into_iter().find(|kind| kind.as_str() == word) {
        Some(kind) => Ok((name, Some(kind))),
        None if word.contains(' ') || word.is_empty() => Ok((text, None)),
        None => {
            let known: Vec<&str> = ColumnType::ALL.iter().map(|kind| kind.as_str()).collect();
            Err(CliError::Failed(format!(
                "`{word}` in --column {text} is not a type\nhint: allowed are {}",
                known.join(", ")
            )))
        }
    }
}

fn unknown(name: &str, profile: &FileProfile, file: &DataFile) -> CliError {
    let names = profile.columns.iter().map(|column| column.name.as_str());
    let hint = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", names.take(30).collect::<Vec<_>>().join(", ")),
    };
    CliError::Failed(format!("{}: there is no column `{name}`\nhint: {hint}", file.name()))
}
