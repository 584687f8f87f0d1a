//! Where the records of a monitor are, and how they are read.

use super::super::path::configured;
use super::super::section::Section;
use super::Topics;
use crate::record::{FieldPath, Format, ModelSchema, RecordLayout, TimeFormat, TimeUnit};

/// Records a sample holds when nothing else is said.
const DEFAULT_SAMPLE: i64 = 2_000;
/// Records a sample may hold: what is read back, see [`crate::distribution::MAX_SAMPLE`].
pub(super) const LARGEST_SAMPLE: i64 = 100_000;

pub(super) fn path(section: &Section<'_>, key: &'static str) -> Option<FieldPath> {
    let text = section.string(key)?;
    match configured(&text) {
        Ok(path) => Some(path),
        Err(refusal) => {
            section.add(refusal.at(section, key));
            None
        }
    }
}

pub(super) fn source(section: &Section<'_>) -> (Option<Topics>, RecordLayout) {
    let names = section.strings("topics").map(|names| names.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    let pattern = section.string("pattern");
    let topics = match (names, pattern) {
        (Some(_), Some(_)) => {
            section.add(section.mistake("pattern", "cannot be combined with `topics`"));
            None
        }
        (Some(names), None) if !names.is_empty() => Some(Topics::Named(names)),
        (None, Some(pattern)) => match (pattern.starts_with('^'), regex_lite::Regex::new(&pattern)) {
            (true, Ok(_)) => Some(Topics::Pattern(pattern)),
            (false, _) => {
                section.add(section.mistake("pattern", "must begin with `^`, as Kafka's patterns do"));
                None
            }
            (_, Err(error)) => {
                section.add(section.mistake("pattern", format!("is not a regular expression: {error}")));
                None
            }
        },
        _ => {
            section.add(section.mistake("topics", "is missing: the Kafka topics to read"));
            None
        }
    };
    // One so far; the key is there so that files need not change when more come.
    let format = section.choice("format", Format::Json, &[("json", Format::Json)]);
    let time = path(section, "time");
    let unit = section.choice(
        "time_unit",
        TimeUnit::Milliseconds,
        &[
            ("s", TimeUnit::Seconds),
            ("ms", TimeUnit::Milliseconds),
            ("us", TimeUnit::Microseconds),
            ("ns", TimeUnit::Nanoseconds),
        ],
    );
    let version = path(section, "version");
    let max_future_skew = section.duration("max_future_skew", "5m", ("0s", "3650d"));
    let filter = section.section("where");
    let filters = filter
        .texts()
        .into_iter()
        .filter_map(|(key, value)| match configured(&key) {
            Ok(path) => Some((path, value)),
            Err(refusal) => {
                filter.add(refusal.at(&filter, &key));
                None
            }
        })
        .collect();
    section.finish();
    let layout = RecordLayout {
        format,
        time,
        time_format: TimeFormat { unit },
        version,
        filters,
        max_future_skew,
        ..RecordLayout::default()
    };
    (topics, layout)
}

pub(super) fn segments(root: &Section<'_>) -> Vec<(String, FieldPath)> {
    root.sections("segments")
        .into_iter()
        .filter_map(|section| {
            let name = section.required("name", "the name of the segment column");
            let path = if section.has("path") {
                path(&section, "path")
            } else {
                section.value("path");
                name.as_deref().and_then(|name| match configured(name) {
                    Ok(path) => Some(path),
                    Err(refusal) => {
                        section.add(refusal.at(&section, "name"));
                        None
                    }
                })
            };
            section.finish();
            Some((name?, path?))
        })
        .collect()
}

/// The value of a segment is its name: a sensitive column cannot be one.
pub(super) fn hidden_segments(root: &Section<'_>, layout: &RecordLayout, schema: &ModelSchema) {
    for (name, path) in &layout.segments {
        if let Some(column) = schema.columns().iter().find(|column| column.sensitive && column.path == *path) {
            root.add(root.mistake(
                "segments",
                format!(
                    "`{name}` has the values of the sensitive column `{}` as names, which every page and alert shows\n\
                     hint: leave the segment out, or `sensitive` of the column",
                    column.name
                ),
            ));
        }
    }
}

/// Records kept a window: none without the section, unless the key says so that was there before it.
pub(super) fn sample(section: &Section<'_>, old: Option<usize>) -> usize {
    let there = section.is_there();
    let size = section.integer("size", DEFAULT_SAMPLE, 1..=LARGEST_SAMPLE);
    if there && old.is_some() {
        section.add(section.mistake("size", "replaces `sample` of [window] and cannot be combined with it"));
    }
    section.finish();
    if there { usize::try_from(size).unwrap_or(0) } else { old.unwrap_or(0) }
}
