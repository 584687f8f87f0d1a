//! Closed windows whose counts are used again: for references, for baselines made from windows, for learning. One query
//! for all, so that what never enters a sum is left out everywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use super::session::Session;
use super::{StoreError, bigint, count, damaged, event_time, failed, timestamp};
use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::record::EventTime;

/// A window that was selected, without its counts.
#[derive(Clone, Debug)]
pub(super) struct SelectedWindow {
    pub(super) id: i64,
    pub(super) segment: String,
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    pub(super) binning: Uuid,
    /// Whether it still takes records: its counts are in deltas.
    pub(super) is_open: bool,
    /// Whether a closed window still has its counts.
    pub(super) has_counts: bool,
    /// How often it was judged again.
    pub(super) revision: i32,
    /// Records of a closed window; 0 of an open one.
    pub(super) rows: u64,
}

/// Which windows of a monitor.
pub(super) struct WindowSelection {
    query: QueryBuilder<Postgres>,
}

impl WindowSelection {
    /// All closed windows of a monitor that have records and still have their counts.
    pub(super) fn closed(monitor: &str) -> Self {
        Self::closed_once(monitor).and(" and w.counts is not null")
    }

    /// All closed windows of a monitor that have records, also those whose counts were deleted.
    pub(super) fn closed_once(monitor: &str) -> Self {
        Self::any(monitor).and(" and w.status = 'closed' and w.rows > 0")
    }

    /// All closed windows of a monitor that have all their records, also those whose counts were deleted.
    pub(super) fn complete(monitor: &str) -> Self {
        Self::closed_once(monitor).and(" and w.complete")
    }

    /// All windows of a monitor, also those that are open.
    pub(super) fn any(monitor: &str) -> Self {
        let mut query = QueryBuilder::new(
            "select w.id, w.segment, w.starts_at, w.ends_at, w.binning_id, w.status = 'open' as open,
                    w.counts is not null as counted, w.rows, w.revision
             from model_window w where w.monitor = ",
        );
        query.push_bind(monitor.to_owned());
        Self { query }
    }

    /// Those of these windows of a monitor that are still there.
    pub(super) fn these(monitor: &str, ids: &[i64]) -> Self {
        Self::any(monitor).bind_in(" and w.id = any(", ids.to_vec(), ")")
    }

    fn bind<T>(mut self, condition: &'static str, value: T) -> Self
    where
        T: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send + 'static,
    {
        self.query.push(condition).push_bind(value);
        self
    }

    /// As [`Self::bind`], for a condition that goes on after its value.
    fn bind_in<T>(self, condition: &'static str, value: T, rest: &'static str) -> Self
    where
        T: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send + 'static,
    {
        let mut selection = self.bind(condition, value);
        selection.query.push(rest);
        selection
    }

    /// A condition on ranges, which are `x (low, high)` in what holds of them.
    fn bind_ranges(self, condition: &'static str, ranges: &[(EventTime, EventTime)], holds: &'static str) -> Self {
        let (from, to): (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) =
            ranges.iter().map(|(from, to)| (timestamp(*from), timestamp(*to))).unzip();
        self.bind_in(condition, from, "::timestamptz[], ")
            .bind_in("", to, "::timestamptz[]) as x (low, high) where ")
            .and(holds)
    }

    fn and(mut self, condition: &'static str) -> Self {
        self.query.push(condition);
        self
    }

    pub(super) fn of_version(self, version: &str) -> Self {
        self.bind(" and w.model_version = ", version.to_owned())
    }

    pub(super) fn of_segment(self, segment: &str) -> Self {
        self.bind(" and w.segment = ", segment.to_owned())
    }

    /// Of the segments of this column but for one.
    pub(super) fn of_other_segments(self, column: &str, but_for: &str) -> Self {
        self.bind(" and starts_with(w.segment, ", format!("{column}="))
            .bind(") and w.segment <> ", but_for.to_owned())
    }

    /// Of versions that have no window before a time, and of records without a version.
    pub(super) fn of_versions_since(self, monitor: &str, since: DateTime<Utc>) -> Self {
        let mut selection = self.bind(
            " and (w.model_version = '' or not exists (select from model_window o
                   where o.model_version = w.model_version and o.monitor = ",
            monitor.to_owned(),
        );
        selection.query.push(" and o.starts_at < ").push_bind(since).push("))");
        selection
    }

    pub(super) fn from(self, from: DateTime<Utc>) -> Self {
        self.bind(" and w.starts_at >= ", from)
    }

    pub(super) fn before(self, to: EventTime) -> Self {
        self.bind(" and w.starts_at < ", timestamp(to))
    }

    pub(super) fn starting_at(self, starts: Vec<DateTime<Utc>>) -> Self {
        self.bind_in(" and w.starts_at = any(", starts, ")")
    }

    /// That start in one of these ranges.
    pub(super) fn starting_within(self, ranges: &[(EventTime, EventTime)]) -> Self {
        let selection = self.bind_ranges(
            " and exists (select from unnest(",
            ranges,
            "w.starts_at >= x.low and w.starts_at < x.high)",
        );
        // For the index, which is read from the first range to the last.
        match (ranges.iter().map(|range| range.0).min(), ranges.iter().map(|range| range.1).max()) {
            (Some(first), Some(last)) => selection.from(timestamp(first)).before(last),
            _ => selection,
        }
    }

    /// That overlap with none of these ranges.
    pub(super) fn outside(self, ranges: &[(EventTime, EventTime)]) -> Self {
        self.bind_ranges(
            " and not exists (select from unnest(",
            ranges,
            "w.starts_at < x.high and w.ends_at > x.low)",
        )
    }

    pub(super) fn on(self, binnings: Vec<Uuid>) -> Self {
        self.bind_in(" and w.binning_id = any(", binnings, ")")
    }

    /// Without those during which an alert said that the data of their series, or of their version as a whole, is broken.
    pub(super) fn with_sound_data(self) -> Self {
        self.and(
            " and not exists (
                select from alert a
                where a.monitor = w.monitor and a.model_version = w.model_version and a.segment in (w.segment, '*')
                  and a.kind = 'data_quality' and a.fired_at is not null and a.since <= w.starts_at
                  and (a.state in ('firing', 'acknowledged')
                       or w.starts_at < coalesce((select max(c.window_start) from alert_change c
                                                  where c.alert_id = a.id and c.kind in ('resolved', 'cleared')),
                                                 a.resolved_at, a.updated_at)))",
        )
    }

