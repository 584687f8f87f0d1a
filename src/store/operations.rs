//! Looking after the daemon's own work: facts about input and deliveries become operational alerts. One daemon looks at a
//! time; the row of the scope is the lock and remembers when it was last looked at.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::alerts::{By, Owner, later_change, read_alert, store_states, write_changes};
use super::close::binning;
use super::configurations::differences;
use super::learning::segments_without_baseline;
use super::positions::seconds;
use super::readers::conflicts;
use super::session::Session;
use super::{Store, StoreError, count, event_time, failed};
use crate::alert::{
    ChangeReason, HeldBack, MissingBaseline, OperationalFacts, OperationalLimits, OperationalRule, SeriesAlerts,
    Sign,
};
use crate::decision::{LookScope, decide_look};
use crate::record::{EventTime, FieldPath, ModelSchema, RejectReason, TimeFormat, number_of, plural};
use crate::view::{NotCounted, Reading};
use crate::window::Partition;

/// Where a log ends, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedEnd {
    /// Which partition.
    pub partition: Partition,
    /// The offset up to which it can be read.
    pub readable: i64,
    /// Offsets behind that, which belong to open transactions.
    pub held_back: i64,
}

/// Whose input is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The monitor, and whom to tell.
    pub scope: LookScope<'a>,
    /// The topics it reads.
    pub topics: &'a [String],
    /// Its columns.
    pub schema: &'a ModelSchema,
    /// Whether a baseline is learnt as long as there is none.
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
struct Counted {
    accepted: u64,
    late: u64,
    filtered: u64,
    /// By reason.
    reasons: BTreeMap<String, u64>,
}

impl Counted {
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
    counted: Counted,
    now: EventTime,
}

impl Store {
    /// Looks at a monitor's input, unless somebody did within `interval` microseconds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look_at_monitor(&self, watched: Watched<'_>, interval: i64) -> Result<(), StoreError> {
        let attempted = "look at a monitor's input";
        let monitor = watched.scope.monitor;
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let Some(locked) = lock(&mut transaction, monitor, interval).await.map_err(failed(attempted))? else {
            return Ok(());
        };
        let missing = missing_baseline(&mut transaction, &watched).await?;
        let (facts, counted) =
            facts(&mut transaction, &watched, &locked.counted, missing).await.map_err(failed(attempted))?;
        let signs: Vec<(Option<String>, Sign)> =
            facts.signs(watched.limits).into_iter().map(|sign| (None, sign)).collect();
        // Shares are judged again when there are enough new records.
        let remembered = if facts.enough_records() { counted } else { locked.counted.clone() };
        finish(&mut transaction, watched.scope, &Locked { counted: remembered, ..locked }, &signs).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Looks at the deliveries to these receivers, unless somebody did within `interval` microseconds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look_at_deliveries(
        &self,
        scope: LookScope<'_>,
        receivers: &[String],
        interval: i64,
    ) -> Result<(), StoreError> {
        let attempted = "look at the deliveries";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let Some(locked) = lock(&mut transaction, scope.monitor, interval).await.map_err(failed(attempted))?
        else {
            return Ok(());
        };
        // A receiver that is not configured any more has nobody who would deliver. To all others a message is given up
        // by whoever tries to deliver it, never untried: the daemon may have been away for days.
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

    /// Ends the alerts of series (a model version and segment) that have no records any more while others of the monitor do:
    /// those whose newest window starts more than `silence` microseconds before the newest of all. A monitor without any
    /// records ends nothing. How many series.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_alerts_of_gone_series(&self, monitor: &str, silence: i64) -> Result<usize, StoreError> {
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
        .bind(seconds(silence))
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
        store_states(&mut transaction, owner, &states).await?;
        let by = By { actor: "driftd", detail, window: None };
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
        let offsets: Vec<i64> = ends.iter().map(|end| end.readable).collect();
        let held_back: Vec<i64> = ends.iter().map(|end| end.held_back).collect();
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

async fn lock(connection: &mut Session, scope: &str, interval: i64) -> Result<Option<Locked>, sqlx::Error> {
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
    .bind(seconds(interval))
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Locked {
        alerts: row.try_get::<Json<SeriesAlerts>, _>("alerts")?.0,
        counted: row.try_get::<Json<Counted>, _>("tally")?.0,
        now: event_time(row.try_get::<DateTime<Utc>, _>("at")?),
    }))
}

