//! Looking after the daemon's own work: facts about input and deliveries become operational alerts. One daemon looks at a
//! time; the row of the scope is the lock and remembers when it was last looked at.

mod facts;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::types::Json;

use super::alerts::{By, Owner, later_change, read_alert, store_states, write_changes};
use super::configurations::differences;
use super::session::Session;
use super::{Store, StoreError, bigint, event_time, failed};
use crate::alert::{ChangeReason, OperationalLimits, OperationalRule, SeriesAlerts, Sign};
use crate::closing::{CheckScope, decide_checks};
use crate::record::{EventTime, FieldPath, ModelSchema, Offset, RejectReason, TimeFormat, TimeSpan};
use crate::window::Partition;

use facts::{dead_deliveries, facts_of, missing_baseline};

/// Where a log ends, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedEnd {
    pub partition: Partition,
    /// The offset up to which it can be read.
    pub readable: Offset,
    /// Offsets behind that, which belong to open transactions.
    pub held_back: u64,
}

/// Whose input is looked at.
#[derive(Clone, Copy, Debug)]
pub struct InputCheck<'a> {
    /// The monitor, and whom to tell.
    pub scope: CheckScope<'a>,
    /// The topics it reads.
    pub topics: &'a [String],
    /// Its columns.
    pub schema: &'a ModelSchema,
    /// Whether a baseline is learned as long as there is none.
    pub learns: bool,
    /// Topics of its configuration that no broker has ever shown.
    pub unknown_topics: &'a [String],
    /// Versions and segments that are counted apart.
    pub max_series: usize,
    /// Records that a window needs for a verdict.
    pub min_records: u64,
    /// How event times are written; none when they are those of the messages.
    pub time_format: Option<TimeFormat>,
    /// What `where` wants: paths and values.
    pub filters: &'a [(FieldPath, String)],
    /// From where on something is wrong.
    pub limits: &'a OperationalLimits,
}

/// Counts of records at a look.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RecordCounts {
    accepted: u64,
    late: u64,
    filtered: u64,
    reasons: BTreeMap<String, u64>,
}

impl RecordCounts {
    /// Records rejected since an earlier look, by reason. Messages without a value are how a compacted topic deletes a key,
    /// not records that cannot be used.
    fn rejected_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let grown = |(reason, number): (&String, &u64)| {
            let number = number.saturating_sub(before.reasons.get(reason).copied().unwrap_or(0));
            (number > 0 && reason != RejectReason::Tombstone.as_str()).then(|| (reason.clone(), number))
        };
        self.reasons.iter().filter_map(grown).collect()
    }
}

struct Locked {
    alerts: SeriesAlerts,
    counted: RecordCounts,
    now: EventTime,
}

