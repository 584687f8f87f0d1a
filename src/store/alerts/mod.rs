//! Alerts: their rows, their history, and what people do to them.

mod act;
mod write;

pub use act::AlertAction;
pub(super) use write::{
    By, HELD, JUDGED, Owner, TOLD, later_change, refresh_alerts, store_states, write_changes, write_history,
};

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::groups::segments_judged;
use super::{Store, StoreError, event_time, failed, named, named_if_any};
use crate::alert::{AlertView, Evidence, Labels, RowState, RuleKind, Segments, Severity, Suppression, relate};
use crate::record::EventTime;
use crate::store::session::Session;
use crate::view::{AlertDetail, AlertFilter, AlertRow, DeliveryEntry, DeliveryStatus, HistoryEntry, Judged};
use crate::window::WHOLE;

/// A query for alerts, with the columns that [`alert_row`] reads.
macro_rules! select_alerts {
    ($condition:literal) => {
        concat!(
            "select a.id, a.monitor, a.model_version, a.segment, a.state, a.severity, a.since, a.rule, a.column_name,
                    a.kind, a.labels, a.evidence, a.reason, a.windows, coalesce(a.fired_at, a.created_at) as fired_at,
                    a.resolved_at, a.acknowledged_by, a.judged, a.updated_at, a.judged_windows,
                    (select jsonb_agg(jsonb_build_array(g.receiver, m.suppression) order by g.receiver)
                     from alert_group_member m join alert_group g on g.id = m.group_id
                     where m.alert_id = a.id and m.suppression is not null
                       and a.state in ('firing', 'acknowledged')) as not_told,
                    person.kind as person_did, person.actor as person, person.detail as person_said
             from alert a left join lateral (
                 select c.kind, c.actor, c.detail from alert_change c
                 where c.alert_id = a.id and c.reason = 'by_person'
                 order by c.id desc limit 1) person on true ",
            $condition
        )
    };
}
pub(super) use select_alerts;

pub(super) fn alert_row(row: &sqlx::postgres::PgRow) -> Result<AlertRow, sqlx::Error> {
    let state = named(row, "state", RowState::from_name)?;
    let time =
        |name: &str| -> Result<EventTime, sqlx::Error> { Ok(event_time(row.try_get::<DateTime<Utc>, _>(name)?)) };
    let resolved: Option<DateTime<Utc>> = row.try_get("resolved_at")?;
    let Json(labels): Json<Labels> = row.try_get("labels")?;
    let Json(evidence): Json<Evidence> = row.try_get("evidence")?;
    let (did, person): (Option<String>, Option<String>) = (row.try_get("person_did")?, row.try_get("person")?);
    let said: Option<String> = row.try_get("person_said")?;
    let view = AlertView {
        id: row.try_get("id")?,
        status: state.status(),
        severity: named(row, "severity", Severity::from_name)?,
        rule: row.try_get("rule")?,
        kind: named(row, "kind", RuleKind::from_name)?,
        monitor: row.try_get("monitor")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        labels,
        since: time("since")?.into(),
        fired_at: time("fired_at")?.into(),
        resolved_at: resolved.map(|at| event_time(at).into()),
        acknowledged_by: row.try_get("acknowledged_by")?,
        resolved_by: person.filter(|_| did.as_deref() == Some("resolved") && state == RowState::Resolved),
        // Without a comment the history has the summary in its place.
        comment: said.filter(|said| !said.is_empty() && *said != evidence.summary),
        reason: row.try_get("reason")?,
        windows: u32::try_from(row.try_get::<i32, _>("windows")?).unwrap_or(0),
        judged_windows: u32::try_from(row.try_get::<i32, _>("judged_windows")?).unwrap_or(0),
        segments: None,
        follows: None,
        evidence,
        url: None,
    };
    let not_told: Option<Json<Vec<(String, Suppression)>>> = row.try_get("not_told")?;
    let not_told = not_told.map(|Json(held)| held).unwrap_or_default();
    Ok(AlertRow {
        not_told: not_told.iter().map(|(receiver, why)| format!("{receiver}: {}", why.words())).collect(),
        state,
        judged: named_if_any(row, "judged", Judged::from_name)?,
        updated_at: time("updated_at")?.into(),
        column: row.try_get("column_name")?,
        view,
    })
}

