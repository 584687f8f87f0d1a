//! The beginning of a backfill, its continuation by another process, and its end without a result.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Backfill, BackfillSource, BackfillWriter};
use crate::record::{EventTime, Offset};
use crate::store::audit::record;
use crate::store::session::Session;
use crate::store::{Store, StoreError, bigint, event_time, failed, lock_monitor, timestamp};

/// A backfill that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct NewBackfill<'a> {
    pub monitor: &'a str,
    /// How its records are counted.
    pub counted_as: &'a str,
    /// What all its windows are counted on: a stored binning.
    pub binning: Uuid,
    /// Whether it reads files.
    pub from_files: bool,
    /// The first event time to read, the start of a window; none: all.
    pub from: Option<EventTime>,
    /// The first event time not to read, the end of a window; none: all.
    pub to: Option<EventTime>,
    /// What it reads, from the first offset of each on.
    pub sources: &'a [BackfillSource],
    /// Made anew by every process.
    pub runner: Uuid,
    /// Who reads, for people.
    pub owner: &'a str,
}

impl Store {
    /// Stores a new backfill.
    ///
    /// # Errors
    /// When another one of the monitor is not done, or is done and has read some of the same records; when the database is
    /// unavailable.
    pub async fn begin_backfill(&self, new: NewBackfill<'_>) -> Result<Backfill, StoreError> {
        let attempted = "begin a backfill";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock_monitor(&mut transaction, new.monitor).await.map_err(failed(attempted))?;
        refuse_repetition(&mut transaction, new).await?;
        let id: i64 = sqlx::query_scalar(
            "insert into backfill (monitor, counted_as, binning_id, from_files, starts_at, ends_at, runner, owner)
             values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
        )
        .bind(new.monitor)
        .bind(new.counted_as)
        .bind(new.binning)
        .bind(new.from_files)
        .bind(new.from.map(timestamp))
        .bind(new.to.map(timestamp))
        .bind(new.runner)
        .bind(new.owner)
        .fetch_one(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let topics: Vec<&str> = new.sources.iter().map(|source| source.partition.topic.as_ref()).collect();
        let numbers: Vec<i32> = new.sources.iter().map(|source| source.partition.partition).collect();
        let firsts: Vec<Offset> = new.sources.iter().map(|source| source.first).collect();
        let ends: Vec<Offset> = new.sources.iter().map(|source| source.end).collect();
        let complete: Vec<bool> = new.sources.iter().map(|source| source.complete).collect();
        let files = new.sources.iter().map(|source| source.file.as_ref());
        let (sizes, hashes): (Vec<Option<i64>>, Vec<Option<&str>>) =
            files.map(|file| file.map(|file| (bigint(file.size), file.hash.as_str())).unzip()).unzip();
        sqlx::query(
            "insert into backfill_source (backfill_id, topic, partition, first_offset, next_offset, end_offset, complete, file_size,
                                          file_hash)
             select $1, topic, partition, first, first, behind, complete, size, hash
             from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bool[], $7::bigint[], $8::text[])
                  as t (topic, partition, first, behind, complete, size, hash)",
        )
        .bind(id)
        .bind(topics)
        .bind(numbers)
        .bind(firsts)
        .bind(ends)
        .bind(complete)
        .bind(sizes)
        .bind(hashes)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        record(&mut transaction, new.owner, "backfill.begin", new.monitor, json!({ "backfill": id })).await?;
        transaction.commit().await.map_err(failed(attempted))?;
        self.backfill(id).await
    }

    /// Makes this process the writer of a backfill; whichever it was before is refused from now on.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn continue_backfill(&self, writer: BackfillWriter, owner: &str) -> Result<Backfill, StoreError> {
        sqlx::query("update backfill set runner = $2, owner = $3, active_at = now() where id = $1")
            .bind(writer.id)
            .bind(writer.runner)
            .bind(owner)
            .execute(&self.pool)
            .await
            .map_err(failed("continue a backfill"))?;
        self.backfill(writer.id).await
    }

    /// Deletes a backfill that reads, with all that it has counted. One that closes windows already must be continued: some of its
    /// records are in windows.
    ///
    /// # Errors
    /// When it no longer reads, or the database is unavailable.
    pub async fn discard_backfill(&self, id: i64, actor: &str) -> Result<(), StoreError> {
        let attempted = "discard a backfill";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let monitor: Option<String> =
            sqlx::query_scalar("delete from backfill where id = $1 and state = 'reading' returning monitor")
                .bind(id)
                .fetch_optional(&mut transaction)
                .await
                .map_err(failed(attempted))?;
        let Some(monitor) = monitor else {
            return Err(StoreError::Refused(format!(
                "backfill {id} has read everything and makes windows: it cannot be discarded\nhint: continue it with the command that \
                 began it"
            )));
        };
        record(&mut transaction, actor, "backfill.discard", &monitor, json!({ "backfill": id })).await?;
        transaction.commit().await.map_err(failed(attempted))
    }
}

/// Refuses a backfill whose records another one reads or has read.
async fn refuse_repetition(connection: &mut Session, new: NewBackfill<'_>) -> Result<(), StoreError> {
    let attempted = "look for other backfills";
    let hashes: Vec<&str> =
        new.sources.iter().filter_map(|source| source.file.as_ref().map(|file| file.hash.as_str())).collect();
    let row = sqlx::query(
        "select b.id, b.state = 'done' as done, b.starts_at, b.ends_at from backfill b
         where b.monitor = $1
           and (b.state <> 'done'
                or b.from_files = $2
                   and (not $2 or exists (select from backfill_source s where s.backfill_id = b.id and s.file_hash = any($3)))
                   and coalesce(b.starts_at, '-infinity') < coalesce($5, 'infinity'::timestamptz)
                   and coalesce($4, '-infinity'::timestamptz) < coalesce(b.ends_at, 'infinity'))
         order by b.state <> 'done' desc, b.id limit 1",
    )
    .bind(new.monitor)
    .bind(new.from_files)
    .bind(hashes)
    .bind(new.from.map(timestamp))
    .bind(new.to.map(timestamp))
    .fetch_optional(connection)
    .await
    .map_err(failed(attempted))?;
    let Some(row) = row else { return Ok(()) };
    let time = |name: &str| row.try_get::<Option<DateTime<Utc>>, _>(name).map_err(failed(attempted));
    let id: i64 = row.try_get("id").map_err(failed(attempted))?;
    let done: bool = row.try_get("done").map_err(failed(attempted))?;
    let range = range_in_words(time("starts_at")?.map(event_time), time("ends_at")?.map(event_time));
    Err(StoreError::Refused(if done {
        let what = if new.from_files { "one of these files" } else { "the topics of this monitor" };
        format!(
            "backfill {id} has read {what} already, {range}: records would be counted twice\nhint: take a range of event time that does not \
             overlap, with --from and --to"
        )
    } else {
        format!(
            "backfill {id} of monitor `{}` is not done\nhint: run the command that began it again",
            new.monitor
        )
    }))
}

/// A range of event time in words.
fn range_in_words(from: Option<EventTime>, to: Option<EventTime>) -> String {
    match (from, to) {
        (None, None) => "all event times".to_owned(),
        (Some(from), None) => format!("event times from {from}"),
        (None, Some(to)) => format!("event times before {to}"),
        (Some(from), Some(to)) => format!("event times from {from} to {to}"),
    }
}
