//! What a decision about a group needs to know.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use crate::alert::{
    AlertFacts, AlertStatus, AlertView, DueAlert, DueGroup, GroupTiming, Labels, LastTold, Suppression,
};
use crate::record::{EventTime, TimeSpan};
use crate::store::alerts::{alert_row, select_alerts};
use crate::store::session::Session;
use crate::store::{Store, StoreError, event_time, failed};

/// Alerts that inhibition looks at, at most.
const MAX_OPEN: i64 = 20_000;

impl Store {
    /// The alerts that are routed to a receiver, as states: those that fire and nothing suppresses, and those that were
    /// over at most `for_seconds` ago.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn routed_alerts(
        &self,
        receiver: &str,
        for_seconds: i64,
        external_url: Option<&str>,
    ) -> Result<Vec<AlertView>, StoreError> {
        let rows = sqlx::query(select_alerts!(
            "where exists (select from alert_route r where r.alert_id = a.id and r.receiver = $1)
               and (a.state in ('firing', 'acknowledged')
                    or a.state = 'resolved' and a.resolved_at > now() - make_interval(secs => $2))
               and not exists (select from alert_group_member m join alert_group g on g.id = m.group_id
                               where m.alert_id = a.id and g.receiver = $1 and m.suppression is not null)
             order by a.since, a.id limit 5000"
        ))
        .bind(receiver)
        .bind(f64::from(i32::try_from(for_seconds).unwrap_or(i32::MAX)))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the alerts of a receiver"))?;
        let mut views = Vec::new();
        for row in &rows {
            let mut view = alert_row(row).map_err(failed("read the alerts of a receiver"))?.view;
            view.link(external_url);
            views.push(view);
        }
        Ok(views)
    }
}

/// A group, locked, with its alerts; `None` when another daemon looks at it.
pub(super) async fn load(connection: &mut Session, id: Uuid) -> Result<Option<DueGroup>, sqlx::Error> {
    let row = sqlx::query(
        "select thread, route, receiver, labels, timing, mute, opened_at, sent_at, capped from alert_group
         where id = $1 for update skip locked",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let members = sqlx::query(
        "select m.alert_id, m.told, m.suppression, a.fired_at as fired from alert_group_member m
         join alert a on a.id = m.alert_id where m.group_id = $1 order by m.alert_id",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    let alerts = sqlx::query(select_alerts!(
        "join alert_group_member m on m.alert_id = a.id where m.group_id = $1 order by a.id"
    ))
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    let opened = event_time(row.try_get("opened_at")?);
    let mut due = Vec::new();
    for (member, alert) in members.iter().zip(&alerts) {
        let fired: Option<DateTime<Utc>> = member.try_get("fired")?;
        due.push(DueAlert {
            view: alert_row(alert)?.view,
            fired: fired.map_or(opened, event_time),
            told: member.try_get::<Option<Json<LastTold>>, _>("told")?.map(|Json(told)| told),
            suppression: member.try_get::<Option<Json<Suppression>>, _>("suppression")?.map(|Json(by)| by),
        });
    }
    Ok(Some(DueGroup {
        id,
        thread: row.try_get("thread")?,
        route: row.try_get("route")?,
        receiver: row.try_get("receiver")?,
        labels: row.try_get::<Json<Labels>, _>("labels")?.0,
        mute: row.try_get::<Json<Vec<String>>, _>("mute")?.0,
        capped: row.try_get("capped")?,
        timing: row.try_get::<Json<GroupTiming>, _>("timing")?.0,
        opened,
        sent: row.try_get::<Option<DateTime<Utc>>, _>("sent_at")?.map(event_time),
        alerts: due,
    }))
}

/// Says of the alerts of the whole that a message tells how many segments are judged. Windows that are still open count: those
/// of segments close after that of the whole.
pub(super) async fn count_segments(connection: &mut Session, told: &mut [AlertView]) -> Result<(), sqlx::Error> {
    for view in told {
        if let Some(segments) = &mut view.segments {
            segments.judged = Some(segments_judged(connection, view.id).await?);
        }
    }
    Ok(())
}

/// Segments of the model version of an alert that are judged since it began.
pub(in crate::store) async fn segments_judged(connection: &mut Session, alert: Uuid) -> Result<u32, sqlx::Error> {
    let judged: i64 = sqlx::query_scalar(
        "select count(*) from alert a
         join series s on s.monitor = a.monitor and s.model_version = a.model_version and s.segment <> '*'
         where a.id = $1 and exists (
             select from model_window w
             where w.monitor = s.monitor and w.model_version = s.model_version and w.segment = s.segment
               and w.starts_at >= a.since and (w.status = 'open' or w.verdict in ('ok', 'warn', 'critical')))",
    )
    .bind(alert)
    .fetch_one(connection)
    .await?;
    Ok(u32::try_from(judged).unwrap_or(u32::MAX))
}

/// That a column of the evidence moves in the last judged window, see `DriftedColumn::moves_now`.
const MOVES_NOW: &str =
    r#"!exists(@.last) || @.last == null || @.last.verdict == "critical" || @.last.verdict == "warn""#;

pub(super) async fn open_alerts(connection: &mut Session) -> Result<Vec<AlertFacts>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, state, labels,
                jsonb_path_query_array(evidence, $2::jsonpath) || jsonb_path_query_array(evidence, $3::jsonpath) as columns
         from alert where state in ('firing', 'acknowledged') order by since, id limit $1",
    )
    .bind(MAX_OPEN)
    .bind(format!("$.drifted[*] ? ({MOVES_NOW}).column"))
    .bind(format!("$.warned[*] ? ({MOVES_NOW}).column"))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(AlertFacts {
                id: row.try_get("id")?,
                labels: row.try_get::<Json<Labels>, _>("labels")?.0,
                status: AlertStatus::Firing,
                columns: row.try_get::<Json<Vec<String>>, _>("columns")?.0,
            })
        })
        .collect()
}

/// When a receiver may have another message, if it has had as many as it may in the last hour.
pub(super) async fn room_at(
    connection: &mut Session,
    receiver: &str,
    cap: u32,
) -> Result<Option<EventTime>, sqlx::Error> {
    let recent: Vec<DateTime<Utc>> = sqlx::query_scalar(
        "select created_at from notification
         where receiver = $1 and created_at > now() - interval '1 hour' and event_type like 'drift.alerts.%'
         order by created_at desc limit $2",
    )
    .bind(receiver)
    .bind(i64::from(cap))
    .fetch_all(connection)
    .await?;
    let full = recent.len() >= cap as usize;
    Ok(recent
        .last()
        .filter(|_| full)
        .map(|oldest| event_time(*oldest).shifted(TimeSpan::from_micros(3_600_000_001))))
}
