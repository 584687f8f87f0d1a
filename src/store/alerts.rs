//! Alerts: their rows, their history, and what people do to them.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Store, StoreError, event_time, failed, timestamp};
use crate::alert::{
    AlertChange, AlertFacts, AlertStatus, AlertView, ChangeReason, Evidence, GroupKey, Labels, RuleKind,
    SeriesAlerts, Severity,
};
use crate::decision::ChangedAlert;

/// What a person does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertAction {
    /// Is at it.
    Acknowledge,
    /// Says that it is over.
    Resolve,
}

/// A row of an alert's history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HistoryEntry {
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How bad the alert was.
    pub severity: String,
    /// Who.
    pub actor: String,
    /// In words.
    pub detail: String,
    /// Start of the window that made the change, RFC 3339.
    pub window: Option<String>,
}

/// A message about an alert.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DeliveryEntry {
    /// The message.
    pub id: Uuid,
    /// To whom.
    pub receiver: String,
    /// The event's `type`.
    pub event_type: String,
    /// pending, sent, dead or superseded.
    pub status: String,
    /// How often it was tried.
    pub attempts: i32,
    /// How the last attempt ended.
    pub outcome: Option<String>,
    /// In words.
    pub detail: Option<String>,
    /// When it was decided, RFC 3339.
    pub at: String,
}

/// Which alerts to list.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Of this monitor.
    pub monitor: Option<String>,
    /// Those that are over, too.
    pub all: bool,
}

/// An alert with the state of its row.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AlertRow {
    /// pending, firing, acknowledged, resolved or cleared.
    pub state: String,
    /// As it is told.
    #[serde(flatten)]
    pub view: AlertView,
}

/// A query for alerts, with the columns that [`alert_row`] reads.
macro_rules! select_alerts {
    ($condition:literal) => {
        concat!(
            "select a.id, a.monitor, a.model_version, a.segment, a.state, a.severity, a.since, a.rule, a.column_name,
                    a.kind, a.labels, a.evidence, a.reason, a.windows, coalesce(a.fired_at, a.created_at) as fired_at,
                    a.resolved_at, a.acknowledged_by
             from alert a ",
            $condition
        )
    };
}
pub(super) use select_alerts;

pub(super) fn alert_row(row: &sqlx::postgres::PgRow) -> Result<AlertRow, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let status = match state.as_str() {
        "resolved" | "cleared" => AlertStatus::Resolved,
        "acknowledged" => AlertStatus::Acknowledged,
        _ => AlertStatus::Firing,
    };
    let kind: String = row.try_get("kind")?;
    let time = |name: &str| -> Result<String, sqlx::Error> {
        Ok(event_time(row.try_get::<DateTime<Utc>, _>(name)?).to_string())
    };
    let resolved: Option<DateTime<Utc>> = row.try_get("resolved_at")?;
    let Json(labels): Json<Labels> = row.try_get("labels")?;
    let Json(evidence): Json<Evidence> = row.try_get("evidence")?;
    let severity: String = row.try_get("severity")?;
    let view = AlertView {
        id: row.try_get("id")?,
        status,
        severity: Severity::from_name(&severity).unwrap_or(Severity::Critical),
        rule: row.try_get("rule")?,
        kind: [RuleKind::DataQuality, RuleKind::Operational]
            .into_iter()
            .find(|known| known.as_str() == kind)
            .unwrap_or(RuleKind::Drift),
        monitor: row.try_get("monitor")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        labels,
        since: time("since")?,
        fired_at: time("fired_at")?,
        resolved_at: resolved.map(|at| event_time(at).to_string()),
        acknowledged_by: row.try_get("acknowledged_by")?,
        reason: row.try_get("reason")?,
        windows: u32::try_from(row.try_get::<i32, _>("windows")?).unwrap_or(0),
        evidence,
        url: None,
    };
    Ok(AlertRow { state, view })
}

/// What inhibition and silences look at.
pub(super) fn facts_of(view: &AlertView) -> AlertFacts {
    AlertFacts {
        id: view.id,
        labels: view.labels.clone(),
        status: view.status,
        columns: view.evidence.drifted.iter().map(|column| column.column.clone()).collect(),
    }
}

/// Whose alert it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) monitor: &'a str,
    pub(super) version: &'a str,
    pub(super) segment: &'a str,
}

