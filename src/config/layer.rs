//! What is laid over the single values of `driftd.toml`: the environment, and above it `--set` of the command line.
//!
//! Keys below names that users choose (receivers, Kafka's own properties) and in lists of tables are not among them: variable
//! names carry no case, so such keys could not be told apart. Neither are lists and secrets.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use config::{Config, Environment};

use crate::record::nearest;

/// Where values come from that are laid over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Variables by name: `DRIFTD_` and the key in capitals, with `__` between its parts.
    pub environment: HashMap<String, String>,
    /// Keys and values, as `--set KEY=VALUE` gives them. The last of several counts.
    pub set: Vec<(String, String)>,
}

impl Overrides {
    /// The environment of this process, and the keys and values of `--set`.
    #[must_use]
    pub fn of_process(set: Vec<(String, String)>) -> Self {
        let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let variables = std::env::vars_os().filter_map(texts).filter(|(name, _)| is_variable(name));
        Self { environment: variables.collect(), set }
    }
}

/// The values laid over a file, and which of its keys can have one.
#[derive(Debug)]
pub(super) struct Layer {
    values: Config,
    variables: Vec<String>,
    set: BTreeSet<String>,
    keys: RefCell<BTreeSet<String>>,
}

/// The value laid over a key.
pub(super) struct Given<'a> {
    values: &'a Config,
    key: String,
    /// `environment variable DRIFTD_KAFKA__GROUP`, or `--set kafka.group`.
    pub(super) place: String,
}

impl Layer {
    #[expect(clippy::expect_used, reason = "names and texts, which were looked at, are all that is put in")]
    pub(super) fn new(overrides: &Overrides) -> Self {
        let variables: Vec<String> =
            overrides.environment.keys().filter(|name| is_variable(name)).cloned().collect();
        let usable = |name: &String| key_of(name).is_some_and(|key| is_path(&key));
        let environment = variables.iter().filter(|name| usable(name));
        let environment =
            environment.filter_map(|name| Some((name.clone(), overrides.environment.get(name)?.clone())));
        let source = Environment::with_prefix("DRIFTD")
            .prefix_separator("_")
            .separator("__")
            .source(Some(environment.collect()));
        let mut builder = Config::builder().add_source(source);
        for (key, value) in overrides.set.iter().filter(|(key, _)| is_path(key)) {
            builder = builder.set_override(key, value.as_str()).expect("a path of plain names");
        }
        Self {
            values: builder.build().expect("texts under paths of plain names"),
            variables,
            set: overrides.set.iter().map(|(key, _)| key.clone()).collect(),
            keys: RefCell::default(),
        }
    }

    /// Says that a key is one of a single value: others are not laid over.
    pub(super) fn allow(&self, key: &str) {
        self.keys.borrow_mut().insert(key.to_owned());
    }

    /// What is laid over a key that may be.
    pub(super) fn given(&self, key: &str) -> Option<Given<'_>> {
        self.keys.borrow().get(key)?;
        self.values.get_string(key).ok()?;
        let place = if self.set.contains(key) {
            format!("--set {key}")
        } else {
            format!("environment variable {}", variable_of(key))
        };
        Some(Given { values: &self.values, key: key.to_owned(), place })
    }

    /// Whether a table has a key here.
    pub(super) fn has_table(&self, path: &str) -> bool {
        self.values.get_table(path).is_ok_and(|table| !table.is_empty())
    }

    /// Variables that look like those of keys and are none, in words: a misspelt one would be ignored in silence. To be asked
    /// when all keys were read.
    pub(super) fn unknown_variables(&self) -> Vec<String> {
        let keys = self.keys.borrow();
        let known: Vec<String> = keys.iter().map(|key| variable_of(key)).collect();
        let mut unknown: Vec<String> = self
            .variables
            .iter()
            .filter(|name| !known.contains(name))
            .map(|name| {
                let meant = nearest(name, known.iter().map(String::as_str));
                let meant = meant.map_or_else(|| ALLOWED.to_owned(), |near| format!("did you mean `{near}`?"));
                format!("the environment variable `{name}` sets no key and is ignored\nhint: {meant}")
            })
            .collect();
        unknown.sort();
        unknown
    }

    /// Keys of `--set` that are none, each with a hint. To be asked when all keys were read.
    pub(super) fn unknown_keys(&self) -> Vec<(String, String)> {
        let keys = self.keys.borrow();
        let unknown = self.set.iter().filter(|key| !keys.contains(*key));
        unknown
            .map(|key| {
                let near = nearest(key, keys.iter().map(String::as_str));
                (key.clone(), near.map_or_else(|| ALLOWED.to_owned(), |near| format!("did you mean `{near}`?")))
            })
            .collect()
    }
}

