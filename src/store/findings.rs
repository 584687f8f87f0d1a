//! Findings as they are shown, and as they were judged.

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::session::Session;
use super::windows::verdict;
use super::{Store, StoreError, count, event_time, failed, instant};
use crate::judge::{ChangeDetail, Finding, Subject, Verdict};
use crate::measure::{Measure, Score, Thresholds};
use crate::view::{FindingFilter, FindingRow, Page};

/// A query for findings, with the columns that [`finding_row`] reads.
macro_rules! select_findings {
    ($rest:literal) => {
        concat!(
            "select f.window_id, w.monitor, w.model_version, w.segment, coalesce(w.judged_from, w.starts_at) as begins_at, w.ends_at, f.column_name, f.measure, f.statistic,
                    f.p_value, f.effect, f.bound, f.noise_floor, f.warn, f.critical, f.n_baseline, f.n_window, f.significant,
                    f.verdict, f.change
             from finding f join model_window w on w.id = f.window_id ",
            $rest
        )
    };
}
pub(super) use select_findings;

pub(super) fn finding_row(row: &PgRow) -> Result<FindingRow, sqlx::Error> {
    let finite = |name: &str| -> Result<Option<f64>, sqlx::Error> {
        Ok(row.try_get::<Option<f64>, _>(name)?.filter(|value| value.is_finite()))
    };
    Ok(FindingRow {
        window: row.try_get("window_id")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        start: event_time(row.try_get("begins_at")?).into(),
        end: event_time(row.try_get("ends_at")?).into(),
        column: Subject::from_stored(row.try_get("column_name")?).name().to_owned(),
        measure: row.try_get("measure")?,
        statistic: finite("statistic")?,
        p_value: finite("p_value")?,
        effect: finite("effect")?,
        bound: finite("bound")?,
        noise_floor: finite("noise_floor")?,
        warn: row.try_get("warn")?,
        critical: row.try_get("critical")?,
        n_baseline: row.try_get::<Option<i64>, _>("n_baseline")?.map(count),
        n_window: row.try_get::<Option<i64>, _>("n_window")?.map(count),
        verdict: verdict(row)?,
        change: change(row)?,
    })
}

/// Where a listing of findings goes on: window, column, measure.
pub type FindingPlace = (i64, String, String);

impl Store {
    /// Findings of a monitor, those of the newest windows first; `after` is the last one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn findings(
        &self,
        monitor: &str,
        filter: &FindingFilter,
        after: Option<FindingPlace>,
        limit: usize,
    ) -> Result<Page<FindingRow>, StoreError> {
        let of_subject = filter.column.clone().map(|name| Subject::from_name(name).as_stored().to_owned());
        let (window, column, measure) = match after {
            Some((window, column, measure)) => {
                (Some(window), Some(Subject::from_name(column).as_stored().to_owned()), Some(measure))
            }
            None => (None, None, None),
        };
        let rows = sqlx::query(select_findings!(
            "where w.monitor = $1 and w.status = 'closed' and ($2::text is null or w.model_version = $2)
               and ($3::text is null or w.segment = $3)
               and ($4::timestamptz is null or w.starts_at >= $4) and ($5::timestamptz is null or w.starts_at < $5)
               and ($6::bigint is null or w.id = $6) and ($7::text is null or f.column_name = $7)
               and ($8::text is null or f.measure = $8) and ($9::text is null or f.verdict = $9)
               and ($10::bigint is null or f.window_id < $10
                    or (f.window_id = $10 and (f.column_name, f.measure) > ($11, $12)))
             order by f.window_id desc, f.column_name, f.measure limit $13"
        ))
        .bind(monitor)
        .bind(&filter.version)
        .bind(&filter.segment)
        .bind(filter.from.map(instant))
        .bind(filter.to.map(instant))
        .bind(filter.window)
        .bind(of_subject)
        .bind(&filter.measure)
        .bind(filter.verdict.map(Verdict::as_str))
        .bind(window)
        .bind(column)
        .bind(measure)
        .bind(super::bigint(limit as u64 + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list findings"))?;
        let items = rows.iter().map(finding_row).collect::<Result<_, _>>().map_err(failed("list findings"))?;
        Ok(Page::cut(items, limit, |finding: &FindingRow| {
            serde_json::json!([finding.window, finding.column, finding.measure]).to_string()
        }))
    }

    /// The findings of a window, as they were judged.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn judged(&self, window: i64) -> Result<Vec<Finding>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read findings"))?;
        judged(&mut connection, window).await
    }
}

/// The findings of a window, as they were judged.
pub(super) async fn judged(connection: &mut Session, window: i64) -> Result<Vec<Finding>, StoreError> {
    let rows = sqlx::query(
        "select column_name, measure, statistic, p_value, effect, bound, noise_floor, warn, critical, n_baseline, n_window,
                significant, verdict, change from finding where window_id = $1 order by column_name, measure",
    )
    .bind(window)
    .fetch_all(connection)
    .await
    .map_err(failed("read findings"))?;
    let read = |row: &PgRow| -> Result<Option<Finding>, sqlx::Error> {
        let name: String = row.try_get("measure")?;
        // A measure of a newer driftd is left out.
        let Some(measure) = Measure::from_name(&name) else { return Ok(None) };
        let (statistic, effect): (Option<f64>, Option<f64>) = (row.try_get("statistic")?, row.try_get("effect")?);
        let size =
            |name: &str| -> Result<u64, sqlx::Error> { Ok(row.try_get::<Option<i64>, _>(name)?.map_or(0, count)) };
        let score = match statistic.zip(effect) {
            Some((statistic, effect)) => Some(Score {
                statistic,
                p_value: row.try_get("p_value")?,
                effect,
                bound: row.try_get("bound")?,
                n_baseline: size("n_baseline")?,
                n_window: size("n_window")?,
            }),
            None => None,
        };
        Ok(Some(Finding {
            subject: Subject::from_stored(row.try_get("column_name")?),
            measure,
            score,
            limits: limits(row)?,
            noise_floor: row.try_get("noise_floor")?,
            // Not noted before; what moved was significant.
            significant: row.try_get::<Option<bool>, _>("significant")?.unwrap_or(verdict(row)?.moved()),
            verdict: verdict(row)?,
            change: change(row)?,
        }))
    };
    let found: Result<Vec<Option<Finding>>, sqlx::Error> = rows.iter().map(read).collect();
    Ok(found.map_err(failed("read findings"))?.into_iter().flatten().collect())
}

/// The limits of a finding; none where it is only shown.
fn limits(row: &PgRow) -> Result<Option<Thresholds>, sqlx::Error> {
    let limits = row.try_get::<Option<f64>, _>("warn")?.zip(row.try_get("critical")?);
    Ok(limits.map(|(warn, critical)| Thresholds { warn, critical }))
}

/// What a change measure says beside its score; what a newer driftd wrote otherwise is left out.
fn change(row: &PgRow) -> Result<Option<ChangeDetail>, sqlx::Error> {
    let stored: Option<Value> = row.try_get("change")?;
    Ok(stored.and_then(|stored| serde_json::from_value(stored).ok()))
}

/// The findings about a column in some windows.
pub(super) async fn of_column(
    connection: &mut Session,
    windows: &[i64],
    column: &str,
) -> Result<Vec<FindingRow>, sqlx::Error> {
    let rows =
        sqlx::query(select_findings!("where f.window_id = any($1) and f.column_name = $2 order by f.measure"))
            .bind(windows)
            .bind(column)
            .fetch_all(connection)
            .await?;
    rows.iter().map(finding_row).collect()
}
