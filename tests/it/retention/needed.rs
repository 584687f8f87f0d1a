//! Counts that something needs stay, however old they are.

use driftd::app::RetentionPlan;
use driftd::binning::{BinningSet, BuildOptions};
use driftd::retention::Retention;
use driftd::view::Promotion;
use std::sync::Arc;
use uuid::Uuid;

use super::{Aged, Closed, DAY, schema, usual};
use crate::support::services;

const OLD: i64 = 500 * DAY;

#[test]
fn the_latest_windows_are_kept_while_a_baseline_is_learned_from_them() {
    let Some(services) = services("retention and learning") else { return };
    let aged = Aged::new(&services);
    let windows: Vec<i64> =
        (0..5).map(|hour| aged.window(Closed { monitor: "m", version: "1", age: OLD, hour })).collect();
    let learns = |windows| RetentionPlan {
        all: Retention::default(),
        monitors: vec![("m".to_owned(), Retention::default().windows, Some(windows))],
    };
    aged.pass(&learns(3));
    let counted = |aged: &Aged| {
        let left = aged.left();
        windows.iter().map(|id| left[id].1).collect::<Vec<bool>>()
    };
    assert_eq!(counted(&aged), [false, false, true, true, true]);
    assert!(!aged.left()[&windows[4]].0, "samples are raw values: they go all the same");
    // Learning knows how far it is.
    let learned = |most| aged.world.runtime.block_on(aged.store.windows_learned("m", &schema(), most)).unwrap();
    assert_eq!(learned(24), 3);
    let universal = Arc::new(BinningSet::universal(&schema()));
    let found = |windows| {
        let found = aged.store.windows_to_learn_from("m", &universal, windows, false);
        aged.world.runtime.block_on(found).unwrap().map(|found| found.len())
    };
    assert_eq!((found(3), found(4)), (Some(3), None));
    // Once there is a baseline, nothing is needed.
    aged.run(
        "insert into baseline (id, monitor, version, origin, binning_id, rows)
              select gen_random_uuid(), 'm', 1, 'test', id, 300 from binning",
    );
    aged.pass(&learns(3));
    assert_eq!(counted(&aged), [false; 5]);
}

#[test]
fn windows_of_a_proposed_baseline_are_kept_until_it_is_made() {
    let Some(services) = services("retention and proposals") else { return };
    let aged = Aged::new(&services);
    let window = |version, hour| aged.window(Closed { monitor: "m", version, age: OLD, hour });
    let (before, old, new, named) = (window("1", 0), window("1", 3), window("2", 3), window("3", 1));
    aged.run(
        "insert into baseline_proposal (id, monitor, model_version, since, windows, activate, reason) values
             (gen_random_uuid(), 'm', null, '1990-01-01 02:00Z', 3, true, ''),
             (gen_random_uuid(), 'm', '3', '1900-01-01', 3, true, '')",
    );
    aged.pass(&usual());
    let left = aged.left();
    // Version 1 was there before the proposal; the baseline is made of a new one.
    let counted = [before, old, new, named].map(|id| left[&id].1);
    assert_eq!(counted, [false, false, true, true]);
    assert_eq!((left[&named].2, left[&before].2), (2, 0));
    let schema = schema();
    let made = aged.store.make_proposed_baselines("m", &schema, BuildOptions::default());
    assert_eq!(aged.world.runtime.block_on(made).unwrap(), [], "windows without counts do not count");
    aged.run("delete from baseline_proposal");
    aged.pass(&usual());
    assert_eq!(aged.number("select count(*) from model_window where counts is not null"), 0);
}

#[test]
fn windows_that_an_open_request_asks_to_learn_from_are_kept() {
    let Some(services) = services("retention and requests") else { return };
    let aged = Aged::new(&services);
    let windows: Vec<i64> =
        (0..4).map(|hour| aged.window(Closed { monitor: "m", version: "1", age: OLD, hour })).collect();
    let id = Uuid::from_u128(1);
    aged.run(&format!(
        "insert into alert (id, monitor, model_version, segment, state, severity, since)
         values ('{id}', 'm', '1', '*', 'firing', 'critical', '1990-01-01');
         insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, state, body)
         values ('{id}', 'm', '1', '*', '{id}', {}, '1990-01-01 03:00Z', 'requested', '{{}}');
         update model_window set drifts_for = array['{id}'::uuid] where id <> {}",
        windows[2], windows[0]
    ));
    aged.pass(&usual());
    let left = aged.left();
    let counted: Vec<bool> = windows.iter().map(|id| left[id].1).collect();
    assert_eq!(counted, [false, true, true, false], "those that drifted up to the request");
    aged.run("update retraining_request set state = 'succeeded'");
    aged.pass(&usual());
    assert_eq!(aged.number("select count(*) from model_window where counts is not null"), 0);
}

#[test]
fn a_baseline_of_windows_without_counts_is_refused_with_how_many_and_from_when_on_they_have_some() {
    let Some(services) = services("retention and promotion") else { return };
    let aged = Aged::new(&services);
    for (hour, age) in [(0, OLD), (1, OLD), (2, DAY), (3, DAY)] {
        aged.window(Closed { monitor: "m", version: "1", age, hour });
    }
    aged.pass(&usual());
    let promote = |from: &str, to: &str| {
        let wanted = Promotion {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            version: None,
            exclude: Vec::new(),
            exclude_alerts: false,
            activate: false,
        };
        let (schema, options) = (schema(), BuildOptions::default());
        let made = aged.store.promote("m", &wanted, &schema, options, "test");
        aged.world.runtime.block_on(made).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = promote("1990-01-01T00:00:00Z", "1990-01-02T00:00:00Z").unwrap_err();
    assert!(refused.contains("the counts of 2 of these 4 windows were deleted (`retention.counts`)"), "{refused}");
    assert!(refused.contains("hint: take windows from 1990-01-01T02:00:00"), "{refused}");
    let refused = promote("1990-01-01T00:00:00Z", "1990-01-01T02:00:00Z").unwrap_err();
    assert!(refused.contains("2 of these 2 windows") && refused.contains("driftd baseline build"), "{refused}");
    // Empty counts make no baseline; they are read, though.
    let rest = promote("1990-01-01T02:00:00Z", "1990-01-02T00:00:00Z").err().unwrap_or_default();
    assert!(!rest.contains("retention"), "{rest}");
}
