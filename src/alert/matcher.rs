//! Matchers of labels, as Alertmanager writes them: `severity = "critical"`, `owner =~ "team-.*"`.

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;

/// Labels of an alert.
pub type Labels = BTreeMap<String, String>;

/// How a label is compared.
#[derive(Clone, Debug)]
enum LabelComparison {
    Equal,
    NotEqual,
    Matches(Regex),
    DoesNotMatch(Regex),
}

/// Why a text is no matcher.
#[derive(Debug, thiserror::Error)]
pub enum MatcherError {
    /// It has a character that no text in the database has.
    #[error("a matcher has a NUL in it, and no label has")]
    Nul,
    /// Nothing in it compares.
    #[error("`{0}` is not a matcher: write label=value, label!=value, label=~regex or label!~regex")]
    NoMatcher(String),
    /// What stands before the comparison.
    #[error("`{0}` is not the name of a label: letters, digits and `_`")]
    Label(String),
    /// A `!` that compares nothing.
    #[error("`{0}` has no comparison: `=`, `!=`, `=~` or `!~`")]
    NoComparison(String),
    /// `==` of programming languages, `=!`, `=>`: taken for a value, it would match nothing in silence.
    #[error(
        "`{text}`: `{written}` is not a comparison; allowed are `=`, `!=`, `=~` and `!~`\nhint: write {label}={wanted}; a value that \
         begins so needs quotes: {label}=\"{value}\""
    )]
    Comparison {
        /// All of it.
        text: String,
        /// What stands for a comparison.
        written: String,
        /// The label before it.
        label: String,
        /// The value that is meant.
        wanted: String,
        /// The value as it would be read.
        value: String,
    },
    /// A quote without the other.
    #[error("`{0}`: the quotes around the value are not closed")]
    OpenQuotes(String),
    /// What the label is to match.
    #[error("`{pattern}` is not a regular expression: {source}")]
    Regex {
        /// As it is written.
        pattern: String,
        /// What is wrong with it.
        source: regex_lite::Error,
    },
}

