//! What is locked for windows that close together: their series, so that the windows of a series are judged one after the other, in
//! order, and the windows themselves.
//!
//! Everything is locked before the first window is judged. A series that another daemon has locked is left to it. Windows are waited
//! for in the order of their ids, which is that of checkpoints: none of the two waits for the other in a circle.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{DueWindow, OpenWindow};
use crate::alert::SeriesAlerts;
use crate::closing::Decision;
use crate::judge::SeriesTrend;
use crate::store::alerts::{Owner, store_states};
use crate::store::session::Session;
use crate::store::{StoreError, damaged, failed};
use crate::window::WindowKey;

/// Version and segment.
type SeriesName = (String, String);

/// Where a series stands after its last window.
#[derive(Clone, Debug)]
pub(super) struct SeriesState {
    pub(super) alerts: SeriesAlerts,
    pub(super) trend: SeriesTrend,
}

/// A series whose row is locked.
struct LockedSeries {
    /// The states of its alerts, as they are stored.
    stored: Value,
    /// The states of its alerts after the windows that were judged since it was locked; none without any.
    alerts: Option<SeriesAlerts>,
    /// Where it stands after its last window; the default where that is damaged.
    trend: SeriesTrend,
    /// Whether that is not what is stored.
    has_moved: bool,
    /// Whether an older window of it is still open: later ones wait.
    is_held_up: bool,
}

impl LockedSeries {
    fn state(&self) -> Result<SeriesState, StoreError> {
        let alerts = match &self.alerts {
            Some(alerts) => alerts.clone(),
            None => damaged("the state of an alert", serde_json::from_value(self.stored.clone()))?,
        };
        Ok(SeriesState { alerts, trend: self.trend.clone() })
    }
}

/// A window whose row is locked.
struct LockedWindow {
    /// The bins that it was counted on.
    binning: Uuid,
    /// Whether its series has an older open window that is not among those that are locked.
    follows_open: bool,
}

/// All that is locked for windows of a monitor, until the end of the transaction.
pub(super) struct Locked {
    series: BTreeMap<SeriesName, LockedSeries>,
    windows: HashMap<i64, LockedWindow>,
}

impl Locked {
    /// Locks windows and their series. Waits for checkpoints that are adding to the windows; later ones see them closed.
    pub(super) async fn lock(
        connection: &mut Session,
        monitor: &str,
        due: &[DueWindow],
    ) -> Result<Self, StoreError> {
        let keys: Vec<&WindowKey> = due.iter().map(|due| &due.window.key).collect();
        let series = lock_series(connection, monitor, &keys).await?;
        let is_ours = |window: &&OpenWindow| series.contains_key(&name_of(&window.key));
        let ids = due.iter().map(|due| &due.window).filter(is_ours).map(|window| window.id).collect();
        let windows = lock_windows(connection, ids).await?;
        Ok(Self { series, windows })
    }

    /// The bins that a window was counted on, and where its series stands before it. None where its series is locked by somebody else,
    /// it is not open any more, or an older one of its series is. Later windows of the series wait until this one is
    /// [judged](Self::judged).
    pub(super) fn take(&mut self, window: &OpenWindow) -> Result<Option<(Uuid, SeriesState)>, StoreError> {
        let Some(series) = self.series.get_mut(&name_of(&window.key)) else { return Ok(None) };
        let Some(LockedWindow { binning, follows_open }) = self.windows.remove(&window.id) else {
            return Ok(None);
        };
        if std::mem::replace(&mut series.is_held_up, true) || follows_open {
            return Ok(None);
        }
        series.state().map(|state| Some((binning, state)))
    }

    /// Notes where the series of a window stands after it.
    pub(super) fn judged(&mut self, key: &WindowKey, decision: &Decision) {
        let Some(series) = self.series.get_mut(&name_of(key)) else { return };
        series.alerts = Some(decision.alerts.clone());
        if let Some(trend) = &decision.trend {
            series.trend = trend.clone();
            series.has_moved = true;
        }
        series.is_held_up = false;
    }

