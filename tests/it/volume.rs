//! The number of records of windows, through the real program: what is judged, what is sent, what pages and replays say.

use std::fs;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::{Config, Dice, World, services};

fn time(hour: i64, second: i64) -> String {
    let start: jiff::Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs(hour * 3_600 + second)).to_string()
}

fn records(dice: &mut Dice, hour: i64, number: i64) -> Vec<String> {
    let record =
        |index: i64| json!({ "ts": time(hour, index * 3_600 / number), "x": dice.below(1_000) }).to_string();
    (0..number).map(record).collect()
}

fn monitor(world: &World) -> Config {
    Config::hourly(&world.topic).set("alert", json!({ "receivers": ["webhook"], "for": 2 }))
}

#[test]
fn a_fall_to_a_quarter_of_the_records_is_an_alert_of_its_own() {
    let Some(services) = services("volume") else { return };
    let world = World::new(&services);
    monitor(&world).write(world.monitor_file());
    let mut dice = Dice(1);
    world.build_baseline(&records(&mut dice, -1, 2_000));
    // Ten usual hours, three with a quarter of the records, which are too few to compare values, and four usual ones.
    let number_of = |hour: i64| match hour {
        10..13 => 100,
        hour => 400 + 20 * (hour % 3),
    };
    let log: Vec<String> = (0..18).flat_map(|hour| records(&mut dice, hour, number_of(hour))).collect();
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&log);
    world.wait_until_closed(18);

    let rows = world
        .runtime
        .block_on(
            sqlx::query(
                "select w.id, w.verdict, f.verdict as volume, f.effect, f.n_baseline, f.n_window
                 from model_window w join finding f on f.window_id = w.id and f.column_name = ''
                 where f.measure = 'row_count' order by w.starts_at",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    let verdicts: Vec<(String, String)> = rows.iter().map(|row| (row.get("verdict"), row.get("volume"))).collect();
    for (hour, (window, volume)) in verdicts.iter().enumerate() {
        let expected = match hour {
            // Of fewer than six windows the variation is not known.
            0..6 => ("ok", "not_enough_data"),
            10..13 => ("critical", "critical"),
            _ => ("ok", "ok"),
        };
        assert_eq!((window.as_str(), volume.as_str()), expected, "hour {hour}: {verdicts:?}");
    }
    let low = &rows[11];
    let (effect, usual, counted): (f64, i64, i64) =
        (low.get("effect"), low.get("n_baseline"), low.get("n_window"));
    assert!((4.0..4.5).contains(&effect) && (400..=440).contains(&usual) && counted == 100, "{effect} {usual}");

    // One alert, of its own kind; it says what happened, and it ends.
    world.wait_until_done(log.len() as u64, 60);
    let events: Vec<Value> = world.webhooks.received().into_iter().map(|(_, event)| event).collect();
    let alert = |event: &Value| event["data"]["alerts"][0].clone();
    let (first, last) = (alert(&events[0]), alert(events.last().unwrap()));
    assert_eq!((first["kind"].as_str(), first["labels"]["kind"].as_str()), (Some("volume"), Some("volume")));
    let summary = first["evidence"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("m has fewer records than usual: 100 per window instead of 4"), "{summary}");
    let compared = first["evidence"]["baseline"].as_str().unwrap();
    assert!(compared.starts_with("the last 11 windows, 2026-03-02T00:00:00Z to"), "{compared}");
    assert!(first["evidence"].get("columns").is_none(), "{first}");
    assert_eq!(last["status"], "resolved", "{last}");
    assert_eq!(world.retraining_messages(), [], "a model learns nothing from fewer records");

    // Where people look.
    let id: i64 = low.get("id");
    let window = world.http("a").json(&format!("/api/v1/monitors/m/windows/{id}"));
    let window = &window["window"];
    assert_eq!((&window["usual_rows"], &window["volume"]), (&json!(usual), &json!("critical")), "{window}");
    let findings = world.http("a").json(&format!("/api/v1/monitors/m/findings?window={id}&column=(records)"));
    assert_eq!(findings["items"][0]["measure"], "row_count", "{findings}");
    let (_, page) = world.get("a", "/monitors/m");
    assert!(page.contains(&format!("100 ({usual} are usual)")), "{page}");
    let alert_id = first["id"].as_str().unwrap();
    let (status, page) = world.get("a", &format!("/alerts/{alert_id}"));
    assert!(status == 200 && page.contains("Number of records") && !page.contains("/columns/"), "{page}");
    let said = world.driftd(&["alerts", "show", alert_id]);
    assert!(said.contains("fewer records than usual"), "{said}");
    assert_eq!(daemon.stop(), Some(0));

    // A replay and stored windows judged again say the same.
    let file = world.folder.path().join("log.jsonl");
    fs::write(&file, log.join("\n")).unwrap();
    let training = world.folder.path().join("training.jsonl");
    let (file, training) = (file.to_str().unwrap(), training.to_str().unwrap());
    let from = time(8, 0);
    for arguments in [
        &["replay", "--format", "json", "--monitor", "m", "--baseline", training, file][..],
        &["rejudge", "--format", "json", "--monitor", "m", "--from", &from][..],
    ] {
        let (_, text) = world.attempt("a", arguments);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        let alerts = report["monitors"][0]["alerts"].as_array().unwrap();
        assert_eq!(alerts.len(), 1, "{arguments:?}: {alerts:?}");
        let said = (&alerts[0]["rule"], &alerts[0]["columns"], &alerts[0]["windows"]);
        assert_eq!(said, (&json!("volume"), &json!(["(records)"]), &json!(3)), "{alerts:?}");
    }
}
