//! Series over time: the score board of a model version and segment, and one column of it.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::findings::of_column;
use super::session::Session;
use super::windows::{select_windows, verdict, window_row};
use super::{Store, StoreError, count, event_time, failed};
use crate::view::{
    BoardScore, ColumnPoint, ColumnSummary, ScoreBoard, ScoredWindow, SeriesInfo, WindowRow, verdict_of,
};

impl Store {
    /// The series of a monitor that have closed windows: the whole before segments, then that with the newest window
    /// first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn series(&self, monitor: &str, limit: i64) -> Result<Vec<SeriesInfo>, StoreError> {
        let rows = sqlx::query(
            "select s.model_version, s.segment, last.starts_at, last.verdict, last.rows, last.windows, last.first_start
             from series s
             cross join lateral (
                 select w.starts_at, w.verdict, coalesce(w.judged_rows, w.rows) as rows,
                        (select count(*) from model_window c where c.monitor = s.monitor
                          and c.model_version = s.model_version and c.segment = s.segment and c.status = 'closed') as windows,
                        (select min(c.starts_at) from model_window c where c.monitor = s.monitor
                          and c.model_version = s.model_version and c.segment = s.segment and c.status = 'closed') as first_start
                 from model_window w
                 where w.monitor = s.monitor and w.model_version = s.model_version and w.segment = s.segment
                   and w.status = 'closed'
                 order by w.starts_at desc limit 1) last
             where s.monitor = $1
             order by s.segment <> '*', last.starts_at desc, s.model_version desc, s.segment limit $2",
        )
        .bind(monitor)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the series of a monitor"))?;
        rows.iter()
            .map(|row| {
                Ok(SeriesInfo {
                    version: row.try_get("model_version")?,
                    segment: row.try_get("segment")?,
                    windows: count(row.try_get("windows")?),
                    first_start: event_time(row.try_get("first_start")?).into(),
                    last_start: event_time(row.try_get("starts_at")?).into(),
                    last_verdict: verdict(row)?,
                    last_rows: count(row.try_get("rows")?),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("list the series of a monitor"))
    }

    /// The last closed windows of a series with how each column stood in them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn score_board(
        &self,
        monitor: &str,
        version: &str,
        segment: &str,
        limit: i64,
    ) -> Result<ScoreBoard, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read a score board"))?;
        board(&mut connection, monitor, version, segment, limit).await.map_err(failed("read a score board"))
    }

    /// The columns of the last closed window of a monitor's whole with their scores; those without a verdict have none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_scores(&self, monitor: &str) -> Result<Vec<(String, f32)>, StoreError> {
        let row: Option<LastScores> = sqlx::query_as(
            "select coalesce(columns, '{}'), coalesce(scores, '{}'), coalesce(verdicts, '') from model_window
             where monitor = $1 and segment = '*' and status = 'closed' order by ends_at desc, id desc limit 1",
        )
        .bind(monitor)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("read the last scores"))?;
        let (columns, scores, verdicts) = row.unwrap_or_default();
        let judged = columns.into_iter().zip(scores).zip(verdicts.chars());
        let judged = judged.filter(|(_, letter)| verdict_of(*letter).is_judged());
        Ok(judged.map(|(scored, _)| scored).collect())
    }

    /// One column in the last closed windows of a series (monitor, version, segment), oldest first; with `around`, in the
    /// last ones up to some windows after that one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn column_history(
        &self,
        series: (&str, &str, &str),
        column: &str,
        limit: i64,
        around: Option<i64>,
    ) -> Result<Vec<ColumnPoint>, StoreError> {
        let attempted = "read the history of a column";
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let windows = last_windows(&mut connection, series, limit, around).await.map_err(failed(attempted))?;
        let ids: Vec<i64> = windows.iter().map(|window| window.id).collect();
        let mut summaries = summaries_of(&mut connection, &ids, column).await.map_err(failed(attempted))?;
        let mut findings: HashMap<i64, Vec<_>> = HashMap::new();
        for finding in of_column(&mut connection, &ids, column).await.map_err(failed(attempted))? {
            findings.entry(finding.window).or_default().push(finding);
        }
        Ok(windows
            .into_iter()
            .map(|window| ColumnPoint {
                summary: summaries.remove(&window.id),
                findings: findings.remove(&window.id).unwrap_or_default(),
                window,
            })
            .collect())
    }
}

/// Columns, their scores, the letters of their verdicts.
type LastScores = (Vec<String>, Vec<f32>, String);

