//! What telling a group leaves behind: what was told and what kept the rest, the group's clock, the message.

use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use super::read::Loaded;
use crate::alert::{
    AlertView, AlertsEvent, GroupStep, SendReason, Suppression, Surroundings, Told, derived_id, event_body,
};
use crate::record::EventTime;
use crate::store::alerts::{HELD, TOLD, facts_of, write_history};
use crate::store::session::Session;
use crate::store::timestamp;

/// Finds out what keeps each alert from being told, and writes down when that changed.
pub(super) async fn suppress(
    connection: &mut Session,
    group: &mut Loaded,
    surroundings: &Surroundings<'_>,
) -> Result<(), sqlx::Error> {
    for ((member, view), before) in group.group.members.iter_mut().zip(&group.views).zip(&group.before) {
        member.suppression = surroundings.suppression(&facts_of(view), &group.mute);
        if member.suppression == *before
            || (member.suppression.is_none() && *before == Some(Suppression::RateCapped))
        {
            continue;
        }
        remember_suppression(connection, group.id, view, member.suppression.as_ref(), &group.receiver).await?;
    }
    Ok(())
}

pub(super) async fn remember_suppression(
    connection: &mut Session,
    group: Uuid,
    view: &AlertView,
    suppression: Option<&Suppression>,
    receiver: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("update alert_group_member set suppression = $3 where group_id = $1 and alert_id = $2")
        .bind(group)
        .bind(view.id)
        .bind(suppression.map(Json))
        .execute(&mut *connection)
        .await?;
    let (reason, detail) = match suppression {
        Some(suppression) => (suppression.as_str(), format!("not told to {receiver}: {}", suppression.by())),
        None => ("released", format!("nothing keeps it from {receiver} any more")),
    };
    write_history(
        connection,
        view.id,
        None,
        (HELD, reason),
        view.severity,
        "driftd",
        detail.trim_end_matches(": "),
    )
    .await
}

pub(super) async fn hold_back(
    connection: &mut Session,
    group: &Loaded,
    about: &[Uuid],
) -> Result<(), sqlx::Error> {
    for (view, before) in group.views.iter().zip(&group.before) {
        if about.contains(&view.id) && *before != Some(Suppression::RateCapped) {
            remember_suppression(connection, group.id, view, Some(&Suppression::RateCapped), &group.receiver)
                .await?;
        }
    }
    Ok(())
}

/// Remembers what is told of each alert, and returns it.
pub(super) async fn note_told(
    connection: &mut Session,
    group: &Loaded,
    about: &[&AlertView],
    reason: SendReason,
) -> Result<Vec<(Uuid, Uuid, Told)>, sqlx::Error> {
    let mut news = Vec::new();
    for view in about {
        let before = group.group.members.iter().find(|member| member.id == view.id).and_then(|member| member.told);
        let times = before.map_or(0, |told| told.times).saturating_add(1);
        let told = Told { status: view.status, severity: view.severity, times };
        news.push((group.id, view.id, told));
        sqlx::query(
            "update alert_group_member set told = $3, suppression = null where group_id = $1 and alert_id = $2",
        )
        .bind(group.id)
        .bind(view.id)
        .bind(Json(told))
        .execute(&mut *connection)
        .await?;
        let detail = format!("{} to {} by {}", view.status.as_str(), group.receiver, group.route);
        write_history(connection, view.id, None, (TOLD, reason.as_str()), view.severity, "driftd", &detail)
            .await?;
    }
    Ok(news)
}

pub(super) async fn finish(
    connection: &mut Session,
    group: &Loaded,
    step: &GroupStep,
    capped: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from alert_group_member where group_id = $1 and alert_id = any($2)")
        .bind(group.id)
        .bind(&step.done)
        .execute(&mut *connection)
        .await?;
    if step.done.len() == group.group.members.len() {
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
    .bind(step.due.map(timestamp))
    .bind(capped)
    .bind(step.send.is_some())
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a message into the outbox. Messages of these threads that never went out are taken back: this one says what they
/// would have said, and how it stands now.
pub(super) async fn write_message(
    connection: &mut Session,
    id: Uuid,
    receiver: &str,
    mut event: AlertsEvent,
    threads: &[Uuid],
    now: EventTime,
) -> Result<(), sqlx::Error> {
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
    .bind(event_body(kind, &now.to_string(), &event))
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
