//! Which labels alerts have, and which values where they are known: what matchers are held against before they are taken. A
//! matcher of a label that no alert has matches nothing, or everything, in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::{DRILL, Labels, Matcher, OperationalRule, RuleKind, Severity};

/// The labels that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Their values, where no other is possible.
    labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// Labels that driftd sets itself and whose values come from data.
const OPEN: [&str; 5] = ["version", "segment", "column", "receiver", DRILL];

impl Default for Vocabulary {
    fn default() -> Self {
        let of = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
        let mut labels: BTreeMap<String, Option<BTreeSet<String>>> =
            OPEN.iter().map(|label| ((*label).to_owned(), None)).collect();
        let operational: Vec<&str> = OperationalRule::ALL.iter().map(|rule| rule.as_str()).collect();
        labels.insert("alertname".to_owned(), of(&operational));
        labels.insert("monitor".to_owned(), of(&[]));
        let severities = [Severity::Warn, Severity::Critical].map(Severity::as_str);
        labels.insert("severity".to_owned(), of(&severities));
        let kinds = RuleKind::ALL.map(RuleKind::as_str);
        labels.insert("kind".to_owned(), of(&kinds));
        Self { labels }
    }
}

/// What no alert has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    #[error("no alert has a label `{label}`\nhint: {hint}")]
    Label {
        /// Its name.
        label: String,
        /// Which there are.
        hint: String,
    },
    /// A value of a label.
    #[error("no `{label}` {} `{wanted}`\nhint: {hint}", if *.is_regex { "matches" } else { "is" })]
    Value {
        label: String,
        /// The value, or the pattern.
        wanted: String,
        /// Whether it is a pattern.
        is_regex: bool,
        /// Which there are.
        hint: String,
    },
    /// What a matcher asks for.
    #[error("`{matcher}`: {source}")]
    Matcher {
        /// As it is written.
        matcher: String,
        /// What no alert has of it.
        source: Box<VocabularyError>,
    },
}

impl Vocabulary {
    /// Adds a monitor: its name, the names of its alert rules, its own labels.
    pub fn add_monitor<'a>(&mut self, name: &str, rules: impl IntoIterator<Item = &'a str>, labels: &Labels) {
        self.add("monitor", name);
        for rule in rules {
            self.add("alertname", rule);
        }
        self.add_labels(labels);
    }

    /// Adds the labels of an alert that there is.
    pub fn add_labels(&mut self, labels: &Labels) {
        for (label, value) in labels {
            self.add(label, value);
        }
    }

    fn add(&mut self, label: &str, value: &str) {
        let values = self.labels.entry(label.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(values) = values {
            values.insert(value.to_owned());
        }
    }

    /// Checks the name of a label.
    ///
    /// # Errors
    /// With what is allowed.
    pub fn check_label(&self, label: &str) -> Result<(), VocabularyError> {
        if self.labels.contains_key(label) {
            return Ok(());
        }
        let known: Vec<&str> = self.labels.keys().map(String::as_str).collect();
        Err(VocabularyError::Label { label: label.to_owned(), hint: guess(label, &known) })
    }

    /// Checks a matcher: that alerts have its label, and that the label can have its value.
    ///
    /// # Errors
    /// With what is allowed.
    pub fn check(&self, matcher: &Matcher) -> Result<(), VocabularyError> {
        self.check_label(matcher.label())?;
        let Some(Some(values)) = self.labels.get(matcher.label()) else { return Ok(()) };
        let possible: Vec<&str> = values.iter().map(String::as_str).collect();
        // A label that is not there is empty. A matcher that holds for all values, or for none, tells nothing apart.
        let wanted = matcher.value();
        let sensible = if matcher.is_regex() {
            matcher.accepts("") || possible.iter().any(|value| matcher.selects(value))
        } else {
            wanted.is_empty() || possible.contains(&wanted)
        };
        if sensible {
            return Ok(());
        }
        Err(VocabularyError::Value {
            label: matcher.label().to_owned(),
            wanted: wanted.to_owned(),
            is_regex: matcher.is_regex(),
            hint: guess(wanted, &possible),
        })
    }

    /// Checks all of them.
    ///
    /// # Errors
    /// With the first that makes no sense.
    pub fn check_all(&self, matchers: &[Matcher]) -> Result<(), VocabularyError> {
        self.mistakes(matchers).next().map_or(Ok(()), Err)
    }

    /// Every matcher that makes no sense.
    pub fn mistakes(&self, matchers: &[Matcher]) -> impl Iterator<Item = VocabularyError> {
        matchers.iter().filter_map(|matcher| {
            let source = Box::new(self.check(matcher).err()?);
            Some(VocabularyError::Matcher { matcher: matcher.to_string(), source })
        })
    }
}

/// Values in a hint at most.
const NAMED: usize = 20;

fn guess(found: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&found.to_lowercase(), candidate), candidate))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    let names: Vec<String> = known.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > NAMED { format!(" and {} more", known.len() - NAMED) } else { String::new() };
    let all = if names.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("there are {}{more}", names.join(", "))
    };
    near.map_or_else(|| all.clone(), |(_, near)| format!("did you mean `{near}`? {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        let labels = [("owner".to_owned(), "team-a".to_owned())].into_iter().collect();
        vocabulary.add_monitor("credit-score", ["drift", "data_quality"], &labels);
        vocabulary
    }

    #[test]
    fn what_no_alert_can_have_is_refused_with_what_there_is() {
        let vocabulary = vocabulary();
        for (text, hint) in [
            ("severty=critical", "did you mean `severity`?"),
            ("team=a", "`owner`"),
            ("Monitor=credit-score", "did you mean `monitor`?"),
            ("severity=warning", "did you mean `warn`?"),
            ("severity!=crit", "did you mean `critical`?"),
            ("severity=Critical", "did you mean `critical`?"),
            ("severity=~high|low", "there are `critical`, `warn`"),
            ("monitor=credit-scor", "did you mean `credit-score`?"),
            ("monitor=~fraud.*", "`credit-score`"),
            ("kind=quality", "`data_quality`"),
            ("alertname=no-data", "did you mean `no_data`?"),
            ("owner=team-b", "`team-a`"),
        ] {
            let refused = vocabulary.check(&Matcher::parse(text).unwrap()).unwrap_err().to_string();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }

    #[test]
    fn what_an_alert_can_have_is_taken() {
        let vocabulary = vocabulary();
        for text in [
            "severity=critical",
            "severity!=warn",
            "severity=~crit.*",
            "monitor=credit-score",
            "monitor=~credit-.*",
            "monitor!~fraud.*|credit-score",
            "version=7",
            "segment=country=FR",
            "column=income",
            "receiver=owner",
            "owner=team-a",
            "owner=",
            "owner=~.+",
            "alertname=lag",
            "alertname=drift",
        ] {
            vocabulary.check(&Matcher::parse(text).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}
