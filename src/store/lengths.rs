//! Which length the windows of a monitor have from when on.

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use sqlx::Row as _;

use super::session::Session;
use super::{Store, StoreError, event_time, failed, lock_monitor, timestamp};
use crate::record::{EventTime, TimeSpan};
use crate::window::{CalendarUnit, Lengths, WindowLength};

impl Store {
    /// Brings a configured length into force: behind the last window that there is, when windows have had another one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn propose_length(&self, monitor: &str, length: &WindowLength) -> Result<(), StoreError> {
        let attempted = "set the length of windows";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock_monitor(&mut transaction, monitor).await.map_err(failed(attempted))?;
        let last: Option<(i64, Option<String>)> = sqlx::query_as(
            "select micros, calendar from window_length where monitor = $1 order by valid_from desc limit 1",
        )
        .bind(monitor)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        if last != Some((length.span().micros(), calendar(length))) {
            let taken: Option<DateTime<Utc>> =
                sqlx::query_scalar("select max(ends_at) from model_window where monitor = $1")
                    .bind(monitor)
                    .fetch_one(&mut transaction)
                    .await
                    .map_err(failed(attempted))?;
            let taken = taken.map(event_time);
            if let (None, Some(taken)) = (&last, taken) {
                // Windows of before lengths were remembered: what they had is what the last of them has.
                let before: i64 = sqlx::query_scalar(
                    "select (extract(epoch from ends_at - starts_at) * 1e6)::bigint from model_window
                     where monitor = $1 and ends_at = $2 limit 1",
                )
                .bind(monitor)
                .bind(timestamp(taken))
                .fetch_one(&mut transaction)
                .await
                .map_err(failed(attempted))?;
                put(&mut transaction, monitor, beginning(), (before, None)).await.map_err(failed(attempted))?;
                if *length == WindowLength::Fixed(before) {
                    return transaction.commit().await.map_err(failed(attempted));
                }
            }
            let from = taken.map_or_else(beginning, |taken| Lengths::begin_after(taken, length));
            let stored = (length.span().micros(), calendar(length));
            put(&mut transaction, monitor, from, stored).await.map_err(failed(attempted))?;
        }
        transaction.commit().await.map_err(failed(attempted))
    }
}

/// Before all events.
fn beginning() -> EventTime {
    EventTime::MAX.shifted(-TimeSpan::MAX)
}

/// A unit of the calendar as it is stored: `day Europe/Berlin`.
fn calendar(length: &WindowLength) -> Option<String> {
    length.calendar().map(|(unit, zone)| format!("{} {zone}", unit.as_str()))
}

/// The length of a stored row; none when it is damaged.
fn stored(micros: i64, calendar: Option<&str>) -> Option<WindowLength> {
    let Some(calendar) = calendar else { return WindowLength::from_micros(micros) };
    let (unit, zone) = calendar.split_once(' ')?;
    let unit = CalendarUnit::ALL.into_iter().find(|known| known.as_str() == unit)?;
    Some(WindowLength::Calendar(unit, TimeZone::get(zone).ok()?))
}

async fn put(
    connection: &mut Session,
    monitor: &str,
    from: EventTime,
    (micros, calendar): (i64, Option<String>),
) -> Result<(), sqlx::Error> {
    // A length that never came into force gives way.
    sqlx::query("delete from window_length where monitor = $1 and valid_from >= $2")
        .bind(monitor)
        .bind(timestamp(from))
        .execute(&mut *connection)
        .await?;
    sqlx::query("insert into window_length (monitor, valid_from, micros, calendar) values ($1, $2, $3, $4)")
        .bind(monitor)
        .bind(timestamp(from))
        .bind(micros)
        .bind(calendar)
        .execute(connection)
        .await?;
    Ok(())
}

/// The lengths of a monitor's windows; the configured one when none was ever stored.
pub(super) async fn lengths(
    connection: &mut Session,
    monitor: &str,
    configured: &WindowLength,
) -> Result<Lengths, sqlx::Error> {
    let rows = sqlx::query("select valid_from, micros, calendar from window_length where monitor = $1")
        .bind(monitor)
        .fetch_all(connection)
        .await?;
    let mut changes = Vec::new();
    for row in rows {
        let from: DateTime<Utc> = row.try_get("valid_from")?;
        let calendar: Option<String> = row.try_get("calendar")?;
        let Some(length) = stored(row.try_get("micros")?, calendar.as_deref()) else {
            let length = calendar.unwrap_or_default();
            return Err(sqlx::Error::Decode(format!("unknown length of windows `{length}`").into()));
        };
        changes.push((event_time(from), length));
    }
    Ok(Lengths::from_changes(changes).unwrap_or_else(|| Lengths::fixed(configured.clone())))
}
