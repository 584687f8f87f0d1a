//! Matchers of labels, as Alertmanager writes them: `severity = "critical"`, `owner =~ "team-.*"`.

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;

/// Labels of an alert.
pub type Labels = BTreeMap<String, String>;

/// How a label is compared.
#[derive(Clone, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Matches(Regex),
    DoesNotMatch(Regex),
}

/// One condition on one label. A label that is not there is empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: String,
    value: String,
    comparison: Comparison,
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
        Self { label: label.to_owned(), value: value.to_owned(), comparison: Comparison::Equal }
    }

    /// A label must not have a value.
    #[must_use]
    pub fn not_equal(label: &str, value: &str) -> Self {
        Self { label: label.to_owned(), value: value.to_owned(), comparison: Comparison::NotEqual }
    }

    /// All of a label must match a regular expression, or must not.
    ///
    /// # Errors
    /// When it is not a regular expression.
    pub fn regex(label: &str, pattern: &str, negated: bool) -> Result<Self, String> {
        let regex = Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))?;
        let comparison = if negated { Comparison::DoesNotMatch(regex) } else { Comparison::Matches(regex) };
        Ok(Self { label: label.to_owned(), value: pattern.to_owned(), comparison })
    }

    /// Reads one as it is written: a label, `=`, `!=`, `=~` or `!~`, and a value with or without quotes.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let place = text.find(['=', '!']).ok_or_else(|| {
            format!("`{text}` is not a matcher: write label=value, label!=value, label=~regex or label!~regex")
        })?;
        let (label, rest) = text.split_at(place);
        let label = label.trim();
        if label.is_empty()
            || !label.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        {
            return Err(format!("`{label}` is not the name of a label: letters, digits and `_`"));
        }
        let operators = ["=~", "!~", "!=", "="];
        let Some((operator, value)) =
            operators.iter().find_map(|operator| Some((*operator, rest.strip_prefix(operator)?)))
        else {
            return Err(format!("`{text}` has no comparison: `=`, `!=`, `=~` or `!~`"));
        };
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match operator {
            "=~" => Self::regex(label, value, false),
            "!~" => Self::regex(label, value, true),
            "!=" => Ok(Self::not_equal(label, value)),
            _ => Ok(Self::equal(label, value)),
        }
    }

    /// Whether labels fulfil it.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        match &self.comparison {
            Comparison::Equal => value == self.value,
            Comparison::NotEqual => value != self.value,
            Comparison::Matches(regex) => regex.is_match(value),
            Comparison::DoesNotMatch(regex) => !regex.is_match(value),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Matches(_) => "=~",
            Comparison::DoesNotMatch(_) => "!~",
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
        for text in ["owner", "=x", "a b=c", "owner=~(", "owner!x"] {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
    }
}
