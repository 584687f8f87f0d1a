//! What cannot be read is said where people look: status, pages, alerts, logs, `tail` and `check --online`.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::{feed, of_one_model, record, some_minutes_ago};
use crate::support::{World, number, services};

fn produce(world: &World, messages: impl IntoIterator<Item = Vec<u8>>) -> i64 {
    let mut sent = 0;
    for message in messages {
        world.produce((sent % 2) as i32, &message);
        sent += 1;
    }
    world.flush();
    sent
}

fn wait_for_tally(world: &World, messages: i64) {
    world.wait_for("every message dealt with", 40, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted >= messages { Ok(()) } else { Err(format!("{counted} of {messages}")) }
    });
}

/// What an alert of this rule says, summary and advice, once it fires.
fn wait_for_alert(world: &World, rule: &'static str) -> String {
    let (summary, advice) = world.wait_for(rule, 60, async |pool| {
        let found: Option<(String, String)> = sqlx::query_as(
            "select evidence->>'summary', evidence->>'advice' from alert where rule = $1 and state = 'firing'",
        )
        .bind(rule)
        .fetch_optional(pool)
        .await
        .map_err(|error| error.to_string())?;
        found.ok_or_else(|| "it does not fire".to_owned())
    });
    assert!(summary.chars().count() < 120, "subjects are made of it: {summary}");
    format!("{summary}\n{advice}")
}