async fn last_windows(
    connection: &mut Session,
    (monitor, version, segment): (&str, &str, &str),
    limit: i64,
    around: Option<i64>,
) -> Result<Vec<WindowRow>, sqlx::Error> {
    let rows = sqlx::query(select_windows!(
        "where w.monitor = $1 and w.model_version = $2 and w.segment = $3 and w.status = 'closed'
           and ($5::bigint is null or w.starts_at <= (
               select max(later.starts_at) from (
                   select l.starts_at from model_window l
                   where l.monitor = $1 and l.model_version = $2 and l.segment = $3 and l.status = 'closed'
                     and l.starts_at >= (select starts_at from model_window where id = $5)
                   order by l.starts_at limit $6) later))
         order by w.starts_at desc limit $4"
    ))
    .bind(monitor)
    .bind(version)
    .bind(segment)
    .bind(limit)
    .bind(around)
    .bind(limit / 3 + 1)
    .fetch_all(connection)
    .await?;
    rows.iter().rev().map(window_row).collect()
}

async fn board(
    connection: &mut Session,
    monitor: &str,
    version: &str,
    segment: &str,
    limit: i64,
) -> Result<ScoreBoard, sqlx::Error> {
    let windows = last_windows(connection, (monitor, version, segment), limit, None).await?;
    let ids: Vec<i64> = windows.iter().map(|window| window.id).collect();
    // The names of columns hardly ever change: they are read once for all windows that have the same ones.
    let rows = sqlx::query(
        "select id, scores, verdicts, hashtextextended(columns::text, 0) as names from model_window where id = any($1)",
    )
    .bind(&ids)
    .fetch_all(&mut *connection)
    .await?;
    let named = sqlx::query(
        "select distinct on (hashtextextended(columns::text, 0)) hashtextextended(columns::text, 0) as names, columns
         from model_window where id = any($1)",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    let mut lists: HashMap<Option<i64>, Vec<String>> = HashMap::new();
    for row in named {
        lists.insert(row.try_get("names")?, row.try_get::<Option<Vec<String>>, _>("columns")?.unwrap_or_default());
    }
    let mut stored: HashMap<i64, (Option<i64>, Vec<f32>, String)> = HashMap::new();
    for row in rows {
        let scores: Option<Vec<f32>> = row.try_get("scores")?;
        let verdicts: Option<String> = row.try_get("verdicts")?;
        let names: Option<i64> = row.try_get("names")?;
        stored.insert(row.try_get("id")?, (names, scores.unwrap_or_default(), verdicts.unwrap_or_default()));
    }
    let last = windows.last().and_then(|window| stored.get(&window.id)).map(|(names, ..)| *names);
    let columns = last.and_then(|names| lists.get(&names)).cloned().unwrap_or_default();
    // Where each of a window's columns stands among those of the board.
    let places: HashMap<Option<i64>, Vec<Option<usize>>> = lists
        .iter()
        .map(|(names, list)| {
            let place = |name: &String| columns.iter().position(|column| column == name);
            // Of the same list, in the same order.
            let places = if *list == columns {
                (0..list.len()).map(Some).collect()
            } else {
                list.iter().map(place).collect()
            };
            (*names, places)
        })
        .collect();
    let windows = windows
        .into_iter()
        .map(|window| {
            let mut scores = vec![None; columns.len()];
            if let Some((names, values, letters)) = stored.get(&window.id) {
                let places = places.get(names).map_or(&[][..], Vec::as_slice);
                for ((place, score), letter) in places.iter().zip(values).zip(letters.chars()) {
                    if let Some(slot) = place.and_then(|place| scores.get_mut(place)) {
                        *slot = Some(BoardScore { score: *score, verdict: verdict_of(letter) });
                    }
                }
            }
            ScoredWindow { window, scores }
        })
        .collect();
    Ok(ScoreBoard { columns, windows })
}

async fn summaries_of(
    connection: &mut Session,
    windows: &[i64],
    column: &str,
) -> Result<HashMap<i64, ColumnSummary>, sqlx::Error> {
    let rows = sqlx::query(
        "select window_id, present, nulls, invalid, below, above, unseen, mean, quantiles, categories, shares
         from column_summary where window_id = any($1) and column_name = $2",
    )
    .bind(windows)
    .bind(column)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("window_id")?, summary_row(row, column.to_owned())?))).collect()
}

/// The summary of a column, from a row with the columns of `column_summary`.
pub(super) fn summary_row(row: &PgRow, column: String) -> Result<ColumnSummary, sqlx::Error> {
    let number = |name: &str| -> Result<u64, sqlx::Error> { Ok(count(row.try_get(name)?)) };
    let quantiles: Option<Vec<Option<f64>>> = row.try_get("quantiles")?;
    let categories: Option<Vec<String>> = row.try_get("categories")?;
    let shares: Option<Vec<f32>> = row.try_get("shares")?;
    Ok(ColumnSummary {
        column,
        present: number("present")?,
        nulls: number("nulls")?,
        invalid: number("invalid")?,
        below: number("below")?,
        above: number("above")?,
        unseen: number("unseen")?,
        mean: row.try_get("mean")?,
        quantiles: quantiles.and_then(|quantiles| quantiles.try_into().ok()),
        categories: categories.unwrap_or_default().into_iter().zip(shares.unwrap_or_default()).collect(),
    })
}
