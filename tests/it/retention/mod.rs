//! What is stored goes at its age and not before, and nothing goes that is still needed.

mod history;
mod needed;
mod seen;
mod together;
mod years;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftd::app::{DeletedRows, RetentionPlan, delete_old};
use driftd::binning::BinningSet;
use driftd::distribution::WindowCounts;
use driftd::record::{ColumnType, ModelSchema, TimeSpan};
use driftd::retention::{Kept, Retention, WindowRetention};
use driftd::store::Store;
use driftd::window::WindowLength;
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use crate::support::{Services, World, services};

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap()
}

/// A database with windows that were closed long ago.
struct Aged {
    world: World,
    store: Store,
}

/// A closed window of the monitor `m`, with all that a window can have.
#[derive(Clone, Copy)]
struct Closed {
    monitor: &'static str,
    version: &'static str,
    /// Hours since it was closed.
    age: i64,
    /// The hour of event time at which it starts, since 1990.
    hour: i64,
}

const DAY: i64 = 24;

impl Aged {
    fn new(services: &Services) -> Self {
        let world = World::new(services);
        let store = world.store();
        let length = WindowLength::from_micros(3_600_000_000).unwrap();
        world.runtime.block_on(store.pins("m", &schema(), "", (&length, TimeSpan::ZERO))).unwrap();
        Self { world, store }
    }

    /// Runs statements that have no results.
    fn run(&self, statements: &str) {
        self.world
            .runtime
            .block_on(sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&self.world.pool))
            .unwrap();
    }

    fn number(&self, query: &str) -> i64 {
        let query = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        self.world.runtime.block_on(query.fetch_one(&self.world.pool)).unwrap()
    }

    /// Stores a closed window; its id.
    fn window(&self, closed: Closed) -> i64 {
        let Closed { monitor, version, age, hour } = closed;
        let binnings = Arc::new(BinningSet::universal(&schema()));
        let counts = WindowCounts::empty(Arc::clone(&binnings)).to_ipc().unwrap();
        let query = sqlx::query_scalar(
            "with s as (insert into series (monitor, model_version, segment) values ($1, $2, '*') on conflict do nothing),
             w as (
                 insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, opened_at,
                                           closed_at, rows, counts, sample, ranges, complete, missing, verdict, columns, scores,
                                           verdicts)
                 values ($1, $2, '*', timestamptz '1990-01-01 00:00Z' + make_interval(hours => $3::int),
                         timestamptz '1990-01-01 01:00Z' + make_interval(hours => $3::int), $4, 'closed',
                         now() - make_interval(hours => $5::int), now() - make_interval(hours => $5::int), 300, $6, '\\x01',
                         '[]', true, '[]', 'ok', '{x}', '{0.5}', 'o')
                 returning id),
             f as (
                 insert into finding (window_id, column_name, measure, effect, statistic, warn, critical, verdict)
                 select id, 'x', measure, 0.05, 0.05, 0.1, 0.2, 'ok' from w, unnest(array['psi', 'ks']) as measure),
             c as (
                 insert into column_summary (window_id, column_name, present, nulls, invalid, below, above, unseen)
                 select id, 'x', 300, 0, 0, 0, 0, 0 from w)
             select id from w",
        );
        let query = query.bind(monitor).bind(version).bind(hour).bind(binnings.id()).bind(age).bind(counts);
        self.world.runtime.block_on(query.fetch_one(&self.world.pool)).unwrap()
    }

    /// One pass with these ages.
    fn pass(&self, plan: &RetentionPlan) -> DeletedRows {
        let mut deleted = DeletedRows::new();
        let stop = CancellationToken::new();
        self.world.runtime.block_on(delete_old(&self.store, plan, &stop, &mut deleted)).unwrap();
        deleted
    }

    /// What each window still has: its sample, counts, number of findings and of summaries of columns. By id.
    fn left(&self) -> BTreeMap<i64, (bool, bool, i64, i64)> {
        let rows: Vec<(i64, bool, bool, i64, i64)> = self
            .world
            .runtime
            .block_on(
                sqlx::query_as(
                    "select id, sample is not null, counts is not null,
                            (select count(*) from finding f where f.window_id = w.id),
                            (select count(*) from column_summary s where s.window_id = w.id)
                     from model_window w",
                )
                .fetch_all(&self.world.pool),
            )
            .unwrap();
        rows.into_iter()
            .map(|(id, sample, counts, findings, columns)| (id, (sample, counts, findings, columns)))
            .collect()
    }
}

