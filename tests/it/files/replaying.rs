//! `driftd replay` of a real log.

use std::fs;

use super::*;

#[test]
fn a_replay_of_a_real_log_names_its_alerts_in_three_forms() {
    let folder = Folder::new();
    let (tight, loose) = (folder.path("tight.toml"), folder.path("loose.toml"));
    let monitor = Config::monitor("bikes", "bikes")
        .set("source.time", "ts")
        .set("window.length", "7d")
        .set("window.out_of_orderness", "0s")
        .numeric("temp")
        .categorical("weathersit")
        .set("judge.min_records", 100)
        .set("alert.for", 2)
        .set("baseline.learn", 12);
    monitor.write(&tight);
    monitor
        .clone()
        .set("judge.measures", json!({ "numeric": ["psi"], "categorical": ["jensen_shannon"] }))
        .set("judge.thresholds.psi", json!({ "warn": 50, "critical": 90 }))
        .set("judge.thresholds.jensen_shannon", json!({ "warn": 1, "critical": 1 }))
        .write(&loose);
    let log = golden("inputs/bike_hour.parquet").display().to_string();
    let output = driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log, "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let monitors = report["monitors"].as_array().unwrap();
    let alerts = |index: usize| monitors[index]["alerts"].as_array().unwrap().len();
    assert!(alerts(0) >= 1 && alerts(1) == 0, "{}", text(&output));
    for alert in monitors[0]["alerts"].as_array().unwrap() {
        let why = &alert["why"][0];
        assert_eq!((&why["column"], &why["window"]), (&alert["columns"][0], &alert["worst"]["start"]), "{alert}");
        assert!(!why["reasons"].as_array().unwrap().is_empty(), "{alert}");
    }
    // The state after a window goes with what happened to each rule's alert in it.
    for window in monitors[0]["windows"].as_array().unwrap() {
        let changes = window["changes"].as_array().unwrap();
        assert_eq!(
            window["change"],
            changes.last().map_or(Value::Null, |last| last["change"].clone()),
            "{window}"
        );
        assert!(changes.iter().all(|change| change["rule"].is_string()), "{window}");
    }
    for monitor in monitors {
        assert_eq!(monitor["records"]["counted"], 17_379);
        assert_eq!(monitor["windows"].as_array().unwrap().len(), 105);
    }
    // Every window is either alike or among those that differ, in all three forms.
    let compared = &report["side_by_side"];
    let different = compared["different"].as_array().unwrap();
    assert_eq!(compared["alike"].as_u64().unwrap() + different.len() as u64, 105);
    for window in different {
        let of = |index: usize| {
            let windows = monitors[index]["windows"].as_array().unwrap();
            windows.iter().find(|other| other["start"] == window["start"]).unwrap()
        };
        for index in [0, 1] {
            let said = &window["monitors"][index];
            assert_eq!(
                (&said["verdict"], &said["alert"]),
                (&of(index)["verdict"], &of(index)["alert"]),
                "{window}"
            );
        }
        assert_ne!(window["monitors"][0], window["monitors"][1]);
    }
    let output = driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log]);
    let both = text(&output);
    let start = different[0]["start"].as_str().unwrap();
    assert!(
        both.contains(&format!("{start}  {}", different[0]["end"].as_str().unwrap())) && both.contains(" firing"),
        "{both}"
    );
    // Windows of different lengths are different windows, also where they start together.
    let wide = folder.path("wide.toml");
    monitor.set("window.length", "14d").write(&wide);
    let output = driftd(&["replay", "--monitor", &tight, "--monitor", &wide, &log, "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["side_by_side"]["alike"], 0);
    for window in report["side_by_side"]["different"].as_array().unwrap() {
        let has = |index: usize| !window["monitors"][index].is_null();
        assert!(has(0) != has(1) && window["end"].is_string(), "{window}");
    }
    let output = driftd(&["replay", "--monitor", &tight, &log, "--format", "json"]);
    assert!(!text(&output).contains("side_by_side"), "nothing to compare a single monitor with");
    let output = driftd(&["replay", "--monitor", &tight, &log]);
    let said = text(&output);
    assert!(said.contains("alert `drift` at") && said.contains("temp"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 130), "{said}");
    let page = folder.path("page.html");
    driftd(&["replay", "--monitor", &tight, "--monitor", &loose, &log, "-o", &page]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("Where they differ") && html.contains(&format!(r#"<th scope="row">{start}</th>"#)),
        "{html}"
    );
    assert!(html.contains("<svg") && !html.contains("<script") && html.len() < 500_000, "{}", html.len());
}
