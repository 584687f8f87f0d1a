//! The outbox: due notifications are leased, sent outside any transaction, and every attempt is recorded.

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::positions::seconds;
use super::{Store, StoreError, failed};

/// A notification leased to this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The receiver's idempotency key, the same over all attempts.
    pub id: Uuid,
    /// The alert or request it is about.
    pub subject: Uuid,
    /// The event's `type`.
    pub event_type: String,
    /// The event.
    pub body: Value,
    /// Which attempt this is, from 1.
    pub attempt: i32,
}

/// What becomes of a notification after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It arrived.
    Sent,
    /// Try again in this many microseconds.
    Retry {
        /// The delay.
        after: i64,
    },
    /// Given up: visible, and never sent again by itself.
    Dead,
}

impl Store {
    /// Leases due notifications of one receiver, oldest first. One about a subject waits for earlier ones about
    /// the same subject, so a resolution never overtakes its alert.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim_notifications(
        &self,
        receiver: &str,
        limit: i64,
        lease: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query(
            "update notification set leased_until = now() + make_interval(secs => $3), attempts = attempts + 1
             where id in (
                 select id from notification due
                 where receiver = $1 and status = 'pending' and next_attempt_at <= now()
                   and (leased_until is null or leased_until < now())
                   and not exists (
                       select from notification earlier
                       where earlier.subject_id = due.subject_id and earlier.receiver = due.receiver
                         and earlier.sequence < due.sequence and earlier.status = 'pending')
                 order by sequence limit $2 for update skip locked)
             returning id, subject_id, event_type, body, attempts, sequence",
        )
        .bind(receiver)
        .bind(limit)
        .bind(seconds(lease))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("lease notifications"))?;
        rows.iter()
            .map(|row| {
                Ok(Claimed {
                    id: row.try_get("id")?,
                    subject: row.try_get("subject_id")?,
                    event_type: row.try_get("event_type")?,
                    body: row.try_get("body")?,
                    attempt: row.try_get("attempts")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("lease notifications"))
    }

    /// Records an attempt and what follows from it. `reason` is from a closed set; `detail` holds no secrets.
    ///
    /// # Errors
    /// When the database is away; the lease then runs out and the notification is sent again under the same id.
    pub async fn record_attempt(
        &self,
        claimed: &Claimed,
        outcome: AttemptOutcome,
        reason: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin recording an attempt"))?;
        sqlx::query(
            "insert into delivery_attempt (notification_id, attempt, outcome, detail) values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(claimed.id)
        .bind(claimed.attempt)
        .bind(reason)
        .bind(detail)
        .execute(&mut *transaction)
        .await
        .map_err(failed("record an attempt"))?;
        let (status, after) = match outcome {
            AttemptOutcome::Sent => ("sent", 0),
            AttemptOutcome::Dead => ("dead", 0),
            AttemptOutcome::Retry { after } => ("pending", after),
        };
        // Another daemon may have leased it after our lease ran out; a success still counts.
        sqlx::query(
            "update notification set status = $2, leased_until = null,
                    next_attempt_at = now() + make_interval(secs => $3),
                    finished_at = case when $2 = 'pending' then null else now() end
             where id = $1 and status = 'pending' and (attempts = $4 or $2 = 'sent')",
        )
        .bind(claimed.id)
        .bind(status)
        .bind(seconds(after))
        .bind(claimed.attempt)
        .execute(&mut *transaction)
        .await
        .map_err(failed("record an attempt"))?;
        transaction.commit().await.map_err(failed("commit an attempt"))
    }
}
