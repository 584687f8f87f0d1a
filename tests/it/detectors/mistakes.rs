//! Mistakes in `[[detectors]]`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, check};

#[test]
fn mistakes_in_detectors_are_all_reported_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("monitors.d")).unwrap();
    Config::daemon().write(folder.path().join("driftd.toml"));
    let said = |detectors: &[Value]| {
        let monitor = Config::hourly("t")
            .categorical("city")
            .push("columns", json!({ "name": "income", "type": "numeric", "sensitive": true }));
        let monitor = detectors.iter().fold(monitor, |monitor, detector| monitor.push("detectors", detector));
        monitor.write(folder.path().join("monitors.d/m.toml"));
        check(folder.path())
    };
    let (text, code) = said(&[
        json!({ "kind": "adwim", "column": "x" }),
        json!({ "column": "x" }),
        json!({ "kind": "adwin", "column": "y", "delta": 2.0, "detla": 1 }),
        json!({ "kind": "kswin", "column": "city", "stat_size": 80 }),
        json!({ "kind": "ddm", "column": "x", "on": "windows", "warning_threshold": 4.0 }),
        json!({ "kind": "cusum", "column": "x", "mean": 1.0, "name": "bad name", "category": "a" }),
        json!({ "kind": "ewma", "column": "income", "receivers": ["nobody"] }),
        json!({ "kind": "ewma", "column": "city", "on": "windows", "value": "category_share" }),
        json!({ "kind": "hddm_a", "column": "x", "drift_confidence": 0.01 }),
    ]);
    assert_eq!(code, Some(78), "{text}");
    for part in [
        "`detectors[0].kind`: `adwim` is not one of",
        "did you mean `adwin`?",
        "`detectors[1].kind`: is missing: one of adwin, page_hinkley",
        "`detectors[2].column`: `y` is not a column of this monitor",
        "`detectors[2].delta`: must lie between",
        "did you mean `delta`?",
        "`detectors[3].column`: `city` is categorical: it must be numeric or boolean",
        "`detectors[3].stat_size`: must not be above half of `window_size`, which is 100",
        "`detectors[4].on`: `ddm` reads errors of records",
        "`detectors[4].warning_threshold`: must not be above `drift_threshold`: 4 > 3",
        "`detectors[5].mean`: is nothing without `deviation`",
        "`detectors[5].name`: may have letters",
        "`detectors[5].category`: is for detectors that read windows",
        "`detectors[6].column`: `income` is sensitive",
        "`nobody` is not a receiver of driftd.toml",
        "`detectors[7].category`: belongs to value = \"category_share\"",
        "`detectors[8].drift_confidence`: must not be above `warning_confidence`: 0.01 > 0.005",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let twice = json!({ "kind": "adwin", "column": "x" });
    let (text, code) = said(&[twice.clone(), twice]);
    assert!(code == Some(78) && text.contains("`x-adwin` is the name of another detector"), "{text}");
    let (text, code) = said(&[
        json!({ "kind": "adwin", "column": "x" }),
        json!({ "kind": "ewma", "column": "income", "on": "windows", "value": "null_share" }),
        json!({ "kind": "hddm_w", "column": "city", "on": "windows", "value": "category_share", "category": "b" }),
    ]);
    assert_eq!(code, Some(0), "{text}");
}
