//! Champion and challenger: pairs of closed windows, each compared once. The comparison, the state of the challenge and the
//! messages are stored in one transaction, against the number of pairs that was read before: any daemon may do it.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::outbox::put_notification;
use super::{Store, StoreError, bigint, count, damaged, event_time, failed, named, timestamp};
use crate::challenge::{ChallengeSpec, ChallengeState, ChallengeStep, Progress, SideWindow};
use crate::record::EventTime;
use crate::view::{ChallengeHistory, ComparedPair};

/// Windows of the challenger that are read at a time.
const BATCH: i64 = 100;
/// Columns of pairs that are read for an answer at most, roughly: of a wide monitor there are fewer pairs in it.
const COLUMNS: usize = 10_000;
/// Pairs of a wide monitor.
const FEWEST: usize = 5;

/// A challenge between two pairs.
#[derive(Clone, Debug)]
pub struct OpenChallenge {
    id: Uuid,
    /// Its progress so far.
    pub progress: Progress,
    last_start: Option<EventTime>,
}

/// Two closed windows with the same start that were not compared yet: champion and challenger.
#[derive(Clone, Debug)]
pub struct DuePair {
    pub start: EventTime,
    pub end: EventTime,
    pub windows: [SideWindow; 2],
}

impl Store {
    /// The challenge of a monitor, which begins when it is asked for the first time: with the latest windows that are stored, as many as
    /// it needs to be ready.
    ///
    /// # Errors
    /// When the database is unavailable, or what is stored of it is damaged.
    pub async fn open_challenge(&self, monitor: &str, spec: &ChallengeSpec) -> Result<OpenChallenge, StoreError> {
        let attempted = "read a challenge";
        let id = spec.id(monitor);
        let read = "select progress, last_start from challenge where id = $1";
        let known = sqlx::query(read).bind(id).fetch_optional(&self.pool).await.map_err(failed(attempted))?;
        let row = match known {
            Some(row) => row,
            None => {
                self.begin_challenge(id, monitor, spec).await?;
                sqlx::query(read).bind(id).fetch_one(&self.pool).await.map_err(failed(attempted))?
            }
        };
        let last_start: Option<_> = row.try_get("last_start").map_err(failed(attempted))?;
        Ok(OpenChallenge { id, progress: progress(&row)?, last_start: last_start.map(event_time) })
    }

    async fn begin_challenge(&self, id: Uuid, monitor: &str, spec: &ChallengeSpec) -> Result<(), StoreError> {
        let [_, challenger] = spec.series();
        sqlx::query(
            "insert into challenge (id, monitor, by_column, champion, challenger, last_start)
             values ($1, $2, $3, $4, $5,
                     (select starts_at from (
                          select distinct starts_at from model_window
                          where monitor = $2 and segment = $6 and ($7::text is null or model_version = $7)
                            and status = 'closed' and counts is not null) closed
                      order by starts_at desc offset $8 limit 1))
             on conflict do nothing",
        )
        .bind(id)
        .bind(monitor)
        .bind(spec.by.as_deref().unwrap_or_default())
        .bind(&spec.champion)
        .bind(&spec.challenger)
        .bind(&challenger.segment)
        .bind(&challenger.version)
        .bind(i64::from(spec.windows))
        .execute(&self.pool)
        .await
        .map_err(failed("begin a challenge"))?;
        Ok(())
    }