async fn finish(
    connection: &mut Session,
    scope: LookScope<'_>,
    locked: &Locked,
    signs: &[(Option<String>, Sign)],
) -> Result<(), StoreError> {
    let (alerts, changes) = decide_look(&locked.alerts, scope, signs, locked.now);
    sqlx::query("update operational_state set alerts = $2, tally = $3, looked_at = now() where scope = $1")
        .bind(scope.monitor)
        .bind(Json(&alerts))
        .bind(Json(&locked.counted))
        .execute(&mut *connection)
        .await
        .map_err(failed("store operational alerts"))?;
    let owner = Owner { monitor: scope.monitor, version: "", segment: crate::window::WHOLE };
    write_changes(connection, owner, &changes, By { actor: "driftd", detail: "", window: None }).await
}

async fn facts(
    connection: &mut Session,
    watched: &Watched<'_>,
    before: &Counted,
    baseline_missing: Option<MissingBaseline>,
) -> Result<(OperationalFacts, Counted), sqlx::Error> {
    let monitor = watched.scope.monitor;
    let silent_for: Option<i64> = sqlx::query_scalar(
        "select (extract(epoch from now() - max(counted_at)) * 1e6)::bigint from monitor_partition where monitor = $1",
    )
    .bind(monitor)
    .fetch_one(&mut *connection)
    .await?;
    let partitions = sqlx::query(
        "select topic || '/' || partition as name, greatest(log_end - next_offset, 0) as lag,
                (extract(epoch from now() - progressed_at) * 1e6)::bigint as still,
                held_back, (extract(epoch from now() - held_since) * 1e6)::bigint as held_for, topic, fault, fault_detail
         from source_partition where topic = any($1) order by topic, partition",
    )
    .bind(watched.topics)
    .fetch_all(&mut *connection)
    .await?;
    let mut lag = 0;
    let (mut stuck, mut held, mut replaced, mut deleted) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    for row in partitions {
        let behind: i64 = row.try_get::<Option<i64>, _>("lag")?.unwrap_or(0);
        let still: i64 = row.try_get("still")?;
        lag = behind.saturating_add(lag);
        match row.try_get::<Option<&str>, _>("fault")? {
            Some("deleted") => {
                deleted.insert(row.try_get("topic")?);
                continue;
            }
            Some(_) => {
                let detail: Option<String> = row.try_get("fault_detail")?;
                replaced.push((row.try_get("name")?, format!("({})", detail.unwrap_or_default())));
                continue;
            }
            None => {}
        }
        if behind > 0 && still > watched.limits.stuck {
            stuck.push((row.try_get("name")?, still));
        }
        let held_for: Option<i64> = row.try_get("held_for")?;
        if let Some(held_for) = held_for.filter(|held_for| *held_for > watched.limits.stuck) {
            held.push(HeldBack {
                partition: row.try_get("name")?,
                messages: count(row.try_get("held_back")?),
                held_for,
            });
        }
    }
    let tallies = sqlx::query(
        "select outcome, reason, least(sum(count), 9223372036854775807)::bigint as count from record_tally where monitor = $1 group by 1, 2",
    )
    .bind(monitor)
    .fetch_all(&mut *connection)
    .await?;
    let mut now = Counted::default();
    let add = |total: &mut u64, number: u64| *total = total.saturating_add(number);
    for row in tallies {
        let number = count(row.try_get("count")?);
        match row.try_get::<&str, _>("outcome")? {
            "accepted" => add(&mut now.accepted, number),
            "late" => add(&mut now.late, number),
            "filtered" => add(&mut now.filtered, number),
            "rejected" => add(now.reasons.entry(row.try_get("reason")?).or_default(), number),
            _ => {}
        }
    }
    let reading = super::notes::reading(&mut *connection, monitor).await?;
    let newest_event: Option<DateTime<Utc>> =
        sqlx::query_scalar("select max(newest) from monitor_partition where monitor = $1")
            .bind(monitor)
            .fetch_one(&mut *connection)
            .await?;
    let gaps = sqlx::query(
        "select topic || '/' || partition as name, least(sum(to_offset - from_offset), 9223372036854775807)::bigint as lost from retention_gap
         where topic = any($1) and reason = 'retention' and noticed_at > now() - interval '1 hour' group by 1 order by 1",
    )
    .bind(watched.topics)
    .fetch_all(&mut *connection)
    .await?;
    let gaps = gaps
        .iter()
        .map(|row| Ok((row.try_get("name")?, count(row.try_get("lost")?))))
        .collect::<Result<_, sqlx::Error>>()?;
    let unanswered: i64 = sqlx::query_scalar(
        "select count(*) from retraining_request
         where monitor = $1 and state = 'expired' and updated_at > now() - interval '1 day'",
    )
    .bind(monitor)
    .fetch_one(&mut *connection)
    .await?;
    let full = super::membership::is_full(connection, monitor).await?;
    let conflicts = conflicts(&mut *connection, watched.topics).await?;
    let differences = differences(&mut *connection, monitor).await?;
    let segments = segments_without_baseline(connection, monitor).await?;
    // A handful of records, such as a mistyped value, is no segment that anybody misses.
    let segments = segments.into_iter().filter(|segment| segment.last_rows >= watched.min_records);
    let facts = OperationalFacts {
        silent_for,
        lag,
        accepted: now.accepted.saturating_sub(before.accepted),
        late: now.late.saturating_sub(before.late),
        rejected: now.rejected_since(before),
        examples: newest_examples(&reading),
        filtered_only: (now.accepted == 0 && now.late == 0).then_some(now.filtered),
        filters: filters_in_words(watched.filters, &reading),
        unreadable: unreadable_in_words(&reading),
        counted: now.accepted,
        newest: newest_event.map(event_time),
        time_format: watched.time_format,
        gaps,
        stuck,
        replaced,
        missing_topics: deleted.into_iter().chain(watched.unknown_topics.iter().cloned()).collect(),
        series_full: full.then_some(watched.max_series),
        held,
        conflicts,
        differences,
        baseline_missing,
        segments: segments.map(|segment| (segment.segment, segment.since)).collect(),
        unanswered: count(unanswered),
    };
    Ok((facts, now))
}

