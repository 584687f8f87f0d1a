//! Silences: made by people, ended by time or by people, never deleted while the history of an alert names them.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::audit::record;
use super::session::Session;
use super::{Store, StoreError, event_time, failed, timestamp};
use crate::alert::{Matcher, Silence};
use crate::record::{EventTime, TimeSpan};
use crate::view::SilenceRow;

macro_rules! select_silences {
    ($condition:literal) => {
        concat!(
            "select id, matchers, starts_at, ends_at, author, comment, starts_at <= now() and now() < ends_at as active
             from silence ",
            $condition
        )
    };
}

impl Store {
    /// Makes a silence that begins now, and has every group looked at.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_silence(
        &self,
        matchers: &[Matcher],
        duration: TimeSpan,
        author: &str,
        comment: &str,
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::new_v4();
        let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        let mut transaction = self.pool.begin().await.map_err(failed("begin adding a silence"))?;
        sqlx::query(
            "insert into silence (id, matchers, starts_at, ends_at, author, comment)
             values ($1, $2, now(), now() + make_interval(secs => $3), $4, $5)",
        )
        .bind(id)
        .bind(&matchers)
        .bind(duration.as_seconds())
        .bind(author)
        .bind(comment)
        .execute(&mut transaction)
        .await
        .map_err(failed("add a silence"))?;
        let detail = json!({ "matchers": matchers, "microseconds": duration, "comment": comment });
        record(&mut transaction, author, "silence.add", &id.to_string(), detail).await?;
        wake_all(&mut transaction).await?;
        transaction.commit().await.map_err(failed("commit a silence"))?;
        Ok(id)
    }

    /// Ends the silence whose id begins so, now.
    ///
    /// # Errors
    /// When there is none or more than one, it is over, or the database is away.
    pub async fn expire_silence(&self, prefix: &str, actor: &str) -> Result<Uuid, StoreError> {
        let found: Vec<Uuid> =
            sqlx::query_scalar("select id from silence where starts_with(id::text, lower($1)) limit 2")
                .bind(prefix)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("find a silence"))?;
        let id = super::the_one(&found, "silence", prefix, "driftd silences list --all")?;
        let mut transaction = self.pool.begin().await.map_err(failed("begin ending a silence"))?;
        let ended = sqlx::query(
            "update silence set ends_at = greatest(now(), starts_at + interval '1 microsecond')
             where id = $1 and ends_at > now()",
        )
        .bind(id)
        .execute(&mut transaction)
        .await
        .map_err(failed("end a silence"))?;
        if ended.rows_affected() == 0 {
            return Err(StoreError::Refused(format!("silence {id} has already ended")));
        }
        record(&mut transaction, actor, "silence.expire", &id.to_string(), json!({})).await?;
        wake_all(&mut transaction).await?;
        transaction.commit().await.map_err(failed("commit the end of a silence"))?;
        Ok(id)
    }

    /// Silences, those that end last first; without `all` those in force or still to come.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn silences(&self, all: bool) -> Result<Vec<SilenceRow>, StoreError> {
        let rows =
            sqlx::query(select_silences!("where $1 or ends_at > now() order by ends_at desc, id limit 1000"))
                .bind(all)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("list silences"))?;
        rows.iter().map(silence_row).collect::<Result<_, sqlx::Error>>().map_err(failed("list silences"))
    }

    /// One of the silences.
    ///
    /// # Errors
    /// When there is none of this id, or the database is away.
    pub async fn silence(&self, id: Uuid) -> Result<SilenceRow, StoreError> {
        let row = sqlx::query(select_silences!("where id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .and_then(|row| row.as_ref().map(silence_row).transpose())
            .map_err(failed("look a silence up"))?;
        row.ok_or_else(|| StoreError::NotFound(format!("silence {id} not found")))
    }
}

/// The silences in force at a time.
pub(super) async fn active(connection: &mut Session, now: EventTime) -> Result<Vec<Silence>, sqlx::Error> {
    let rows =
        sqlx::query("select id, matchers, starts_at, ends_at from silence where starts_at <= $1 and $1 < ends_at")
            .bind(timestamp(now))
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| {
            let texts: Vec<String> = row.try_get("matchers")?;
            let matchers = texts.iter().map(|text| Matcher::parse(text)).collect::<Result<_, _>>();
            Ok(Silence {
                id: row.try_get("id")?,
                // They were read once when the silence was made.
                matchers: matchers.map_err(|error| sqlx::Error::Decode(error.into()))?,
                starts: event_time(row.try_get::<DateTime<Utc>, _>("starts_at")?),
                ends: event_time(row.try_get::<DateTime<Utc>, _>("ends_at")?),
            })
        })
        .collect()
}

async fn wake_all(connection: &mut Session) -> Result<(), StoreError> {
    sqlx::query(
        "update alert_group set due_at = now() where id in (select id from alert_group order by id for update)",
    )
    .execute(connection)
    .await
    .map_err(failed("wake all groups"))?;
    Ok(())
}

fn silence_row(row: &PgRow) -> Result<SilenceRow, sqlx::Error> {
    Ok(SilenceRow {
        id: row.try_get("id")?,
        matchers: row.try_get("matchers")?,
        starts_at: event_time(row.try_get("starts_at")?).into(),
        ends_at: event_time(row.try_get("ends_at")?).into(),
        active: row.try_get("active")?,
        author: row.try_get("author")?,
        comment: row.try_get("comment")?,
    })
}
