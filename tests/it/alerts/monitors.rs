//! Alerts of a monitor about itself, and of versions that are gone.

use driftd::alert::{ChangeKind, Labels, OperationalLimits, RowState};
use driftd::closing::CheckScope;
use driftd::record::{ColumnType, ModelSchema, TimeSpan};
use driftd::store::{AlertAction, InputCheck};
use driftd::view::AlertFilter;
use uuid::Uuid;

use super::{Desk, at_once};

#[test]
fn a_silent_stuck_monitor_without_baseline_alerts_about_itself_once() {
    let Some(desk) = Desk::new("operations") else { return };
    let runtime = &desk.world.runtime;
    desk.run("insert into monitor_partition (monitor, topic, partition, newest, counted_at) values ('m', 't', 0, now(), now() - interval '2 hours')");
    desk.run("insert into source_partition (topic, partition, next_offset, log_end, progressed_at) values ('t', 0, 10, 50, now() - interval '1 hour')");
    desk.run("insert into record_tally (monitor, outcome, reason, shard, count) values ('m', 'accepted', '', 0, 900), ('m', 'rejected', 'syntax', 0, 100)");
    desk.run("insert into retention_gap (topic, partition, from_offset, to_offset) values ('t', 0, 0, 7)");
    let labels = Labels::from([("owner".to_owned(), "risk".to_owned())]);
    let receivers = ["mail".to_owned()];
    let scope = CheckScope { monitor: "m", labels: &labels, receivers: &receivers, routing: &desk.routing };
    let (topics, limits) = (["t".to_owned()], OperationalLimits::default());
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let watched = InputCheck {
        scope,
        topics: &topics,
        schema: &schema,
        learns: false,
        max_series: 1_000,
        unknown_topics: &[],
        min_records: 1,
        time_format: None,
        filters: &[],
        limits: &limits,
    };
    let firing = || {
        let found = runtime.block_on(desk.store.alerts(&AlertFilter::default(), 10)).unwrap();
        let mut names: Vec<String> = found
            .into_iter()
            .filter(|alert| alert.state == RowState::Firing)
            .map(|alert| alert.view.rule)
            .collect();
        names.sort_unstable();
        names
    };
    let look = |interval| runtime.block_on(desk.store.check_input(watched, interval)).unwrap();
    look(TimeSpan::ZERO);
    look(TimeSpan::hours(1));
    assert_eq!(
        firing(),
        ["rejected_share", "retention_gap"],
        "what stands still is looked at again before it is said"
    );
    look(TimeSpan::ZERO);
    look(TimeSpan::ZERO);
    assert_eq!(firing(), ["no_data", "rejected_share", "retention_gap", "stuck_partition"]);
    let found = runtime.block_on(desk.store.alerts(&AlertFilter::default(), 10)).unwrap();
    assert!(found.iter().all(|alert| alert.view.labels["owner"] == "risk"));
    assert_eq!(desk.settle(), ["mail new_alerts 4"]);
    assert_eq!(
        desk.number("select count(*) from alert where state = 'firing' and evidence->>'summary' like 'm: %'"),
        4
    );
    // Acknowledged by a person, through the same machine.
    let id = found[0].view.id;
    let acted = runtime.block_on(desk.store.act_on_alert(id, AlertAction::Acknowledge, "ada", "on it")).unwrap();
    assert_eq!((acted.state.as_str(), acted.view.acknowledged_by.as_deref()), ("acknowledged", Some("ada")));
    assert_eq!(desk.settle(), ["mail acknowledged 4"]);
    let resolved = runtime.block_on(desk.store.act_on_alert(id, AlertAction::Resolve, "ada", "")).unwrap();
    assert_eq!(resolved.state, RowState::Resolved);
    assert!(runtime.block_on(desk.store.act_on_alert(id, AlertAction::Resolve, "ada", "")).is_err());
}

#[test]
fn the_alerts_of_a_version_that_is_gone_end_when_others_have_moved_on() {
    let Some(desk) = Desk::new("stale") else { return };
    desk.change(1, ChangeKind::Firing, &["mail"], &[], at_once());
    desk.settle();
    desk.run("insert into binning (id, columns) values ('00000000-0000-0000-0000-0000000000b1', '[]')");
    desk.run("insert into series (monitor, model_version, segment, alerts) values
              ('m', '1', '*', '{\"states\": {\"drift\": {\"phase\": \"firing\", \"history\": [[1, \"critical\"]],
               \"episode\": {\"id\": \"00000000-0000-0000-0000-000000000001\", \"since\": 1, \"severity\": \"critical\"}}}}'),
              ('m', '2', '*', '{}'), ('other', '1', '*', '{}')");
    let window = |monitor: &str, version: &str, hour: i32, status: &str| {
        let query = sqlx::query(
            "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at)
             select $1, $2, '*', start, start + interval '1 hour', '00000000-0000-0000-0000-0000000000b1', $4,
                    case when $4 = 'closed' then now() end
             from (select timestamptz '2026-11-01 00:00Z' + make_interval(hours => $3) as start) w",
        );
        let query = query.bind(monitor.to_owned()).bind(version.to_owned()).bind(hour).bind(status.to_owned());
        desk.world.runtime.block_on(query.execute(&desk.world.pool)).unwrap();
    };
    let end =
        || desk.world.runtime.block_on(desk.store.end_alerts_of_gone_series("m", TimeSpan::hours(6))).unwrap();
    window("m", "1", 0, "closed");
    window("other", "1", 500, "closed");
    assert_eq!(end(), 0, "the whole monitor is silent: that is another alert's matter, and nothing ends");
    window("m", "2", 6, "closed");
    assert_eq!(end(), 0, "six hours are not more than six");
    window("m", "2", 7, "open");
    assert_eq!(end(), 0, "what is not judged yet says nothing about others");
    window("m", "2", 8, "closed");
    window("m", "1", 8, "open");
    assert_eq!(end(), 0, "it is seen again");
    desk.run("delete from model_window where model_version = '1' and status = 'open'");
    assert_eq!(end(), 1);
    assert_eq!(end(), 0);
    assert_eq!(desk.history(1).last().unwrap(), "resolved no_more_records");
    let id = Uuid::from_u128(1).to_string();
    let detail = desk.world.runtime.block_on(desk.store.alert(&id)).unwrap();
    let said = &detail.history.last().unwrap().detail;
    assert!(said.contains("2026-11-01T01:00:00Z") && said.contains("2026-11-01T09:00:00Z"), "{said}");
    assert_eq!(desk.settle(), ["mail resolved 1"]);
    let told = desk.bodies("pending").pop().unwrap();
    assert_eq!(told["data"]["alerts"][0]["reason"], "no_more_records");
}