impl Store {
    /// Alerts, the newest first; without `all` those that are not over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn alerts(&self, filter: &AlertFilter, limit: i64) -> Result<Vec<AlertRow>, StoreError> {
        let rows = sqlx::query(select_alerts!(
            "where ($1::text is null or a.monitor = $1)
               and ($2 or a.state in ('pending', 'firing', 'acknowledged'))
             order by a.updated_at desc, a.id desc limit $3"
        ))
        .bind(&filter.monitor)
        .bind(filter.all)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("list alerts"))?;
        rows.iter().map(alert_row).collect::<Result<_, _>>().map_err(failed("list alerts"))
    }

    /// The alert whose id begins so, with its history and the messages about it.
    ///
    /// # Errors
    /// When there is none or more than one, or the database is away.
    pub async fn alert(&self, prefix: &str) -> Result<AlertDetail, StoreError> {
        let id = self.find_alert(prefix).await?;
        let mut connection = self.pool.acquire().await.map_err(failed("read an alert"))?;
        let mut alert = read_alert(&mut connection, id).await?;
        let mut segments =
            related(&mut connection, &alert).await.map_err(failed("read the segments of an alert"))?;
        if alert.view.segment == WHOLE && !segments.is_empty() {
            let judged =
                segments_judged(&mut connection, id).await.map_err(failed("count the segments of an alert"))?;
            alert.view.segments = Some(Segments { judged: Some(judged), ..Segments::default() });
        }
        let mut views: Vec<AlertView> =
            [&alert].into_iter().chain(&segments).map(|alert| alert.view.clone()).collect();
        relate(&mut views);
        for (alert, view) in [&mut alert].into_iter().chain(&mut segments).zip(views) {
            alert.view = view;
        }
        let history = history(&mut connection, id).await.map_err(failed("read the history of an alert"))?;
        let deliveries = deliveries(&mut connection, id).await.map_err(failed("read the messages of an alert"))?;
        Ok(AlertDetail { alert, history, deliveries, segments })
    }

    /// The full id of the alert whose id begins so.
    ///
    /// # Errors
    /// When there is none or more than one, or the database is away.
    pub async fn find_alert(&self, prefix: &str) -> Result<Uuid, StoreError> {
        let found: Vec<Uuid> =
            sqlx::query_scalar("select id from alert where starts_with(id::text, lower($1)) limit 2")
                .bind(prefix)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("find an alert"))?;
        super::the_one(&found, "alert", prefix, "driftd alerts list --all")
    }
}

pub(super) async fn read_alert(connection: &mut Session, id: Uuid) -> Result<AlertRow, StoreError> {
    let row = sqlx::query(select_alerts!("where a.id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(failed("read an alert"))?
        .ok_or_else(|| StoreError::NotFound(format!("alert {id} not found")))?;
    alert_row(&row).map_err(failed("read an alert"))
}

/// Segments that are listed at most.
const RELATED: i64 = 200;

/// The firing alerts of segments beside a firing one of the whole, or that of the whole beside one of a segment.
async fn related(connection: &mut Session, alert: &AlertRow) -> Result<Vec<AlertRow>, sqlx::Error> {
    let view = &alert.view;
    if view.kind == RuleKind::Operational || alert.is_over() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(select_alerts!(
        "where a.monitor = $1 and a.model_version = $2 and a.rule = $3 and a.column_name is not distinct from $4
           and a.kind = $5 and a.state in ('firing', 'acknowledged') and (a.segment = '*') <> $6
         order by a.segment limit $7"
    ))
    .bind(&view.monitor)
    .bind(&view.version)
    .bind(&view.rule)
    .bind(&alert.column)
    .bind(view.kind.as_str())
    .bind(view.segment == WHOLE)
    .bind(RELATED)
    .fetch_all(connection)
    .await?;
    rows.iter().map(alert_row).collect()
}

async fn history(connection: &mut Session, id: Uuid) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    let rows = sqlx::query(
        "select c.created_at, c.kind, c.reason, c.severity, c.actor, c.detail, c.window_id,
                coalesce(w.starts_at, c.window_start) as starts_at
         from alert_change c left join model_window w on w.id = c.window_id
         where c.alert_id = $1 order by c.id",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let window: Option<DateTime<Utc>> = row.try_get("starts_at")?;
            Ok(HistoryEntry {
                at: event_time(row.try_get("created_at")?).into(),
                kind: row.try_get("kind")?,
                reason: row.try_get("reason")?,
                severity: named(row, "severity", Severity::from_name)?,
                actor: row.try_get("actor")?,
                detail: row.try_get("detail")?,
                window: window.map(|at| event_time(at).into()),
                window_id: row.try_get("window_id")?,
            })
        })
        .collect()
}

async fn deliveries(connection: &mut Session, id: Uuid) -> Result<Vec<DeliveryEntry>, sqlx::Error> {
    let rows = sqlx::query(
        "select n.id, n.receiver, n.event_type, n.status, n.attempts, n.created_at, last.outcome, last.detail
         from notification n
         left join lateral (select outcome, detail from delivery_attempt d where d.notification_id = n.id
                            order by attempt desc limit 1) last on true
         where n.body @? ('$.data.alerts[*] ? (@.id == \"' || $1::text || '\")')::jsonpath
         order by n.sequence",
    )
    .bind(id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(DeliveryEntry {
                id: row.try_get("id")?,
                receiver: row.try_get("receiver")?,
                event_type: row.try_get("event_type")?,
                status: named(row, "status", DeliveryStatus::from_name)?,
                attempts: row.try_get("attempts")?,
                outcome: row.try_get("outcome")?,
                detail: row.try_get("detail")?,
                at: event_time(row.try_get("created_at")?).into(),
            })
        })
        .collect()
}