/// Why windows have no baseline; none when the newest one had one, when one is being learnt, and when the next windows will
/// have one.
async fn missing_baseline(
    connection: &mut Session,
    watched: &Watched<'_>,
) -> Result<Option<MissingBaseline>, StoreError> {
    let attempted = failed("look for the baseline of a monitor");
    let monitor = watched.scope.monitor;
    let newest: Option<String> = sqlx::query_scalar(
        "select verdict from model_window where monitor = $1 and segment = '*' and status = 'closed'
         order by closed_at desc, id desc limit 1",
    )
    .bind(monitor)
    .fetch_optional(&mut *connection)
    .await
    .map_err(&attempted)?;
    if newest.as_deref() != Some("no_baseline") {
        return Ok(None);
    }
    let versions: Vec<(i32, Uuid, bool)> =
        sqlx::query_as("select version, binning_id, active from baseline where monitor = $1")
            .bind(monitor)
            .fetch_all(&mut *connection)
            .await
            .map_err(&attempted)?;
    let Some((version, id, _)) = versions.iter().find(|(_, _, active)| *active) else {
        return Ok((!versions.is_empty() || !watched.learns).then_some(MissingBaseline::NoneActive));
    };
    let binnings = binning(connection, *id).await?;
    let unfit = || MissingBaseline::Unfit { version: *version, columns: binnings.unfit_columns(watched.schema) };
    Ok((!binnings.fits(watched.schema)).then(unfit))
}

