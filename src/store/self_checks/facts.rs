//! What is known of a monitor at one look, from what is stored.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use super::{InputCheck, RecordCounts};
use crate::alert::{HeldBack, MissingBaseline, OperationalFacts};
use crate::record::{FieldPath, TimeSpan, number_of};
use crate::store::close::binning;
use crate::store::configurations::differences;
use crate::store::learning::segments_without_baseline;
use crate::store::readers::conflicts;
use crate::store::session::Session;
use crate::store::{StoreError, count, event_time, failed};
use crate::view::{NotCounted, Reading};

pub(super) async fn facts_of(
    connection: &mut Session,
    watched: &InputCheck<'_>,
    before: &RecordCounts,
    baseline_missing: Option<MissingBaseline>,
) -> Result<(OperationalFacts, RecordCounts), sqlx::Error> {
    let monitor = watched.scope.monitor;
    let silent_for: Option<TimeSpan> = sqlx::query_scalar(
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
        let still: TimeSpan = row.try_get("still")?;
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
        let held_for: Option<TimeSpan> = row.try_get("held_for")?;
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
    let mut now = RecordCounts::default();
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
    let reading = crate::store::notes::reading(&mut *connection, monitor).await?;
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
    let full = crate::store::membership::is_full(connection, monitor).await?;
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
        segments: segments.map(|segment| (segment.segment, segment.since.to_string())).collect(),
        unanswered: count(unanswered),
    };
    Ok((facts, now))
}

/// Why windows have no baseline; none when the newest one had one, when one is being learned, and when the next windows will
/// have one.
pub(super) async fn missing_baseline(
    connection: &mut Session,
    watched: &InputCheck<'_>,
) -> Result<Option<MissingBaseline>, StoreError> {
    let attempted = failed("look for the baseline of a monitor");
    let monitor = watched.scope.monitor;
    let newest: Option<String> = sqlx::query_scalar(
        "select verdict from model_window where monitor = $1 and segment = '*' and status = 'closed'
           and backfill_id is null
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

/// Receivers with messages that failed in the last hour, or that are switched off, and what is wrong.
pub(super) async fn dead_deliveries(connection: &mut Session) -> Result<BTreeMap<String, String>, sqlx::Error> {
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
        let messages = number_of(number, "message");
        dead.insert(receiver.clone(), format!("{messages} to receiver `{receiver}` failed permanently{why}"));
    }
    let disabled: Vec<(String, String)> =
        sqlx::query_as("select receiver, detail from receiver_state").fetch_all(connection).await?;
    for (receiver, detail) in disabled {
        dead.insert(
            receiver.clone(),
            format!("receiver `{receiver}` reported that its address is gone: {detail}"),
        );
    }
    Ok(dead)
}