/// Who made a change, and what they said.
#[derive(Clone, Copy, Debug)]
pub(super) struct By<'a> {
    pub(super) actor: &'a str,
    pub(super) detail: &'a str,
    pub(super) window: Option<i64>,
}

/// Writes changes of alerts, their history, and the groups they concern.
pub(super) async fn write_changes(
    connection: &mut PgConnection,
    owner: Owner<'_>,
    changes: &[ChangedAlert],
    by: By<'_>,
) -> Result<(), StoreError> {
    for changed in changes {
        write_change(connection, owner, changed, by).await.map_err(failed("store the change of an alert"))?;
    }
    // In one order for everybody, so that transactions do not wait for one another in a circle.
    let mut joins: Vec<(Uuid, &GroupKey, Uuid)> = changes
        .iter()
        .flat_map(|changed| changed.groups.iter().map(|group| (group.id(), group, changed.transition.change.id)))
        .collect();
    joins.sort_by_key(|(group, _, alert)| (*group, *alert));
    for (id, group, alert) in joins {
        join_group(connection, id, group, alert).await.map_err(failed("put an alert into its group"))?;
    }
    let ids: Vec<Uuid> = changes.iter().map(|changed| changed.transition.change.id).collect();
    wake_groups(connection, &ids).await
}

/// Has the groups of alerts looked at.
async fn wake_groups(connection: &mut PgConnection, alerts: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query(
        "update alert_group set due_at = now() where id in (
             select g.id from alert_group g join alert_group_member m on m.group_id = g.id
             where m.alert_id = any($1) order by g.id for update of g)",
    )
    .bind(alerts)
    .execute(connection)
    .await
    .map_err(failed("wake the groups of an alert"))?;
    Ok(())
}

async fn write_change(
    connection: &mut PgConnection,
    owner: Owner<'_>,
    changed: &ChangedAlert,
    by: By<'_>,
) -> Result<(), sqlx::Error> {
    let AlertChange { id, kind, reason, severity, since, windows } = &changed.transition.change;
    sqlx::query(
        "insert into alert (id, monitor, model_version, segment, state, severity, since, rule, column_name, kind,
                            labels, evidence, reason, windows, fired_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, '{}'::jsonb), $13, $14,
                 case when $15 = 'firing' then now() end)
         on conflict (id) do update set
             state = case when $15 = 'eased' then alert.state else excluded.state end,
             severity = excluded.severity, labels = excluded.labels, reason = excluded.reason,
             windows = greatest(alert.windows, excluded.windows), updated_at = now(),
             evidence = coalesce($12, alert.evidence),
             fired_at = coalesce(alert.fired_at, excluded.fired_at),
             resolved_at = case when $15 in ('resolved', 'cleared') then now() end,
             acknowledged_at = case when $15 = 'acknowledged' then now()
                                    when $15 = 'worsened' then null else alert.acknowledged_at end,
             acknowledged_by = case when $15 = 'acknowledged' then $16
                                    when $15 = 'worsened' then null else alert.acknowledged_by end",
    )
    .bind(id)
    .bind(owner.monitor)
    .bind(owner.version)
    .bind(owner.segment)
    .bind(kind.state())
    .bind(severity.as_str())
    .bind(timestamp(*since))
    .bind(&changed.transition.rule)
    .bind(&changed.transition.column)
    .bind(changed.kind.as_str())
    .bind(Json(&changed.labels))
    .bind(changed.evidence.as_ref().map(Json))
    .bind(reason.as_str())
    .bind(i32::try_from(*windows).unwrap_or(i32::MAX))
    .bind(kind.as_str())
    .bind(by.actor)
    .execute(&mut *connection)
    .await?;
    let detail = if by.detail.is_empty() {
        changed.evidence.as_ref().map_or("", |evidence| evidence.summary.as_str())
    } else {
        by.detail
    };
    write_history(connection, *id, by.window, (kind.as_str(), reason.as_str()), *severity, by.actor, detail).await
}

pub(super) async fn write_history(
    connection: &mut PgConnection,
    alert: Uuid,
    window: Option<i64>,
    (kind, reason): (&str, &str),
    severity: Severity,
    actor: &str,
    detail: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into alert_change (alert_id, window_id, kind, severity, reason, actor, detail)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(alert)
    .bind(window)
    .bind(kind)
    .bind(severity.as_str())
    .bind(reason)
    .bind(actor)
    .bind(detail)
    .execute(connection)
    .await?;
    Ok(())
}