/// The newest examples of each reason: where they lie, and why they were not counted; with the hint of the first.
fn newest_examples(reading: &Reading) -> BTreeMap<String, String> {
    let mut examples: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for example in &reading.not_counted {
        let NotCounted { reason, topic, partition, offset, why, .. } = example;
        let (what, hint) = why.split_once("\nhint: ").unwrap_or((why, ""));
        let (whats, first_hint) = examples.entry(reason.clone()).or_default();
        if whats.is_empty() {
            first_hint.push_str(hint);
        }
        // Examples of other kinds are worth the room; the same again is not.
        if whats.len() < 2 && !whats.iter().any(|known| is_alike(known, what)) {
            whats.push(if whats.is_empty() {
                format!("{topic}/{partition} at {offset}: {what}")
            } else {
                what.to_owned()
            });
        }
    }
    let joined = |(whats, hint): (Vec<String>, String)| {
        let hint = if hint.is_empty() { hint } else { format!("\nhint: {hint}") };
        whats.join("; or ") + &hint
    };
    examples.into_iter().map(|(reason, example)| (reason, joined(example))).collect()
}

/// Whether one explanation begins as another, which may have its place before it, goes on.
fn is_alike(known: &str, what: &str) -> bool {
    let begin: String = what.chars().take(24).collect();
    known.contains(&begin)
}

/// What each filter wants and what it sees instead.
fn filters_in_words(filters: &[(FieldPath, String)], reading: &Reading) -> Vec<String> {
    let in_words = |(path, wanted): &(FieldPath, String)| {
        let path = path.to_string();
        let seen = reading.filters.iter().find(|filter| filter.path == path)?;
        Some(format!("`{path}` must be `{wanted}`, the values seen are {}", seen.values.join(", ")))
    };
    filters.iter().filter_map(in_words).collect()
}

/// Columns that cannot be read, in words; of those derived from one field the first stands for all.
fn unreadable_in_words(reading: &Reading) -> Vec<(String, String)> {
    let enough = reading.unreadable.iter().filter(|column| column.records >= crate::alert::MIN_RECORDS);
    let mut paths = BTreeSet::new();
    enough
        .filter(|column| paths.insert(column.path.as_str()))
        .map(|column| (column.column.clone(), column.in_words()))
        .collect()
}

/// Receivers with messages that were given up in the last hour, or that are switched off, and what is wrong.
async fn dead_deliveries(connection: &mut Session) -> Result<BTreeMap<String, String>, sqlx::Error> {
    let rows = sqlx::query(
        "select n.receiver, count(*)::bigint as dead,
                (select d.outcome from delivery_attempt d join notification m on m.id = d.notification_id
                 where m.receiver = n.receiver and m.status = 'dead' order by d.finished_at desc limit 1) as outcome
         from notification n where n.status = 'dead' and n.finished_at > now() - interval '1 hour' group by n.receiver",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dead = BTreeMap::new();
    for row in rows {
        let (receiver, number): (String, i64) = (row.try_get("receiver")?, row.try_get("dead")?);
        let outcome: Option<String> = row.try_get("outcome")?;
        let why = outcome.map_or(String::new(), |outcome| format!(" ({outcome})"));
        let were = plural(number, "was", "were");
        let messages = number_of(number, "message");
        dead.insert(receiver.clone(), format!("{messages} to receiver `{receiver}` {were} given up{why}"));
    }
    let disabled: Vec<(String, String)> =
        sqlx::query_as("select receiver, detail from receiver_state").fetch_all(connection).await?;
    for (receiver, detail) in disabled {
        dead.insert(receiver.clone(), format!("receiver `{receiver}` says that it is gone for good: {detail}"));
    }
    Ok(dead)
}
