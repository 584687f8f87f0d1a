//! Late records that amend closed windows, through the real program.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::{
    Config, Dice, TRAINING_ROWS, World, assert_windows_are_true, bike_records, edit, number, services,
};

/// Records of a window of an hour.
const EACH: u64 = 400;

fn time(hour: u64, second: u64) -> String {
    let start: jiff::Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_secs((hour * 3_600 + second) as i64)).to_string()
}

fn records(dice: &mut Dice, hour: u64, number: u64, shift: u64) -> Vec<String> {
    let record = |index: u64| {
        json!({ "ts": time(hour, index * 3_600 / number), "x": dice.below(1_000) + shift }).to_string()
    };
    (0..number).map(record).collect()
}

fn monitor(world: &World) -> Config {
    Config::hourly(&world.topic)
        .set("window.amend", "2d")
        .set("window.amend_every", "1s")
        .set(
            "judge.measures",
            json!({ "rows": [], "numeric": ["psi", "wasserstein_normed", "out_of_range_share"] }),
        )
        .set("alert", json!({ "receivers": ["webhook"], "resolve_after": 2 }))
}

/// Waits for a window to have a revision: its records, verdict and findings.
fn revision(world: &World, hour: u64, revision: i32) -> (i64, i64, String) {
    let start = time(hour, 0);
    world.wait_for("a window to be judged again", 60, async |pool| {
        let row =
            sqlx::query("select id, rows, verdict, revision from model_window where starts_at = $1::timestamptz")
                .bind(&start)
                .fetch_one(pool)
                .await
                .map_err(|error| error.to_string())?;
        let found: i32 = row.get("revision");
        if found == revision {
            Ok((row.get("id"), row.get("rows"), row.get("verdict")))
        } else {
            Err(format!("revision {found}"))
        }
    })
}