/// The output of a command that finds something.
fn findings(world: &World, arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_driftd"))
        .arg("--config")
        .arg(world.daemon_file("a"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn frames_batches_and_documents_are_rejected_by_their_names() {
    let Some(services) = services("frames and batches") else { return };
    let world = feed(&services, |monitor| monitor);
    let start = some_minutes_ago();
    let framed = |index| [b"\0\0\0\0\x2a".as_slice(), record(start, index).to_string().as_bytes()].concat();
    let (one, two) = (record(start, 1), record(start, 2));
    let array = json!([one, two]).to_string().into_bytes();
    let double = format!("{one}\n{two}").into_bytes();
    let instances = json!({ "ts": start, "instances": [{ "x": 1.0, "c": "a" }, { "x": 2.0, "c": "b" }] });
    let instances = instances.to_string().into_bytes();
    let ten = |index| {
        let plain = record(start, index).to_string().into_bytes();
        let (framed, array, double) = (framed(index), array.clone(), double.clone());
        [
            framed.clone(),
            framed.clone(),
            framed.clone(),
            framed,
            array.clone(),
            array,
            double.clone(),
            double,
            instances.clone(),
            plain,
        ]
    };
    let sent = produce(&world, (0..50).flat_map(ten));
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    let tally = world.tally();
    assert_eq!(
        (tally["rejected syntax"], tally["rejected not_an_object"], tally["accepted"]),
        (300, 100, 100),
        "{tally:?}"
    );

    let summary = wait_for_alert(&world, "rejected_share");
    for part in ["schema id 42", "an array of 2"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let status = world.driftd(&["status"]);
    let page = world.get("a", "/monitors/feed").1;
    let log = daemon.log();
    for (text, from) in [(&status, "status"), (&page, "page"), (&log, "log")] {
        assert!(text.contains("schema registry") && text.contains("an array of 2"), "{from}: {text}");
    }
    let tail = world.driftd(&["tail", "--beginning", "--rejected", "--idle", "2"]);
    for part in ["behind the frame of a schema registry", "an array of 2", "more than one JSON document"] {
        assert!(tail.contains(part), "{part}: {tail}");
    }
    let tail = world.driftd(&["tail", "--beginning", "--idle", "2"]);
    assert!(tail.contains("missing: no `x`"), "the batch in a field is told to lack x: {tail}");
    let online = findings(&world, &["check", "--online"]);
    assert!(online.lines().any(|line| line.starts_with("failed  messages of monitor `feed`")), "{online}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn seconds_taken_for_milliseconds_are_told_with_the_unit_that_fits() {
    let Some(services) = services("implausible times") else { return };
    let world = feed(&services, |monitor| monitor);
    let start = some_minutes_ago();
    let seconds = |index| {
        let mut record = record(start, index);
        record["ts"] = json!(record["ts"].as_i64().unwrap() / 1_000);
        record.to_string().into_bytes()
    };
    let sent = produce(&world, (0..300).map(seconds));
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    let summary = wait_for_alert(&world, "implausible_time");
    assert!(summary.contains("1970-01-"), "{summary}");
    assert!(summary.contains("`time_unit = \"s\"`"), "{summary}");
    assert!(world.driftd(&["status"]).contains("the newest event time is 1970-01-"));
    assert!(daemon.log().contains("event times are implausible"), "{}", daemon.log());
    let page = world.get("a", "/monitors/feed").1;
    assert!(page.contains("source.time_unit"), "{page}");
    let online = findings(&world, &["check", "--online"]);
    assert!(online.contains("time_unit = \"s\""), "{online}");
    let shown = world.driftd(&["tail", "--monitor", "feed", "--last", "1", "-e"]);
    assert!(shown.contains("outside the years 1990 to 2100; with `time_unit = \"s\"` it is 20"), "{shown}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn local_times_of_another_zone_are_told_with_both_times_and_the_zone() {
    let Some(services) = services("another zone") else { return };
    let world = feed(&services, |monitor| monitor);
    let now = jiff::Timestamp::now();
    let tokyo = |index: i64| {
        let time = now + jiff::SignedDuration::from_secs(9 * 3_600 - 300 + index);
        let text = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        json!({ "ts": text, "x": 1.0, "c": "a" }).to_string().into_bytes()
    };
    let sent = produce(&world, (0..300).map(tokyo));
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    assert_eq!(world.tally()["rejected future_timestamp"], 300);
    let summary = wait_for_alert(&world, "clock_skew");
    assert!(summary.contains("the timestamp of the message") && summary.contains(" 8 h 5"), "{summary}");
    assert!(summary.contains("A difference of whole hours is that of a time zone"), "{summary}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_filter_that_lets_nothing_through_is_told_with_the_values_seen() {
    let Some(services) = services("filtered") else { return };
    let world = feed(&services, of_one_model);
    let start = some_minutes_ago();
    let other = |index| {
        let mut record = record(start, index);
        record["model"] = json!(["loans", "fraud"][(index % 2) as usize]);
        record.to_string().into_bytes()
    };
    let sent = produce(&world, (0..300).map(other));
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    let api = world.http("a").json("/api/v1/monitors/feed");
    let summary = api["monitor"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("No records counted yet; 300 were filtered by `where`: `model` is "), "{summary}");
    for text in [world.driftd(&["status"]), world.get("a", "/monitors/feed").1.replace("&quot;", "\"")] {
        assert!(text.contains("loans") && text.contains("fraud"), "{text}");
    }
    let online = findings(&world, &["check", "--online"]);
    assert!(online.contains("filtered by `where`: `model` is") && online.contains("fraud"), "{online}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_column_that_is_never_found_is_not_learned_and_told_with_the_path_that_is_there() {
    let Some(services) = services("unreadable column") else { return };
    let world = feed(&services, |monitor| {
        monitor.numeric("amount").set("columns.amount.path", "features.amount").set("baseline.learn", 2)
    });
    let start = some_minutes_ago();
    let with = |index: i64, key: &str| {
        let mut record = record(start, index);
        record[key] = json!({ "amount": index });
        record.to_string().into_bytes()
    };
    let sent = produce(&world, (0..240).map(|index| with(index, "inputs")));
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    let summary = wait_for_alert(&world, "unreadable_column");
    for part in ["Column `amount`", "path `features.amount`", "similar path: `inputs.amount`"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert!(summary.contains("set `path` and `type`"), "{summary}");
    world.wait_for("windows closed", 30, async |pool| {
        let closed = number(pool, "select count(*) from model_window where status = 'closed'").await?;
        if closed == 4 { Ok(()) } else { Err(format!("{closed} windows closed")) }
    });
    let baselines = || world.runtime.block_on(number(&world.pool, "select count(*) from baseline")).unwrap();
    assert_eq!(baselines(), 0);
    assert!(daemon.log().contains("no baseline is learned"), "{}", daemon.log());
    assert!(world.driftd(&["status"]).contains("similar path: `inputs.amount`"));
    let online = findings(&world, &["check", "--online"]);
    assert!(online.contains("column `amount` of monitor `feed`") && online.contains("inputs.amount"), "{online}");
    // The producer writes it where it is looked for.
    produce(&world, (240..420).map(|index| with(index, "features")));
    world.wait_for("a baseline of the readable windows", 40, async |pool| {
        let learned = number(pool, "select count(*) from baseline where origin like '%latest readable%'").await?;
        if learned == 1 { Ok(()) } else { Err(format!("{learned} baselines")) }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn deleted_keys_and_records_of_other_models_are_normal() {
    let Some(services) = services("tombstones") else { return };
    let world = feed(&services, |monitor| of_one_model(monitor).set("baseline.learn", 2));
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &world.kafka).create().unwrap();
    let start = some_minutes_ago();
    // On a compacted topic: a third are other models, a third deletes a key.
    for index in 0..900 {
        let mut record = record(start, index / 3);
        record["model"] = json!(if index % 3 == 0 { "credit" } else { "loans" });
        let (payload, key) = (record.to_string(), format!("{}", index % 20));
        let to = BaseRecord::to(&world.topic).partition((index % 2) as i32).key(&key);
        let to = if index % 3 == 1 { to } else { to.payload(&payload) };
        producer.send(to).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(std::time::Duration::from_secs(20)).unwrap();
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, 900);
    let tally = world.tally();
    assert_eq!((tally["accepted"], tally["filtered"], tally["rejected tombstone"]), (300, 300, 300), "{tally:?}");
    world.wait_for("a look at these records", 60, async |pool| {
        let looked =
            number(pool, "select count(*) from operational_state where tally->>'accepted' = '300'").await?;
        if looked == 1 { Ok(()) } else { Err("nobody looked".to_owned()) }
    });
    let alerts =
        world.runtime.block_on(number(&world.pool, "select count(*) from alert where kind = 'operational'"));
    assert_eq!(alerts, Ok(0));
    world.driftd(&["check", "--online"]);
    assert!(!daemon.log().contains("records were not counted"), "{}", daemon.log());
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_log_that_is_not_in_the_order_of_its_times_is_named_as_that() {
    let Some(services) = services("unsorted log") else { return };
    let world = feed(&services, |monitor| monitor.set("window.max_open", 2));
    let start = some_minutes_ago();
    // One user after the other, each with an hour of records, the newest first.
    let records =
        (0..10).flat_map(|_| (0..60).map(|minute| record(start - minute * 60_000, 0).to_string().into_bytes()));
    let sent = produce(&world, records);
    let daemon = world.start_daemon("a", None);
    wait_for_tally(&world, sent);
    let summary = wait_for_alert(&world, "late_share");
    assert!(summary.contains("not in the order of its event times"), "{summary}");
    assert!(summary.contains("minutes before"), "an example of how far: {summary}");
    let online = findings(&world, &["check", "--online"]);
    assert!(online.contains("not in event-time order"), "{online}");
    let rule = "select count(*) from alert where rule = 'late_share' and severity = 'critical'";
    assert_eq!(world.runtime.block_on(number(&world.pool, rule)), Ok(0));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn windows_close_complete_while_only_other_models_log() {
    let Some(services) = services("other models") else { return };
    let world = feed(&services, of_one_model);
    let start = some_minutes_ago();
    let of = |index, model: &str| {
        let mut record = record(start, index);
        record["model"] = json!(model);
        record.to_string().into_bytes()
    };
    produce(&world, (0..90).map(|index| of(index, "credit")));
    let daemon = world.start_daemon("a", None);
    let mut complete = 0;
    for index in 0..200 {
        for partition in 0..6 {
            world.produce(partition, &of(index, "loans"));
        }
        world.flush();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let count = number(&world.pool, "select count(*) from model_window where status = 'closed' and complete");
        complete = world.runtime.block_on(count).unwrap_or(0);
        if complete == 2 {
            break;
        }
    }
    assert_eq!(complete, 2, "{:?}", world.tally());
    assert_eq!(daemon.stop(), Some(0));
}