/// As it is without a configuration; no monitor is configured.
fn usual() -> RetentionPlan {
    let all = Retention::default();
    RetentionPlan { all, monitors: vec![("m".to_owned(), all.windows, None)] }
}

fn days(days: i64) -> Kept {
    Kept::For(TimeSpan::days(days))
}

#[test]
fn each_part_of_a_window_goes_at_its_age_since_it_was_closed_and_not_before() {
    let Some(services) = services("ages of windows") else { return };
    let aged = Aged::new(&services);
    let ages = [14, 180, 400, 800].map(|days| days * DAY);
    let window = |(place, age): (usize, i64)| {
        let id = aged.window(Closed { monitor: "m", version: "1", age, hour: place as i64 });
        (id, age)
    };
    let windows: Vec<(i64, i64)> =
        ages.iter().flat_map(|age| [age - 1, age + 1]).enumerate().map(window).collect();
    // Open, and of long ago by its event time.
    aged.run(
        "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, opened_at)
         select 'm', '1', '*', '1980-01-01 00:00Z', '1980-01-01 01:00Z', id, now() - interval '3000 days' from binning",
    );
    let open = aged.number("select id from model_window where status = 'open'");
    let deleted = aged.pass(&usual());
    let mut left = aged.left();
    assert_eq!(left.remove(&open), Some((false, false, 0, 0)));
    for (id, age) in windows {
        let expected =
            (age < 14 * DAY, age < 180 * DAY, if age < 400 * DAY { 2 } else { 0 }, i64::from(age < 400 * DAY));
        assert_eq!(left.get(&id), (age < 800 * DAY).then_some(&expected), "closed {age} hours ago");
    }
    let expected = [("finding", 6), ("model_window", 1), ("model_window.counts", 5), ("model_window.sample", 7)];
    assert_eq!(deleted, DeletedRows::from(expected));
    assert_eq!(aged.pass(&usual()), DeletedRows::new(), "nothing is left to delete");
    // Verdict, scores and size stay with the window.
    let summaries = "select count(*) from model_window where verdict = 'ok' and rows = 300 and scores = '{0.5}'";
    assert_eq!(aged.number(summaries), 7);
}

#[test]
fn a_monitor_keeps_its_windows_as_its_own_file_says_and_forever_is_forever() {
    let Some(services) = services("ages of monitors") else { return };
    let aged = Aged::new(&services);
    let old = |monitor| aged.window(Closed { monitor, version: "1", age: 500 * DAY, hour: 0 });
    let [usual_one, short, endless] = ["m", "short", "endless"].map(old);
    let young = aged.window(Closed { monitor: "short", version: "1", age: 3 * DAY, hour: 1 });
    let all = Retention::default();
    let own = WindowRetention { samples: days(1), counts: days(2), findings: days(600) };
    let forever = WindowRetention { samples: Kept::Forever, counts: Kept::Forever, findings: Kept::Forever };
    let monitors = vec![("short".to_owned(), own, None), ("endless".to_owned(), forever, None)];
    aged.pass(&RetentionPlan { all: Retention { alerts: Kept::Forever, ..all }, monitors });
    let left = aged.left();
    assert_eq!(left[&usual_one], (false, false, 0, 0));
    assert_eq!(left[&short], (false, false, 2, 1));
    assert_eq!(left[&young], (false, false, 2, 1));
    assert_eq!(left[&endless], (true, true, 2, 1));
}

#[test]
fn monitors_that_another_daemon_has_are_left_to_it() {
    let Some(services) = services("monitors of others") else { return };
    let aged = Aged::new(&services);
    let [own, others, removed] = ["own", "others", "removed"]
        .map(|monitor| aged.window(Closed { monitor, version: "", age: 500 * DAY, hour: 0 }));
    aged.run("insert into daemon_configuration values ('b', 'others', '1', '{}', now()), ('b', 'own', '1', '{}', now())");
    let monitors = vec![("own".to_owned(), Retention::default().windows, None)];
    // Nobody has it now, and a window of it was closed lately: its daemon may only be stopped.
    let stopped = aged.window(Closed { monitor: "stopped", version: "", age: 500 * DAY, hour: 0 });
    aged.window(Closed { monitor: "stopped", version: "", age: 3 * DAY, hour: 1 });
    aged.pass(&RetentionPlan { all: Retention::default(), monitors });
    let left = aged.left();
    assert_eq!((left[&own].1, left[&others].1, left[&removed].1), (false, true, false));
    assert!(left[&stopped].1);
}