async fn join_group(
    connection: &mut PgConnection,
    id: Uuid,
    group: &GroupKey,
    alert: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into alert_group (id, thread, route, receiver, labels, timing, mute)
         values ($1, gen_random_uuid(), $2, $3, $4, $5, $6)
         on conflict (id) do update set timing = excluded.timing, mute = excluded.mute, due_at = now()",
    )
    .bind(id)
    .bind(&group.route)
    .bind(&group.receiver)
    .bind(Json(&group.labels))
    .bind(Json(group.timing))
    .bind(Json(&group.mute))
    .execute(&mut *connection)
    .await?;
    sqlx::query("insert into alert_group_member (group_id, alert_id) values ($1, $2) on conflict do nothing")
        .bind(id)
        .bind(alert)
        .execute(&mut *connection)
        .await?;
    // Stays when the group is over: receivers that take states are told of the end for a while.
    sqlx::query("insert into alert_route (alert_id, receiver) values ($1, $2) on conflict do nothing")
        .bind(alert)
        .bind(&group.receiver)
        .execute(connection)
        .await?;
    Ok(())
}

/// What open alerts that drift on rest on now.
pub(super) async fn refresh_evidence(
    connection: &mut PgConnection,
    refreshed: &[(Uuid, Evidence)],
    alerts: &SeriesAlerts,
) -> Result<(), StoreError> {
    for (id, evidence) in refreshed {
        let windows = alerts
            .states()
            .find(|(_, _, state)| state.episode.as_ref().is_some_and(|episode| episode.id == *id))
            .map_or(0, |(_, _, state)| state.drifting_windows());
        sqlx::query(
            "update alert set evidence = $2, windows = greatest(windows, $3), updated_at = now() where id = $1",
        )
        .bind(id)
        .bind(Json(evidence))
        .bind(i32::try_from(windows).unwrap_or(i32::MAX))
        .execute(&mut *connection)
        .await
        .map_err(failed("refresh an alert"))?;
    }
    Ok(())
}

