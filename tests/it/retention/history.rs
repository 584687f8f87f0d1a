//! Alerts with their histories and requests, messages, the audit log.

use driftd::alert::Evidence;
use driftd::app::DeletedRows;
use uuid::Uuid;

use super::{Aged, Closed, DAY, usual};
use crate::support::services;

/// An alert that was last changed so many days ago, with one change in a window, a route and a place in a group.
fn alert(aged: &Aged, number: u128, state: &str, age: i64, window: i64) {
    let id = Uuid::from_u128(number);
    let evidence = serde_json::to_string(&Evidence::default()).unwrap();
    aged.run(&format!(
        "insert into alert (id, monitor, model_version, segment, state, severity, since, fired_at, evidence, created_at, updated_at)
         values ('{id}', 'm', '1', '*', '{state}', 'critical', '1990-01-01', '1990-01-01', '{evidence}', now() - interval '3000 days',
                 now() - interval '{age} days');
         insert into alert_change (alert_id, window_id, window_start, kind, severity)
         select '{id}', id, starts_at, 'fired', 'critical' from model_window where id = {window};
         insert into alert_route values ('{id}', 'owner');"
    ));
}

/// A request of an alert that was last changed so many days ago.
fn request(aged: &Aged, number: u128, state: &str, dry_run: bool, age: i64, window: i64) {
    let id = Uuid::from_u128(number);
    aged.run(&format!(
        "insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, state, body,
                                         dry_run, updated_at)
         values ('{id}', 'm', '1', '*', '{id}', {window}, '1990-01-01 02:00Z', '{state}', '{{}}', {dry_run},
                 now() - interval '{age} days');
         insert into retraining_change (request_id, state, actor) values ('{id}', '{state}', 'driftd');"
    ));
}

#[test]
fn alerts_that_are_over_go_with_their_requests_and_open_ones_and_their_histories_stay_whole() {
    let Some(services) = services("ages of alerts") else { return };
    let aged = Aged::new(&services);
    let old = aged.window(Closed { monitor: "m", version: "1", age: 900 * DAY, hour: 0 });
    let asked = aged.window(Closed { monitor: "m", version: "1", age: 900 * DAY, hour: 1 });
    alert(&aged, 1, "resolved", 801, old);
    alert(&aged, 2, "cleared", 801, old);
    alert(&aged, 3, "resolved", 799, old);
    for (number, state) in [(4, "firing"), (5, "acknowledged"), (6, "pending")] {
        alert(&aged, number, state, 2_000, old);
    }
    alert(&aged, 7, "resolved", 801, old);
    request(&aged, 7, "succeeded", false, 801, old);
    // A request that is open keeps its alert and its window.
    alert(&aged, 8, "resolved", 801, asked);
    request(&aged, 8, "accepted", false, 801, asked);
    // An alert that is not over must not ask twice.
    request(&aged, 4, "failed", false, 801, old);
    // Nobody answers a dry run.
    alert(&aged, 9, "resolved", 801, old);
    request(&aged, 9, "proposed", true, 801, old);
    let deleted = aged.pass(&usual());
    for (table, rows) in [("alert", 4), ("retraining_request", 2), ("model_window", 1)] {
        assert_eq!(deleted[table], rows, "{table}: {deleted:?}");
    }
    let ids = |table: &str| {
        let query = format!(
            "select string_agg(right({table}, 1), '' order by {table}) from (select distinct {table}::text from {}) t",
            if table == "id" { "alert" } else { "alert_change" }
        );
        let found: String = aged
            .world
            .runtime
            .block_on(sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&aged.world.pool))
            .unwrap();
        found
    };
    assert_eq!((ids("id").as_str(), ids("alert_id").as_str()), ("34568", "34568"));
    assert_eq!(aged.number("select count(*) from alert_route"), 5);
    assert_eq!(aged.number("select count(*) from retraining_change"), 2);
    // The window is gone, and the history says which it was.
    let left = aged.left();
    assert_eq!(left.get(&old), None);
    assert_eq!(left.get(&asked).map(|left| (left.1, left.2)), Some((true, 2)), "an open request needs its window");
    assert_eq!(
        aged.number(
            "select count(*) from alert_change where window_id is null and window_start = '1990-01-01 00:00Z'"
        ),
        4
    );
    let detail = aged.world.runtime.block_on(aged.store.alert(&Uuid::from_u128(4).to_string())).unwrap();
    assert_eq!(detail.history.len(), 1);
    assert!(detail.history[0].window.is_some_and(|start| start.to_string().starts_with("1990-01-01T00:00:00")));
    // And so does the end of an alert whose last window is gone.
    aged.run("update alert_change set kind = 'resolved' where alert_id::text like '%3'");
    let episodes = aged.world.runtime.block_on(aged.store.episodes("m", "1", "*")).unwrap();
    let over = episodes.iter().find(|episode| episode.id == Uuid::from_u128(3)).unwrap();
    assert!(over.until.is_some_and(|end| end.to_string().starts_with("1990-01-01T00:00:00")), "{over:?}");
    // Its series has no window and no open alert any more: with them it goes.
    aged.run(
        "update alert set state = 'resolved', updated_at = now() - interval '801 days';
              update retraining_request set state = 'cancelled';
              update series set admitted_at = now() - interval '801 days'",
    );
    // Requests go before alerts, and windows before both; two passes end it.
    aged.pass(&usual());
    aged.pass(&usual());
    for table in ["alert", "alert_change", "retraining_request", "model_window", "series"] {
        assert_eq!(aged.number(&format!("select count(*) from {table}")), 0, "{table}");
    }
}