    /// The next pair, in order of start; none while a window of it is open, or there is none. A window that the other side does not
    /// have is passed over: by the time that one side has closed, the other one would be there.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn next_pair(
        &self,
        monitor: &str,
        spec: &ChallengeSpec,
        challenge: &OpenChallenge,
    ) -> Result<Option<DuePair>, StoreError> {
        let mut after = challenge.last_start;
        loop {
            let windows = self.windows_after(monitor, spec, after).await?;
            let found = windows.iter().find(|window| window.is_open || window.both.is_some());
            if let Some(found) = found {
                return match found.both.filter(|_| !found.is_open) {
                    Some(ids) => self.due_pair(found.start, ids).await,
                    None => Ok(None),
                };
            }
            let Some(last) = windows.last() else { return Ok(None) };
            after = Some(last.start);
            // Windows that were passed over are not read again.
            sqlx::query("update challenge set last_start = $2 where id = $1 and pairs = $3")
                .bind(challenge.id)
                .bind(timestamp(last.start))
                .bind(i64::from(challenge.progress.pairs))
                .execute(&self.pool)
                .await
                .map_err(failed("pass over windows of a challenger"))?;
        }
    }

    /// The windows of the challenger after a start, with those of the champion. Where a side has several of one start, of several
    /// versions, the one with the most records stands for it. Windows of backfills are left out: what is decided is told.
    async fn windows_after(
        &self,
        monitor: &str,
        spec: &ChallengeSpec,
        after: Option<EventTime>,
    ) -> Result<Vec<StartedWindow>, StoreError> {
        let attempted = "select windows of champion and challenger";
        let [champion, challenger] = spec.series();
        let rows = sqlx::query(
            "select d.starts_at, d.open or coalesce(c.open, false) as open, c.id as champion, d.id as challenger
             from (select starts_at, bool_or(status = 'open') as open,
                          (array_agg(id order by rows desc, id) filter (where counts is not null))[1] as id
                   from model_window
                   where monitor = $1 and segment = $4 and ($5::text is null or model_version = $5)
                     and starts_at > coalesce($6, '-infinity'::timestamptz) and backfill_id is null
                   group by starts_at order by starts_at limit $7) d
             left join lateral (
                  select bool_or(w.status = 'open') as open,
                         (array_agg(w.id order by w.rows desc, w.id) filter (where w.counts is not null))[1] as id
                  from model_window w
                  where w.monitor = $1 and w.starts_at = d.starts_at and w.segment = $2
                    and ($3::text is null or w.model_version = $3)) c on true
             order by d.starts_at",
        )
        .bind(monitor)
        .bind(&champion.segment)
        .bind(&champion.version)
        .bind(&challenger.segment)
        .bind(&challenger.version)
        .bind(after.map(timestamp))
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let window = |row: &PgRow| {
            let (champion, challenger): (Option<i64>, Option<i64>) =
                (row.try_get("champion")?, row.try_get("challenger")?);
            Ok(StartedWindow {
                start: event_time(row.try_get("starts_at")?),
                is_open: row.try_get("open")?,
                both: champion.zip(challenger),
            })
        };
        rows.iter().map(window).collect::<Result<_, sqlx::Error>>().map_err(failed(attempted))
    }

    async fn due_pair(
        &self,
        start: EventTime,
        (champion, challenger): (i64, i64),
    ) -> Result<Option<DuePair>, StoreError> {
        let attempted = "read the windows of a pair";
        let rows =
            sqlx::query("select id, model_version, segment, ends_at, rows from model_window where id = any($1)")
                .bind([champion, challenger].to_vec())
                .fetch_all(&self.pool)
                .await
                .map_err(failed(attempted))?;
        let mut end = start;
        let mut sides = Vec::with_capacity(2);
        for row in &rows {
            let side = || -> Result<(SideWindow, EventTime), sqlx::Error> {
                let window = SideWindow {
                    id: row.try_get("id")?,
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    records: count(row.try_get::<Option<i64>, _>("rows")?.unwrap_or(0)),
                };
                Ok((window, event_time(row.try_get("ends_at")?)))
            };
            let (side, ends) = side().map_err(failed(attempted))?;
            end = end.max(ends);
            sides.push(side);
        }
        let of = |id: i64| sides.iter().find(|side| side.id == id).cloned();
        // Deleted in between: the next query does not select it.
        Ok(of(champion).zip(of(challenger)).map(|(left, right)| DuePair { start, end, windows: [left, right] }))
    }

    /// Stores what was decided about a pair; false when another daemon has done so.
    ///
    /// # Errors
    /// When the database is unavailable; nothing is stored then.
    pub async fn store_step(
        &self,
        challenge: &OpenChallenge,
        pair: &DuePair,
        step: &ChallengeStep,
    ) -> Result<bool, StoreError> {
        let attempted = "store the comparison of a pair";
        let mut transaction = self.pool.begin().await.map_err(failed("begin storing a comparison"))?;
        let progress = &step.progress;
        let moved = sqlx::query(
            "update challenge set pairs = $3, last_start = $4, state = $5, progress = $6, updated_at = now(),
                    since = case when state = $5 then coalesce(since, $4) else $4 end
             where id = $1 and pairs = $2",
        )
        .bind(challenge.id)
        .bind(i64::from(challenge.progress.pairs))
        .bind(i64::from(progress.pairs))
        .bind(timestamp(pair.start))
        .bind(progress.state.as_str())
        .bind(Json(progress))
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        let [champion, challenger] = &pair.windows;
        sqlx::query(
            "insert into challenge_pair (challenge_id, starts_at, ends_at, champion_window, challenger_window, champion,
                                         challenger, state, columns)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(challenge.id)
        .bind(timestamp(pair.start))
        .bind(timestamp(pair.end))
        .bind(champion.id)
        .bind(challenger.id)
        .bind(Json(champion))
        .bind(Json(challenger))
        .bind(progress.state.as_str())
        .bind(Json(&step.columns))
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        for notification in &step.notifications {
            put_notification(&mut transaction, notification).await?;
        }
        #[cfg(debug_assertions)]
        crate::faults::hit("challenge.before_commit");
        transaction.commit().await.map_err(failed("commit the comparison of a pair"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("challenge.after_commit");
        Ok(true)
    }

    /// The progress of a challenge and its newest pairs: at most `pairs`, and fewer of a wide monitor; none before it began.
    ///
    /// # Errors
    /// When the database is unavailable, or what is stored is damaged.
    pub async fn challenge_history(
        &self,
        monitor: &str,
        spec: &ChallengeSpec,
        pairs: usize,
    ) -> Result<Option<ChallengeHistory>, StoreError> {
        let attempted = "read a challenge";
        let id = spec.id(monitor);
        let row = sqlx::query("select progress, since from challenge where id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(attempted))?;
        let Some(row) = row else { return Ok(None) };
        let since: Option<_> = row.try_get("since").map_err(failed(attempted))?;
        let progress = progress(&row)?;
        let pairs = pairs.min((COLUMNS / progress.columns.len().max(1)).max(FEWEST));
        let rows = sqlx::query(
            "select starts_at, ends_at, champion, challenger, state, columns from challenge_pair
             where challenge_id = $1 order by starts_at desc limit $2",
        )
        .bind(id)
        .bind(bigint(pairs as u64))
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let mut pairs = rows.iter().map(compared_pair).collect::<Result<Vec<_>, _>>()?;
        pairs.reverse();
        Ok(Some(ChallengeHistory { since: since.map(|since| event_time(since).into()), progress, pairs }))
    }
}

/// A window of the challenger, and whether both sides have a closed one of its start.
struct StartedWindow {
    start: EventTime,
    is_open: bool,
    both: Option<(i64, i64)>,
}

fn progress(row: &PgRow) -> Result<Progress, StoreError> {
    let stored: serde_json::Value = row.try_get("progress").map_err(failed("read a challenge"))?;
    damaged("the progress of a challenge", serde_json::from_value(stored))
}

fn compared_pair(row: &PgRow) -> Result<ComparedPair, StoreError> {
    let failed = failed("read the pairs of a challenge");
    let json = |column: &str| row.try_get::<serde_json::Value, _>(column).map_err(&failed);
    let side = |column: &str| damaged("a window of a challenge", serde_json::from_value(json(column)?));
    let time = |column: &str| Ok::<_, StoreError>(event_time(row.try_get(column).map_err(&failed)?).into());
    Ok(ComparedPair {
        start: time("starts_at")?,
        end: time("ends_at")?,
        champion: side("champion")?,
        challenger: side("challenger")?,
        state: named(row, "state", ChallengeState::from_name).map_err(&failed)?,
        columns: damaged("the columns of a challenge", serde_json::from_value(json("columns")?))?,
    })
}