    /// Stores where the series stand whose windows were judged.
    pub(super) async fn store(&self, connection: &mut Session, monitor: &str) -> Result<(), StoreError> {
        for ((version, segment), series) in &self.series {
            if let Some(alerts) = &series.alerts {
                let owner = Owner { monitor, version, segment };
                store_states(connection, owner, alerts, series.has_moved.then_some(&series.trend)).await?;
            }
        }
        Ok(())
    }
}

/// Locks the series of one window; none when somebody else has locked it.
pub(super) async fn lock_series_of(
    connection: &mut Session,
    monitor: &str,
    key: &WindowKey,
) -> Result<Option<SeriesState>, StoreError> {
    let locked = lock_series(connection, monitor, &[key]).await?;
    locked.values().next().map(LockedSeries::state).transpose()
}

/// Locks the series of windows, but for those that somebody else has locked.
async fn lock_series(
    connection: &mut Session,
    monitor: &str,
    keys: &[&WindowKey],
) -> Result<BTreeMap<SeriesName, LockedSeries>, StoreError> {
    let mut names: Vec<(&str, &str)> =
        keys.iter().map(|key| (key.version.as_str(), key.segment.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let (versions, segments): (Vec<&str>, Vec<&str>) = names.into_iter().unzip();
    let rows = sqlx::query(
        "select s.model_version, s.segment, s.alerts, s.slow_drift from series s
         join unnest($2::text[], $3::text[]) as wanted (model_version, segment) using (model_version, segment)
         where s.monitor = $1 for no key update of s skip locked",
    )
    .bind(monitor)
    .bind(versions)
    .bind(segments)
    .fetch_all(connection)
    .await
    .map_err(failed("lock the series of windows"))?;
    rows.iter()
        .map(|row| locked_series(row, monitor))
        .collect::<Result<_, _>>()
        .map_err(failed("lock the series of windows"))
}

fn locked_series(row: &PgRow, monitor: &str) -> Result<(SeriesName, LockedSeries), sqlx::Error> {
    let (version, segment): (String, String) = (row.try_get("model_version")?, row.try_get("segment")?);
    let trend = row.try_get::<Option<Json<SeriesTrend>>, _>("slow_drift").unwrap_or_else(|error| {
        tracing::warn!(monitor, version, segment, %error, "the state of slow drift is damaged: it begins anew");
        None
    });
    let series = LockedSeries {
        stored: row.try_get("alerts")?,
        alerts: None,
        trend: trend.map(|Json(trend)| trend).unwrap_or_default(),
        has_moved: false,
        is_held_up: false,
    };
    Ok(((version, segment), series))
}

/// Locks those of these windows that are open.
async fn lock_windows(connection: &mut Session, ids: Vec<i64>) -> Result<HashMap<i64, LockedWindow>, StoreError> {
    let rows = sqlx::query(
        "select w.id, w.binning_id,
                exists (select from model_window older
                        where older.monitor = w.monitor and older.model_version = w.model_version
                          and older.segment = w.segment and older.status = 'open' and older.starts_at < w.starts_at
                          and older.id <> all($1)) as follows_open
         from model_window w where w.id = any($1) and w.status = 'open' order by w.id for update of w",
    )
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(failed("lock windows"))?;
    let locked = |row: &PgRow| -> Result<(i64, LockedWindow), sqlx::Error> {
        let window =
            LockedWindow { binning: row.try_get("binning_id")?, follows_open: row.try_get("follows_open")? };
        Ok((row.try_get("id")?, window))
    };
    rows.iter().map(locked).collect::<Result<_, _>>().map_err(failed("lock windows"))
}

fn name_of(key: &WindowKey) -> SeriesName {
    (key.version.clone(), key.segment.clone())
}
