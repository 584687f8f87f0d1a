//! Retraining requests: their states, moved on by people, by training systems, and by time.

use crate::record::TimeSpan;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;
use uuid::Uuid;

use super::audit::record;
use super::outbox::put_notification;
use super::session::Session;
use super::{Store, StoreError, event_time, failed, named};
use crate::closing::request_notifications;
use crate::retrain::{RequestState, Step, StepOutcome};
use crate::view::{RequestChange, RequestDetail, RequestRow};

/// What a request is moved on by.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    pub step: Step,
    /// Who.
    pub actor: &'a str,
    /// In words.
    pub detail: &'a str,
    /// What the training system calls it, if it says so.
    pub external_id: Option<&'a str>,
}

macro_rules! select_requests {
    ($condition:literal) => {
        concat!(
            "select id, monitor, model_version, segment, alert_id, window_end, state, dry_run, receivers, external_id, created_at,
                    updated_at, expires_at, body from retraining_request ",
            $condition
        )
    };
}

fn request_row(row: &sqlx::postgres::PgRow) -> Result<RequestRow, sqlx::Error> {
    let expires: Option<DateTime<Utc>> = row.try_get("expires_at")?;
    Ok(RequestRow {
        id: row.try_get("id")?,
        monitor: row.try_get("monitor")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        alert_id: row.try_get("alert_id")?,
        window_end: event_time(row.try_get("window_end")?).into(),
        state: named(row, "state", RequestState::from_name)?,
        dry_run: row.try_get("dry_run")?,
        receivers: row.try_get("receivers")?,
        external_id: row.try_get("external_id")?,
        created_at: event_time(row.try_get("created_at")?).into(),
        updated_at: event_time(row.try_get("updated_at")?).into(),
        expires_at: expires.map(|at| event_time(at).into()),
        body: row.try_get("body")?,
    })
}

impl Store {
    /// Requests, the newest first; without `all` those that are not over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retraining_requests(&self, all: bool) -> Result<Vec<RequestRow>, StoreError> {
        let rows = sqlx::query(select_requests!(
            "where $1 or state in ('proposed', 'requested', 'accepted', 'running') order by created_at desc, id limit 1000"
        ))
        .bind(all)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list retraining requests"))?;
        rows.iter().map(request_row).collect::<Result<_, _>>().map_err(failed("list retraining requests"))
    }

    /// The request whose id begins so, with its history.
    ///
    /// # Errors
    /// When there is none or more than one, or the database is away.
    pub async fn retraining_request(&self, prefix: &str) -> Result<RequestDetail, StoreError> {
        let found: Vec<Uuid> =
            sqlx::query_scalar("select id from retraining_request where starts_with(id::text, lower($1)) limit 2")
                .bind(prefix)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("find a retraining request"))?;
        let id = super::the_one(&found, "retraining request", prefix, "driftd retraining list --all")?;
        let row = sqlx::query(select_requests!("where id = $1"))
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read a retraining request"))?;
        let changes = sqlx::query(
            "select created_at, state, actor, detail from retraining_change where request_id = $1 order by id",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read a retraining request"))?;
        let history = changes
            .iter()
            .map(|row| {
                Ok(RequestChange {
                    at: event_time(row.try_get("created_at")?).into(),
                    state: named(row, "state", RequestState::from_name)?,
                    actor: row.try_get("actor")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("read a retraining request"))?;
        Ok(RequestDetail { request: request_row(&row).map_err(failed("read a retraining request"))?, history })
    }

    /// Moves a request on. Where it stands after, and whether that is new.
    ///
    /// # Errors
    /// When there is no such request, the step makes no sense, or the database is away.
    pub async fn move_request(&self, id: Uuid, moved: Moved<'_>) -> Result<(RequestState, bool), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin moving a retraining request"))?;
        let outcome = move_on(&mut transaction, id, moved).await?;
        transaction.commit().await.map_err(failed("commit a retraining request"))?;
        Ok(outcome)
    }

    /// Ends requests that got no answer in time. How many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn expire_requests(&self) -> Result<usize, StoreError> {
        let due: Vec<Uuid> = sqlx::query_scalar(
            "select id from retraining_request
             where state in ('requested', 'accepted', 'running') and expires_at <= now() limit 100",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("find unanswered requests"))?;
        for id in &due {
            let moved =
                Moved { step: Step::TimedOut, actor: "driftd", detail: "no answer in time", external_id: None };
            self.move_request(*id, moved).await?;
        }
        Ok(due.len())
    }

    /// Requests whose training system is to be asked how it goes: accepted or running, and not asked for `interval`
    /// microseconds. They are marked as asked.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn requests_to_poll(&self, interval: TimeSpan) -> Result<Vec<RequestRow>, StoreError> {
        let rows = sqlx::query(
            "update retraining_request set polled_at = now() where id in (
                 select id from retraining_request
                 where state in ('accepted', 'running') and external_id is not null
                   and (polled_at is null or polled_at < now() - make_interval(secs => $1))
                 order by polled_at nulls first limit 50 for update skip locked)
             returning id, monitor, model_version, segment, alert_id, window_end, state, dry_run, receivers, external_id, created_at,
                       updated_at, expires_at, body",
        )
        .bind(interval.as_seconds())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("find requests to ask about"))?;
        rows.iter().map(request_row).collect::<Result<_, _>>().map_err(failed("find requests to ask about"))
    }
}

