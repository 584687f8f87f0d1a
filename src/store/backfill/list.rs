//! Stored backfills, as they are listed and looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Backfill, BackfillSource, BackfillState, FileIdentity, Outcomes};
use crate::binning::BinningSet;
use crate::store::close::binning;
use crate::store::{Store, StoreError, count, event_time, failed, named};
use crate::window::Partition;

/// Backfills that are listed at most.
const MOST: i64 = 200;

macro_rules! select_backfills {
    ($rest:literal) => {
        concat!(
            "select id, monitor, counted_as, binning_id, from_files, starts_at, ends_at, state, live_from, outcomes, closed, owner,
                    started_at, active_at, finished_at
             from backfill ",
            $rest
        )
    };
}

impl Store {
    /// Backfills, the newest first: of a monitor, or of all.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn backfills(&self, monitor: Option<&str>) -> Result<Vec<Backfill>, StoreError> {
        let query =
            sqlx::query(select_backfills!("where $1::text is null or monitor = $1 order by id desc limit $2"));
        self.read_backfills(query.bind(monitor).bind(MOST)).await
    }

    /// The backfill of a monitor that is not done; there is one at most.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn unfinished_backfill(&self, monitor: &str) -> Result<Option<Backfill>, StoreError> {
        let query = sqlx::query(select_backfills!("where monitor = $1 and state <> 'done' order by id limit 1"));
        Ok(self.read_backfills(query.bind(monitor)).await?.pop())
    }

    /// A backfill as it stands.
    ///
    /// # Errors
    /// When there is none of this number, or the database is unavailable.
    pub async fn backfill(&self, id: i64) -> Result<Backfill, StoreError> {
        let query = sqlx::query(select_backfills!("where id = $1"));
        let found = self.read_backfills(query.bind(id)).await?.pop();
        found.ok_or_else(|| StoreError::NotFound(format!("there is no backfill {id}")))
    }

    /// What the windows of a backfill are counted on.
    ///
    /// # Errors
    /// When it is damaged, or the database is unavailable.
    pub async fn backfill_bins(&self, binning_id: Uuid) -> Result<Arc<BinningSet>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read a binning"))?;
        binning(&mut connection, binning_id).await
    }

    async fn read_backfills(
        &self,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<Backfill>, StoreError> {
        let attempted = failed("read backfills");
        let rows = query.fetch_all(&self.pool).await.map_err(&attempted)?;
        let mut backfills: Vec<Backfill> =
            rows.iter().map(backfill).collect::<Result<_, sqlx::Error>>().map_err(&attempted)?;
        let ids: Vec<i64> = backfills.iter().map(|backfill| backfill.id).collect();
        let rows = sqlx::query(
            "select backfill_id, topic, partition, first_offset, next_offset, end_offset, newest, complete, file_size, file_hash
             from backfill_source where backfill_id = any($1) order by topic, partition",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await
        .map_err(&attempted)?;
        let mut sources: BTreeMap<i64, Vec<BackfillSource>> = BTreeMap::new();
        for row in rows {
            let (id, source) = source(&row).map_err(&attempted)?;
            sources.entry(id).or_default().push(source);
        }
        for backfill in &mut backfills {
            backfill.sources = sources.remove(&backfill.id).unwrap_or_default();
        }
        Ok(backfills)
    }
}

fn backfill(row: &PgRow) -> Result<Backfill, sqlx::Error> {
    let time = |name: &str| -> Result<Option<_>, sqlx::Error> {
        Ok(row.try_get::<Option<DateTime<Utc>>, _>(name)?.map(event_time))
    };
    let Json(outcomes): Json<Outcomes> = row.try_get("outcomes")?;
    Ok(Backfill {
        id: row.try_get("id")?,
        monitor: row.try_get("monitor")?,
        counted_as: row.try_get("counted_as")?,
        binning: row.try_get("binning_id")?,
        from_files: row.try_get("from_files")?,
        from: time("starts_at")?,
        to: time("ends_at")?,
        state: named(row, "state", BackfillState::from_name)?,
        live_from: time("live_from")?,
        outcomes,
        closed: count(row.try_get("closed")?),
        owner: row.try_get("owner")?,
        started_at: event_time(row.try_get("started_at")?).into(),
        active_at: event_time(row.try_get("active_at")?).into(),
        finished_at: time("finished_at")?.map(Into::into),
        sources: Vec::new(),
    })
}

fn source(row: &PgRow) -> Result<(i64, BackfillSource), sqlx::Error> {
    let topic: String = row.try_get("topic")?;
    let size: Option<i64> = row.try_get("file_size")?;
    let hash: Option<String> = row.try_get("file_hash")?;
    let source = BackfillSource {
        partition: Partition { topic: topic.into(), partition: row.try_get("partition")? },
        first: row.try_get("first_offset")?,
        next: row.try_get("next_offset")?,
        end: row.try_get("end_offset")?,
        newest: row.try_get::<Option<DateTime<Utc>>, _>("newest")?.map(event_time),
        complete: row.try_get("complete")?,
        file: size.zip(hash).map(|(size, hash)| FileIdentity { size: count(size), hash }),
    };
    Ok((row.try_get("backfill_id")?, source))
}
