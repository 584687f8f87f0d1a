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
        assert!(row.ends_with(&line) && row.contains(measure.range()), "{row}\nshould end with {line}");
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
    for number in [0, 3] {
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
