//! Mistakes in configuration, told all at once: where, what, what is allowed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::record::number_of;
use crate::view::ConfiguredValue;

/// A configuration file as read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// Its name for messages.
    pub name: String,
    pub text: String,
    /// Where its lines begin.
    lines: Vec<usize>,
}

impl ConfigFile {
    pub(super) fn new(name: String, text: String) -> Self {
        let starts = text.match_indices('\n').map(|(position, _)| position + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { name, text, lines }
    }

    /// The number of the line, from 1, that a position lies in.
    pub(super) fn line(&self, position: usize) -> usize {
        self.lines.partition_point(|start| *start <= position)
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, dotted; empty when it is about the file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    place: MistakePlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MistakePlace {
    Elsewhere(String),
    Line { file: String, line: usize, column: usize, width: usize, text: String },
}

impl Mistake {
    /// A mistake at a span of a file.
    pub(super) fn at(file: &ConfigFile, span: Range<usize>, key: &str, message: impl Into<String>) -> Self {
        let start = span.start.min(file.text.len());
        let before = file.text.get(..start).unwrap_or_default();
        let line = file.line(start);
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        let (message, hint) = parted(message.into());
        let text = file.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let column = file.text.get(line_start..start).unwrap_or_default().chars().count() + 1;
        let rest = text.chars().count().saturating_sub(column - 1);
        let width = file.text.get(span).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        Self {
            key: key.to_owned(),
            message,
            hint,
            place: MistakePlace::Line {
                file: file.name.clone(),
                line,
                column,
                width: width.clamp(1, rest.max(1)),
                text: masked(&text),
            },
        }
    }

    /// A mistake that is not on a line: a file that is missing, an environment variable.
    pub(super) fn elsewhere(place: impl Into<String>, key: &str, message: impl Into<String>) -> Self {
        let (message, hint) = parted(message.into());
        Self { key: key.to_owned(), message, hint, place: MistakePlace::Elsewhere(place.into()) }
    }

    /// Shows the line without its value: it may be a secret under a name that does not tell.
    #[must_use]
    pub(super) fn without_value(mut self) -> Self {
        if let MistakePlace::Line { text, .. } = &mut self.place {
            *text = starred(text, true);
        }
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A message and the hint that it ends with.
fn parted(message: String) -> (String, Option<String>) {
    match message.split_once("\nhint: ") {
        Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
        None => (message, None),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => writeln!(formatter, "{}", self.message)?,
            key => writeln!(formatter, "`{key}`: {}", self.message)?,
        }
        match &self.place {
            MistakePlace::Elsewhere(place) => write!(formatter, "  --> {place}")?,
            MistakePlace::Line { file, line, column, width, text } => {
                let number = line.to_string();
                let margin = " ".repeat(number.len());
                writeln!(formatter, "{margin} --> {file}:{line}:{column}")?;
                writeln!(formatter, "{margin} |")?;
                writeln!(formatter, "{number} | {text}")?;
                write!(formatter, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(*width))?;
            }
        }
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A line of a file with its secrets starred out, character for character: the caret stays in place.
fn masked(line: &str) -> String {
    let template = line.trim_start().strip_prefix("body").is_some_and(|rest| rest.trim_start().starts_with('='));
    // Templates have keys in them.
    starred(line, names_secret(line) || template)
}

/// Whether a text names a secret.
fn names_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["password", "secret", "token", "ssl.key", "private.key", "api_key", "routing_key"]
        .iter()
        .any(|word| lower.contains(word))
}

/// [`masked`]; with `is_secret` every value that is written out is one.
fn starred(line: &str, is_secret: bool) -> String {
    let characters: Vec<char> = line.chars().collect();
    let mut shown = String::new();
    // The quote that ends the value, and which characters of it are hidden.
    let mut quoted: Option<(char, Range<usize>)> = None;
    for (index, character) in characters.iter().enumerate() {
        let mut hidden = false;
        match &quoted {
            None if matches!(character, '"' | '\'') => {
                let all = is_secret && is_value(&characters, index);
                let range = if all { index..usize::MAX } else { password(&characters, index).unwrap_or_default() };
                quoted = Some((*character, range));
            }
            Some((quote, _)) if quote == character => quoted = None,
            Some((_, range)) => hidden = range.contains(&index),
            None => {}
        }
        shown.push(if hidden { '*' } else { *character });
    }
    shown
}

/// A value as it may be shown: without secrets; of the URLs of receivers, which often are secrets, the host alone; no template, and
/// of librdkafka's properties those alone that cannot be a key.
fn shown(key: &str, value: &str) -> String {
    let is_body = key.rsplit_once('.').is_some_and(|(_, last)| last == "body");
    if key.starts_with("receivers.") && is_body && value != "(none)" {
        return format!("(a template of {}, not shown)", number_of(value.len(), "byte"));
    }
    if let Some(property) = key.strip_prefix("kafka.properties.")
        && !is_harmless(property, value)
    {
        return "(not shown)".to_owned();
    }
    // What is around a key says nothing about it: a token's role is none.
    let last = key.rsplit('.').next().unwrap_or(key);
    let line = starred(&format!("{last} = {value}"), names_secret(last));
    let value = line.get(last.len() + 3..).unwrap_or_default();
    if !key.starts_with("receivers.") {
        return value.to_owned();
    }
    let mut parts = value.split("://");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let host = part.find(['/', '?', '"', '\'']).unwrap_or(part.len());
        let end = part.find(['"', '\'']).unwrap_or(part.len());
        let (host, end) = (part.get(..host).unwrap_or_default(), part.get(end..).unwrap_or_default());
        let hidden = if part.len() > host.len() + end.len() { "/..." } else { "" };
        text.push_str("://");
        text.push_str(host);
        text.push_str(hidden);
        text.push_str(end);
    }
    text
}

/// Whether the quotes that open here hold a value written in the open, not a key and not the name of a source.
fn is_value(characters: &[char], quote: usize) -> bool {
    let before: String = characters.iter().take(quote).collect();
    let Some(key) = before.trim_end().strip_suffix('=') else { return false };
    let key = key.trim_end().trim_end_matches(['"', '\'']);
    !["file", "credential", "env"]
        .iter()
        .any(|source| key.strip_suffix(source).is_some_and(|rest| rest.trim_end().ends_with(['{', ','])))
}

/// Properties whose values are words of librdkafka, names or addresses.
const HARMLESS: [&str; 13] = [
    "client.id",
    "client.rack",
    "client.dns.lookup",
    "group.instance.id",
    "broker.address.family",
    "compression.codec",
    "compression.type",
    "debug",
    "partitioner",
    "sasl.kerberos.service.name",
    "ssl.ca.location",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
];

/// Whether a property of librdkafka may be shown: a number, a switch, or one that is known to be no key.
fn is_harmless(property: &str, value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let short_number = value.len() <= 12 && value.parse::<f64>().is_ok();
    HARMLESS.contains(&property) || short_number || matches!(value, "true" | "false")
}

/// Where the password of a URL stands in a text that begins with the quote at `start`: between the colon after the user and the
/// last `@`. A password may have any character, an `@` or a `/` that should have been encoded among them.
fn password(characters: &[char], start: usize) -> Option<Range<usize>> {
    let (quote, text) = characters.get(start..)?.split_first()?;
    let text = text.split(|character| character == quote).next()?;
    let user = text.windows(3).position(|three| three == [':', '/', '/'])? + 3;
    let rest = text.get(user..)?;
    let place = |wanted: char| rest.iter().position(|character| *character == wanted);
    let last = rest.iter().rposition(|character| *character == '@')?;
    let colon = place(':').filter(|colon| place('@').is_some_and(|first| *colon < first))?;
    // `host:8080/path@2`: the colon is that of a port.
    let digits = rest.iter().skip(colon + 1).take_while(|character| character.is_ascii_digit()).count();
    let after = rest.get(colon + 1 + digits);
    let is_port = digits > 0 && after.is_some_and(|character| "/?#".contains(*character));
    if is_port && text.starts_with(&['h', 't', 't', 'p']) {
        return None;
    }
    let from = start + 1 + user;
    Some(from + colon + 1..from + last)
}

/// Every mistake found.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// In the order they were found.
    pub mistakes: Vec<Mistake>,
    /// Legal, but worth a word.
    pub warnings: Vec<String>,
    /// Secrets that could not be read here, although the daemon may be able to.
    pub unread: Vec<Unread>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(formatter, "warning: {warning}\n")?;
        }
        for Unread { mistake, .. } in &self.unread {
            writeln!(formatter, "not read here: {mistake}\n")?;
        }
        for mistake in &self.mistakes {
            writeln!(formatter, "error: {mistake}\n")?;
        }
        write!(formatter, "{} in the configuration", number_of(self.mistakes.len(), "error"))
    }
}

/// A secret that is configured and could not be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Which one, and why.
    pub mistake: Mistake,
    /// Whether the daemon may be able to read it all the same: in its unit, as its user, with its environment.
    pub elsewhere: bool,
}