#[test]
fn messages_audit_log_silences_and_gaps_go_at_their_age_and_what_waits_stays() {
    let Some(services) = services("ages of messages") else { return };
    let aged = Aged::new(&services);
    for (number, status, age) in [
        (1, "sent", "91 days"),
        (2, "dead", "91 days"),
        (3, "superseded", "91 days"),
        (4, "sent", "89 days"),
        (5, "dead", "89 days"),
    ] {
        let id = Uuid::from_u128(number);
        aged.run(&format!(
            "insert into notification (id, subject_id, receiver, event_type, body, status, created_at, finished_at)
             values ('{id}', '{id}', 'owner', 'alert.firing', '{{}}', '{status}', now() - interval '900 days',
                     now() - interval '{age}');
             insert into delivery_attempt (notification_id, attempt, outcome, detail) values ('{id}', 1, 'x', '')"
        ));
    }
    let waiting = Uuid::from_u128(6);
    aged.run(&format!(
        "insert into notification (id, subject_id, receiver, event_type, body, created_at)
         values ('{waiting}', '{waiting}', 'owner', 'alert.firing', '{{}}', now() - interval '900 days');
         insert into audit (at, actor, action, subject) select now() - make_interval(days => age), 'a', 'b', 'c'
             from unnest(array[799, 801, 900]) as age;
         insert into silence (id, matchers, starts_at, ends_at, author, comment)
             select gen_random_uuid(), '{{a=b}}', now() - interval '1000 days', now() - make_interval(days => age), '', ''
             from unnest(array[799, 801, -1]) as age;
         insert into retention_gap (topic, partition, from_offset, to_offset, noticed_at)
             select 't', 0, 0, 1, now() - make_interval(days => age) from unnest(array[799, 801]) as age;
         insert into baseline_proposal (id, monitor, since, windows, activate, reason, created_at)
             select gen_random_uuid(), 'm', now(), 3, true, '', now() - make_interval(days => age)
             from unnest(array[799, 801]) as age"
    ));
    let expected =
        [("audit", 2), ("baseline_proposal", 1), ("notification", 3), ("retention_gap", 1), ("silence", 1)];
    assert_eq!(aged.pass(&usual()), DeletedRows::from(expected));
    let left = aged.number(
        "select count(*) from notification where status = 'pending' or finished_at > now() - interval '90 days'",
    );
    assert_eq!((left, aged.number("select count(*) from delivery_attempt")), (3, 2));
}

#[test]
fn counts_of_late_records_become_one_row_of_each_window() {
    let Some(services) = services("late records") else { return };
    let aged = Aged::new(&services);
    let many = aged.window(Closed { monitor: "m", version: "1", age: 1, hour: 0 });
    let few = aged.window(Closed { monitor: "m", version: "1", age: 1, hour: 1 });
    aged.run(&format!(
        "insert into window_late (window_id, rows) select {many}, n from generate_series(1, 100) n;
         insert into window_late (window_id, rows) select {few}, n from generate_series(1, 10) n"
    ));
    assert_eq!(aged.pass(&usual()), DeletedRows::from([("window_late", 99)]));
    let of = |window: i64| {
        let rows = aged.number(&format!("select count(*) from window_late where window_id = {window}"));
        (rows, aged.number(&format!("select sum(rows)::bigint from window_late where window_id = {window}")))
    };
    assert_eq!((of(many), of(few)), ((1, 5_050), (10, 55)));
}

#[test]
fn pairs_of_champion_and_challenger_go_at_their_age_and_their_challenge_after_them() {
    let Some(services) = services("old pairs") else { return };
    let aged = Aged::new(&services);
    // One that goes on, and one that ended long ago.
    for (number, updated) in [(1u128, 1), (2, 900)] {
        let id = Uuid::from_u128(number);
        aged.run(&format!(
            "insert into challenge (id, monitor, champion, challenger, updated_at)
             values ('{id}', 'm', '1', '2', now() - interval '{updated} days')"
        ));
        for age in [1, 799, 801].map(|age| age + updated - 1) {
            aged.run(&format!(
                "insert into challenge_pair values ('{id}', timestamptz '1990-01-01' - interval '{age} days', '1990-01-02', 1, 2,
                                                    '{{}}', '{{}}', 'collecting', '[]', now() - interval '{age} days')"
            ));
        }
    }
    let deleted = aged.pass(&usual());
    assert_eq!(deleted, DeletedRows::from([("challenge_pair", 4), ("challenge", 1)]));
    assert_eq!(aged.pass(&usual()), DeletedRows::new());
}