    /// The windows, in the order of their starts.
    pub(super) async fn oldest(
        mut self,
        connection: &mut Session,
        most: i64,
    ) -> Result<Vec<SelectedWindow>, StoreError> {
        self.query.push(" order by w.starts_at, w.id limit ").push_bind(most);
        self.list(connection).await
    }

    /// The windows, the latest first.
    pub(super) async fn latest(
        mut self,
        connection: &mut Session,
        most: i64,
    ) -> Result<Vec<SelectedWindow>, StoreError> {
        self.query.push(" order by w.starts_at desc, w.id desc limit ").push_bind(most);
        self.list(connection).await
    }

    async fn list(mut self, connection: &mut Session) -> Result<Vec<SelectedWindow>, StoreError> {
        let rows = self.query.build().fetch_all(connection).await.map_err(failed("select windows"))?;
        rows.iter().map(selected).collect::<Result<_, sqlx::Error>>().map_err(failed("select windows"))
    }
}

fn selected(row: &PgRow) -> Result<SelectedWindow, sqlx::Error> {
    Ok(SelectedWindow {
        id: row.try_get("id")?,
        segment: row.try_get("segment")?,
        start: event_time(row.try_get("starts_at")?),
        end: event_time(row.try_get("ends_at")?),
        binning: row.try_get("binning_id")?,
        is_open: row.try_get("open")?,
        has_counts: row.try_get("counted")?,
        revision: row.try_get("revision")?,
        rows: row.try_get::<Option<i64>, _>("rows")?.map_or(0, count),
    })
}

/// Windows whose counts are read in one go.
pub(super) const READ_TOGETHER: usize = 32;

/// The counts of closed windows that are on these bins, by their ids; windows without counts are left out.
pub(super) async fn closed_counts(
    connection: &mut Session,
    ids: &[i64],
    binnings: &Arc<BinningSet>,
) -> Result<Vec<(i64, WindowCounts)>, StoreError> {
    let rows = sqlx::query("select id, counts from model_window where id = any($1) and counts is not null")
        .bind(ids)
        .fetch_all(connection)
        .await
        .map_err(failed("read the counts of windows"))?;
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let id: i64 = row.try_get("id").map_err(failed("read the counts of windows"))?;
        let bytes: &[u8] = row.try_get("counts").map_err(failed("read the counts of windows"))?;
        let counts = WindowCounts::from_ipc(bytes, Arc::clone(binnings));
        read.push((id, damaged(&format!("window {id}"), counts)?));
    }
    Ok(read)
}

/// The windows one by one, with their segments; all of them are on these bins.
pub(super) async fn counted(
    connection: &mut Session,
    windows: &[SelectedWindow],
    binnings: &Arc<BinningSet>,
) -> Result<Vec<(String, WindowCounts)>, StoreError> {
    let ids: Vec<i64> = windows.iter().map(|window| window.id).collect();
    let segments: HashMap<i64, &String> = windows.iter().map(|window| (window.id, &window.segment)).collect();
    let counts = closed_counts(connection, &ids, binnings).await?;
    Ok(counts.into_iter().filter_map(|(id, counts)| Some(((*segments.get(&id)?).clone(), counts))).collect())
}

/// The sums of windows by segment; all of them are on these bins.
pub(super) async fn sums(
    connection: &mut Session,
    windows: &[SelectedWindow],
    binnings: &Arc<BinningSet>,
) -> Result<Vec<(String, WindowCounts)>, StoreError> {
    let mut sums: BTreeMap<String, WindowCounts> = BTreeMap::new();
    // A part at a time: the windows of a wide model do not fit into memory all at once.
    for part in windows.chunks(READ_TOGETHER) {
        for (segment, counts) in counted(connection, part, binnings).await? {
            match sums.get_mut(&segment) {
                Some(sum) => damaged("a sum of windows", sum.merge(&counts))?,
                None => {
                    sums.insert(segment, counts);
                }
            }
        }
    }
    Ok(sums.into_iter().collect())
}

/// As many as a limit of a query can be.
pub(super) fn at_most(windows: usize) -> i64 {
    bigint(windows as u64)
}
