//! Messages as they are shown: listed, and with every attempt.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{Store, StoreError, event_time, failed, named};
use crate::record::Timestamp;
use crate::view::{Attempt, DeliveryDetail, DeliveryFilter, DeliveryRow, DeliveryStatus, Page};

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "select n.id, n.sequence, n.receiver, n.event_type, n.status, n.attempts, n.next_attempt_at, n.created_at,
                    n.finished_at, n.body, last.outcome
             from notification n
             left join lateral (select outcome from delivery_attempt d where d.notification_id = n.id
                                order by attempt desc limit 1) last on true ",
            $rest
        )
    };
}

fn delivery_row(row: &PgRow) -> Result<DeliveryRow, sqlx::Error> {
    let status = named(row, "status", DeliveryStatus::from_name)?;
    let time = |name: &str| -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(row.try_get::<Option<DateTime<Utc>>, _>(name)?.map(|at| event_time(at).into()))
    };
    let body: Value = row.try_get("body")?;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    let about = text("/data/alerts/0/evidence/summary").or(text("/data/monitor")).unwrap_or_default().to_owned();
    Ok(DeliveryRow {
        id: row.try_get("id")?,
        sequence: row.try_get("sequence")?,
        receiver: row.try_get("receiver")?,
        event_type: row.try_get("event_type")?,
        attempts: row.try_get("attempts")?,
        next_attempt_at: if status == DeliveryStatus::Pending { time("next_attempt_at")? } else { None },
        status,
        created_at: time("created_at")?.unwrap_or_default(),
        finished_at: time("finished_at")?,
        outcome: row.try_get("outcome")?,
        about,
    })
}

impl Store {
    /// Messages, the newest first; `after` is the sequence of the last one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeliveryRow>, StoreError> {
        let rows = sqlx::query(select_deliveries!(
            "where ($1::text is null or n.receiver = $1) and ($2::text is null or n.status = $2)
               and ($3::bigint is null or n.sequence < $3)
             order by n.sequence desc limit $4"
        ))
        .bind(&filter.receiver)
        .bind(filter.status.map(DeliveryStatus::as_str))
        .bind(after)
        .bind(super::bigint(limit as u64 + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list deliveries"))?;
        let items = rows.iter().map(delivery_row).collect::<Result<_, _>>().map_err(failed("list deliveries"))?;
        Ok(Page::cut(items, limit, |delivery: &DeliveryRow| delivery.sequence.to_string()))
    }

    /// A message with every attempt to deliver it.
    ///
    /// # Errors
    /// When there is no such message, or the database is away.
    pub async fn delivery(&self, id: Uuid) -> Result<DeliveryDetail, StoreError> {
        let attempted = "read a delivery";
        let row = sqlx::query(select_deliveries!("where n.id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(attempted))?
            .ok_or_else(|| StoreError::NotFound(format!("message {id} not found")))?;
        let attempts = sqlx::query(
            "select attempt, outcome, detail, finished_at from delivery_attempt where notification_id = $1 order by attempt",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let attempts = attempts
            .iter()
            .map(|row| {
                Ok(Attempt {
                    attempt: row.try_get("attempt")?,
                    outcome: row.try_get("outcome")?,
                    detail: row.try_get("detail")?,
                    at: event_time(row.try_get("finished_at")?).into(),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed(attempted))?;
        let delivery = delivery_row(&row).map_err(failed(attempted))?;
        Ok(DeliveryDetail { delivery, attempts, body: row.try_get("body").map_err(failed(attempted))? })
    }
}
