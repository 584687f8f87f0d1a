//! The deltas of windows: added to those that are open, counted as late where the window was closed before.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use crate::distribution::IpcError;
use crate::record::{EventTime, Offset, TimeSpan};
use crate::store::session::Session;
use crate::store::{StoreError, bigint, failed, timestamp};
use crate::window::{Example, OffsetRanges, Partition, WHOLE, WindowDelta, WindowKey};

/// A delta as it will be stored.
pub(in crate::store) struct Prepared {
    pub(in crate::store) key: WindowKey,
    pub(in crate::store) end: EventTime,
    pub(in crate::store) binning: Uuid,
    pub(in crate::store) rows: u64,
    pub(in crate::store) counts: Vec<u8>,
    pub(in crate::store) sample: Option<Vec<u8>>,
    pub(in crate::store) ranges: Json<OffsetRanges>,
    /// For the case that it is late: where its first record lies.
    pub(in crate::store) first: Option<(Partition, Offset)>,
}

/// Serialises a delta.
pub(in crate::store) fn prepare(window: &mut WindowDelta) -> Result<Prepared, IpcError> {
    Ok(Prepared {
        key: window.key.clone(),
        end: window.end,
        binning: window.counts.binnings().id(),
        rows: window.counts.rows(),
        counts: window.counts.to_ipc()?,
        sample: window.sample.to_ipc()?,
        ranges: Json(window.ranges.clone()),
        first: window.ranges.as_slice().first().map(|(partition, offset, _)| (partition.clone(), *offset)),
    })
}

fn late_example(first: Option<(Partition, Offset)>, start: EventTime) -> Option<Example> {
    let (partition, offset) = first?;
    let why = format!(
        "its window from {start} was closed before it came: other records were further ahead than `window.out_of_orderness` allows \
         for, or its partition was silent for longer than `window.idle_after`"
    );
    Some(Example { partition, offset, why })
}

/// What a window takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// It is open.
    Records,
    /// It is closed, and is judged again with what comes.
    LateRecords,
    /// It is closed for good.
    Nothing,
}

/// Records for windows that were closed already, for good.
#[derive(Default)]
pub(in crate::store) struct Late {
    /// How many, of the whole.
    pub(in crate::store) rows: u64,
    pub(super) example: Option<Example>,
}

