//! Closed windows with their counts, to be judged again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::close::binning;
use super::selection::WindowSelection;
use super::{Store, StoreError, count, damaged, event_time, failed, named, timestamp};
use crate::baseline::Baseline;
use crate::binning::BinningSet;
use crate::distribution::{MAX_SAMPLE, RecordSample, WindowCounts};
use crate::judge::Verdict;
use crate::record::EventTime;
use crate::reference::RowsOfWindow;
use crate::replay::CountedWindow;
use crate::window::WindowKey;

/// Windows that are judged again in one go at most.
const MOST: i64 = 500_000;

/// The closed windows of a period: their ids by start, oldest first, and the bins they were counted on.
#[derive(Clone, Debug, Default)]
pub struct StoredPeriod {
    /// The ids of the windows of each start.
    pub starts: Vec<(EventTime, Vec<i64>)>,
    binnings: BTreeSet<Uuid>,
}

/// A closed window, and the verdict on it.
#[derive(Clone, Debug)]
pub struct ClosedWindowCounts {
    pub window: CountedWindow,
    pub verdict: Verdict,
}

impl Store {
    /// The closed windows of a monitor that start in a period and still have their counts.
    ///
    /// # Errors
    /// When there are too many, or the database is away.
    pub async fn windows_with_counts(
        &self,
        monitor: &str,
        from: EventTime,
        to: EventTime,
    ) -> Result<StoredPeriod, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("list closed windows"))?;
        let selection = WindowSelection::closed(monitor).starting_within(&[(from, to)]);
        let windows = selection.oldest(&mut connection, MOST + 1).await?;
        if super::bigint(windows.len() as u64) > MOST {
            return Err(StoreError::Refused(format!(
                "monitor `{monitor}` has more than {MOST} closed windows from {from} to {to}\nhint: choose a shorter period"
            )));
        }
        let mut period = StoredPeriod::default();
        for window in windows {
            period.binnings.insert(window.binning);
            match period.starts.last_mut().filter(|(start, _)| *start == window.start) {
                Some((_, ids)) => ids.push(window.id),
                None => period.starts.push((window.start, vec![window.id])),
            }
        }
        Ok(period)
    }

    /// Closed windows with all that was counted in them, ordered by version and segment; with their samples if wanted.
    ///
    /// # Errors
    /// When something stored is damaged, or the database is away.
    pub async fn stored_windows(
        &self,
        ids: &[i64],
        with_samples: bool,
    ) -> Result<Vec<ClosedWindowCounts>, StoreError> {
        let attempted = "read closed windows";
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let rows = sqlx::query(
            "select id, model_version, segment, starts_at, ends_at, binning_id, counts, ranges, complete, verdict,
                    case when $2 then sample end as sample
             from model_window where id = any($1) and status = 'closed' and counts is not null
             order by starts_at, model_version, segment",
        )
        .bind(ids)
        .bind(with_samples)
        .fetch_all(&mut connection)
        .await
        .map_err(failed(attempted))?;
        let mut binnings: HashMap<Uuid, Arc<BinningSet>> = HashMap::new();
        let mut windows = Vec::with_capacity(rows.len());
        for row in rows {
            let id: Uuid = row.try_get("binning_id").map_err(failed(attempted))?;
            let set = match binnings.get(&id) {
                Some(set) => Arc::clone(set),
                None => {
                    let set = binning(&mut connection, id).await?;
                    binnings.insert(id, Arc::clone(&set));
                    set
                }
            };
            windows.push(stored(&row, set)?);
        }
        Ok(windows)
    }

    /// The numbers of records of complete windows that start in a period, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rows_of_windows(
        &self,
        monitor: &str,
        from: EventTime,
        to: EventTime,
    ) -> Result<Vec<(WindowKey, RowsOfWindow)>, StoreError> {
        let rows = sqlx::query(
            "select model_version, segment, starts_at, ends_at, rows from model_window
             where monitor = $1 and starts_at >= $2 and starts_at < $3 and status = 'closed' and complete
             order by starts_at",
        )
        .bind(monitor)
        .bind(timestamp(from))
        .bind(timestamp(to))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list windows"))?;
        let read = |row: &PgRow| -> Result<(WindowKey, RowsOfWindow), sqlx::Error> {
            let start = event_time(row.try_get("starts_at")?);
            let key =
                WindowKey { version: row.try_get("model_version")?, segment: row.try_get("segment")?, start };
            let window = RowsOfWindow {
                start,
                end: event_time(row.try_get("ends_at")?),
                rows: count(row.try_get("rows")?),
            };
            Ok((key, window))
        };
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(failed("list windows"))
    }

    /// The baselines that the windows of a period can be compared with, with what they are called: the active one first, then the
    /// newest on each set of bins.
    ///
    /// # Errors
    /// When one is damaged, or the database is away.
    pub async fn baselines_for(
        &self,
        monitor: &str,
        period: &StoredPeriod,
    ) -> Result<Vec<(String, Baseline)>, StoreError> {
        let binnings: Vec<Uuid> = period.binnings.iter().copied().collect();
        let rows: Vec<(i32, String)> = sqlx::query_as(
            "select version, origin from (
                 select distinct on (binning_id) version, origin, active from baseline
                 where monitor = $1 and (active or binning_id = any($2))
                 order by binning_id, active desc, version desc) usable
             order by active desc, version desc",
        )
        .bind(monitor)
        .bind(binnings)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list baselines"))?;
        let mut baselines = Vec::with_capacity(rows.len());
        for (version, origin) in rows {
            baselines.push((format!("version {version} ({origin})"), self.baseline(monitor, version).await?));
        }
        Ok(baselines)
    }
}

fn stored(row: &PgRow, binnings: Arc<BinningSet>) -> Result<ClosedWindowCounts, StoreError> {
    let failed = failed("read closed windows");
    let id: i64 = row.try_get("id").map_err(&failed)?;
    let counts: &[u8] = row.try_get("counts").map_err(&failed)?;
    let sample: Option<&[u8]> = row.try_get("sample").map_err(&failed)?;
    let ranges: Option<Value> = row.try_get("ranges").map_err(&failed)?;
    let ranges = ranges.unwrap_or_else(|| Value::Array(Vec::new()));
    let of = |what: &str| format!("{what} of window {id}");
    let key = || -> Result<WindowKey, sqlx::Error> {
        Ok(WindowKey {
            version: row.try_get("model_version")?,
            segment: row.try_get("segment")?,
            start: event_time(row.try_get("starts_at")?),
        })
    };
    let sample = match sample {
        Some(bytes) => damaged(&of("the sample"), RecordSample::from_ipc(bytes, MAX_SAMPLE))?,
        None => RecordSample::new(MAX_SAMPLE),
    };
    Ok(ClosedWindowCounts {
        window: CountedWindow {
            id: Some(id),
            key: key().map_err(&failed)?,
            end: event_time(row.try_get("ends_at").map_err(&failed)?),
            counts: damaged(&format!("window {id}"), WindowCounts::from_ipc(counts, binnings))?,
            sample,
            offsets: damaged(&of("the offsets"), serde_json::from_value(ranges))?,
            is_whole: true,
            complete: row.try_get::<Option<bool>, _>("complete").map_err(&failed)?.unwrap_or(true),
        },
        verdict: named(row, "verdict", Verdict::from_name).map_err(&failed)?,
    })
}