impl Store {
    /// Acknowledges or resolves an alert, in the name of somebody.
    ///
    /// # Errors
    /// When there is no such alert, it does not fire, or the database is away.
    pub async fn act_on_alert(
        &self,
        id: Uuid,
        action: AlertAction,
        actor: &str,
        comment: &str,
    ) -> Result<AlertRow, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin changing an alert"))?;
        let alert = read_alert(&mut transaction, id).await?;
        let view = &alert.view;
        let operational = view.kind == RuleKind::Operational;
        let states: Option<Value> = if operational {
            sqlx::query_scalar("select alerts from operational_state where scope = $1 for no key update")
                .bind(&view.monitor)
                .fetch_optional(&mut *transaction)
                .await
        } else {
            sqlx::query_scalar(
                "select alerts from series where monitor = $1 and model_version = $2 and segment = $3
                 for no key update",
            )
            .bind(&view.monitor)
            .bind(&view.version)
            .bind(&view.segment)
            .fetch_optional(&mut *transaction)
            .await
        }
        .map_err(failed("lock an alert"))?;
        let mut states: SeriesAlerts = match states {
            Some(states) => super::damaged("the state of an alert", serde_json::from_value(states))?,
            None => SeriesAlerts::default(),
        };
        let column: Option<String> = sqlx::query_scalar("select column_name from alert where id = $1")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("read an alert"))?;
        let (rule, column) = (view.rule.as_str(), column.as_deref());
        let is_this = states
            .state(rule, column)
            .and_then(|state| state.episode.as_ref())
            .is_some_and(|episode| episode.id == id);
        let change = match action {
            _ if !is_this => None,
            AlertAction::Acknowledge => states.acknowledge(rule, column),
            AlertAction::Resolve => states.end(rule, column, ChangeReason::ByPerson),
        };
        let Some(change) = change else {
            let wanted = if action == AlertAction::Acknowledge { "acknowledged" } else { "resolved" };
            return Err(StoreError::Refused(format!("alert {id} is {}: it cannot be {wanted}", alert.state)));
        };
        let stored = super::damaged("the state of an alert", serde_json::to_value(&states))?;
        if operational {
            sqlx::query("update operational_state set alerts = $2 where scope = $1")
                .bind(&view.monitor)
                .bind(stored)
        } else {
            sqlx::query("update series set alerts = $4 where monitor = $1 and model_version = $2 and segment = $3")
                .bind(&view.monitor)
                .bind(&view.version)
                .bind(&view.segment)
                .bind(stored)
        }
        .execute(&mut *transaction)
        .await
        .map_err(failed("store the state of an alert"))?;
        let changed = ChangedAlert {
            transition: crate::alert::Transition {
                rule: view.rule.clone(),
                column: column.map(str::to_owned),
                change,
            },
            kind: view.kind,
            labels: view.labels.clone(),
            evidence: None,
            // It is in its groups since it fired.
            groups: Vec::new(),
        };
        let owner = Owner { monitor: &view.monitor, version: &view.version, segment: &view.segment };
        write_changes(&mut transaction, owner, &[changed], By { actor, detail: comment, window: None }).await?;
        let alert = read_alert(&mut transaction, id).await?;
        transaction.commit().await.map_err(failed("commit the change of an alert"))?;
        Ok(alert)
    }

    /// Writes changes of alerts that no window and no look made: a drill.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn inject_alerts(
        &self,
        monitor: &str,
        version: &str,
        changes: &[ChangedAlert],
        actor: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a drill"))?;
        let owner = Owner { monitor, version, segment: crate::window::WHOLE };
        write_changes(&mut transaction, owner, changes, By { actor, detail: "drill", window: None }).await?;
        transaction.commit().await.map_err(failed("commit a drill"))
    }

    /// Alerts, the newest first; without `all` those that are not over.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn alerts(&self, filter: &AlertFilter, limit: i64) -> Result<Vec<AlertRow>, StoreError> {
        let rows = sqlx::query(select_alerts!(
            "where ($1::text is null or a.monitor = $1)
               and ($2 or a.state in ('pending', 'firing', 'acknowledged'))
             order by a.updated_at desc, a.id limit $3"
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
    pub async fn alert(
        &self,
        prefix: &str,
    ) -> Result<(AlertRow, Vec<HistoryEntry>, Vec<DeliveryEntry>), StoreError> {
        let id = self.find_alert(prefix).await?;
        let mut connection = self.pool.acquire().await.map_err(failed("read an alert"))?;
        let alert = read_alert(&mut connection, id).await?;
        let history = history(&mut connection, id).await.map_err(failed("read the history of an alert"))?;
        let deliveries = deliveries(&mut connection, id).await.map_err(failed("read the messages of an alert"))?;
        Ok((alert, history, deliveries))
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

pub(super) async fn read_alert(connection: &mut PgConnection, id: Uuid) -> Result<AlertRow, StoreError> {
    let row = sqlx::query(select_alerts!("where a.id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(failed("read an alert"))?
        .ok_or_else(|| StoreError::NotFound(format!("there is no alert {id}")))?;
    alert_row(&row).map_err(failed("read an alert"))
}

async fn history(connection: &mut PgConnection, id: Uuid) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    let rows = sqlx::query(
        "select c.created_at, c.kind, c.reason, c.severity, c.actor, c.detail, w.starts_at
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
                at: event_time(row.try_get("created_at")?).to_string(),
                kind: row.try_get("kind")?,
                reason: row.try_get("reason")?,
                severity: row.try_get("severity")?,
                actor: row.try_get("actor")?,
                detail: row.try_get("detail")?,
                window: window.map(|at| event_time(at).to_string()),
            })
        })
        .collect()
}

async fn deliveries(connection: &mut PgConnection, id: Uuid) -> Result<Vec<DeliveryEntry>, sqlx::Error> {
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
                status: row.try_get("status")?,
                attempts: row.try_get("attempts")?,
                outcome: row.try_get("outcome")?,
                detail: row.try_get("detail")?,
                at: event_time(row.try_get("created_at")?).to_string(),
            })
        })
        .collect()
}

/// The kinds of history entries that are no change of the machine.
pub(super) const TOLD: &str = "told";

/// See [`TOLD`].
pub(super) const HELD: &str = "held";
