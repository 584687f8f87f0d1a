//! What a decision about a group leaves behind: what was told and what kept the rest, the group's clock, the message.

use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use crate::alert::{
    AlertsEvent, DueGroup, GroupDecision, GroupStep, Message, OWN_ROUTE, SendReason, Severity, Suppression,
    derived_id, event_body,
};
use crate::record::EventTime;
use crate::store::alerts::{HELD, TOLD, write_history};
use crate::store::session::Session;
use crate::store::timestamp;

/// Writes down what was decided about a group.
pub(super) async fn write_group(
    connection: &mut Session,
    group: &DueGroup,
    decided: &GroupDecision,
) -> Result<(), sqlx::Error> {
    for (alert, severity, suppression) in &decided.suppressions {
        write_suppression(connection, group, *alert, *severity, suppression.as_ref()).await?;
    }
    for (alert, told) in &decided.told {
        sqlx::query(
            "update alert_group_member set told = $3, suppression = null where group_id = $1 and alert_id = $2",
        )
        .bind(group.id)
        .bind(alert)
        .bind(Json(told))
        .execute(&mut *connection)
        .await?;
        let reason = decided.step.send.map_or("", SendReason::as_str);
        let detail = format!("as {}, to {} ({})", told.status.as_str(), group.receiver, route_words(&group.route));
        write_history(connection, *alert, (None, 0), (TOLD, reason), told.severity, "driftd", &detail).await?;
    }
    let GroupStep { done, due, send, .. } = &decided.step;
    sqlx::query("delete from alert_group_member where group_id = $1 and alert_id = any($2)")
        .bind(group.id)
        .bind(done)
        .execute(&mut *connection)
        .await?;
    if done.len() == group.alerts.len() {
        sqlx::query("delete from alert_group where id = $1").bind(group.id).execute(connection).await?;
        return Ok(());
    }
    sqlx::query(
        "update alert_group set due_at = $2, capped = $3,
                sent_at = case when $4 then now() else sent_at end,
                messages = messages + case when $4 then 1 else 0 end
         where id = $1",
    )
    .bind(group.id)
    .bind(due.map(timestamp))
    .bind(decided.capped)
    .bind(send.is_some())
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_suppression(
    connection: &mut Session,
    group: &DueGroup,
    alert: Uuid,
    severity: Severity,
    suppression: Option<&Suppression>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update alert_group_member set suppression = $3 where group_id = $1 and alert_id = $2")
        .bind(group.id)
        .bind(alert)
        .bind(suppression.map(Json))
        .execute(&mut *connection)
        .await?;
    let receiver = &group.receiver;
    let (reason, detail) = match suppression {
        Some(suppression) => (suppression.as_str(), format!("no message to {receiver}: {}", suppression.by())),
        None => ("released", format!("messages to {receiver} again")),
    };
    let detail = detail.trim_end_matches(": ");
    write_history(connection, alert, (None, 0), (HELD, reason), severity, "driftd", detail).await
}

/// A route as people read it: that of the receivers that a monitor names itself has no name of its own.
fn route_words(route: &str) -> String {
    if route == OWN_ROUTE { "receivers of the monitor".to_owned() } else { format!("route {route}") }
}

/// Puts a message into the outbox. Messages of these threads that never went out are taken back: this one says what they
/// would have said, and how it stands now.
pub(super) async fn write_message(
    connection: &mut Session,
    receiver: &str,
    message: Message,
    now: EventTime,
) -> Result<(), sqlx::Error> {
    let Message { id, mut event, threads } = message;
    let thread = event.group_id;
    let id = unused_id(connection, id).await?;
    let unsent = sqlx::query(
        "select id, body->'data' as data from notification
         where subject_id = any($1) and receiver = $2 and status = 'pending'
           and (leased_until is null or leased_until < now())
         order by sequence for update skip locked",
    )
    .bind(threads)
    .bind(receiver)
    .fetch_all(&mut *connection)
    .await?;
    let mut superseded: Vec<Uuid> = Vec::new();
    for row in unsent.iter().rev() {
        let Json(earlier): Json<AlertsEvent> = row.try_get("data")?;
        event.absorb(earlier);
        superseded.push(row.try_get("id")?);
    }
    let kind = event.kind();
    sqlx::query(
        "insert into notification (id, subject_id, receiver, event_type, body) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(thread)
    .bind(receiver)
    .bind(kind.as_str())
    .bind(event_body(kind, now, &event))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update notification set status = 'superseded', superseded_by = $2, finished_at = now() where id = any($1)",
    )
    .bind(&superseded)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The id, or one that follows from it when there is a message of that id already: what is decided once must not get lost
/// because an alert told the same before, in an earlier life of its group.
async fn unused_id(connection: &mut Session, mut id: Uuid) -> Result<Uuid, sqlx::Error> {
    let query = "select exists (select from notification where id = $1)";
    while sqlx::query_scalar(query).bind(id).fetch_one(&mut *connection).await? {
        id = derived_id(&["again", &id.to_string()]);
    }
    Ok(id)
}
