//! Which series are counted apart: decided here for all daemons, in the order in which they ask.

use crate::record::TimeSpan;
use std::collections::HashSet;

use sqlx::Row as _;

use super::session::Session;
use super::{Store, StoreError, failed, lock_monitor};
use crate::window::{Membership, Series, takes_others};

/// Once full, series are refused until so large a part of the limit is free again: a place that becomes free is not fought
/// over, since every series that finds none costs a second count.
const FREE_AGAIN: f64 = 0.1;

/// The limit on the series of a monitor.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLimit {
    /// How many are counted apart.
    pub most: usize,
    /// One without records for this long, while others have some, makes room.
    pub idle: TimeSpan,
}

impl Store {
    /// Takes series in that were never counted apart before. Those that there is no room for, beside which nothing of the kind
    /// must be stored under its own name; `None` when others were turned away and there is room by now, so that nothing of them
    /// must be stored with others.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn admit_series(
        &self,
        monitor: &str,
        candidates: &[Series],
        turned_away: bool,
        limit: SeriesLimit,
    ) -> Result<Option<Vec<Series>>, StoreError> {
        let attempted = "admit series";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        if turned_away && !lock(&mut transaction, monitor).await.map_err(failed(attempted))? {
            return Ok(None);
        }
        let refused = admit(&mut transaction, monitor, candidates, limit).await.map_err(failed(attempted))?;
        transaction.commit().await.map_err(failed(attempted))?;
        Ok(Some(refused))
    }

    /// Lets series that are idle give way, when there were too many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retire_idle_series(&self, monitor: &str, limit: SeriesLimit) -> Result<(), StoreError> {
        let attempted = "let idle series give way";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        if lock(&mut transaction, monitor).await.map_err(failed(attempted))? {
            retire(&mut transaction, monitor, limit).await.map_err(failed(attempted))?;
        }
        transaction.commit().await.map_err(failed(attempted))
    }
}

/// Locks the decision; whether series were refused before.
async fn lock(connection: &mut Session, monitor: &str) -> Result<bool, sqlx::Error> {
    lock_monitor(connection, monitor).await?;
    is_full(connection, monitor).await
}

/// Whether series of a monitor are refused.
pub(super) async fn is_full(connection: &mut Session, monitor: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from series_full where monitor = $1)")
        .bind(monitor)
        .fetch_one(connection)
        .await
}

async fn admit(
    connection: &mut Session,
    monitor: &str,
    candidates: &[Series],
    limit: SeriesLimit,
) -> Result<Vec<Series>, sqlx::Error> {
    let full = lock(connection, monitor).await?;
    let known = members(connection, monitor).await?;
    let is_new = |series: &&Series| !known.contains(*series) && !takes_others(&series.0, &series.1);
    let mut new: Vec<Series> = candidates.iter().filter(is_new).cloned().collect();
    // The whole of a version before its segments.
    new.sort_by(|left, right| (&left.0, left.1 != "*", &left.1).cmp(&(&right.0, right.1 != "*", &right.1)));
    let mut number = known.len();
    if full || number + new.len() > limit.most {
        number = retire(connection, monitor, limit).await?;
    }
    let refused = new.split_off(limit.most.saturating_sub(number).min(new.len()));
    let (versions, segments): (Vec<String>, Vec<String>) = new.into_iter().unzip();
    sqlx::query(
        "insert into series (monitor, model_version, segment)
         select $1, * from unnest($2::text[], $3::text[]) order by 2, 3
         on conflict (monitor, model_version, segment) do update set member = true, admitted_at = now()",
    )
    .bind(monitor)
    .bind(versions)
    .bind(segments)
    .execute(&mut *connection)
    .await?;
    if !refused.is_empty() {
        sqlx::query("insert into series_full (monitor) values ($1) on conflict do nothing")
            .bind(monitor)
            .execute(connection)
            .await?;
    }
    Ok(refused)
}

/// Lets idle series give way; how many are left. One that was just admitted has no windows yet: they come with its first counts.
async fn retire(connection: &mut Session, monitor: &str, limit: SeriesLimit) -> Result<usize, sqlx::Error> {
    sqlx::query(
        "update series s set member = false
         from (select max(starts_at) as at from model_window where monitor = $1) newest
         where s.monitor = $1 and s.member
           and (s.admitted_at < now() - interval '5 minutes'
                or exists (select from model_window w
                           where w.monitor = $1 and w.model_version = s.model_version and w.segment = s.segment
                             and w.opened_at >= s.admitted_at))
           and not exists (select from model_window w
                           where w.monitor = $1 and w.model_version = s.model_version and w.segment = s.segment
                             and (w.status = 'open' or w.starts_at >= newest.at - make_interval(secs => $2)))",
    )
    .bind(monitor)
    .bind(limit.idle.as_seconds())
    .execute(&mut *connection)
    .await?;
    let left: i64 = sqlx::query_scalar("select count(*) from series where monitor = $1 and member")
        .bind(monitor)
        .fetch_one(&mut *connection)
        .await?;
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of series"
    )]
    let enough = limit.most - ((limit.most as f64 * FREE_AGAIN).ceil() as usize).min(limit.most);
    if left <= enough {
        sqlx::query("delete from series_full where monitor = $1").bind(monitor).execute(connection).await?;
    }
    Ok(left)
}

async fn members(connection: &mut Session, monitor: &str) -> Result<HashSet<Series>, sqlx::Error> {
    let rows = sqlx::query("select model_version, segment from series where monitor = $1 and member")
        .bind(monitor)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("model_version")?, row.try_get("segment")?))).collect()
}

/// Which series a monitor counts apart at the moment.
pub(super) async fn membership(connection: &mut Session, monitor: &str) -> Result<Membership, sqlx::Error> {
    let room = if is_full(connection, monitor).await? { 0 } else { usize::MAX };
    Ok(Membership { known: members(connection, monitor).await?, room })
}
