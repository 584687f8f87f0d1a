//! `driftd calibrate` of windows that the daemon has stored.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Config, Dice, World, services};

fn time(hour: i64, second: i64) -> String {
    let start: jiff::Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second)).to_string()
}

#[test]
fn stored_windows_are_rehearsed_as_the_log_they_come_from() {
    let Some(services) = services("rehearsal") else { return };
    let world = World::new(&services);
    // The first six windows are counted before there are bins, the others on the bins that are learned of these.
    Config::hourly(&world.topic)
        .set("judge.min_records", 100)
        .set("baseline.learn", 6)
        .push("segments", json!({ "name": "country" }))
        .write(world.monitor_file());
    world.driftd(&["migrate"]);
    let calibrate = |arguments: &[&str]| {
        world.attempt("a", &[&["calibrate", "--format", "json", "--monitor", "m"], arguments].concat())
    };
    let (code, said) = calibrate(&[]);
    assert!(code == Some(1) && said.contains("has no closed window yet\nhint: give logs"), "{said}");
    let daemon = world.start_daemon("a", None);
    let mut dice = Dice(3);
    let log: Vec<String> = (0..20)
        .flat_map(|hour| (0..360).map(move |index| (hour, index)))
        .map(|(hour, index)| {
            let country = if index % 3 == 0 { "DE" } else { "FR" };
            json!({ "ts": time(hour, index * 10), "x": dice.below(1_000), "country": country }).to_string()
        })
        .collect();
    world.produce_in_order(&log);
    world.wait_until_closed(60);
    assert_eq!(daemon.stop(), Some(0));

    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}")) };
    let (code, stored) = calibrate(&[]);
    let stored = json(&stored);
    assert_eq!(code, Some(0), "{stored}");
    let names = |report: &Value| -> Vec<String> {
        let series = report["series"].as_array().unwrap();
        series.iter().map(|series| series["segment"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&stored), ["*", "country=DE", "country=FR"]);
    let file = world.folder.path().join("log.jsonl");
    fs::write(&file, log.join("\n")).unwrap();
    let (_, of_log) = calibrate(&[file.to_str().unwrap()]);
    let of_log = json(&of_log);
    for report in [&stored, &of_log] {
        let whole = &report["series"][0];
        let counted = (&whole["windows"], &whole["judged"], &whole["records"]["median"], &whole["folds"]);
        assert_eq!(counted, (&json!(20), &json!(20), &json!(360), &json!(10)), "{whole}");
        assert_eq!(report["verdict"], "unknown", "20 hours say little: {}", report["summary"]);
        assert!(report["budget"]["windows_needed"].as_u64() > Some(2_000), "{report}");
    }
    assert_eq!(names(&of_log), names(&stored));
    let level = |report: &Value| report["series"][0]["level"].as_f64().unwrap();
    assert!((level(&stored) / level(&of_log) - 1.0).abs() < 1e-9, "three series share the budget");
    let (_, text) = calibrate(&["--segment", "country=DE", "--from", &time(8, 0)]);
    let some = json(&text);
    assert_eq!((names(&some), &some["series"][0]["windows"]), (vec!["country=DE".to_owned()], &json!(12)));
    assert!((level(&some) / level(&stored) - 1.0).abs() < 1e-9, "the others share the budget all the same");
    let (code, said) = calibrate(&["--model-version", "7"]);
    assert!(
        code == Some(1) && said.contains("there is no window of version `7` in stored windows from"),
        "{said}"
    );
    let (code, said) = world.attempt("a", &["calibrate", "--monitor", "n"]);
    assert!(code == Some(1) && said.contains("`n` is not a monitor"), "{said}");
}
