//! The outbox: due notifications are leased, sent outside any transaction, and every attempt is recorded.

use crate::record::TimeSpan;
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use super::audit::record;
use super::retraining::{Moved, move_on};
use super::session::Session;
use super::{Store, StoreError, failed};
use crate::alert::EventKind;
use crate::closing::Notification;
use crate::retrain::Step;

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
    /// Which attempt this is, from 1. Attempts that a kill cut off are counted, too.
    pub attempt: i32,
    /// Attempts that failed and were recorded.
    pub failures: i32,
    /// Since the first attempt began.
    pub trying_for: TimeSpan,
}

/// What becomes of a notification after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It arrived; what the receiver calls it, if it says so.
    Sent {
        /// For example the id of a training run.
        reference: Option<String>,
    },
    /// Try again after so long.
    Retry {
        /// The delay.
        after: TimeSpan,
    },
    /// Failed: visible, and not tried again by itself.
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
        lease: TimeSpan,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query(
            "update notification
             set leased_until = now() + make_interval(secs => $3), attempts = attempts + 1,
                 first_attempt_at = coalesce(first_attempt_at, now())
             where id in (
                 select id from notification due
                 where receiver = $1 and status = 'pending' and next_attempt_at <= now()
                   and (leased_until is null or leased_until < now())
                   and not exists (
                       select from notification earlier
                       where earlier.subject_id = due.subject_id and earlier.receiver = due.receiver
                         and earlier.sequence < due.sequence and earlier.status = 'pending')
                 order by sequence limit $2 for update skip locked)
             returning id, subject_id, event_type, body, attempts, failures,
                       (extract(epoch from now() - first_attempt_at) * 1e6)::bigint as trying_for",
        )
        .bind(receiver)
        .bind(limit)
        .bind(lease.as_seconds())
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
                    failures: row.try_get("failures")?,
                    trying_for: row.try_get("trying_for")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("lease notifications"))
    }

    /// Keeps a notification leased while it is being sent. False when the lease was over and another daemon took it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn renew_lease(&self, claimed: &Claimed, lease: TimeSpan) -> Result<bool, StoreError> {
        let renewed = sqlx::query(
            "update notification set leased_until = now() + make_interval(secs => $3)
             where id = $1 and attempts = $2 and status = 'pending'",
        )
        .bind(claimed.id)
        .bind(claimed.attempt)
        .bind(lease.as_seconds())
        .execute(&self.pool)
        .await
        .map_err(failed("renew the lease of a notification"))?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Gives back a notification whose sending was broken off, so that it can be sent at once: by another daemon, or by
    /// this one when it runs again. No failure is recorded.
    ///
    /// # Errors
    /// When the database is away; the lease then runs out.
    pub async fn release_lease(&self, claimed: &Claimed) -> Result<(), StoreError> {
        sqlx::query(
            "update notification set leased_until = null where id = $1 and attempts = $2 and status = 'pending'",
        )
        .bind(claimed.id)
        .bind(claimed.attempt)
        .execute(&self.pool)
        .await
        .map_err(failed("give a notification back"))?;
        Ok(())
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
        .execute(&mut transaction)
        .await
        .map_err(failed("record an attempt"))?;
        let (status, after) = match &outcome {
            AttemptOutcome::Sent { .. } => ("sent", TimeSpan::ZERO),
            AttemptOutcome::Dead => ("dead", TimeSpan::ZERO),
            AttemptOutcome::Retry { after } => ("pending", *after),
        };
        // Another daemon may have leased it after our lease ran out; a success still counts.
        sqlx::query(
            "update notification set status = $2, leased_until = null,
                    failures = failures + case when $2 = 'sent' then 0 else 1 end,
                    next_attempt_at = now() + make_interval(secs => $3),
                    finished_at = case when $2 = 'pending' then null else now() end
             where id = $1 and status = 'pending' and (attempts = $4 or $2 = 'sent')",
        )
        .bind(claimed.id)
        .bind(status)
        .bind(after.as_seconds())
        .bind(claimed.attempt)
        .execute(&mut transaction)
        .await
        .map_err(failed("record an attempt"))?;
        if claimed.event_type == EventKind::RetrainingRequested.as_str() {
            move_request(&mut transaction, claimed, &outcome, reason).await?;
        }
        transaction.commit().await.map_err(failed("commit an attempt"))
    }

    /// Puts a message into the outbox.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn enqueue(&self, notification: &Notification) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("fill the outbox"))?;
        put_notification(&mut connection, notification).await
    }

    /// Sends messages that failed, or were sent already, again under the same ID: one message, or all that failed for a
    /// receiver. How many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn replay_deliveries(&self, which: &Resend, actor: &str) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin sending again"))?;
        let (id, receiver) = match which {
            Resend::Message(prefix) => (Some(prefix.as_str()), None),
            Resend::Receiver(receiver) => (None, Some(receiver.as_str())),
        };
        let replayed = sqlx::query(
            "update notification set status = 'pending', attempts = 0, failures = 0, first_attempt_at = null,
                    waiting_since = now(), next_attempt_at = now(), leased_until = null, finished_at = null
             where (receiver = $2 or starts_with(id::text, lower($1)))
               and (status = 'dead' or (status = 'sent' and $2::text is null)
                    or (status = 'pending' and failures > 0 and coalesce(leased_until, '-infinity') < now()))",
        )
        .bind(id)
        .bind(receiver)
        .execute(&mut transaction)
        .await
        .map_err(failed("send again"))?
        .rows_affected();
        // The history of attempts begins anew; the audit log keeps that it did.
        sqlx::query(
            "delete from delivery_attempt d using notification n
             where n.id = d.notification_id and n.status = 'pending' and n.attempts = 0",
        )
        .execute(&mut transaction)
        .await
        .map_err(failed("send again"))?;
        let subject = id.or(receiver).unwrap_or_default();
        record(&mut transaction, actor, "deliveries.replay", subject, json!({ "messages": replayed })).await?;
        transaction.commit().await.map_err(failed("commit sending again"))?;
        Ok(replayed)
    }

    /// Switches a receiver off: it answered that it is gone for good. Its pending messages fail.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn disable_receiver(
        &self,
        receiver: &str,
        fingerprint: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin switching a receiver off"))?;
        sqlx::query(
            "insert into receiver_state (receiver, fingerprint, detail) values ($1, $2, $3)
             on conflict (receiver) do update set fingerprint = $2, detail = $3, disabled_at = now()",
        )
        .bind(receiver)
        .bind(fingerprint)
        .bind(detail)
        .execute(&mut transaction)
        .await
        .map_err(failed("switch a receiver off"))?;
        sqlx::query(
            "update notification set status = 'dead', finished_at = now()
             where receiver = $1 and status = 'pending' and (leased_until is null or leased_until < now())",
        )
        .bind(receiver)
        .execute(&mut transaction)
        .await
        .map_err(failed("fail the pending messages to a receiver"))?;
        transaction.commit().await.map_err(failed("commit switching a receiver off"))
    }

    /// Whether a receiver is switched off. Configuring it anew switches it on again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_disabled(&self, receiver: &str, fingerprint: &str) -> Result<bool, StoreError> {
        sqlx::query("delete from receiver_state where receiver = $1 and fingerprint <> $2")
            .bind(receiver)
            .bind(fingerprint)
            .execute(&self.pool)
            .await
            .map_err(failed("look after a receiver"))?;
        sqlx::query_scalar("select exists (select from receiver_state where receiver = $1)")
            .bind(receiver)
            .fetch_one(&self.pool)
            .await
            .map_err(failed("look after a receiver"))
    }

    /// Switches a receiver on again.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn enable_receiver(&self, receiver: &str) -> Result<(), StoreError> {
        sqlx::query("delete from receiver_state where receiver = $1")
            .bind(receiver)
            .execute(&self.pool)
            .await
            .map_err(failed("switch a receiver on"))?;
        Ok(())
    }
}