/// Adds deltas to open windows, and to closed ones that are amended. The records for the others, `None` when a window is pinned to other bins.
pub(in crate::store) async fn add_windows(
    connection: &mut Session,
    monitor: &str,
    (counted_as, amend): (&str, TimeSpan),
    windows: Vec<Prepared>,
) -> Result<Option<Late>, StoreError> {
    if windows.is_empty() {
        return Ok(Some(Late::default()));
    }
    let versions: Vec<&str> = windows.iter().map(|window| window.key.version.as_str()).collect();
    let segments: Vec<&str> = windows.iter().map(|window| window.key.segment.as_str()).collect();
    let starts: Vec<DateTime<Utc>> = windows.iter().map(|window| timestamp(window.key.start)).collect();
    let ends: Vec<DateTime<Utc>> = windows.iter().map(|window| timestamp(window.end)).collect();
    let binnings: Vec<Uuid> = windows.iter().map(|window| window.binning).collect();
    // Series that are counted apart were admitted before; what is new here takes the others.
    sqlx::query(
        "insert into series (monitor, model_version, segment, member)
         select distinct $1, v, s, false from unnest($2::text[], $3::text[]) as t (v, s) order by 2, 3
         on conflict do nothing",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .execute(&mut *connection)
    .await
    .map_err(failed("open series"))?;
    // The baseline is what pages show of open windows, and what daemons of the version before compare them with.
    sqlx::query(
        "with newest as (
             select distinct on (binning_id) binning_id, id from baseline
             where monitor = $1 and binning_id = any($6) order by binning_id, active desc, version desc)
         insert into model_window (monitor, counted_as, model_version, segment, starts_at, ends_at, binning_id, baseline_id)
         select $1, $7, v, s, starts_at, ends_at, bins, newest.id
         from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::uuid[])
              as t (v, s, starts_at, ends_at, bins)
         left join newest on newest.binning_id = bins
         order by 3, 4, 5 on conflict do nothing",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .bind(&starts)
    .bind(ends)
    .bind(binnings)
    .bind(counted_as)
    .execute(&mut *connection)
    .await
    .map_err(failed("open windows"))?;
    let rows = sqlx::query(
        "select w.id, w.status = 'open' as open, w.binning_id,
                $6 > 0 and w.backfill_id is null and w.counts is not null and w.closed_at > now() - make_interval(secs => $6) as amendable, w.model_version, w.segment, w.starts_at
         from model_window w
         join unnest($2::text[], $3::text[], $4::timestamptz[]) as wanted (model_version, segment, starts_at)
              using (model_version, segment, starts_at)
         where w.monitor = $1 and w.counted_as = $5
         order by w.id for share of w",
    )
    .bind(monitor)
    .bind(&versions)
    .bind(&segments)
    .bind(&starts)
    .bind(counted_as)
    .bind(amend.as_seconds())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("lock windows"))?;
    let mut known = HashMap::new();
    for row in rows {
        let read = || -> Result<_, sqlx::Error> {
            let key = (
                row.try_get::<String, _>("model_version")?,
                row.try_get::<String, _>("segment")?,
                row.try_get::<DateTime<Utc>, _>("starts_at")?,
            );
            let takes = match (row.try_get("open")?, row.try_get::<Option<bool>, _>("amendable")?) {
                (true, _) => Takes::Records,
                (false, Some(true)) => Takes::LateRecords,
                (false, _) => Takes::Nothing,
            };
            Ok((key, (row.try_get::<i64, _>("id")?, takes, row.try_get::<Uuid, _>("binning_id")?)))
        };
        let (key, window) = read().map_err(failed("lock windows"))?;
        known.insert(key, window);
    }
    let mut late = Late::default();
    let (mut late_ids, mut late_rows) = (Vec::new(), Vec::new());
    let (mut ids, mut counted, mut counts, mut samples, mut ranges, mut amending) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for window in windows {
        let key = (window.key.version, window.key.segment, timestamp(window.key.start));
        let Some((id, takes, binning)) = known.get(&key) else {
            return Err(StoreError::Damaged {
                what: "a window".to_owned(),
                why: "it vanished while being locked".to_owned(),
            });
        };
        if *takes == Takes::Nothing {
            if key.1 == WHOLE {
                late.rows = late.rows.saturating_add(window.rows);
                late.example = late.example.take().or_else(|| late_example(window.first, window.key.start));
            }
            late_ids.push(*id);
            late_rows.push(bigint(window.rows));
        } else if *binning == window.binning {
            ids.push(*id);
            amending.push(*takes == Takes::LateRecords);
            counted.push(bigint(window.rows));
            counts.push(window.counts);
            samples.push(window.sample);
            ranges.push(window.ranges);
        } else {
            return Ok(None);
        }
    }
    sqlx::query(
        "insert into window_delta (window_id, rows, counts, sample, ranges, late)
         select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::jsonb[], $6::boolean[])",
    )
    .bind(ids)
    .bind(counted)
    .bind(counts)
    .bind(samples)
    .bind(ranges)
    .bind(amending)
    .execute(&mut *connection)
    .await
    .map_err(failed("add counts"))?;
    if !late_ids.is_empty() {
        sqlx::query("insert into window_late (window_id, rows) select * from unnest($1::bigint[], $2::bigint[])")
            .bind(late_ids)
            .bind(late_rows)
            .execute(&mut *connection)
            .await
            .map_err(failed("count late records"))?;
    }
    Ok(Some(late))
}
