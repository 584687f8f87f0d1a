//! Baselines and binnings: versioned, at most one active a monitor; and which windows are pinned to which.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::record;
use super::close::{binning, test_of};
use super::lengths::lengths;
use super::membership::membership;
use super::selection::{WindowSelection, counted};
use super::session::Session;
use super::{Store, StoreError, bigint, count, damaged, event_time, failed};
use crate::baseline::Baseline;
use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::record::{ModelSchema, TimeSpan};
use crate::view::BaselineSummary;
use crate::window::{BinningPins, WHOLE, WindowKey, WindowLength};

macro_rules! select_baselines {
    ($condition:literal) => {
        concat!("select id, monitor, version, origin, rows, active, created_at from baseline ", $condition)
    };
}

impl Store {
    /// Stores a baseline as the next version of its monitor. With `only_first`, nothing happens when the monitor has
    /// one already (`None`).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_baseline(
        &self,
        monitor: &str,
        baseline: &Baseline,
        origin: &str,
        activate: bool,
        only_first: bool,
        actor: &str,
    ) -> Result<Option<BaselineSummary>, StoreError> {
        let rows = baseline.segments.get(WHOLE).map_or(0, WindowCounts::rows);
        let mut segments = Vec::new();
        for (segment, counts) in &baseline.segments {
            segments.push((segment, bigint(counts.rows()), damaged("a baseline", counts.to_ipc())?));
        }
        let mut transaction = self.pool.begin().await.map_err(failed("begin storing a baseline"))?;
        // Versions count up without gaps: one writer at a time for each monitor.
        sqlx::query("select pg_advisory_xact_lock(hashtextextended('driftd baseline ' || $1, 0))")
            .bind(monitor)
            .execute(&mut transaction)
            .await
            .map_err(failed("lock the baselines of a monitor"))?;
        let version: i32 =
            sqlx::query_scalar("select coalesce(max(version), 0) + 1 from baseline where monitor = $1")
                .bind(monitor)
                .fetch_one(&mut transaction)
                .await
                .map_err(failed("number a baseline"))?;
        if only_first && version > 1 {
            return Ok(None);
        }
        put_binning(&mut transaction, &baseline.binnings).await?;
        let id = Uuid::new_v4();
        sqlx::query(
            "insert into baseline (id, monitor, version, origin, binning_id, rows) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(monitor)
        .bind(version)
        .bind(origin)
        .bind(baseline.binnings.id())
        .bind(bigint(rows))
        .execute(&mut transaction)
        .await
        .map_err(failed("store a baseline"))?;
        for (segment, rows, counts) in segments {
            sqlx::query(
                "insert into baseline_segment (baseline_id, segment, rows, counts, variation) values ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(segment)
            .bind(rows)
            .bind(counts)
            .bind(baseline.tests.get(segment).map(|test| Json(test.variation())))
            .execute(&mut transaction)
            .await
            .map_err(failed("store a baseline"))?;
        }
        record(
            &mut transaction,
            actor,
            "baseline.add",
            monitor,
            json!({ "version": version, "origin": origin, "rows": rows }),
        )
        .await?;
        if activate {
            switch(&mut transaction, monitor, version, actor).await?;
        }
        transaction.commit().await.map_err(failed("commit a baseline"))?;
        Ok(self.baselines(monitor).await?.into_iter().find(|summary| summary.id == id))
    }

    /// Makes a version the one that new windows are compared with.
    ///
    /// # Errors
    /// When there is no such version, or the database is away.
    pub async fn activate_baseline(&self, monitor: &str, version: i32, actor: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin activating a baseline"))?;
        switch(&mut transaction, monitor, version, actor).await?;
        transaction.commit().await.map_err(failed("commit the active baseline"))
    }

    /// All baselines of a monitor, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn baselines(&self, monitor: &str) -> Result<Vec<BaselineSummary>, StoreError> {
        let rows = sqlx::query(select_baselines!("where monitor = $1 order by version"))
            .bind(monitor)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list baselines"))?;
        rows.iter().map(summary).collect::<Result<_, sqlx::Error>>().map_err(failed("list baselines"))
    }

    /// One of the baselines of a monitor.
    ///
    /// # Errors
    /// When there is no such version, or the database is away.
    pub async fn baseline_summary(&self, monitor: &str, version: i32) -> Result<BaselineSummary, StoreError> {
        let attempted = failed("look a baseline up");
        let row = sqlx::query(select_baselines!("where monitor = $1 and version = $2"))
            .bind(monitor)
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .and_then(|row| row.as_ref().map(summary).transpose())
            .map_err(attempted)?;
        row.ok_or_else(|| StoreError::NotFound(format!("monitor `{monitor}` has no baseline version {version}")))
    }

    /// The counts of a baseline.
    ///
    /// # Errors
    /// When there is no such version, it is damaged, or the database is away.
    pub async fn baseline(&self, monitor: &str, version: i32) -> Result<Baseline, StoreError> {
        let row = sqlx::query(
            "select b.id, n.columns from baseline b join binning n on n.id = b.binning_id
             where b.monitor = $1 and b.version = $2",
        )
        .bind(monitor)
        .bind(version)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("read a baseline"))?
        .ok_or_else(|| no_version(monitor, version))?;
        let columns: Value = row.try_get("columns").map_err(failed("read a baseline"))?;
        let binnings: Arc<BinningSet> = Arc::new(damaged("a binning", serde_json::from_value(columns))?);
        let id: Uuid = row.try_get("id").map_err(failed("read a baseline"))?;
        let rows = sqlx::query("select segment, counts, variation from baseline_segment where baseline_id = $1")
            .bind(id)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read a baseline"))?;
        let (mut segments, mut tests) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            let segment: String = row.try_get("segment").map_err(failed("read a baseline"))?;
            let bytes: &[u8] = row.try_get("counts").map_err(failed("read a baseline"))?;
            let counts = damaged(
                &format!("baseline version {version}"),
                WindowCounts::from_ipc(bytes, Arc::clone(&binnings)),
            )?;
            let variation = row.try_get("variation").map_err(failed("read a baseline"))?;
            tests.insert(segment.clone(), test_of(&counts, variation)?);
            segments.insert(segment, counts);
        }
        Ok(Baseline { binnings, segments, tests })
    }

    /// What to count on: the active baseline's binning (universal bins without one, or when it does not fit the
    /// schema any more), and the pins of all open windows.
    ///
    /// # Errors
    /// When the database is away or a binning is damaged.
    pub async fn pins(
        &self,
        monitor: &str,
        schema: &ModelSchema,
        counted_as: &str,
        (length, amend): (&WindowLength, TimeSpan),
    ) -> Result<BinningPins, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read pins"))?;
        // Windows of before that was remembered are counted as they are now.
        sqlx::query(
            "update model_window set counted_as = $2 where monitor = $1 and status = 'open' and counted_as = '' and $2 <> ''",
        )
        .bind(monitor)
        .bind(counted_as)
        .execute(&mut connection)
        .await
        .map_err(failed("read pins"))?;
        let rows = sqlx::query(
            "with pinned as (
                 select true as active, binning_id, null as model_version, null as segment,
                        null::timestamptz as starts_at
                 from baseline where monitor = $1 and active
                 union all
                 select false, binning_id, model_version, segment, starts_at
                 from model_window where monitor = $1 and status = 'open' and counted_as = $2
                 union all
                 select false, binning_id, model_version, segment, starts_at
                 from model_window
                 where monitor = $1 and status = 'closed' and counted_as = $2 and $3 > 0 and counts is not null
                   and closed_at > now() - make_interval(secs => $3)
                   and binning_id is distinct from (select binning_id from baseline where monitor = $1 and active))
             select * from pinned",
        )
        .bind(monitor)
        .bind(counted_as)
        .bind(amend.as_seconds())
        .fetch_all(&mut connection)
        .await
        .map_err(failed("read pins"))?;
        let mut binnings: HashMap<Uuid, Arc<BinningSet>> = HashMap::new();
        let mut active = None;
        let mut open = HashMap::new();
        for row in rows {
            let id: Uuid = row.try_get("binning_id").map_err(failed("read pins"))?;
            let set = if let Some(set) = binnings.get(&id) {
                Arc::clone(set)
            } else {
                let set = binning(&mut connection, id).await?;
                binnings.insert(id, Arc::clone(&set));
                set
            };
            if row.try_get("active").map_err(failed("read pins"))? {
                active = Some(set);
            } else {
                let read = || -> Result<WindowKey, sqlx::Error> {
                    Ok(WindowKey {
                        version: row.try_get("model_version")?,
                        segment: row.try_get("segment")?,
                        start: event_time(row.try_get::<DateTime<Utc>, _>("starts_at")?),
                    })
                };
                open.insert(read().map_err(failed("read pins"))?, set);
            }
        }
        let active = if let Some(set) = active.filter(|set| set.fits(schema)) {
            set
        } else {
            let universal = BinningSet::universal(schema);
            put_binning(&mut connection, &universal).await?;
            Arc::new(universal)
        };
        let series = membership(&mut connection, monitor).await.map_err(failed("read pins"))?;
        let lengths = lengths(&mut connection, monitor, length).await.map_err(failed("read pins"))?;
        Ok(BinningPins { active, open, series, lengths })
    }

    /// The counts of the first closed windows of a monitor that were counted on this binning, once there are
    /// `windows` of the whole, or of the latest ones: what a baseline is learned from. While a backfill closes its windows, later
    /// windows are not among them: which windows are the first must not depend on who closes faster.
    ///
    /// # Errors
    /// When the database is away or counts are damaged.
    pub async fn windows_to_learn_from(
        &self,
        monitor: &str,
        binnings: &Arc<BinningSet>,
        windows: u32,
        latest: bool,
    ) -> Result<Option<Vec<(String, WindowCounts)>>, StoreError> {
        let attempted = "read windows to learn from";
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let starts: Vec<DateTime<Utc>> = sqlx::query_scalar(
            "select starts_at from (
                 select distinct starts_at from model_window
                 where monitor = $1 and binning_id = $2 and status = 'closed' and segment = '*' and rows > 0
                   and counts is not null
                   and starts_at < coalesce((select min(d.starts_at) from backfill b
                                             join backfill_delta d on d.backfill_id = b.id
                                             where b.monitor = $1 and b.state = 'closing'), 'infinity')) closed
             order by case when $4 then starts_at end desc, starts_at limit $3",
        )
        .bind(monitor)
        .bind(binnings.id())
        .bind(i64::from(windows))
        .bind(latest)
        .fetch_all(&mut connection)
        .await
        .map_err(failed("find windows to learn from"))?;
        if starts.len() < windows as usize {
            return Ok(None);
        }
        let selected = WindowSelection::closed(monitor).on(vec![binnings.id()]).starting_at(starts);
        let selected = selected.oldest(&mut connection, MAX_SELECTED).await?;
        Ok(Some(counted(&mut connection, &selected, binnings).await?))
    }
}

