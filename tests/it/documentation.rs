//! Documents that say what the code says are kept in step with it.

use std::fs;
use std::path::Path;

use driftd::measure::Measure;
use driftd::preset::Preset;

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