/// What cannot be done, because secrets that it needs cannot be read here.
#[derive(Debug, thiserror::Error)]
pub struct UnreadError {
    /// What they are needed for: "to connect to PostgreSQL".
    pub purpose: &'static str,
    /// The secrets.
    pub unread: Vec<Unread>,
}

impl fmt::Display for UnreadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.unread.len() == 1 { "a secret" } else { "secrets" };
        write!(formatter, "{what} needed {} cannot be read here", self.purpose)?;
        for Unread { mistake, .. } in &self.unread {
            write!(formatter, "\n{mistake}")?;
        }
        Ok(())
    }
}

/// Where readers put what they find.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    found: RefCell<Vec<Mistake>>,
    /// With how many mistakes were found before each.
    unread: RefCell<Vec<(usize, Unread)>>,
    configured: RefCell<AskedKeys>,
}

/// Every key that was asked for, in that order, and where it stands.
#[derive(Debug, Default)]
struct AskedKeys {
    values: Vec<ConfiguredValue>,
    places: HashMap<(String, String), usize>,
}

impl Mistakes {
    pub(super) fn add(&self, mistake: Mistake) {
        self.found.borrow_mut().push(mistake);
    }

    /// Notes a secret that could not be read.
    pub(super) fn add_unread(&self, unread: Unread) {
        let before = self.found.borrow().len();
        self.unread.borrow_mut().push((before, unread));
    }

