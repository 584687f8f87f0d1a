//! The shipped examples are true.

use std::fs;

use driftd::config::{self, Monitor};

use super::file;

/// Takes the comment sign off every line that is a key or a table, but for paragraphs that begin with one of `skip`.
fn uncommented(text: &str, skip: &[&str]) -> String {
    let mut lines = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            skipping = false;
        }
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_table = bare.starts_with('[') && bare.ends_with(']');
        let is_key = bare.split_once(" = ").is_some_and(|(key, _)| {
            !key.contains(' ') && key.chars().all(|c| c.is_ascii_lowercase() || "_.\"".contains(c))
        });
        if skip.iter().any(|word| bare.starts_with(word)) {
            skipping |= is_table;
            lines.push("");
        } else {
            lines.push(if !skipping && (is_table || is_key) { bare } else { line });
        }
    }
    lines.join("\n")
}

fn load_monitor(text: &str) -> Monitor {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.toml");
    fs::write(&path, text).unwrap();
    let mut monitor = config::load_monitor(&path).unwrap_or_else(|error| panic!("{error}"));
    monitor.file.clear();
    monitor.fingerprint.clear();
    monitor
}

#[test]
fn the_defaults_written_in_the_example_monitor_are_the_defaults() {
    let text = fs::read_to_string(file("config/monitors.d/example.toml")).unwrap();
    let optional = [
        "pattern",
        "version",
        "[source.where]",
        "[[segments]]",
        "[sample]",
        "learn",
        "time_zone",
        "every",
        "reference = [",
        "rolling",
        "seasonal",
        "champion",
        "drifted_share",
        "[retrain]",
        "[labels]",
        "[[alert.rules]]",
        "[mlflow]",
        "[challenger]",
        "[[detectors]]",
        "[retention]",
    ];
    let spelled_out = uncommented(&text, &optional);
    assert_eq!(format!("{:?}", load_monitor(&text)), format!("{:?}", load_monitor(&spelled_out)));
    // And with everything optional, too, it is still valid.
    let everything = uncommented(&text, &["pattern", "drifted_columns", "reference = \"fixed\"", "time_zone"]);
    let monitor = load_monitor(&everything);
    assert!(monitor.learn.is_some() && monitor.rules.retrain.is_some() && monitor.layout.segments.len() == 1);
    assert_eq!(monitor.references.rules.len(), 4);
    assert!(monitor.retention.counts.is_some() && monitor.retention.findings.is_some());
    assert!(
        monitor.challenger.is_some_and(|challenger| challenger.windows == 24 && challenger.columns == ["score"])
    );
    assert!(monitor.detectors.iter().any(|detector| detector.spec.name == "income-level"));
    assert!(monitor.mlflow.is_some() && monitor.rules.alerts.len() == 1 && monitor.rules.labels.len() == 1);
}

#[test]
fn the_monitor_in_the_readme_is_valid() {
    let readme = fs::read_to_string(file("README.md")).unwrap();
    let block = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let monitor = load_monitor(block);
    assert_eq!(
        (monitor.name.as_str(), monitor.learn, monitor.schema.columns().len()),
        ("credit-score", Some(168), 3)
    );
}

#[test]
fn the_defaults_written_in_the_example_of_the_daemon_are_the_defaults() {
    let text = fs::read_to_string(file("config/driftd.toml")).unwrap();
    let load = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driftd.toml");
        fs::write(&path, text).unwrap();
        let settings =
            config::load_here(&path, &config::Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        format!("{:?}{:?}{:?}{:?}", settings.daemon, settings.receivers, settings.routing, settings.operations)
    };
    let optional = [
        "name",
        "ca_file",
        "cert_file",
        "key_file",
        "key_password",
        "mechanism",
        "username",
        "password",
        "token",
        "[kafka.security.token_endpoint]",
        "[kafka.properties]",
        "[receivers",
        "external_url",
        "callback_secret",
        "mlflow_secret",
        "[[routes]]",
        "[[inhibit]]",
        "[calendars",
        "[http.tls]",
        "[[http.tokens]]",
        "role",
    ];
    assert_eq!(load(&text), load(&uncommented(&text, &optional)));
}

#[test]
fn every_key_the_code_asks_for_stands_in_an_example() {
    let examples = format!(
        "{}{}",
        fs::read_to_string(file("config/driftd.toml")).unwrap(),
        fs::read_to_string(file("config/monitors.d/example.toml")).unwrap()
    );
    let readers = [
        ".string(\"",
        ".required(\"",
        ".integer(\"",
        ".duration(\"",
        ".choice(\"",
        ".optional_choice(\"",
        ".strings(\"",
        ".section(\"",
        ".sections(\"",
        ".named_sections(\"",
        ".float(\"",
        ".flag(\"",
        "duration(\"",
        "number(\"",
        "matchers(section, \"",
        "labels(section, \"",
        "labels(&section, \"",
        "path_part(section, \"",
        "kept(section, \"",
        "own(\"",
        ".secret(\"",
        ".value(\"",
        "path(&section, \"",
        "path(section, \"",
        "size(\"",
        "path(\"",
        "file(\"",
        ".optional_choice(\n        \"",
        ".choice(\n        \"",
        "check_names(&section, \"",
    ];
    let mut keys = 0;
    let sources = [
        "daemon/mod",
        "daemon/kafka",
        "daemon/postgres",
        "daemon/http",
        "monitor/mod",
        "monitor/source",
        "monitor/columns",
        "alerts",
        "retention",
        "routing",
        "receivers/mod",
        "receivers/email",
        "receivers/http",
        "receivers/training",
    ];
    for source in sources {
        let code = fs::read_to_string(file(&format!("src/config/{source}.rs"))).unwrap();
        for reader in readers {
            for (position, _) in code.match_indices(reader) {
                let rest = &code[position + reader.len()..];
                let key = rest.split('"').next().unwrap();
                let shown = examples.contains(&format!("{key} = "))
                    || examples.contains(&format!("{key}]"))
                    || examples.contains(&format!("{key}."))
                    || examples.contains(&format!("\n[{key}"));
                assert!(shown, "key `{key}` of src/config/{source}.rs is in no example");
                keys += 1;
            }
        }
    }
    assert!(keys > 140, "{keys}");
}
