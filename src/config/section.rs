//! Reads one table of a file key by key: types, ranges and choices are checked, defaults filled in, every
//! mistake noted with its place, and whatever was not asked for is an unknown key.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{Given, Layer};
use super::mistake::{ConfigFile, Mistake, Mistakes, Unread};
use super::single_value::{SingleValue, article};
use super::suggestion::{list, suggest};
use crate::record::TimeSpan;

/// A table being read.
pub(super) struct Section<'a> {
    pub(super) file: &'a ConfigFile,
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
    mistakes: &'a Mistakes,
    layer: Option<&'a Layer>,
}

impl<'a> Section<'a> {
    pub(super) fn root(
        file: &'a ConfigFile,
        table: &'a Spanned<DeTable<'a>>,
        mistakes: &'a Mistakes,
        layer: Option<&'a Layer>,
    ) -> Self {
        Self {
            file,
            table: Some(table.get_ref()),
            span: 0..0,
            path: String::new(),
            asked: RefCell::default(),
            mistakes,
            layer,
        }
    }

    /// The whole path of a key.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn find(&self, key: &'static str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.asked.borrow_mut().push(key);
        let value = self.table?.get(key)?;
        let is_list_of_tables = matches!(value.get_ref(), DeValue::Array(values)
            if values.iter().any(|value| matches!(value.get_ref(), DeValue::Table(_))));
        if !matches!(value.get_ref(), DeValue::Table(_)) && !is_list_of_tables {
            self.note_value(key, value.span());
        }
        Some((value.get_ref(), value.span()))
    }

    /// Remembers a value of the file as it is written there.
    fn note_value(&self, key: &str, span: Range<usize>) {
        let text = self.file.text.get(span.clone()).unwrap_or_default();
        self.mistakes.note(self.file, self.key(key), text, format!("line {}", self.file.line(span.start)));
    }

    /// Remembers what a key is that the file does not have.
    pub(super) fn note_default(&self, key: &str, value: &str) {
        self.mistakes.note(self.file, self.key(key), value, "default".to_owned());
    }

    /// Remembers where a secret comes from, not what it is.
    pub(super) fn note_secret(&self, key: &str, value: &DeValue<'_>, span: Range<usize>) {
        match value {
            DeValue::Table(_) => self.note_value(key, span),
            _ => self.mistakes.note(self.file, self.key(key), "(secret)", "written in plain text".to_owned()),
        }
    }

    /// The text of a key as it stands in the file, whether it was asked for or not.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.table?.get(key)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some()) || self.given(key).is_some()
    }

    /// Notes a mistake at a key of this table (at the table itself when the key is not there).
    pub(super) fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        if let Some(given) = self.given(key) {
            return Mistake::elsewhere(given.place, &self.key(key), message);
        }
        let span = self.table.and_then(|table| table.get(key)).map_or(self.span.clone(), Spanned::span);
        Mistake::at(self.file, span, &self.key(key), message)
    }

    pub(super) fn add(&self, mistake: Mistake) {
        self.mistakes.add(mistake);
    }

    /// Notes a secret that could not be read.
    pub(super) fn add_unread(&self, unread: Unread) {
        self.mistakes.add_unread(unread);
    }

    /// The secrets that could not be read so far, of all tables.
    pub(super) fn all_unread(&self) -> Vec<Unread> {
        self.mistakes.unread()
    }

    fn wrong_type(&self, key: &str, wanted: &str, found: &impl Display) {
        self.add(self.mistake(key, format!("must be {wanted}, not {found}")));
    }

    fn missing(&self, key: &str, what: &str) {
        self.add(self.mistake(key, format!("is missing: {what}")));
    }

    /// What is laid over a key of this table.
    fn given(&self, key: &str) -> Option<Given<'a>> {
        self.layer?.given(&self.key(key))
    }

    /// A single value: what is laid over the key, otherwise what the file has.
    pub(super) fn single(&self, key: &'static str) -> Option<SingleValue<'a>> {
        let written = self.find(key);
        if let Some(layer) = self.layer {
            layer.allow(&self.key(key));
        }
        if let Some(given) = self.given(key) {
            self.mistakes.note(self.file, self.key(key), &given.as_written(), given.place.clone());
            return Some(SingleValue::Given(given));
        }
        written.map(|(value, _)| SingleValue::Written(value))
    }

    /// The text of a key.
    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        let Some(value) = self.single(key) else {
            self.note_default(key, "(none)");
            return None;
        };
        value.text().map_err(|found| self.wrong_type(key, "text in quotes", &found)).ok()
    }

    pub(super) fn required(&self, key: &'static str, what: &str) -> Option<String> {
        let value = self.string(key);
        match &value {
            None if !self.has(key) => self.missing(key, what),
            Some(text) if text.trim().is_empty() => {
                self.add(self.mistake(key, format!("is empty: {what}")));
                return None;
            }
            _ => {}
        }
        value
    }

    pub(super) fn integer(&self, key: &'static str, default: i64, range: RangeInclusive<i64>) -> i64 {
        let Some(value) = self.single(key) else {
            self.note_default(key, &default.to_string());
            return default;
        };
        let value = match value.integer() {
            Ok(value) => value,
            Err(found) => {
                self.wrong_type(key, "a whole number", &found);
                return default;
            }
        };
        if let Some(value) = value.filter(|value| range.contains(value)) {
            value
        } else {
            self.add(self.mistake(key, format!("must lie between {} and {}", range.start(), range.end())));
            default
        }
    }

    pub(super) fn float(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = match self.single(key)?.float() {
            Ok(value) => value,
            Err(found) => {
                self.wrong_type(key, "a number", &found);
                return None;
            }
        };
        // A NaN is in no range.
        let value: Option<f64> = value.filter(|value| range.contains(value));
        if value.is_none() {
            self.add(self.mistake(key, format!("must lie between {} and {}", range.start(), range.end())));
        }
        value
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.single(key) else {
            self.note_default(key, &default.to_string());
            return default;
        };
        value.flag().unwrap_or_else(|found| {
            self.wrong_type(key, "true or false", &found);
            default
        })
    }

    /// A duration, written `30s`, `5m`, `1h30m`, `7d`.
    pub(super) fn duration(&self, key: &'static str, default: &str, range: (&str, &str)) -> TimeSpan {
        let fallback = TimeSpan::parse(default).unwrap_or_default();
        let Some(value) = self.single(key) else {
            self.note_default(key, &format!("{default:?}"));
            return fallback;
        };
        let hint = "write a number and a unit: \"30s\", \"5m\", \"1h30m\", \"7d\"";
        let text = match value.text() {
            Ok(text) => text,
            Err(found) => {
                let hint = hint.replace("write a number and a unit", "write it in quotes with a unit");
                self.add(self.mistake(key, format!("must be a duration, not {found}")).hint(hint));
                return fallback;
            }
        };
        let Some(duration) = TimeSpan::parse(&text) else {
            self.add(self.mistake(key, format!("is not a duration: `{text}`")).hint(hint));
            return fallback;
        };
        let (least, most) =
            (TimeSpan::parse(range.0).unwrap_or_default(), TimeSpan::parse(range.1).unwrap_or(TimeSpan::MAX));
        if !(least..=most).contains(&duration) {
            self.add(self.mistake(key, format!("must lie between {} and {}", range.0, range.1)));
            return fallback;
        }
        duration
    }

    /// A time zone by its name in the IANA database; UTC by default.
    pub(super) fn time_zone(&self, key: &'static str) -> TimeZone {
        let Some(name) = self.string(key) else { return TimeZone::UTC };
        TimeZone::get(&name).unwrap_or_else(|_| {
            let mistake = self.mistake(key, format!("`{name}` is not a time zone"));
            self.add(mistake.hint("names of the IANA database, such as \"Europe/Berlin\""));
            TimeZone::UTC
        })
    }

    pub(super) fn choice<T: Copy + PartialEq>(&self, key: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let found = self.optional_choice(key, choices);
        if found.is_none()
            && !self.has(key)
            && let Some((name, _)) = choices.iter().find(|(_, value)| *value == default)
        {
            self.note_default(key, &format!("{name:?}"));
        }
        found.unwrap_or(default)
    }

    pub(super) fn optional_choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.add(suggest(
                self.mistake(key, format!("`{text}` is not one of {}", list(&names))),
                &text,
                &names,
            ));
        }
        found
    }

    /// Texts with their places.
    pub(super) fn strings(&self, key: &'static str) -> Option<Vec<(String, Range<usize>)>> {
        match self.find(key)? {
            (DeValue::Array(values), _) => Some(
                values
                    .iter()
                    .filter_map(|value| {
                        if let DeValue::String(text) = value.get_ref() {
                            return Some((text.to_string(), value.span()));
                        }
                        self.add(Mistake::at(
                            self.file,
                            value.span(),
                            &self.key(key),
                            format!("must hold texts in quotes, not {}", article(value.get_ref().type_str())),
                        ));
                        None
                    })
                    .collect(),
            ),
            (other, _) => {
                self.wrong_type(key, "a list of texts in brackets", &article(other.type_str()));
                None
            }
        }
    }

    /// A table inside this one; reads as empty when it is not there.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let (table, span) = match self.find(key) {
            None => (None, self.span.clone()),
            Some((DeValue::Table(table), span)) => (Some(table), span),
            Some((other, span)) => {
                self.wrong_type(key, "a table", &article(other.type_str()));
                (None, span)
            }
        };
        Section { layer: self.layer, ..self.child(table, span, self.key(key)) }
    }

    /// A table of its own file: nothing is laid over what stands in lists and below names that users choose.
    fn child(&self, table: Option<&'a DeTable<'a>>, span: Range<usize>, path: String) -> Section<'a> {
        Section {
            file: self.file,
            table,
            span,
            path,
            asked: RefCell::default(),
            mistakes: self.mistakes,
            layer: None,
        }
    }

    /// The tables of a list of tables, `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        match self.find(key) {
            None => Vec::new(),
            Some((DeValue::Array(values), _)) => values
                .iter()
                .enumerate()
                .filter_map(|(index, value)| match value.get_ref() {
                    DeValue::Table(table) => {
                        Some(self.child(Some(table), value.span(), format!("{}[{index}]", self.key(key))))
                    }
                    other => {
                        self.add(Mistake::at(
                            self.file,
                            value.span(),
                            &self.key(key),
                            format!("must hold tables, not {}", article(other.type_str())),
                        ));
                        None
                    }
                })
                .collect(),
            Some((other, _)) => {
                self.wrong_type(
                    key,
                    "a list of tables, each under its own `[[...]]` line",
                    &article(other.type_str()),
                );
                Vec::new()
            }
        }
    }

    /// The tables below user-chosen names.
    pub(super) fn named_sections(&self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let outer = self.section(key);
        let Some(table) = outer.table else { return Vec::new() };
        table
            .iter()
            .filter_map(|(name, value)| match value.get_ref() {
                DeValue::Table(inner) => {
                    let path = outer.key(name.get_ref());
                    Some((name.get_ref().to_string(), self.child(Some(inner), value.span(), path)))
                }
                other => {
                    outer.add(
                        outer.mistake(
                            name.get_ref(),
                            format!("must be a table, not {}", article(other.type_str())),
                        ),
                    );
                    None
                }
            })
            .collect()
    }

    /// All texts under user-chosen keys.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let Some(table) = self.table else { return Vec::new() };
        table
            .iter()
            .filter_map(|(name, value)| {
                let name = name.get_ref().to_string();
                self.note_value(&name, value.span());
                match value.get_ref() {
                    DeValue::String(text) => Some((name, text.to_string())),
                    DeValue::Integer(number) => Some((name, number.as_str().to_owned())),
                    DeValue::Float(number) => Some((name, number.as_str().to_owned())),
                    DeValue::Boolean(value) => Some((name, value.to_string())),
                    other => {
                        self.add(
                            self.mistake(
                                &name,
                                format!("must be a single value, not {}", article(other.type_str())),
                            ),
                        );
                        None
                    }
                }
            })
            .collect()
    }

    pub(super) fn is_there(&self) -> bool {
        self.table.is_some() || self.layer.is_some_and(|layer| layer.has_table(&self.path))
    }

    pub(super) fn value(&self, key: &'static str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.find(key)
    }

    /// Reports every key that was never asked for.
    pub(super) fn finish(&self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        for name in table.keys() {
            if !asked.iter().any(|key| *key == name.get_ref().as_ref()) {
                let full = self.key(name.get_ref());
                let mut known = asked.clone();
                known.dedup();
                let mistake = Mistake::at(self.file, name.span(), &full, "is not a known key");
                self.add(suggest(mistake, name.get_ref(), &known));
            }
        }
    }
}