#[test]
fn an_alert_is_raised_late_amended_and_withdrawn_and_says_so() {
    let Some(services) = services("amended windows") else { return };
    let world = World::new(&services);
    // Long enough for all records of a part to be counted before the window is judged again.
    monitor(&world).set("window.amend_every", "5s").write(world.monitor_file());
    let mut dice = Dice(3);
    world.build_baseline(&records(&mut dice, 0, 4_000, 0));
    let daemon = world.start_daemon("a", None);
    let mut log: Vec<String> = (0..6).flat_map(|hour| records(&mut dice, hour, EACH, 0)).collect();
    world.produce_in_order(&log);
    world.wait_until_closed(6);

    // Hours later come the records of a part of the users, and they are others.
    let mut late = records(&mut dice, 2, EACH, 600);
    world.produce_in_order(&late);
    log.append(&mut late);
    let (id, rows, verdict) = revision(&world, 2, 1);
    assert_eq!((rows, verdict.as_str()), (800, "critical"));
    world.wait_until_done(log.len() as u64, 60);
    let alert = |event: &Value| event["data"]["alerts"][0].clone();
    let first = alert(&world.webhooks.received()[0].1);
    assert_eq!(
        (first["status"].as_str(), first["reason"].as_str()),
        (Some("firing"), Some("window_amended")),
        "{first}"
    );
    assert_eq!(
        (&first["evidence"]["window"]["revision"], &first["evidence"]["window"]["records"]),
        (&json!(1), &json!(800))
    );
    let alert_id = first["id"].as_str().unwrap();
    let said = world.driftd(&["alerts", "show", alert_id]);
    assert!(said.contains("raised late: late records changed a window") && said.contains("revision 1"), "{said}");

    // More of them: it still drifts. Nothing new is sent.
    let mut late = records(&mut dice, 2, 100, 600);
    world.produce_in_order(&late);
    log.append(&mut late);
    assert_eq!(revision(&world, 2, 2), (id, 900, "critical".to_owned()));
    world.wait_until_done(log.len() as u64, 60);
    assert_eq!(world.webhooks.received().len(), 1);

    // All the others: it does not drift any more.
    let mut late = records(&mut dice, 2, 20_000, 0);
    world.produce_in_order(&late);
    log.append(&mut late);
    assert_eq!(revision(&world, 2, 3), (id, 20_900, "warn".to_owned()));
    world.wait_until_done(log.len() as u64, 60);
    let events = world.webhooks.received();
    let last = alert(&events[1].1);
    assert_eq!(
        (events.len(), last["status"].as_str(), last["reason"].as_str()),
        (2, Some("resolved"), Some("window_amended"))
    );
    let said = world.driftd(&["alerts", "show", alert_id]);
    for part in ["amended: a window was judged again with late records", "withdrawn: with late records too few"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // Counts, findings and the account of the records are those of all of them.
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), log.len() as u64)]));
    let total = world.runtime.block_on(number(&world.pool, "select sum(rows)::bigint from model_window"));
    assert_eq!(total, Ok(log.len() as i64));
    let sizes = world
        .runtime
        .block_on(
            sqlx::query_as::<_, (i64, i64)>(
                "select min(n_window), max(n_window) from finding where window_id = $1",
            )
            .bind(id)
            .fetch_one(&world.pool),
        )
        .unwrap();
    assert_eq!(sizes, (20_900, 20_900));
    let before: Vec<(i32, i64, String)> = world
        .runtime
        .block_on(
            sqlx::query_as(
                "select revision, rows, verdict from window_revision where window_id = $1 order by revision",
            )
            .bind(id)
            .fetch_all(&world.pool),
        )
        .unwrap();
    let expected = [(0, 400, "ok"), (1, 800, "critical"), (2, 900, "critical")];
    assert_eq!(before, expected.map(|(revision, rows, verdict)| (revision, rows, verdict.to_owned())));
    let window = world.http("a").json(&format!("/api/v1/monitors/m/windows/{id}"));
    assert_eq!((&window["window"]["revision"], &window["window"]["late"]), (&json!(3), &json!(0)), "{window}");
    let (_, page) = world.get("a", "/monitors/m");
    assert!(page.contains("revision 3"), "{page}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_alert_that_is_over_is_withdrawn_in_its_history_alone() {
    let Some(services) = services("withdrawn alerts") else { return };
    let world = World::new(&services);
    monitor(&world).write(world.monitor_file());
    let mut dice = Dice(3);
    world.build_baseline(&records(&mut dice, 0, 4_000, 0));
    let daemon = world.start_daemon("a", None);
    let shift = |hour: u64| if hour == 2 { 600 } else { 0 };
    let mut log: Vec<String> = (0..6).flat_map(|hour| records(&mut dice, hour, EACH, shift(hour))).collect();
    world.produce_in_order(&log);
    world.wait_until_closed(6);
    world.wait_until_done(log.len() as u64, 60);
    let told = world.webhooks.received();
    let last = &told.last().unwrap().1["data"]["alerts"][0];
    assert_eq!((last["status"].as_str(), last["reason"].as_str()), (Some("resolved"), Some("quiet")), "{last}");

    let mut late = records(&mut dice, 2, 20_000, 0);
    world.produce_in_order(&late);
    log.append(&mut late);
    let (id, ..) = revision(&world, 2, 1);
    world.wait_until_done(log.len() as u64, 60);
    assert_eq!(world.webhooks.received().len(), told.len(), "no message is sent about an alert that is over");
    let alert_id = last["id"].as_str().unwrap();
    let said = world.driftd(&["alerts", "show", alert_id]);
    assert!(said.contains("withdrawn: a window was judged again with late records"), "{said}");
    let (status, page) = world.get("a", &format!("/alerts/{alert_id}"));
    assert!(status == 200 && page.contains("Withdrawn: with late records too few of its windows drift"), "{page}");
    assert!(page.contains(&format!("window={id}")), "the entry links the window: {page}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn windows_that_reach_back_over_an_amended_pane_are_judged_again() {
    let Some(services) = services("amended panes") else { return };
    let world = World::new(&services);
    monitor(&world).set("window.length", "3h").set("window.every", "1h").write(world.monitor_file());
    let mut dice = Dice(3);
    world.build_baseline(&records(&mut dice, 0, 4_000, 0));
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&(0..6).flat_map(|hour| records(&mut dice, hour, EACH, 0)).collect::<Vec<String>>());
    world.wait_until_closed(6);
    world.produce_in_order(&records(&mut dice, 2, 100, 0));
    // The pane has 500 records now, and so have the three windows that it is a part of.
    for hour in 2..5 {
        assert_eq!(revision(&world, hour, 1).1, if hour == 2 { 500 } else { 400 });
    }
    let sums: Vec<(i32, i64)> = world
        .runtime
        .block_on(
            sqlx::query_as("select revision, coalesce(judged_rows, rows) from model_window order by starts_at")
                .fetch_all(&world.pool),
        )
        .unwrap();
    assert_eq!(sums, [(0, 400), (0, 800), (1, 1_300), (1, 1_300), (1, 1_300), (0, 1_200)]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn without_amend_or_after_its_time_late_records_are_counted_as_late() {
    let Some(services) = services("late records") else { return };
    let world = World::new(&services);
    monitor(&world).set("window.amend", "1h").write(world.monitor_file());
    let mut dice = Dice(3);
    world.build_baseline(&records(&mut dice, 0, 4_000, 0));
    let daemon = world.start_daemon("a", None);
    world.produce_in_order(&(0..4).flat_map(|hour| records(&mut dice, hour, EACH, 0)).collect::<Vec<String>>());
    world.wait_until_closed(4);
    let age = "update model_window set closed_at = closed_at - interval '61 minutes' where starts_at = '2026-03-02T01:00:00Z'";
    world.runtime.block_on(sqlx::query(age).execute(&world.pool)).unwrap();
    world.produce_in_order(&records(&mut dice, 1, 10, 0));
    world.produce_in_order(&records(&mut dice, 2, 10, 0));
    assert_eq!(revision(&world, 2, 1).1, 410);
    world.wait_until_done(4 * EACH + 20, 60);
    assert_eq!(revision(&world, 1, 0).1, 400);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), 4 * EACH + 10), ("late".to_owned(), 10)]));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn dying_at_the_commit_points_of_revisions_leaves_the_counts_true() {
    let Some(services) = services("revisions and crashes") else { return };
    let world = World::new(&services);
    edit(world.monitor_file(), |monitor| {
        monitor.set("window.amend", "180d").set("window.amend_every", "1s").set("window.idle_after", "2s")
    });
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    // Of 3,000 records every ninth comes when its window is closed.
    let live = &live[..3_000];
    let is_late = |index: &usize| index % 9 == 4;
    let pick = |late: bool| -> Vec<String> {
        (0..live.len()).filter(|index| is_late(index) == late).map(|index| live[index].clone()).collect()
    };
    let (punctual, late) = (pick(false), pick(true));
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &punctual);
    world.wait_until_done(punctual.len() as u64, 60);
    world.wait_for("all windows to close", 60, async |pool| {
        let open = number(pool, "select count(*) from model_window where status = 'open'").await?;
        if open == 0 { Ok(()) } else { Err(format!("{open} open")) }
    });
    assert_eq!(daemon.stop(), Some(0));
    let points = [
        "checkpoint.before_commit:1",
        "checkpoint.after_commit:1",
        "revise.before_commit:1",
        "revise.after_commit:1",
        "revise.before_commit:2",
        "revise.after_commit:3",
    ];
    let share = late.len() / points.len();
    for (round, point) in points.into_iter().enumerate() {
        world.produce_in_turns(0, &late[round * share..(round + 1) * share]);
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(60);
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }
    world.produce_in_turns(0, &late[points.len() * share..]);
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(live.len() as u64, 60);
    world.wait_for("all late records to be judged", 60, async |pool| {
        let kept = number(pool, "select count(*) from window_delta").await?;
        if kept == 0 { Ok(()) } else { Err(format!("{kept} deltas")) }
    });
    assert_windows_are_true(&world, live);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), live.len() as u64)]));
    let findings = world.runtime.block_on(number(
        &world.pool,
        "select count(*) from finding f join model_window w on w.id = f.window_id where f.n_window <> w.rows and f.measure = 'null_share'",
    ));
    assert_eq!(findings, Ok(0), "findings are those of the last revision");
    assert_eq!(daemon.stop(), Some(0));
}
