//! Baselines made from closed windows that somebody chose.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::retention::refuse_without_counts;
use super::{Store, StoreError, damaged, event_time, failed, timestamp};
use crate::baseline::{learn, sum_of};
use crate::binning::{BinningSet, BuildOptions};
use crate::distribution::WindowCounts;
use crate::record::{EventTime, ModelSchema};
use crate::view::{BaselineSummary, Promotion};

/// Windows a baseline is made from at most; more would not fit into memory.
const MAX_WINDOWS: i64 = 2_000;

impl Store {
    /// Makes a baseline from closed windows.
    ///
    /// # Errors
    /// When there is none, they were counted on different bins, counts are damaged, or the database is away.
    pub async fn promote(
        &self,
        monitor: &str,
        wanted: &Promotion,
        schema: &ModelSchema,
        options: BuildOptions,
        actor: &str,
    ) -> Result<BaselineSummary, StoreError> {
        let attempted = "read the windows of a baseline";
        let mut excluded = wanted.exclude.clone();
        if wanted.exclude_alerts {
            excluded.extend(self.incidents(monitor).await?);
        }
        let (from, to): (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) =
            excluded.iter().map(|(from, to)| (timestamp(*from), timestamp(*to))).unzip();
        let rows = sqlx::query(
            "select w.starts_at, w.ends_at, w.segment, w.binning_id, w.counts from model_window w
             where w.monitor = $1 and w.status = 'closed' and w.rows > 0 and w.starts_at >= $2 and w.starts_at < $3
               and ($4::text is null or w.model_version = $4)
               and not exists (select from unnest($5::timestamptz[], $6::timestamptz[]) as x (low, high)
                               where w.starts_at < x.high and w.ends_at > x.low)
             order by w.starts_at limit $7",
        )
        .bind(monitor)
        .bind(timestamp(wanted.from))
        .bind(timestamp(wanted.to))
        .bind(&wanted.version)
        .bind(from)
        .bind(to)
        .bind(MAX_WINDOWS + 1)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        if super::bigint(rows.len() as u64) > MAX_WINDOWS {
            return Err(StoreError::Refused(format!(
                "more than {MAX_WINDOWS} windows lie between {} and {}\nhint: use a shorter period",
                wanted.from, wanted.to
            )));
        }
        refuse_without_counts(&rows)?;
        let ids: Vec<Uuid> = rows
            .iter()
            .map(|row| row.try_get("binning_id"))
            .collect::<Result<_, _>>()
            .map_err(failed(attempted))?;
        let Some(first) = ids.first() else {
            return Err(StoreError::Refused(format!(
                "monitor `{monitor}` has no closed window with records between {} and {} that is not excluded",
                wanted.from, wanted.to
            )));
        };
        if ids.iter().any(|id| id != first) {
            return Err(StoreError::Refused(
                "these windows were counted on different bins and do not add up\n\
                 hint: take windows from between two changes of the baseline, or build one from a file (driftd baseline build)"
                    .to_owned(),
            ));
        }
        let columns: Value = sqlx::query_scalar("select columns from binning where id = $1")
            .bind(first)
            .fetch_one(&self.pool)
            .await
            .map_err(failed(attempted))?;
        let binnings: Arc<BinningSet> =
            Arc::new(damaged(&format!("binning {first}"), serde_json::from_value(columns))?);
        // Summed as they are read: a wide model's windows do not fit into memory all at once.
        let mut sums: BTreeMap<String, WindowCounts> = BTreeMap::new();
        let mut starts: Vec<DateTime<Utc>> = Vec::new();
        for row in &rows {
            let bytes: &[u8] = row.try_get("counts").map_err(failed(attempted))?;
            let counts = damaged("a window", WindowCounts::from_ipc(bytes, Arc::clone(&binnings)))?;
            let segment: String = row.try_get("segment").map_err(failed(attempted))?;
            match sums.get_mut(&segment) {
                Some(sum) => damaged("the windows of a baseline", sum.merge(&counts))?,
                None => {
                    sums.insert(segment, counts);
                }
            }
            starts.push(row.try_get("starts_at").map_err(failed(attempted))?);
        }
        starts.dedup();
        let counted: Vec<(String, WindowCounts)> = sums.into_iter().collect();
        let made = if binnings.id() == BinningSet::universal(schema).id() {
            learn(schema, &counted, options)
        } else {
            sum_of(&counted)
        };
        let baseline = damaged("the windows of a baseline", made)?;
        let ends = starts.first().zip(starts.last());
        let origin = ends.map_or_else(String::new, |(first, last)| {
            let version =
                wanted.version.as_deref().map_or(String::new(), |version| format!(" of version {version}"));
            let left_out = if excluded.is_empty() { "" } else { ", without incidents" };
            let time = |at: &DateTime<Utc>| event_time(*at);
            match starts.len() {
                1 => format!("the window{version} from {}", time(first)),
                number => format!("{number} windows{version} from {} to {}{left_out}", time(first), time(last)),
            }
        });
        let added = self.add_baseline(monitor, &baseline, &origin, wanted.activate, false, actor).await?;
        added.ok_or_else(|| StoreError::Refused("the baseline was not stored".to_owned()))
    }

    /// When alerts about the data of a monitor fired, in event time.
    async fn incidents(&self, monitor: &str) -> Result<Vec<(EventTime, EventTime)>, StoreError> {
        let mut incidents = Vec::new();
        for series in self.series(monitor, 1_000).await? {
            for episode in self.episodes(monitor, &series.version, &series.segment).await? {
                incidents.push((*episode.since, episode.until.map_or(EventTime::MAX, |until| *until)));
            }
        }
        Ok(incidents)
    }

    /// How many windows were judged with a baseline, and its segments with their records.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn baseline_use(&self, id: Uuid) -> Result<(u64, Vec<(String, u64)>), StoreError> {
        let windows: i64 = sqlx::query_scalar("select count(*) from model_window where baseline_id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read a baseline"))?;
        let rows =
            sqlx::query("select segment, rows from baseline_segment where baseline_id = $1 order by segment")
                .bind(id)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("read a baseline"))?;
        let segments = rows
            .iter()
            .map(|row| Ok((row.try_get("segment")?, super::count(row.try_get("rows")?))))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("read a baseline"))?;
        Ok((super::count(windows), segments))
    }
}