impl Store {
    /// Looks at a monitor's input, unless somebody did within `interval`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn check_input(&self, watched: InputCheck<'_>, interval: TimeSpan) -> Result<(), StoreError> {
        let attempted = "look at a monitor's input";
        let monitor = watched.scope.monitor;
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let Some(locked) = lock(&mut transaction, monitor, interval).await.map_err(failed(attempted))? else {
            return Ok(());
        };
        let missing = missing_baseline(&mut transaction, &watched).await?;
        let (facts, counted) =
            facts_of(&mut transaction, &watched, &locked.counted, missing).await.map_err(failed(attempted))?;
        let signs: Vec<(Option<String>, Sign)> =
            facts.signs(watched.limits).into_iter().map(|sign| (None, sign)).collect();
        // Shares are judged again when there are enough new records.
        let remembered = if facts.enough_records() { counted } else { locked.counted.clone() };
        finish(&mut transaction, watched.scope, &Locked { counted: remembered, ..locked }, &signs).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Looks at the deliveries to these receivers, unless somebody did within `interval`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn check_deliveries(
        &self,
        scope: CheckScope<'_>,
        receivers: &[String],
        interval: TimeSpan,
    ) -> Result<(), StoreError> {
        let attempted = "look at the deliveries";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let Some(locked) = lock(&mut transaction, scope.monitor, interval).await.map_err(failed(attempted))?
        else {
            return Ok(());
        };
        // A receiver that is no longer configured has no delivery task. Messages to all others fail only after an attempt,
        // by the daemon that makes it: the daemon may have been away for days.
        sqlx::query(
            "update notification set status = 'dead', finished_at = now()
             where status = 'pending' and waiting_since < now() - interval '4 days' and receiver <> all($1)",
        )
        .bind(receivers)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let dead = dead_deliveries(&mut transaction).await.map_err(failed(attempted))?;
        let differences = differences(&mut transaction, scope.monitor).await.map_err(failed(attempted))?;
        let differ = Sign::of_all(OperationalRule::ConfigurationsDiffer, &differences);
        let signs: Vec<(Option<String>, Sign)> = receivers
            .iter()
            .map(|receiver| {
                let sign = Sign::new(OperationalRule::DeadDeliveries, dead.get(receiver).cloned());
                (Some(receiver.clone()), sign)
            })
            .chain([(None, differ)])
            .collect();
        finish(&mut transaction, scope, &locked, &signs).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Ends the alerts of series (a model version and segment) that have no more records while others of the monitor do:
    /// those whose newest window starts more than `silence` before the newest of all. A monitor without any
    /// records ends nothing. How many series.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_alerts_of_gone_series(&self, monitor: &str, silence: TimeSpan) -> Result<usize, StoreError> {
        let attempted = "end the alerts of versions and segments without records";
        let rows = sqlx::query(
            "select s.model_version, s.segment, own.ends_at, newest.ends_at as newest from series s
             cross join lateral (
                 select w.starts_at, w.ends_at from model_window w
                 where w.monitor = s.monitor and w.model_version = s.model_version and w.segment = s.segment
                 order by w.starts_at desc limit 1) own
             cross join (select w.starts_at, w.ends_at from model_window w
                         where w.monitor = $1 and w.status = 'closed' order by w.starts_at desc limit 1) newest
             where s.monitor = $1 and s.alerts @? '$.states.* ? (@.phase != \"inactive\")'
               and newest.starts_at > own.starts_at + make_interval(secs => $2)",
        )
        .bind(monitor)
        .bind(silence.as_seconds())
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        for row in &rows {
            let read = || -> Result<(String, String, DateTime<Utc>, DateTime<Utc>), sqlx::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
            };
            let (version, segment, last, newest) = read().map_err(failed(attempted))?;
            let detail = format!(
                "no records since its window that ended {}, while others of the monitor have some up to {}",
                event_time(last),
                event_time(newest)
            );
            self.end_series(monitor, &version, &segment, &detail).await?;
        }
        Ok(rows.len())
    }

    async fn end_series(
        &self,
        monitor: &str,
        version: &str,
        segment: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let attempted = "end the alerts of a version or segment without records";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let states: Option<Json<SeriesAlerts>> = sqlx::query_scalar(
            "select alerts from series where monitor = $1 and model_version = $2 and segment = $3
             for no key update skip locked",
        )
        .bind(monitor)
        .bind(version)
        .bind(segment)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let Some(Json(mut states)) = states else { return Ok(()) };
        let mut changes = Vec::new();
        for transition in states.end_all(ChangeReason::NoMoreRecords) {
            let alert = read_alert(&mut transaction, transition.change.id).await?.view;
            changes.push(later_change(transition, alert));
        }
        let owner = Owner { monitor, version, segment };
        store_states(&mut transaction, owner, &states, None).await?;
        let by = By { actor: "driftd", detail, window: None, revision: 0 };
        write_changes(&mut transaction, owner, &changes, by).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Remembers where logs end, as their readers see it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_log_ends(&self, ends: &[NotedEnd]) -> Result<(), StoreError> {
        let topics: Vec<&str> = ends.iter().map(|end| end.partition.topic.as_ref()).collect();
        let numbers: Vec<i32> = ends.iter().map(|end| end.partition.partition).collect();
        let offsets: Vec<Offset> = ends.iter().map(|end| end.readable).collect();
        let held_back: Vec<i64> = ends.iter().map(|end| bigint(end.held_back)).collect();
        // As long as the readable part does not grow, it is the same transaction that holds messages back.
        sqlx::query(
            "update source_partition p set log_end = seen.log_end, held_back = seen.held_back,
                    held_since = case when seen.held_back = 0 then null
                                      when p.log_end = seen.log_end then coalesce(p.held_since, now())
                                      else now() end
             from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
                  as seen (topic, partition, log_end, held_back)
             where p.topic = seen.topic and p.partition = seen.partition",
        )
        .bind(topics)
        .bind(numbers)
        .bind(offsets)
        .bind(held_back)
        .execute(&self.pool)
        .await
        .map_err(failed("note where logs end"))?;
        Ok(())
    }
}

async fn lock(connection: &mut Session, scope: &str, interval: TimeSpan) -> Result<Option<Locked>, sqlx::Error> {
    sqlx::query("insert into operational_state (scope) values ($1) on conflict do nothing")
        .bind(scope)
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query(
        "select alerts, tally, now() as at from operational_state
         where scope = $1 and (looked_at is null or looked_at <= now() - make_interval(secs => $2))
         for update skip locked",
    )
    .bind(scope)
    .bind(interval.as_seconds())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Locked {
        alerts: row.try_get::<Json<SeriesAlerts>, _>("alerts")?.0,
        counted: row.try_get::<Json<RecordCounts>, _>("tally")?.0,
        now: event_time(row.try_get::<DateTime<Utc>, _>("at")?),
    }))
}

async fn finish(
    connection: &mut Session,
    scope: CheckScope<'_>,
    locked: &Locked,
    signs: &[(Option<String>, Sign)],
) -> Result<(), StoreError> {
    let (alerts, changes) = decide_checks(&locked.alerts, scope, signs, locked.now);
    sqlx::query("update operational_state set alerts = $2, tally = $3, looked_at = now() where scope = $1")
        .bind(scope.monitor)
        .bind(Json(&alerts))
        .bind(Json(&locked.counted))
        .execute(&mut *connection)
        .await
        .map_err(failed("store operational alerts"))?;
    let owner = Owner { monitor: scope.monitor, version: "", segment: crate::window::WHOLE };
    write_changes(connection, owner, &changes, By { actor: "driftd", detail: "", window: None, revision: 0 }).await
}
