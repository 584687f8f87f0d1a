//! What `[window]` and the limits of the number of records may say.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, check};

#[test]
fn lengths_that_are_none_and_limits_that_say_nothing_are_mistakes_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let monitors = folder.path().join("monitors.d");
    fs::create_dir(&monitors).unwrap();
    Config::daemon().write(folder.path().join("driftd.toml"));
    let said = |key: &str, value: Value| {
        Config::monitor("m", "t").numeric("x").set(key, value).write(monitors.join("m.toml"));
        check(folder.path()).0
    };
    for (window, message) in [
        (json!({ "length": "24h", "every": "7h" }), "`window.every`: must divide `length`"),
        (json!({ "length": "1h", "every": "2h" }), "`window.every`: must divide `length`"),
        (json!({ "length": "1h", "every": "1s" }), "gives windows of 3600 panes, and there may be 1000"),
        (json!({ "length": "day", "every": "1h" }), "`window.every`: is not used with a unit of the calendar"),
        (json!({ "length": "1000 records" }), "`window.every`: is missing: how often the last records are judged"),
        (json!({ "length": "many records", "every": "1m" }), "`many records` is no number of records"),
        (json!({ "length": "0 records", "every": "1m" }), "`0 records` is no number of records"),
        (json!({ "amend": "200d" }), "`window.amend`: is longer than counts are kept"),
        (json!({ "amend_every": "1h" }), "`window.amend_every`: is not used without `amend`"),
        (json!({ "length": "1h", "every": "10m", "time_zone": "UTC" }), "`window.time_zone`: is used only with"),
    ] {
        let text = said("window", window.clone());
        assert!(text.contains(message), "{window}: {text}");
    }
    for window in [
        json!({ "length": "24h", "every": "1h" }),
        json!({ "length": "1h", "every": "1h" }),
        json!({ "length": "10_000 records", "every": "10m" }),
    ] {
        let text = said("window", window.clone());
        assert!(!text.contains("error"), "{window}: {text}");
    }
    for (judge, message) in [
        (
            json!({ "thresholds": { "row_count": { "warn": 0.5 } } }),
            "`judge.thresholds.row_count.warn`: must be above 1",
        ),
        (json!({ "measures": { "rows": ["psi"] } }), "`psi` is not a measure of the number of records"),
        (json!({ "measures": { "numeric": ["row_count"] } }), "`row_count` is not defined for numeric columns"),
    ] {
        let text = said("judge", judge.clone());
        assert!(text.contains(message), "{judge}: {text}");
    }
    for (rule, message) in [
        (
            json!({ "kind": "volume", "scope": "column" }),
            "`alert.rules[0].scope`: is not used with kind = \"volume\"",
        ),
        (
            json!({ "measures": ["row_count"] }),
            "`row_count` is of no column: a rule about it has kind = \"volume\"",
        ),
    ] {
        let mut named = rule.clone();
        named["name"] = json!("r");
        let text = said("alert", json!({ "rules": [named] }));
        assert!(text.contains(message), "{rule}: {text}");
    }
    let text = said(
        "columns",
        json!([{ "name": "x", "type": "numeric", "thresholds": { "row_count": { "warn": 3.0 } } }]),
    );
    assert!(text.contains("names `row_count`, which is of no column"), "{text}");
}