/// What to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// The message whose id begins so.
    Message(String),
    /// All messages to a receiver that failed, or are pending after a failure.
    Receiver(String),
}

pub(super) async fn put_notification(
    connection: &mut Session,
    notification: &Notification,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into notification (id, subject_id, receiver, event_type, body)
         values ($1, $2, $3, $4, $5) on conflict (id) do nothing",
    )
    .bind(notification.id)
    .bind(notification.subject)
    .bind(&notification.receiver)
    .bind(notification.kind.as_str())
    .bind(&notification.body)
    .execute(connection)
    .await
    .map_err(failed("fill the outbox"))?;
    Ok(())
}

/// A training system took a request, or it could not be delivered to any.
async fn move_request(
    connection: &mut Session,
    claimed: &Claimed,
    outcome: &AttemptOutcome,
    reason: &str,
) -> Result<(), StoreError> {
    let (step, reference, detail) = match outcome {
        AttemptOutcome::Retry { .. } => return Ok(()),
        AttemptOutcome::Sent { reference } => (Step::Delivered, reference.as_deref(), "delivered".to_owned()),
        AttemptOutcome::Dead => {
            let others: bool = sqlx::query_scalar(
                "select exists (select from notification where subject_id = $1 and id <> $2 and status <> 'dead')",
            )
            .bind(claimed.subject)
            .bind(claimed.id)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("look for other receivers of a request"))?;
            if others {
                return Ok(());
            }
            (Step::Undeliverable, None, format!("could not be delivered: {reason}"))
        }
    };
    let moved = Moved { step, actor: "driftd", detail: &detail, external_id: reference };
    match move_on(connection, claimed.subject, moved).await {
        // A test of a receiver belongs to no request.
        Ok(_) | Err(StoreError::NotFound(_) | StoreError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
