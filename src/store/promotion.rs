//! Baselines made from closed windows that somebody chose.

use sqlx::Row as _;
use uuid::Uuid;

use super::close::binning;
use super::retention::refuse_without_counts;
use super::selection::{WindowSelection, sums};
use super::{Store, StoreError, damaged, failed};
use crate::baseline::{learn, sum_of};
use crate::binning::{BinningSet, BuildOptions};
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
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let mut selection =
            WindowSelection::closed_once(monitor).starting_within(&[(wanted.from, wanted.to)]).outside(&excluded);
        if let Some(version) = &wanted.version {
            selection = selection.of_version(version);
        }
        let windows = selection.oldest(&mut connection, MAX_WINDOWS + 1).await?;
        if super::bigint(windows.len() as u64) > MAX_WINDOWS {
            return Err(StoreError::Refused(format!(
                "more than {MAX_WINDOWS} windows lie between {} and {}\nhint: use a shorter period",
                wanted.from, wanted.to
            )));
        }
        refuse_without_counts(&windows)?;
        let Some(first) = windows.first() else {
            return Err(StoreError::Refused(format!(
                "monitor `{monitor}` has no closed window with records between {} and {} that is not excluded",
                wanted.from, wanted.to
            )));
        };
        if windows.iter().any(|window| window.binning != first.binning) {
            return Err(StoreError::Refused(
                "these windows were counted on different bins and do not add up\n\
                 hint: take windows from between two changes of the baseline, or build one from a file (driftd baseline build)"
                    .to_owned(),
            ));
        }
        let binnings = binning(&mut connection, first.binning).await?;
        let counted = sums(&mut connection, &windows, &binnings).await?;
        let mut starts: Vec<EventTime> = windows.iter().map(|window| window.start).collect();
        starts.dedup();
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
            match starts.len() {
                1 => format!("the window{version} from {first}"),
                number => format!("{number} windows{version} from {first} to {last}{left_out}"),
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