    /// The secrets that could not be read so far.
    pub(super) fn unread(&self) -> Vec<Unread> {
        self.unread.borrow().iter().map(|(_, unread)| unread.clone()).collect()
    }

    /// The value, or every mistake. Secrets that nobody can read are mistakes beside others, and to whom is `strict` any that
    /// cannot be read here.
    pub(super) fn into_result<T>(
        self,
        value: Option<T>,
        strict: bool,
        warnings: Vec<String>,
    ) -> Result<T, ConfigError> {
        let mut mistakes = self.found.into_inner();
        let others = !mistakes.is_empty();
        let is_mistake = |unread: &Unread| strict || (others && !unread.elsewhere);
        let unread = self.unread.into_inner().into_iter();
        let (unreadable, rest): (Vec<_>, Vec<_>) = unread.partition(|(_, unread)| is_mistake(unread));
        // From behind, so that those before keep their places.
        for (before, unread) in unreadable.into_iter().rev() {
            mistakes.insert(before.min(mistakes.len()), unread.mistake);
        }
        match value {
            Some(value) if mistakes.is_empty() => Ok(value),
            _ => Err(ConfigError {
                mistakes,
                warnings,
                unread: rest.into_iter().map(|(_, unread)| unread).collect(),
            }),
        }
    }

    /// Remembers what a key is set to, in place of what was known of it before.
    pub(super) fn note(&self, file: &ConfigFile, key: String, value: &str, origin: String) {
        let value = shown(&key, value);
        let AskedKeys { values, places } = &mut *self.configured.borrow_mut();
        let place = *places.entry((file.name.clone(), key.clone())).or_insert(values.len());
        match values.get_mut(place) {
            Some(known) => (known.value, known.origin) = (value, origin),
            None => {
                values.push(ConfiguredValue { file: file.name.clone(), key, value, origin, after_restart: None });
            }
        }
    }

    /// Every key that was asked for.
    pub(super) fn configured(&self) -> Vec<ConfiguredValue> {
        self.configured.borrow().values.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests;
