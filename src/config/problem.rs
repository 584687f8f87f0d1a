//! Mistakes in configuration, told all at once: where, what, what is allowed.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// A configuration file as read.
#[derive(Debug)]
pub(super) struct File {
    /// Its name for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted; empty when it is about the file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Elsewhere(String),
    Line { file: String, line: usize, column: usize, width: usize, text: String },
}

impl Problem {
    /// A mistake at a span of a file.
    pub(super) fn at(file: &File, span: Range<usize>, key: &str, message: impl Into<String>) -> Self {
        let start = span.start.min(file.text.len());
        let before = file.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        let text = file.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let column = file.text.get(line_start..start).unwrap_or_default().chars().count() + 1;
        let rest = text.chars().count().saturating_sub(column - 1);
        let width = file.text.get(span).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        Self {
            key: key.to_owned(),
            message: message.into(),
            hint: None,
            place: Place::Line { file: file.name.clone(), line, column, width: width.clamp(1, rest.max(1)), text },
        }
    }

    /// A mistake that is not on a line: a file that is missing, an environment variable.
    pub(super) fn elsewhere(place: impl Into<String>, key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into(), hint: None, place: Place::Elsewhere(place.into()) }
    }

    /// Adds what to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => writeln!(formatter, "{}", self.message)?,
            key => writeln!(formatter, "`{key}`: {}", self.message)?,
        }
        match &self.place {
            Place::Elsewhere(place) => write!(formatter, "  --> {place}")?,
            Place::Line { file, line, column, width, text } => {
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

/// Every mistake found.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// In the order they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(formatter, "error: {problem}\n")?;
        }
        match self.problems.len() {
            1 => formatter.write_str("1 mistake in the configuration"),
            number => write!(formatter, "{number} mistakes in the configuration"),
        }
    }
}

/// Where readers put what they find.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub(super) fn add(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let problems = self.found.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }
}
