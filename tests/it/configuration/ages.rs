//! How long data is kept: ages that contradict each other.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, check};

#[test]
fn ages_that_contradict_each_other_are_mistakes_at_the_key_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let monitors = folder.path().join("monitors.d");
    fs::create_dir(&monitors).unwrap();
    let said = |daemon: Value, monitor: Value| {
        Config::daemon().set("retention", daemon).write(folder.path().join("driftd.toml"));
        Config::monitor("m", "t").numeric("x").set("retention", monitor).write(monitors.join("m.toml"));
        check(folder.path()).0
    };
    let nothing = || json!({});
    let counts = said(json!({ "counts": "500d" }), nothing());
    for part in [
        "`retention.counts`: 500d is longer than `retention.findings`, 400d",
        "/etc/driftd/driftd.toml:",
        "write at most \"400d\" here, or at least \"500d\" for `retention.findings`",
    ] {
        assert!(counts.contains(part), "{part}: {counts}");
    }
    let findings = said(json!({ "findings": "30d" }), nothing());
    assert!(findings.contains("`retention.findings`: 30d is shorter than `retention.counts`, 180d"), "{findings}");
    let of_monitor = said(json!({ "counts": "20d" }), json!({ "samples": "30d" }));
    assert!(
        of_monitor.contains("`retention.samples`: 30d is longer than `retention.counts`, 20d"),
        "{of_monitor}"
    );
    assert!(of_monitor.contains("/etc/driftd/monitors.d/m.toml:"), "{of_monitor}");
    let endless = said(nothing(), json!({ "findings": "forever" }));
    assert!(endless.contains("forever is longer than `retention.alerts`, 800d"), "{endless}");
    let wrong = said(
        json!({ "messages": "never", "audit": 5, "alerts": "1s", "sample": "1d" }),
        json!({ "alerts": "9d" }),
    );
    for part in [
        "`retention.messages`: is neither a duration nor `forever`: `never`",
        "`retention.audit`: must be a duration, not",
        "`retention.alerts`: must lie between 1h and 36500d",
        "`retention.sample`: is not a known key",
        "`retention.alerts`: is not a known key",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let fine = said(
        json!({ "alerts": "forever", "messages": "36h" }),
        json!({ "counts": "forever", "findings": "forever" }),
    );
    assert!(!fine.contains("error"), "{fine}");
}