/// One condition on one label. A label that is not there is empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    value: String,
    comparison: LabelComparison,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Matcher {
    /// A label must have a value.
    #[must_use]
    pub fn equal(label: &str, value: &str) -> Self {
        Self { label: label.to_owned(), value: value.to_owned(), comparison: LabelComparison::Equal }
    }

    /// A label must not have a value.
    #[must_use]
    pub fn not_equal(label: &str, value: &str) -> Self {
        Self { label: label.to_owned(), value: value.to_owned(), comparison: LabelComparison::NotEqual }
    }

    /// All of a label must match a regular expression, or must not.
    ///
    /// # Errors
    /// When it is not a regular expression.
    pub fn regex(label: &str, pattern: &str, negated: bool) -> Result<Self, MatcherError> {
        let regex = Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|source| MatcherError::Regex { pattern: pattern.to_owned(), source })?;
        let comparison =
            if negated { LabelComparison::DoesNotMatch(regex) } else { LabelComparison::Matches(regex) };
        Ok(Self { label: label.to_owned(), value: pattern.to_owned(), comparison })
    }

    /// Reads one as it is written: a label, `=`, `!=`, `=~` or `!~`, and a value with or without quotes.
    ///
    /// # Errors
    /// With what is wrong with it, and how it is written.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        if text.contains('\0') {
            return Err(MatcherError::Nul);
        }
        let place = text.find(['=', '!']).ok_or_else(|| MatcherError::NoMatcher(text.to_owned()))?;
        let (label, rest) = text.split_at(place);
        let label = label.trim();
        if label.is_empty()
            || !label.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        {
            return Err(MatcherError::Label(label.to_owned()));
        }
        let operators = ["=~", "!~", "!=", "="];
        let Some((operator, value)) =
            operators.iter().find_map(|operator| Some((*operator, rest.strip_prefix(operator)?)))
        else {
            return Err(MatcherError::NoComparison(text.to_owned()));
        };
        let value = value.trim();
        if let Some(wrong) = value.strip_prefix(['=', '~', '!', '<', '>']) {
            return Err(MatcherError::Comparison {
                text: text.to_owned(),
                written: rest.strip_suffix(wrong).unwrap_or(rest).trim().to_owned(),
                label: label.to_owned(),
                wanted: wrong.trim().to_owned(),
                value: value.to_owned(),
            });
        }
        let value = match value.strip_prefix('"') {
            None => value,
            Some(inner) => inner.strip_suffix('"').ok_or_else(|| MatcherError::OpenQuotes(text.to_owned()))?,
        };
        match operator {
            "=~" => Self::regex(label, value, false),
            "!~" => Self::regex(label, value, true),
            "!=" => Ok(Self::not_equal(label, value)),
            _ => Ok(Self::equal(label, value)),
        }
    }

    /// The label that it is about.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The value or the pattern that it names.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it names a pattern.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        matches!(self.comparison, LabelComparison::Matches(_) | LabelComparison::DoesNotMatch(_))
    }

    /// Whether the value or the pattern that it names is, or fits, this one: whatever follows from it.
    #[must_use]
    pub fn selects(&self, value: &str) -> bool {
        match &self.comparison {
            LabelComparison::Equal | LabelComparison::NotEqual => value == self.value,
            LabelComparison::Matches(regex) | LabelComparison::DoesNotMatch(regex) => regex.is_match(value),
        }
    }

    /// Whether labels fulfil it.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.label).map_or("", String::as_str))
    }

    /// Whether a value of its label fulfils it.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match &self.comparison {
            LabelComparison::Equal => value == self.value,
            LabelComparison::NotEqual => value != self.value,
            LabelComparison::Matches(regex) => regex.is_match(value),
            LabelComparison::DoesNotMatch(regex) => !regex.is_match(value),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.comparison {
            LabelComparison::Equal => "=",
            LabelComparison::NotEqual => "!=",
            LabelComparison::Matches(_) => "=~",
            LabelComparison::DoesNotMatch(_) => "!~",
        };
        write!(formatter, "{}{operator}\"{}\"", self.label, self.value)
    }
}

/// Whether labels fulfil all matchers.
#[must_use]
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_as_alertmanager_writes_them_and_written_as_they_are_read() {
        let labels: Labels = [("owner", "team-a"), ("severity", "critical")]
            .into_iter()
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        for (text, matches) in [
            ("owner=team-a", true),
            ("owner=\"team-a\"", true),
            ("owner =~ \"team-.*\"", true),
            ("owner=~team", false),
            ("owner!~team-[bc]", true),
            ("severity!=critical", false),
            ("absent=", true),
            ("absent!=x", true),
            ("absent=~.+", false),
        ] {
            let matcher = Matcher::parse(text).unwrap();
            assert_eq!(matcher.matches(&labels), matches, "{text}");
            assert_eq!(Matcher::parse(&matcher.to_string()).unwrap(), matcher);
        }
        for text in ["owner", "=x", "a b=c", "owner=~(", "owner!x", "owner=a\0b", "owner=\"\0\"", "owner=~\0"] {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_looks_like_another_comparison_is_refused_with_the_right_one() {
        for text in
            ["severity==critical", "severity == critical", "severity=!critical", "owner=>a", "owner===a", "a=~~b"]
        {
            let refused = Matcher::parse(text).unwrap_err().to_string();
            assert!(
                refused.contains("is not a comparison; allowed are `=`, `!=`, `=~` and `!~`"),
                "{text}: {refused}"
            );
        }
        let refused = Matcher::parse("severity==critical").unwrap_err().to_string();
        assert!(
            refused.contains("`==` is not") && refused.contains("hint: write severity=critical;"),
            "{refused}"
        );
        for text in ["owner=\"team-a", "owner=\""] {
            assert!(matches!(Matcher::parse(text), Err(MatcherError::OpenQuotes(_))), "{text}");
        }
        let quoted = Matcher::parse("owner=\"=x\"").unwrap();
        assert!(quoted.accepts("=x") && Matcher::parse(&quoted.to_string()).unwrap() == quoted);
    }
}
