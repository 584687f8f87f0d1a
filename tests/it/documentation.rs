//! Documents that say what the code says are kept in step with it.

use std::fs;
use std::path::Path;

use driftd::alert::{EventKind, OperationalRule};
use driftd::measure::Measure;
use driftd::notify::examples;
use driftd::preset::Preset;
use serde_json::Value;

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn every_measure_stands_in_its_document_with_its_limits() {
    let text = document("measures.md");
    for measure in Measure::ALL {
        let limits = measure.default_thresholds();
        let line = format!("| {} | {} | {} |", limits.warn, limits.critical, measure.about());
        let row = text.lines().find(|row| row.starts_with(&format!("| `{}` |", measure.as_str())));
        let row = row.unwrap_or_else(|| panic!("docs/measures.md lacks `{}`", measure.as_str()));
        assert!(row.ends_with(&line) && row.contains(&measure.range()), "{row}\nshould end with {line}");
    }
}

#[test]
fn every_preset_stands_in_its_document() {
    let text = document("presets.md");
    for preset in Preset::ALL {
        assert!(text.contains(&format!("| `{}` |", preset.as_str())), "docs/presets.md lacks {}", preset.as_str());
    }
}

/// The schema of an event's type, as documented.
pub fn schema_of(kind: &str) -> jsonschema::Validator {
    let text = document(&format!("events/{kind}.schema.json"));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Holds an event against the schema of its type.
pub fn assert_documented(event: &Value) {
    let kind = event["type"].as_str().unwrap();
    let errors: Vec<String> = schema_of(kind).iter_errors(event).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{event}");
}

#[test]
fn every_event_has_a_schema_that_its_example_fulfils() {
    let text = document("events.md");
    for kind in EventKind::ALL {
        let example = examples().into_iter().find(|event| event["type"] == kind.as_str()).unwrap();
        assert_documented(&example);
        assert!(text.contains(&format!("| `{}` |", kind.as_str())), "docs/events.md lacks {}", kind.as_str());
        // The schema says something: without its data an event does not pass.
        let mut broken = example;
        broken["data"] = Value::Object(serde_json::Map::new());
        assert!(!schema_of(kind.as_str()).is_valid(&broken));
    }
}

#[test]
fn the_events_shown_in_the_document_are_the_examples() {
    let text = document("events.md");
    for number in [0, 3, 4, 6] {
        let shown = serde_json::to_string_pretty(&examples()[number]).unwrap();
        assert!(text.contains(&shown), "docs/events.md does not show\n{shown}");
    }
}

#[test]
fn every_operational_alert_and_every_training_system_stands_in_the_document() {
    let text = document("alerting.md");
    for rule in OperationalRule::ALL {
        assert!(text.contains(&format!("`{}`", rule.as_str())), "docs/alerting.md lacks {}", rule.as_str());
    }
    for name in ["airflow", "prefect", "kubeflow", "dagster", "github", "argo"] {
        assert!(text.contains(&format!("| `{name}` |")), "docs/alerting.md lacks {name}");
    }
}

/// All Rust files below a folder of the repository, in one text.
fn all_code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&all_code(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    text
}

/// The cells of the rows of a section's tables, without the heads.
fn rows<'a>(text: &'a str, section: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) =
        text.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("there is no {section}"));
    let rest = rest.split("\n## ").next().unwrap();
    let lines: Vec<&str> = rest.lines().filter(|line| line.starts_with('|')).collect();
    lines[2..].iter().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_tests_and_faults_that_reliability_names_exist_and_every_promise_and_fault_names_some() {
    let text = document("reliability.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = all_code(&root.join("tests")) + &all_code(&root.join("src"));
    let is_test = |name: &&str| {
        name.matches('_').count() >= 3
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let exists = |name: &str| code.contains(&format!("fn {name}("));
    let settings = ["default_transaction_read_only", "idle_in_transaction_session_timeout"];
    let missing: Vec<&str> =
        quoted(&text).filter(is_test).filter(|name| !settings.contains(name) && !exists(name)).collect();
    assert!(missing.is_empty(), "docs/reliability.md names tests that do not exist: {missing:#?}");

    let faults: Vec<&str> = crate::nemesis::fault_names();
    let described: Vec<&str> = rows(&text, "The nemesis").iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(described, faults, "docs/reliability.md describes every fault, in order");
    let promises = rows(&text, "Guarantees");
    assert_eq!(promises.len(), 18);
    for row in &promises {
        assert!(quoted(row[2]).any(|name| is_test(&name)), "promise {} names no test", row[0]);
    }
    let table = rows(&text, "Faults and what to expect");
    assert!(table.len() >= 40, "{}", table.len());
    for row in &table {
        let shown = quoted(row[2]).any(|name| is_test(&name) || faults.contains(&name));
        let everywhere = row[2].starts_with("nemesis (") || row[2].starts_with("not tested");
        assert!(!row[1].is_empty() && (shown || everywhere), "{}: {}", row[0], row[2]);
    }
    for name in table.iter().filter_map(|row| row[2].strip_prefix("nemesis: ")).flat_map(quoted) {
        assert!(is_test(&name) || faults.contains(&name), "there is no fault `{name}`");
    }
}

/// What stands between two marks in a text.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split(to).next()).collect()
}

#[test]
fn files_and_documents_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents: Vec<_> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    assert!(documents.len() > 10);
    for path in documents.into_iter().chain([root.join("README.md"), root.join("CHANGELOG.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        for source in between(&text, "`src/", "`") {
            assert!(root.join("src").join(source).exists(), "{} names src/{source}", path.display());
        }
        for link in between(&text, "](", ")") {
            let link = link.split('#').next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                assert!(path.parent().unwrap().join(link).exists(), "{} links to {link}", path.display());
            }
        }
    }
}
