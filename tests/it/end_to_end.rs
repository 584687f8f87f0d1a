//! From a real Kafka to the inbox: every record counted once, every decision told once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    DAEMONS, Dice, Smtp, TOPIC_PARTITIONS, TRAINING_ROWS, World, assert_everything_was_told,
    assert_windows_are_true, bike_records, number, services,
};

const POISON: [&[u8]; 5] =
    [b"", b"{\"ts\":", b"[1,2,3]", b"\xff\xfe\x00garbage", b"{\"ts\":\"no time\",\"temp\":1}"];

#[test]
fn shuffled_poisoned_partitioned_records_are_counted_once_and_decisions_told_once() {
    let Some(services) = services("end to end") else { return };
    let smtp_folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start(smtp_folder.path());
    let world = World::new(&services);
    world
        .configure_monitor(|monitor| monitor.set("window.out_of_orderness", "6d").set("window.idle_after", "15s"));
    if let Some(smtp) = &smtp {
        let server = json!({
            "host": "localhost",
            "port": smtp.port,
            "ca_file": smtp.authority,
            "username": "driftd",
            "password": { "file": smtp.password },
        });
        for name in DAEMONS {
            world.configure(name, |daemon| daemon.mail("owner").set("receivers.owner.smtp", &server));
        }
    }
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);

    // Out of order by up to 100 hours, spread over the partitions by chance, with 1 % poison in between.
    let mut dice = Dice(42);
    let mut order: Vec<(u64, usize)> =
        (0..live.len()).map(|index| (index as u64 + dice.below(100), index)).collect();
    order.sort_unstable();
    let mut poisoned = 0u64;
    let mut produce = |part: &[(u64, usize)]| {
        for (_, index) in part {
            world.produce(dice.below(TOPIC_PARTITIONS as u64) as i32, live[*index].as_bytes());
            if dice.below(100) == 0 {
                world
                    .produce(dice.below(TOPIC_PARTITIONS as u64) as i32, POISON[poisoned as usize % POISON.len()]);
                poisoned += 1;
            }
        }
        world.flush();
    };
    let (first, rest) = order.split_at(order.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);

    let a = world.start_daemon("a", None);
    produce(first);
    wait_for_progress(&world, first.len() as i64 / 2);
    // A second daemon joins in the middle ...
    let b = world.start_daemon("b", None);
    wait_for_owners(&world, &["a", "b"]);
    produce(second);
    wait_for_progress(&world, (first.len() + second.len()) as i64 * 3 / 4);
    // ... and leaves in the middle.
    assert_eq!(b.stop(), Some(0));
    produce(third);
    world.wait_until_done(live.len() as u64 + poisoned, 90);

    assert_windows_are_true(&world, live);
    let tally = world.tally();
    assert_eq!(tally["accepted"], live.len() as u64);
    let rejected: u64 =
        tally.iter().filter(|(outcome, _)| outcome.starts_with("rejected")).map(|(_, count)| count).sum();
    assert_eq!(rejected, poisoned);
    for reason in ["syntax", "not_an_object", "bad_timestamp"] {
        assert!(tally.contains_key(&format!("rejected {reason}")), "{tally:?}");
    }

    // A record for a window that is closed, and one from the future.
    world.produce(0, live[10].as_bytes());
    world.produce(1, live[20].replace("\"2011-", "\"2031-").as_bytes());
    world.flush();
    world.wait_until_done(live.len() as u64 + poisoned + 2, 30);
    let tally = world.tally();
    assert_eq!((tally["late"], tally["rejected future_timestamp"]), (1, 1), "{tally:?}");
    assert_windows_are_true(&world, live);

    assert_everything_was_told(&world);
    assert_webhooks(&world);
    if let Some(smtp) = &smtp {
        assert_mails(&world, smtp);
    }
    let requests = world.retraining_messages();
    let stored = world.runtime.block_on(number(&world.pool, "select count(*) from retraining_request")).unwrap();
    assert_eq!(requests.len() as i64, stored, "each request is produced once");
    for (_, event) in &requests {
        assert_eq!(event["type"], "drift.retraining.requested");
        let windows = event["data"]["windows"].as_array().unwrap();
        assert!(windows.len() >= 3, "{event}");
        assert!(windows.iter().all(|window| !window["offsets"].as_array().unwrap().is_empty()), "{event}");
        assert!(!event["data"]["drifted"].as_array().unwrap().is_empty());
    }
    assert_eq!(a.stop(), Some(0));
}

