//! Passes of several daemons, and passes that are cut off.

use driftd::app::{DeletedRows, delete_old};
use driftd::record::TimeSpan;
use driftd::store::Deletion;
use tokio_util::sync::CancellationToken;

use super::{Aged, Closed, DAY, usual};
use crate::support::{number, services};

const WINDOWS: i64 = 1_300;

/// Many windows that have everything and are too old for all of it.
fn many(aged: &Aged) {
    let first = aged.window(Closed { monitor: "m", version: "1", age: 900 * DAY, hour: 0 });
    aged.run(&format!(
        "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, opened_at, closed_at,
                                   rows, counts, sample, verdict)
         select monitor, model_version, segment, starts_at + make_interval(hours => n), ends_at + make_interval(hours => n),
                binning_id, status, opened_at, closed_at, rows, counts, sample, verdict
         from model_window, generate_series(1, {WINDOWS} - 1) n where id = {first};
         insert into finding (window_id, column_name, measure, warn, critical, verdict)
         select id, 'x', 'psi', 0.1, 0.2, 'ok' from model_window where id <> {first}"
    ));
}

#[test]
fn two_daemons_that_delete_at_once_delete_everything_once_and_wait_for_nobody() {
    let Some(services) = services("two daemons that delete") else { return };
    let aged = Aged::new(&services);
    many(&aged);
    // A checkpoint that counts late records holds one of the windows.
    let plan = usual();
    let stop = CancellationToken::new();
    let deleted: Vec<DeletedRows> = aged.world.runtime.block_on(async {
        let mut checkpoint = aged.world.pool.begin().await.unwrap();
        let held: i64 = sqlx::query_scalar("select id from model_window order by id limit 1 for share")
            .fetch_one(&mut *checkpoint)
            .await
            .unwrap();
        let mut all = Vec::new();
        for _ in 0..3 {
            let pass = async || {
                let mut deleted = DeletedRows::new();
                delete_old(&aged.store, &plan, &stop, &mut deleted).await.unwrap();
                deleted
            };
            let (one, other) = tokio::join!(pass(), pass());
            all.extend([one, other]);
        }
        let left: Vec<i64> =
            sqlx::query_scalar("select id from model_window").fetch_all(&aged.world.pool).await.unwrap();
        assert_eq!(left, [held]);
        checkpoint.rollback().await.unwrap();
        let mut deleted = DeletedRows::new();
        delete_old(&aged.store, &plan, &stop, &mut deleted).await.unwrap();
        all.push(deleted);
        all
    });
    let sum = |table| deleted.iter().filter_map(|deleted| deleted.get(table)).sum::<u64>();
    let all = WINDOWS as u64;
    let sums = ["model_window.sample", "model_window.counts", "finding", "model_window"].map(sum);
    assert_eq!(sums, [all, all, all + 1, all]);
    assert_eq!(
        aged.number("select count(*) from finding") + aged.number("select count(*) from column_summary"),
        0
    );
}

#[test]
fn a_pass_that_is_cut_off_leaves_whole_rows_and_the_next_one_goes_on() {
    let Some(services) = services("an interrupted pass") else { return };
    let aged = Aged::new(&services);
    many(&aged);
    let runtime = &aged.world.runtime;
    // Killed in the middle of a batch: its transaction never was.
    runtime.block_on(async {
        let batch = aged.store.delete_batch(Deletion::Counts {
            monitor: "m",
            age: TimeSpan::days(180),
            learns_from: None,
        });
        let _cut_off = tokio::time::timeout(std::time::Duration::from_micros(300), batch).await;
    });
    // The database notices after a moment; until then other daemons leave the work to it.
    aged.world.wait_for("the batch is undone", 10, async |pool| {
        let held = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                    where l.locktype = 'advisory' and d.datname = current_database()";
        if number(pool, held).await? == 0 { Ok(()) } else { Err("it holds its lock".to_owned()) }
    });
    // Told to stop after its first batch.
    let stop = CancellationToken::new();
    stop.cancel();
    let mut deleted = DeletedRows::new();
    runtime.block_on(delete_old(&aged.store, &usual(), &stop, &mut deleted)).unwrap();
    assert_eq!(deleted, DeletedRows::from([("model_window.sample", 50)]));
    let left = aged.left();
    assert_eq!(left.len() as i64, WINDOWS);
    assert!(left.values().all(|(_, _, findings, _)| *findings >= 1), "nothing of a later tier is gone");
    let rest = aged.pass(&usual());
    assert_eq!(rest["model_window.sample"], WINDOWS as u64 - 50);
    assert_eq!(rest["model_window"], WINDOWS as u64);
    assert_eq!(aged.left().len(), 0);
}