pub(super) async fn move_on(
    connection: &mut Session,
    id: Uuid,
    moved: Moved<'_>,
) -> Result<(RequestState, bool), StoreError> {
    let row = sqlx::query(select_requests!("where id = $1 for update"))
        .bind(id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("lock a retraining request"))?
        .ok_or_else(|| StoreError::NotFound(format!("retraining request {id} not found")))?;
    let request = request_row(&row).map_err(failed("lock a retraining request"))?;
    if request.dry_run && moved.step == Step::Approve {
        return Err(StoreError::Refused(format!("retraining request {id} was a dry run: it cannot be approved")));
    }
    let next = match request.state.take(moved.step).map_err(|error| StoreError::Refused(error.to_string()))? {
        StepOutcome::To(next) => next,
        StepOutcome::Nothing => {
            note_external(connection, id, moved.external_id).await?;
            return Ok((request.state, false));
        }
    };
    sqlx::query(
        "update retraining_request set state = $2, updated_at = now(),
                expires_at = case when $3 and answer_within > 0 then now() + make_interval(secs => answer_within / 1e6)
                                  else expires_at end
         where id = $1",
    )
    .bind(id)
    .bind(next.as_str())
    .bind(moved.step == Step::Approve)
    .execute(&mut *connection)
    .await
    .map_err(failed("move a retraining request"))?;
    note_external(connection, id, moved.external_id).await?;
    sqlx::query("insert into retraining_change (request_id, state, actor, detail) values ($1, $2, $3, $4)")
        .bind(id)
        .bind(next.as_str())
        .bind(moved.actor)
        .bind(moved.detail)
        .execute(&mut *connection)
        .await
        .map_err(failed("write the history of a retraining request"))?;
    if matches!(moved.step, Step::Approve | Step::Cancel) {
        let detail = json!({ "before": request.state, "after": next, "comment": moved.detail });
        let action = if moved.step == Step::Approve { "retraining.approve" } else { "retraining.cancel" };
        record(connection, moved.actor, action, &id.to_string(), detail).await?;
    }
    if moved.step == Step::Approve {
        for notification in request_notifications(id, &request.receivers, &request.body) {
            put_notification(connection, &notification).await?;
        }
    }
    if moved.step == Step::Cancel {
        sqlx::query(
            "update notification set status = 'superseded', finished_at = now()
             where subject_id = $1 and status = 'pending' and (leased_until is null or leased_until < now())",
        )
        .bind(id)
        .execute(connection)
        .await
        .map_err(failed("take back a retraining request"))?;
    }
    Ok((next, true))
}

async fn note_external(connection: &mut Session, id: Uuid, external_id: Option<&str>) -> Result<(), StoreError> {
    let Some(external_id) = external_id else { return Ok(()) };
    sqlx::query("update retraining_request set external_id = $2 where id = $1")
        .bind(id)
        .bind(external_id)
        .execute(connection)
        .await
        .map_err(failed("note what a training system calls a request"))?;
    Ok(())
}