fn wait_for_progress(world: &World, records: i64) {
    world.wait_for("records counted", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted >= records { Ok(()) } else { Err(format!("{counted} of {records}")) }
    });
}

fn wait_for_owners(world: &World, wanted: &[&str]) {
    world.wait_for("both daemons to own partitions", 60, async |pool| {
        let owners: Vec<Option<String>> = sqlx::query_scalar("select distinct owner from source_partition")
            .fetch_all(pool)
            .await
            .map_err(|e| e.to_string())?;
        let owners: BTreeSet<String> = owners.into_iter().flatten().collect();
        if wanted.iter().all(|name| owners.contains(*name)) { Ok(()) } else { Err(format!("{owners:?}")) }
    });
}

/// Each id once, firing before resolved, with what the database says.
fn assert_webhooks(world: &World) {
    let received = world.webhooks.received();
    let ids: BTreeSet<&String> = received.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), received.len(), "each webhook arrives once");
    let sent = world.runtime.block_on(number(
        &world.pool,
        "select count(*) from notification where receiver = 'webhook' and status = 'sent'",
    ));
    assert_eq!(received.len() as i64, sent.unwrap());
    let told = |status: &str, id: &Value| {
        received.iter().position(|(_, event)| {
            let alerts = event["data"]["alerts"].as_array().into_iter().flatten();
            alerts.into_iter().any(|alert| alert["status"] == status && alert["id"] == *id)
        })
    };
    let mut explained = 0;
    for (_, event) in &received {
        crate::documentation::assert_documented(event);
        let data = &event["data"];
        if event["type"] == "drift.retraining.requested" {
            continue;
        }
        assert!(event["type"].as_str().unwrap().starts_with("drift.alerts."), "{event}");
        for alert in data["alerts"].as_array().unwrap() {
            assert_eq!(alert["monitor"], "bike-demand");
            assert_eq!(alert["labels"]["alertname"], alert["rule"]);
            let evidence = &alert["evidence"];
            assert!(evidence["window"]["records"].as_u64().unwrap() >= 300, "{event}");
            assert!(evidence["baseline_records"].as_u64().unwrap() <= TRAINING_ROWS as u64);
            let first = &evidence["drifted"][0];
            assert!(first["effect"].as_f64() >= first["threshold"].as_f64(), "{event}");
            explained += first["why"].as_array().map_or(0, Vec::len);
            if alert["status"] == "resolved" {
                let (fired, resolved) = (told("firing", &alert["id"]), told("resolved", &alert["id"]));
                assert!(fired.is_none_or(|fired| Some(fired) <= resolved), "an alert fires before it resolves");
            }
        }
    }
    assert!(explained > 0, "alerts say why");
}

fn assert_mails(world: &World, smtp: &Smtp) {
    let mails = smtp.received();
    let told: Vec<Value> = world
        .runtime
        .block_on(
            sqlx::query_scalar("select body from notification where receiver = 'owner' and status = 'sent'")
                .fetch_all(&world.pool),
        )
        .unwrap();
    assert_eq!(mails.len(), told.len(), "each mail arrives once");
    for mail in &mails {
        assert!(mail.contains("Auto-Submitted: auto-generated"), "{mail}");
        assert!(mail.contains("To: owner@test.example"));
        assert!(mail.contains("Content-Type: text/plain") && mail.contains("Content-Type: text/html"));
        let subject = mail.lines().find(|line| line.starts_with("Subject:")).unwrap_or_default();
        if subject.contains("[critical]") {
            assert!(mail.contains("bike-demand") && mail.contains("drifted in"), "{mail}");
            assert!(mail.contains("4,250 in the baseline") || mail.contains("workingday="), "{mail}");
            assert!(mail.contains("temp"), "the column that moved is named: {mail}");
            assert!(mail.contains("Why "), "{mail}");
        } else {
            assert!(subject.contains("[resolved]") || subject.contains("=?utf-8?"), "{mail}");
        }
    }
}
