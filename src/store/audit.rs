//! Who changed what.

use serde_json::Value;
use sqlx::Row as _;

use super::session::Session;
use super::{Store, StoreError, event_time, failed};
use crate::view::{AuditEntry, Page};

/// Writes an entry, in the transaction that makes the change.
pub(super) async fn record(
    connection: &mut Session,
    actor: &str,
    action: &str,
    subject: &str,
    detail: Value,
) -> Result<(), StoreError> {
    sqlx::query("insert into audit (actor, action, subject, detail) values ($1, $2, $3, $4)")
        .bind(actor)
        .bind(action)
        .bind(subject)
        .bind(detail)
        .execute(connection)
        .await
        .map_err(failed("write the audit log"))?;
    Ok(())
}

impl Store {
    /// The audit log, newest first; `after` is the id of the last entry seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "select id, at, actor, action, subject, detail from audit
             where ($1::text is null or subject = $1) and ($2::bigint is null or id < $2) order by id desc limit $3",
        )
        .bind(subject)
        .bind(after)
        .bind(super::bigint(limit as u64 + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the audit log"))?;
        let items = rows
            .iter()
            .map(|row| {
                Ok(AuditEntry {
                    id: row.try_get("id")?,
                    at: event_time(row.try_get("at")?).into(),
                    actor: row.try_get("actor")?,
                    action: row.try_get("action")?,
                    subject: row.try_get("subject")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("read the audit log"))?;
        Ok(Page::cut(items, limit, |entry: &AuditEntry| entry.id.to_string()))
    }
}