/// Windows of all versions and segments that a baseline is learned from at most.
const MAX_SELECTED: i64 = 1_000_000;

fn no_version(monitor: &str, version: i32) -> StoreError {
    StoreError::NotFound(format!(
        "monitor `{monitor}` has no baseline version {version}\nhint: `driftd baseline list` lists them"
    ))
}

async fn put_binning(connection: &mut Session, binnings: &BinningSet) -> Result<(), StoreError> {
    sqlx::query("insert into binning (id, columns) values ($1, $2) on conflict do nothing")
        .bind(binnings.id())
        .bind(damaged("a binning", serde_json::to_value(binnings))?)
        .execute(connection)
        .await
        .map_err(failed("store a binning"))?;
    Ok(())
}

async fn switch(connection: &mut Session, monitor: &str, version: i32, actor: &str) -> Result<(), StoreError> {
    let before: Option<i32> =
        sqlx::query_scalar("update baseline set active = false where monitor = $1 and active returning version")
            .bind(monitor)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("retire the active baseline"))?;
    let switched = sqlx::query("update baseline set active = true where monitor = $1 and version = $2")
        .bind(monitor)
        .bind(version)
        .execute(&mut *connection)
        .await
        .map_err(failed("activate a baseline"))?;
    if switched.rows_affected() == 0 {
        return Err(no_version(monitor, version));
    }
    record(connection, actor, "baseline.activate", monitor, json!({ "before": before, "after": version })).await
}

fn summary(row: &PgRow) -> Result<BaselineSummary, sqlx::Error> {
    Ok(BaselineSummary {
        id: row.try_get("id")?,
        monitor: row.try_get("monitor")?,
        version: row.try_get("version")?,
        origin: row.try_get("origin")?,
        rows: count(row.try_get("rows")?),
        active: row.try_get("active")?,
        created_at: event_time(row.try_get::<DateTime<Utc>, _>("created_at")?).into(),
    })
}
