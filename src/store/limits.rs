//! What people decided about proposals of wider limits: accepted, dismissed, withdrawn.

use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::audit::record;
use super::session::Session;
use super::{Store, StoreError, event_time, failed, lock_monitor, named};
use crate::account::{LimitChoice, LimitDecision, Proposal};
use crate::judge::{AcceptedLimits, Subject};
use crate::measure::{Measure, Thresholds};

impl Store {
    /// The limits that hold beside those of the configuration of a monitor.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn accepted_limits(&self, monitor: &str) -> Result<Vec<AcceptedLimits>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed(READ))?;
        accepted_limits(&mut connection, monitor).await
    }

    /// What people decided about limits of a monitor, by column and measure.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn decided_limits(&self, monitor: &str) -> Result<Vec<LimitDecision>, StoreError> {
        let rows = sqlx::query(
            "select id, column_name, measure, decision, warn, critical, alerts, actor, comment, decided_at
             from limit_decision where monitor = $1 order by column_name, measure, decision",
        )
        .bind(monitor)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(READ))?;
        let stored = |row: &PgRow| -> Result<Option<LimitDecision>, sqlx::Error> {
            let Some(limits) = limits_of(row)? else { return Ok(None) };
            Ok(Some(LimitDecision {
                id: row.try_get("id")?,
                choice: named(row, "decision", LimitChoice::from_name)?,
                limits,
                alerts: row.try_get("alerts")?,
                actor: row.try_get("actor")?,
                comment: row.try_get("comment")?,
                at: event_time(row.try_get("decided_at")?),
            }))
        };
        rows.iter().filter_map(|row| stored(row).transpose()).collect::<Result<_, _>>().map_err(failed(READ))
    }

    /// Stores what a person decides about a proposal. It takes the place of an earlier decision of the same kind about the measure of the
    /// column; accepting ends a dismissal.
    ///
    /// # Errors
    /// When there is nothing to decide about, the database is unavailable, or it refuses a text.
    pub async fn decide_limits(
        &self,
        monitor: &str,
        choice: LimitChoice,
        proposal: &Proposal,
        (actor, comment): (&str, &str),
    ) -> Result<(), StoreError> {
        let attempted = "store a decision about limits";
        let Proposal { id, subject, measure, today, wider, rests_on, .. } = proposal;
        let Ok(limits) = wider else {
            return Err(StoreError::Refused(format!(
                "no wider limits are proposed for {} of {}",
                measure.as_str(),
                subject.name()
            )));
        };
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock_monitor(&mut transaction, monitor).await.map_err(failed(attempted))?;
        if choice == LimitChoice::Accepted {
            sqlx::query(
                "delete from limit_decision where monitor = $1 and column_name = $2 and measure = $3 and decision = 'dismissed'",
            )
            .bind(monitor)
            .bind(subject.as_stored())
            .bind(measure.as_str())
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        }
        sqlx::query(
            "insert into limit_decision (monitor, column_name, measure, decision, id, warn, critical, alerts, actor, comment)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (monitor, column_name, measure, decision) do update
             set id = excluded.id, warn = excluded.warn, critical = excluded.critical, alerts = excluded.alerts,
                 actor = excluded.actor, comment = excluded.comment, decided_at = now()",
        )
        .bind(monitor)
        .bind(subject.as_stored())
        .bind(measure.as_str())
        .bind(choice.as_str())
        .bind(id)
        .bind(limits.warn)
        .bind(limits.critical)
        .bind(rests_on)
        .bind(actor)
        .bind(comment)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let detail = json!({
            "id": id, "column": subject.name(), "measure": measure, "before": today, "after": limits,
            "alerts": rests_on, "comment": comment,
        });
        record(&mut transaction, actor, choice.action(), monitor, detail).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// Withdraws a decision: accepted limits hold no more for the windows that are judged from then on, dismissed ones are proposed again.
    /// Which it was.
    ///
    /// # Errors
    /// When there is no such decision, or the database is unavailable.
    pub async fn withdraw_limits(
        &self,
        monitor: &str,
        id: Uuid,
        (actor, comment): (&str, &str),
    ) -> Result<LimitChoice, StoreError> {
        let attempted = "withdraw a decision about limits";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        lock_monitor(&mut transaction, monitor).await.map_err(failed(attempted))?;
        let row = sqlx::query(
            "delete from limit_decision where monitor = $1 and id = $2
             returning column_name, measure, decision, warn, critical",
        )
        .bind(monitor)
        .bind(id)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        let Some(row) = row else { return Err(no_decision(monitor, &id.to_string())) };
        let read = || -> Result<_, sqlx::Error> {
            let subject = Subject::from_stored(row.try_get("column_name")?);
            let limits = Thresholds { warn: row.try_get("warn")?, critical: row.try_get("critical")? };
            let choice = named(&row, "decision", LimitChoice::from_name)?;
            Ok((subject, row.try_get::<String, _>("measure")?, limits, choice))
        };
        let (subject, measure, limits, choice) = read().map_err(failed(attempted))?;
        let detail = json!({
            "id": id, "column": subject.name(), "measure": measure, "decision": choice.as_str(), "limits": limits,
            "comment": comment,
        });
        record(&mut transaction, actor, "limits.withdraw", monitor, detail).await?;
        transaction.commit().await.map_err(failed(attempted))?;
        Ok(choice)
    }
}

const READ: &str = "read decisions about limits";

fn no_decision(monitor: &str, id: &str) -> StoreError {
    StoreError::NotFound(format!(
        "monitor `{monitor}` has no accepted or dismissed limits `{id}`\nhint: `driftd limits list --monitor {monitor}` lists them"
    ))
}

/// The limits that hold beside those of the configuration of a monitor, as the transaction sees them.
pub(super) async fn accepted_limits(
    connection: &mut Session,
    monitor: &str,
) -> Result<Vec<AcceptedLimits>, StoreError> {
    let rows = sqlx::query(
        "select column_name, measure, warn, critical from limit_decision
         where monitor = $1 and decision = 'accepted' order by column_name, measure",
    )
    .bind(monitor)
    .fetch_all(connection)
    .await
    .map_err(failed(READ))?;
    rows.iter().filter_map(|row| limits_of(row).transpose()).collect::<Result<_, _>>().map_err(failed(READ))
}

/// The limits of a row. A measure that this version does not know is judged by none of its monitors.
fn limits_of(row: &PgRow) -> Result<Option<AcceptedLimits>, sqlx::Error> {
    let name: String = row.try_get("measure")?;
    let Some(measure) = Measure::from_name(&name) else { return Ok(None) };
    Ok(Some(AcceptedLimits {
        subject: Subject::from_stored(row.try_get("column_name")?),
        measure,
        limits: Thresholds { warn: row.try_get("warn")?, critical: row.try_get("critical")? },
    }))
}
