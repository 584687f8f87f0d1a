//! `[challenger]`: which two versions or arms are compared, and when that has a result.

use super::super::mistake::Mistake;
use super::super::receivers::check_names;
use super::super::section::Section;
use super::super::suggestion::suggest;
use super::MonitorReferences;
use crate::challenge::ChallengeSpec;
use crate::record::{ColumnRole, ModelSchema, RecordLayout};

/// Reads `[challenger]`; none without the section, or when something in it is wrong.
pub(super) fn challenger(
    root: &Section<'_>,
    context: &MonitorReferences<'_>,
    layout: &RecordLayout,
    schema: Option<&ModelSchema>,
) -> Option<ChallengeSpec> {
    let section = root.section("challenger");
    let is_there = section.is_there();
    let by = section.string("by");
    let side = |key, what| {
        if is_there {
            section.required(key, what)
        } else {
            section.value(key);
            None
        }
    };
    let champion = side("champion", "the version or arm that is in use");
    let challenger = side("challenger", "the version or arm that may replace it");
    let number = |key, default, most| u32::try_from(section.integer(key, default, 1..=most)).unwrap_or(1);
    let windows = number("windows", 24, 10_000);
    let in_a_row = number("for", 3, 100);
    let shadow = section.flag("shadow", false);
    let named = section.strings("columns");
    let receivers = check_names(&section, "receivers", context.receivers);
    if is_there {
        check_sides(&section, by.as_deref(), layout);
        if champion.is_some() && champion == challenger {
            section.add(section.mistake("challenger", "is the same as `champion`"));
        }
        if in_a_row > windows {
            section.add(section.mistake("for", format!("must not be above `windows`: {in_a_row} > {windows}")));
        }
    }
    let columns = columns(&section, named, schema);
    section.finish();
    let (columns, features) = columns?;
    Some(ChallengeSpec {
        by,
        champion: champion?,
        challenger: challenger?,
        shadow,
        windows,
        in_a_row,
        columns,
        features,
        receivers,
    })
}

/// Whether records say to which side they belong.
fn check_sides(section: &Section<'_>, by: Option<&str>, layout: &RecordLayout) {
    let Some(by) = by else {
        if layout.version.is_none() && !section.has("by") {
            let message = "compares model versions, and records have none";
            section.add(
                section.mistake("champion", message).hint(
                    "set `source.version`, or `by` to the name of a segment column whose values are the arms",
                ),
            );
        }
        return;
    };
    let known: Vec<&str> = layout.segments.iter().map(|(name, _)| name.as_str()).collect();
    if !known.contains(&by) {
        let mistake = section.mistake("by", format!("`{by}` is not a segment column of this monitor"));
        section.add(if known.is_empty() {
            mistake.hint(format!("add [[segments]] with name = \"{by}\""))
        } else {
            suggest(mistake, by, &known)
        });
    }
}

/// The deciding columns, and the features that do not decide: those named, else the outputs, else all.
fn columns(
    section: &Section<'_>,
    named: Option<Vec<(String, std::ops::Range<usize>)>>,
    schema: Option<&ModelSchema>,
) -> Option<(Vec<String>, Vec<String>)> {
    let schema = schema?;
    let of_role = |role: ColumnRole| {
        let columns = schema.columns().iter().filter(move |column| column.role == role);
        columns.map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    let all: Vec<String> = schema.columns().iter().map(|column| column.name.clone()).collect();
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let deciding = match named {
        None => Some(of_role(ColumnRole::Output)).filter(|outputs| !outputs.is_empty()).unwrap_or(all),
        Some(named) => {
            if named.is_empty() {
                section
                    .add(section.mistake("columns", "names no column").hint("leave the key out for the outputs"));
            }
            for (name, span) in &named {
                if !known.contains(&name.as_str()) {
                    let message = format!("`{name}` is not a column of this monitor");
                    let mistake = Mistake::at(section.file, span.clone(), &section.key("columns"), message);
                    section.add(suggest(mistake, name, &known));
                }
            }
            let mut once: Vec<String> = Vec::new();
            for (name, _) in named {
                if !once.contains(&name) {
                    once.push(name);
                }
            }
            once
        }
    };
    let features = of_role(ColumnRole::Feature).into_iter().filter(|name| !deciding.contains(name)).collect();
    Some((deciding, features))
}