/// What can be set outside of the file.
const ALLOWED: &str = "allowed are the single values of driftd.toml that `driftd config show` lists; no lists, no secrets, and \
                       nothing below names of your own";

impl Given<'_> {
    pub(super) fn text(&self) -> String {
        self.values.get_string(&self.key).unwrap_or_default()
    }

    /// As the file would have it: numbers and flags without quotes.
    pub(super) fn as_written(&self) -> String {
        let text = self.text();
        let is_bare = text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok();
        if is_bare { text } else { format!("{text:?}") }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        self.values.get_int(&self.key).ok()
    }

    pub(super) fn float(&self) -> Option<f64> {
        self.values.get_float(&self.key).ok()
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.values.get_bool(&self.key).ok()
    }
}

/// Whether a variable looks like that of a key. Others, such as `DRIFTD_CONFIG`, are options.
fn is_variable(name: &str) -> bool {
    name.strip_prefix("DRIFTD_").is_some_and(|key| key.contains("__"))
}

/// The environment variable of a key: `DRIFTD_KAFKA__GROUP`.
fn variable_of(key: &str) -> String {
    format!("DRIFTD_{}", key.to_uppercase().replace('.', "__"))
}

/// The key of an environment variable.
fn key_of(variable: &str) -> Option<String> {
    Some(variable.strip_prefix("DRIFTD_")?.to_lowercase().replace("__", "."))
}

/// Whether it is names with dots between them.
fn is_path(key: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    key.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(environment: &[(&str, &str)], set: &[(&str, &str)]) -> Layer {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Layer::new(&Overrides {
            environment: environment.iter().map(owned).collect(),
            set: set.iter().map(owned).collect(),
        })
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let layer = layer(
            &[("DRIFTD_KAFKA__GROUP", "a"), ("DRIFTD_HTTP__CALLBACK_SECRET", "5"), ("DRIFTD_CONFIG", "/x")],
            &[("kafka.group", "b"), ("kafka.group", "c")],
        );
        assert!(layer.given("kafka.group").is_none(), "not yet known to be a single value");
        for key in ["kafka.group", "http.callback_secret", "kafka.brokers"] {
            layer.allow(key);
        }
        let group = layer.given("kafka.group").unwrap();
        assert_eq!((group.text().as_str(), group.place.as_str()), ("c", "--set kafka.group"));
        assert_eq!(layer.given("http.callback_secret").unwrap().integer(), Some(5));
        assert!(layer.given("kafka.brokers").is_none() && layer.given("config").is_none());
        assert!(layer.has_table("kafka") && !layer.has_table("postgres"));
    }

    #[test]
    fn what_sets_no_key_is_said_whatever_it_looks_like() {
        let odd = ["DRIFTD_KAFKA__GROPU", "DRIFTD_KAFKA__", "DRIFTD___", "DRIFTD_A[0]__B", "DRIFTD_Ä__B"];
        let variables: Vec<(&str, &str)> = odd.iter().map(|name| (*name, "x")).collect();
        let layer = layer(&variables, &[("kafka.gruop", "x"), ("a[", "x"), ("", "x")]);
        layer.allow("kafka.group");
        assert!(layer.given("kafka.group").is_none());
        let unknown = layer.unknown_variables();
        assert_eq!(unknown.len(), odd.len(), "{unknown:?}");
        assert!(unknown.iter().any(|text| text.contains("did you mean `DRIFTD_KAFKA__GROUP`?")), "{unknown:?}");
        let keys: Vec<String> = layer.unknown_keys().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["", "a[", "kafka.gruop"]);
    }
}
