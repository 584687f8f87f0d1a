//! What the listener must not take twice: sessions that were ended, and reports that were taken.

use uuid::Uuid;

use super::session::Session;
use super::{Moved, Store, StoreError, failed};
use crate::retrain::RequestState;

impl Store {
    /// Ends a session for good; `until` is when it would have ended by itself, in seconds since 1970.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_session(&self, id: &str, until: i64) -> Result<(), StoreError> {
        sqlx::query(
            "with over as (delete from ended_session where ends_at < now())
             insert into ended_session (id, ends_at) values ($1, to_timestamp($2)) on conflict do nothing",
        )
        .bind(id)
        .bind(until)
        .execute(&self.pool)
        .await
        .map_err(failed("end a session"))?;
        Ok(())
    }

    /// Whether a session was ended.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn session_ended(&self, id: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar("select exists (select from ended_session where id = $1)")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .map_err(failed("look up a session"))
    }

    /// Moves a request on by a signed report, which counts once: its id is noted with what it changes. Where the request stands
    /// after, and whether that is new.
    ///
    /// # Errors
    /// When the report was taken already, there is no such request, the step makes no sense, or the database is away.
    pub async fn take_report(
        &self,
        report: &str,
        request: Uuid,
        moved: Moved<'_>,
    ) -> Result<(RequestState, bool), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin taking a report"))?;
        note(&mut transaction, report).await?;
        let outcome = super::retraining::move_on(&mut transaction, request, moved).await?;
        transaction.commit().await.map_err(failed("commit a report"))?;
        Ok(outcome)
    }

    /// Whether a report was taken already.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_report_taken(&self, report: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar("select exists (select from taken_report where id = $1)")
            .bind(report)
            .fetch_one(&self.pool)
            .await
            .map_err(failed("look up a report"))
    }

    /// Notes that a report was taken whose changes can be made twice without harm.
    ///
    /// # Errors
    /// When it was taken already, or the database is away.
    pub async fn note_report(&self, report: &str) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("note a report"))?;
        note(&mut connection, report).await
    }
}

/// Notes a report; those whose timestamps are too old to be taken again are forgotten.
async fn note(connection: &mut Session, report: &str) -> Result<(), StoreError> {
    let noted = sqlx::query(
        "with over as (delete from taken_report where taken_at < now() - interval '1 hour')
         insert into taken_report (id) values ($1) on conflict do nothing",
    )
    .bind(report)
    .execute(connection)
    .await
    .map_err(failed("note a report"))?;
    if noted.rows_affected() == 0 {
        return Err(StoreError::Refused("this report was already received".to_owned()));
    }
    Ok(())
}
