//! Files of configuration, made and changed as tables and not as text: a test says only what it is about. Texts are for tests
//! about texts, such as those of syntax errors.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;
use serde_json::json;
use toml::{Table, Value};

/// The configuration of a daemon, or of a monitor.
///
/// Keys are as in messages: `kafka.group`. In lists of tables an entry is found by its name: `columns.temp.role`. A value is
/// whatever serde can write; tables are written with `json!`.
#[derive(Clone, PartialEq)]
pub struct Config(Value);

impl Config {
    /// A daemon, with what must be there: services at addresses where nobody answers.
    pub fn daemon() -> Self {
        Self::empty().set("kafka.brokers", "127.0.0.1:1").set("postgres.url", "postgres://127.0.0.1:1/driftd")
    }

    /// A monitor of a topic, without columns.
    pub fn monitor(name: &str, topic: &str) -> Self {
        Self::empty().set("name", name).set("source.topics", [topic])
    }

    fn empty() -> Self {
        Self(Value::Table(Table::new()))
    }

    /// A monitor of windows of an hour, with the column `x`, that close as soon as they can.
    pub fn hourly(topic: &str) -> Self {
        Self::monitor("m", topic)
            .set("source.time", "ts")
            .set("window.length", "1h")
            .set("window.out_of_orderness", "0s")
            .set("window.idle_after", "4s")
            .numeric("x")
    }

    /// What a file has.
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Makes a file of it, or takes the place of what a file had.
    pub fn write(&self, path: impl AsRef<Path>) {
        fs::write(path, self.to_string()).unwrap();
    }

    /// Gives a key a value, whether or not it had one. Tables on the way to it are made.
    pub fn set(mut self, key: &str, value: impl Serialize) -> Self {
        *self.place(key) = Value::try_from(value).unwrap();
        self
    }

    /// Takes away a key or an entry, which must be there.
    pub fn remove(mut self, key: &str) -> Self {
        let (around, last) = match key.rsplit_once('.') {
            Some((around, last)) => (self.place(around), last),
            None => (&mut self.0, key),
        };
        let removed = match around {
            Value::Table(table) => table.remove(last).is_some(),
            Value::Array(list) => {
                let place = list.iter().position(|entry| is_named(entry, last));
                place.map(|place| list.remove(place)).is_some()
            }
            _ => false,
        };
        assert!(removed, "there is no `{key}` in:\n{self}");
        self
    }

    /// Adds an entry to a list of tables.
    pub fn push(mut self, list: &str, entry: impl Serialize) -> Self {
        let entry = Value::try_from(entry).unwrap();
        match self.place(list) {
            Value::Array(list) => list.push(entry),
            new => *new = Value::Array(vec![entry]),
        }
        self
    }

    /// Adds a column of numbers.
    pub fn numeric(self, name: &str) -> Self {
        self.push("columns", json!({ "name": name, "type": "numeric" }))
    }

    /// Adds a column of categories.
    pub fn categorical(self, name: &str) -> Self {
        self.push("columns", json!({ "name": name, "type": "categorical" }))
    }

    /// Adds a receiver of mails; further keys of it say how they are sent.
    pub fn mail(self, receiver: &str) -> Self {
        let to = [format!("{receiver}@test.example")];
        let mail = json!({ "type": "email", "from": "driftd@test.example", "to": to });
        self.set(&format!("receivers.{receiver}"), mail)
    }

    /// Adds a token of the listener, given as it is or by where it is.
    pub fn token(self, name: &str, role: &str, token: impl Serialize) -> Self {
        let token = Value::try_from(token).unwrap();
        self.push("http.tokens", json!({ "name": name, "role": role, "token": token }))
    }

    fn place(&mut self, key: &str) -> &mut Value {
        key.split('.').fold(&mut self.0, within)
    }
}

/// As text of TOML.
impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&toml::to_string(&self.0).unwrap())
    }
}

/// Changes a file, which must not stay as it was.
pub fn edit(path: impl AsRef<Path>, change: impl FnOnce(Config) -> Config) {
    let before = Config::read(&path);
    let after = change(before.clone());
    assert!(after != before, "nothing changes in:\n{before}");
    after.write(path);
}

fn within<'a>(place: &'a mut Value, part: &str) -> &'a mut Value {
    match place {
        Value::Table(table) => table.entry(part).or_insert_with(|| Value::Table(Table::new())),
        Value::Array(list) => {
            let entry = list.iter_mut().find(|entry| is_named(entry, part));
            entry.unwrap_or_else(|| panic!("no entry has the name `{part}`"))
        }
        value => panic!("`{part}` is looked for in `{value}`"),
    }
}

fn is_named(entry: &Value, name: &str) -> bool {
    entry.get("name").and_then(Value::as_str) == Some(name)
}

/// What `driftd check` prints about a folder, with the folder's name taken out, and its exit code.
pub fn check(folder: &Path) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .arg("--config")
        .arg(folder.join("driftd.toml"))
        .arg("check")
        .env_remove("DRIFTD_KAFKA__BROKERS")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (text.replace(&folder.display().to_string(), "/etc/driftd"), output.status.code())
}
