//! When alerts of a series fired, in event time; and what people found out about alerts.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use super::alerts::{AlertAction, JUDGED, alert_row, select_alerts, write_history};
use super::audit::record;
use super::{Store, StoreError, count, event_time, failed, instant, named};
use crate::alert::{RowState, Severity};
use crate::view::{AlertRow, Episode, Judged, Page};

/// Days over which false alarms are counted.
pub const JUDGED_DAYS: i32 = 90;

impl Store {
    /// The alerts of a series that began after a time or were not over then, oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn episodes(&self, monitor: &str, version: &str, segment: &str) -> Result<Vec<Episode>, StoreError> {
        let rows = sqlx::query(
            "select a.id, a.rule, a.column_name, a.state, a.severity, a.since,
                    case when a.state in ('resolved', 'cleared') then coalesce(
                        (select max(coalesce(c.window_start, w.starts_at))
                         from alert_change c left join model_window w on w.id = c.window_id
                         where c.alert_id = a.id and c.kind in ('resolved', 'cleared')), a.resolved_at, a.updated_at) end as until,
                    (select jsonb_object_agg(c->>'column', c->'onset'->'likely')
                     from jsonb_path_query(a.evidence, '$.drifted[*] ? (exists(@.onset.likely))') c
                     where jsonb_typeof(c->'column') = 'string') as onsets
             from alert a
             where a.monitor = $1 and a.model_version = $2 and a.segment = $3 and a.kind <> 'operational'
               and a.fired_at is not null
             order by a.since desc limit 500",
        )
        .bind(monitor)
        .bind(version)
        .bind(segment)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list the alerts of a series"))?;
        rows.iter()
            .rev()
            .map(|row| {
                let until: Option<DateTime<Utc>> = row.try_get("until")?;
                let onsets: Option<Value> = row.try_get("onsets")?;
                Ok(Episode {
                    id: row.try_get("id")?,
                    rule: row.try_get("rule")?,
                    column: row.try_get("column_name")?,
                    state: named(row, "state", RowState::from_name)?,
                    severity: named(row, "severity", Severity::from_name)?,
                    since: event_time(row.try_get("since")?).into(),
                    until: until.map(|until| event_time(until).into()),
                    // What is damaged is not shown in charts.
                    onsets: onsets.and_then(|onsets| serde_json::from_value(onsets).ok()).unwrap_or_default(),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("list the alerts of a series"))
    }

    /// Alerts page by page, the latest change first. `after` is the change (microseconds) and id of the last one seen.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn alerts_page(
        &self,
        monitor: Option<&str>,
        states: &[RowState],
        after: Option<(i64, Uuid)>,
        limit: usize,
    ) -> Result<Page<AlertRow>, StoreError> {
        let (at, id) = after.unzip();
        let rows = sqlx::query(select_alerts!(
            "where ($1::text is null or a.monitor = $1) and (cardinality($2::text[]) = 0 or a.state = any($2))
               and ($3::timestamptz is null or (a.updated_at, a.id) < ($3, $4))
             order by a.updated_at desc, a.id desc limit $5"
        ))
        .bind(monitor)
        .bind(states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
        .bind(at.map(instant))
        .bind(id)
        .bind(super::bigint(limit as u64 + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list alerts"))?;
        let items: Vec<(i64, AlertRow)> = rows
            .iter()
            .map(|row| Ok((row.try_get::<DateTime<Utc>, _>("updated_at")?.timestamp_micros(), alert_row(row)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("list alerts"))?;
        let page = Page::cut(items, limit, |(at, alert)| format!("{at}.{}", alert.view.id));
        Ok(Page { items: page.items.into_iter().map(|(_, alert)| alert).collect(), next: page.next })
    }

    /// Resolves an alert, with what it was if that is known. One that is resolved already can still be judged, with a
    /// comment of its own.
    ///
    /// # Errors
    /// When there is no such alert, it is resolved already and there is no judgement, or the database is away.
    pub async fn resolve_alert(
        &self,
        id: Uuid,
        judged: Option<Judged>,
        actor: &str,
        comment: &str,
    ) -> Result<AlertRow, StoreError> {
        let text = id.to_string();
        let resolves = judged.is_none() || !self.alert(&text).await?.alert.is_over();
        if resolves {
            self.act_on_alert(id, AlertAction::Resolve, actor, comment).await?;
        }
        if let Some(judged) = judged {
            self.judge_alert(id, judged, actor, if resolves { "" } else { comment }).await?;
        }
        Ok(self.alert(&text).await?.alert)
    }

    /// Notes what people found out about an alert, in its history too, with their comment if there is one.
    async fn judge_alert(&self, id: Uuid, judged: Judged, actor: &str, comment: &str) -> Result<(), StoreError> {
        let attempted = "note what was found out about an alert";
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        let row = sqlx::query("select judged, severity from alert where id = $1 for update")
            .bind(id)
            .fetch_optional(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        let Some(row) = row else {
            return Err(StoreError::NotFound(format!("alert {id} not found")));
        };
        let before: Option<String> = row.try_get("judged").map_err(failed(attempted))?;
        let severity = named(&row, "severity", Severity::from_name).map_err(failed(attempted))?;
        sqlx::query("update alert set judged = $2, updated_at = now() where id = $1")
            .bind(id)
            .bind(judged.as_str())
            .execute(&mut transaction)
            .await
            .map_err(failed(attempted))?;
        write_history(&mut transaction, id, (None, 0), (JUDGED, judged.as_str()), severity, actor, comment)
            .await
            .map_err(failed(attempted))?;
        let detail = match comment {
            "" => json!({ "before": before, "after": judged }),
            comment => json!({ "before": before, "after": judged, "comment": comment }),
        };
        record(&mut transaction, actor, "alert.judge", &id.to_string(), detail).await?;
        transaction.commit().await.map_err(failed(attempted))
    }

    /// For each monitor: alerts of the last [`JUDGED_DAYS`] days that people found to be real, and false alarms.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn judged_alerts(&self) -> Result<Vec<(String, u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "select monitor, count(*) filter (where judged = 'real') as real,
                    count(*) filter (where judged = 'false_alarm') as wrong
             from alert where kind <> 'operational' and judged is not null
               and created_at > now() - make_interval(days => $1)
             group by monitor",
        )
        .bind(JUDGED_DAYS)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("count false alarms"))?;
        rows.iter()
            .map(|row| Ok((row.try_get("monitor")?, count(row.try_get("real")?), count(row.try_get("wrong")?))))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("count false alarms"))
    }
}
