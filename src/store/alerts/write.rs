//! Writing changes of alerts: the row, its history, the groups it concerns.

use sqlx::types::Json;
use uuid::Uuid;

use crate::alert::{AlertChange, AlertView, GroupKey, SeriesAlerts, Severity, Transition, derived_id};
use crate::closing::{ChangedAlert, RefreshedAlert};
use crate::judge::SeriesTrend;
use crate::store::session::Session;
use crate::store::{StoreError, failed, timestamp};

/// The kinds of history entries that are no change of the machine.
pub(in crate::store) const TOLD: &str = "told";

/// See [`TOLD`].
pub(in crate::store) const HELD: &str = "held";

/// What a person found out about an alert.
pub(in crate::store) const JUDGED: &str = "judged";

/// Whose alert it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Owner<'a> {
    pub(in crate::store) monitor: &'a str,
    pub(in crate::store) version: &'a str,
    pub(in crate::store) segment: &'a str,
}

/// Who made a change, and what they said.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct By<'a> {
    pub(in crate::store) actor: &'a str,
    pub(in crate::store) detail: &'a str,
    pub(in crate::store) window: Option<i64>,
    /// How often that window was judged again.
    pub(in crate::store) revision: i32,
}

/// Writes changes of alerts, their history, and the groups they concern.
pub(in crate::store) async fn write_changes(
    connection: &mut Session,
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
async fn wake_groups(connection: &mut Session, alerts: &[Uuid]) -> Result<(), StoreError> {
    if alerts.is_empty() {
        return Ok(());
    }
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
    connection: &mut Session,
    owner: Owner<'_>,
    changed: &ChangedAlert,
    by: By<'_>,
) -> Result<(), sqlx::Error> {
    let AlertChange { id, kind, reason, severity, since, windows, judged } = &changed.transition.change;
    sqlx::query(
        "insert into alert (id, monitor, model_version, segment, state, severity, since, rule, column_name, kind,
                            labels, evidence, reason, windows, fired_at, judged_windows)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, '{}'::jsonb), $13, $14,
                 case when $15 = 'firing' then now() end, $17)
         on conflict (id) do update set
             state = case when $15 = 'eased' then alert.state else excluded.state end,
             severity = excluded.severity, labels = excluded.labels, reason = excluded.reason,
             windows = excluded.windows, judged_windows = excluded.judged_windows,
             since = least(alert.since, excluded.since), updated_at = now(),
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
    .bind(kind.state().as_str())
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
    .bind(i32::try_from(*judged).unwrap_or(i32::MAX))
    .execute(&mut *connection)
    .await?;
    let detail = if by.detail.is_empty() {
        changed.evidence.as_ref().map_or("", |evidence| evidence.summary.as_str())
    } else {
        by.detail
    };
    let window = (by.window, by.revision);
    write_history(connection, *id, window, (kind.as_str(), reason.as_str()), *severity, by.actor, detail).await
}

/// Writes an entry of the history. An alert has one of each kind for a window; when that is judged again, further ones have its
/// start alone.
pub(in crate::store) async fn write_history(
    connection: &mut Session,
    alert: Uuid,
    (window, revision): (Option<i64>, i32),
    (kind, reason): (&str, &str),
    severity: Severity,
    actor: &str,
    detail: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into alert_change (alert_id, window_id, window_start, kind, severity, reason, actor, detail)
         values ($1,
                 case when $8 = 0 or not exists (select from alert_change where alert_id = $1 and window_id = $2 and kind = $3)
                      then $2 end,
                 (select starts_at from model_window where id = $2), $3, $4, $5, $6, $7)
         on conflict do nothing",
    )
    .bind(alert)
    .bind(window)
    .bind(kind)
    .bind(severity.as_str())
    .bind(reason)
    .bind(actor)
    .bind(detail)
    .bind(revision)
    .execute(connection)
    .await?;
    Ok(())
}

async fn join_group(connection: &mut Session, id: Uuid, group: &GroupKey, alert: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into alert_group (id, thread, route, receiver, labels, timing, mute)
         values ($1, $7, $2, $3, $4, $5, $6)
         on conflict (id) do update set timing = excluded.timing, mute = excluded.mute, due_at = now()",
    )
    .bind(id)
    .bind(&group.route)
    .bind(&group.receiver)
    .bind(Json(&group.labels))
    .bind(Json(group.timing))
    .bind(Json(&group.mute))
    // The group lives from the alert that opens it on: a database that was set back in time names that life alike.
    .bind(derived_id(&["thread", &id.to_string(), &alert.to_string()]))
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

/// Stores the states of a series' alerts, and where it stands if windows were judged; its row is locked.
pub(in crate::store) async fn store_states(
    connection: &mut Session,
    owner: Owner<'_>,
    alerts: &SeriesAlerts,
    trend: Option<&SeriesTrend>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update series set alerts = $4, slow_drift = coalesce($5, slow_drift)
         where monitor = $1 and model_version = $2 and segment = $3",
    )
    .bind(owner.monitor)
    .bind(owner.version)
    .bind(owner.segment)
    .bind(Json(alerts))
    .bind(trend.map(Json))
    .execute(connection)
    .await
    .map_err(failed("store the state of a series"))?;
    Ok(())
}

/// A change that no window made of an alert that is stored: its labels and evidence stay, and it is in its groups since it
/// fired.
pub(in crate::store) fn later_change(transition: Transition, alert: AlertView) -> ChangedAlert {
    ChangedAlert { transition, kind: alert.kind, labels: alert.labels, evidence: None, groups: Vec::new() }
}

/// What running alerts that go on without a change rest on now. The groups of those with news are looked at.
pub(in crate::store) async fn refresh_alerts(
    connection: &mut Session,
    refreshed: &[RefreshedAlert],
) -> Result<(), StoreError> {
    for RefreshedAlert { id, evidence, since, windows, judged, .. } in refreshed {
        sqlx::query(
            "update alert set evidence = $2, windows = $3, judged_windows = $4, since = least(since, $5), updated_at = now()
             where id = $1",
        )
        .bind(id)
        .bind(Json(evidence))
        .bind(i32::try_from(*windows).unwrap_or(i32::MAX))
        .bind(i32::try_from(*judged).unwrap_or(i32::MAX))
        .bind(timestamp(*since))
        .execute(&mut *connection)
        .await
        .map_err(failed("refresh an alert"))?;
    }
    let news: Vec<Uuid> = refreshed.iter().filter(|alert| alert.has_news).map(|alert| alert.id).collect();
    wake_groups(connection, &news).await
}
