//! Groups of alerts: looked at when they are due, told in the transaction that decides it. Any daemon may do it for any
//! group; the row of the group is the lock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::alerts::{HELD, TOLD, alert_row, facts_of, select_alerts, write_history};
use super::{Store, StoreError, event_time, failed, silences, timestamp};
use crate::alert::{
    AlertFacts, AlertStatus, AlertView, AlertsEvent, Group, GroupStep, GroupTiming, Labels, Member, Routing,
    SendReason, Suppression, Surroundings, Told, decide_group, derived_id, event_body,
};
use crate::record::EventTime;

/// How alerts are told, beside their routes.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// Routes, inhibition, calendars.
    pub routing: &'a Routing,
    /// Messages a receiver gets in an hour at most, by name.
    pub caps: &'a BTreeMap<String, u32>,
    /// Receivers that are posted states instead of being sent messages.
    pub states: &'a BTreeSet<String>,
    /// What the pages of alerts begin with.
    pub external_url: Option<&'a str>,
}

/// A message that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// To whom.
    pub receiver: String,
    /// Why.
    pub reason: SendReason,
    /// About how many alerts.
    pub alerts: usize,
}

struct Loaded {
    id: Uuid,
    thread: Uuid,
    receiver: String,
    labels: Labels,
    messages: i32,
    capped: bool,
    group: Group,
    views: Vec<AlertView>,
    before: Vec<Option<Suppression>>,
}

/// The label of alerts that are a drill.
pub const DRILL: &str = "drill";

/// Alerts that inhibition looks at, at most.
const MAX_OPEN: i64 = 20_000;

impl Store {
    /// Groups that are due, those that waited longest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn due_groups(&self, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        sqlx::query_scalar("select id from alert_group where due_at <= now() order by due_at limit $1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("find due groups"))
    }

    /// Looks at a group: tells what is new, remembers what it told, and when to look again. `None` when another daemon is
    /// at it or nothing is to be told.
    ///
    /// # Errors
    /// When the database is away; nothing changed then.
    pub async fn settle_group(&self, id: Uuid, telling: Telling<'_>) -> Result<Option<Decided>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin telling a group"))?;
        let decided = settle(&mut transaction, id, telling).await.map_err(failed("tell a group"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("groups.before_commit");
        transaction.commit().await.map_err(failed("commit what is told to a group"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("groups.after_commit");
        Ok(decided)
    }
}

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
            view.url = page_of(external_url, view.id);
            views.push(view);
        }
        Ok(views)
    }
}

/// Where an alert can be looked at.
fn page_of(external_url: Option<&str>, alert: Uuid) -> Option<String> {
    external_url.map(|base| format!("{}/alerts/{alert}", base.trim_end_matches('/')))
}

async fn settle(
    connection: &mut PgConnection,
    id: Uuid,
    telling: Telling<'_>,
) -> Result<Option<Decided>, sqlx::Error> {
    let now: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(&mut *connection).await?;
    let now = event_time(now);
    let Some(first) = load(connection, id).await? else { return Ok(None) };
    let silences = silences::active(connection, now).await?;
    let open = open_alerts(connection).await?;
    let surroundings = Surroundings { silences: &silences, open: &open, routing: telling.routing, now };
    let mut groups = vec![first];
    let cap = telling.caps.get(&groups.first().map(|group| group.receiver.clone()).unwrap_or_default()).copied();
    let room = match (cap, groups.first()) {
        (Some(cap), Some(group)) => room_at(connection, &group.receiver, cap).await?,
        _ => None,
    };
    // What a cap had held back is told together as soon as there is room.
    let digest = groups.first().is_some_and(|group| group.capped) && room.is_none();
    if digest {
        let receiver = groups.first().map(|group| group.receiver.clone()).unwrap_or_default();
        let others: Vec<Uuid> = sqlx::query_scalar(
            "select id from alert_group where receiver = $1 and capped and id <> $2 order by id",
        )
        .bind(&receiver)
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
        for other in others {
            groups.extend(load(connection, other).await?);
        }
    }
    let mut told: Vec<AlertView> = Vec::new();
    let mut reason = None;
    for group in &mut groups {
        suppress(connection, group, &surroundings).await?;
        let mut step = decide_group(&group.group, now);
        if telling.states.contains(&group.receiver) {
            step = state_step(&group.group, now);
        }
        if let (Some(_), Some(free_at)) = (step.send, room) {
            hold_back(connection, group, &step.about).await?;
            step = GroupStep { due: Some(free_at), ..GroupStep::default() };
        }
        let about: Vec<&AlertView> =
            group.views.iter().filter(|view| step.send.is_some() && step.about.contains(&view.id)).collect();
        if let Some(send) = step.send {
            reason = Some(if digest { SendReason::Digest } else { send });
            note_told(connection, group, &about, send).await?;
        }
        told.extend(about.into_iter().cloned());
        let capped = room.is_some() && step.send.is_none() && step.due == room;
        finish(connection, group, &step, capped).await?;
    }
    let (Some(reason), Some(group)) = (reason, groups.first()) else { return Ok(None) };
    let (thread, number) = if digest {
        (derived_id(&["digest", &group.receiver, &now.micros().to_string()]), 0)
    } else {
        (group.thread, group.messages)
    };
    for view in &mut told {
        view.url = page_of(telling.external_url, view.id);
    }
    let labels = if digest { Labels::new() } else { group.labels.clone() };
    let alerts = told.len();
    let drill = told.iter().all(|view| view.labels.contains_key(DRILL));
    let mut event = AlertsEvent::new(thread, labels, reason, told);
    event.test = drill;
    let message = derived_id(&["notification", &thread.to_string(), &number.to_string()]);
    write_message(connection, message, &group.receiver, event, now).await?;
    Ok(Some(Decided { receiver: group.receiver.clone(), reason, alerts }))
}

/// A receiver of states is sent nothing: what is over leaves, and what suppresses the rest is looked at again.
fn state_step(group: &Group, now: EventTime) -> GroupStep {
    let over = |member: &&Member| member.status == AlertStatus::Resolved;
    GroupStep {
        done: group.members.iter().filter(over).map(|member| member.id).collect(),
        due: Some(now.shifted(30_000_000)),
        ..GroupStep::default()
    }
}

async fn load(connection: &mut PgConnection, id: Uuid) -> Result<Option<Loaded>, sqlx::Error> {
    let row = sqlx::query(
        "select thread, receiver, labels, timing, mute, opened_at, sent_at, messages, capped from alert_group
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
    let views = alerts
        .iter()
        .map(|row| alert_row(row).map(|alert| alert.view))
        .collect::<Result<Vec<AlertView>, sqlx::Error>>()?;
    let opened = event_time(row.try_get("opened_at")?);
    let mut before = Vec::new();
    let mut group = Group {
        timing: row.try_get::<Json<GroupTiming>, _>("timing")?.0,
        opened,
        sent: row.try_get::<Option<DateTime<Utc>>, _>("sent_at")?.map(event_time),
        members: Vec::new(),
    };
    for (member, view) in members.iter().zip(&views) {
        let told: Option<Json<Told>> = member.try_get("told")?;
        let fired: Option<DateTime<Utc>> = member.try_get("fired")?;
        let suppression: Option<Json<Suppression>> = member.try_get("suppression")?;
        before.push(suppression.map(|Json(suppression)| suppression));
        group.members.push(Member {
            id: view.id,
            status: view.status,
            severity: view.severity,
            fired: fired.map_or(opened, event_time),
            told: told.map(|Json(told)| told),
            suppression: None,
        });
    }
    Ok(Some(Loaded {
        id,
        thread: row.try_get("thread")?,
        receiver: row.try_get("receiver")?,
        labels: row.try_get::<Json<Labels>, _>("labels")?.0,
        messages: row.try_get("messages")?,
        capped: row.try_get("capped")?,
        group,
        views,
        before,
    }))
}

async fn open_alerts(connection: &mut PgConnection) -> Result<Vec<AlertFacts>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, state, labels, jsonb_path_query_array(evidence, '$.drifted[*].column') as columns from alert
         where state in ('firing', 'acknowledged') order by since, id limit $1",
    )
    .bind(MAX_OPEN)
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

/// Finds out what keeps each alert from being told, and writes down when that changed.
async fn suppress(
    connection: &mut PgConnection,
    group: &mut Loaded,
    surroundings: &Surroundings<'_>,
) -> Result<(), sqlx::Error> {
    let mute: Json<Vec<String>> = sqlx::query_scalar("select mute from alert_group where id = $1")
        .bind(group.id)
        .fetch_one(&mut *connection)
        .await?;
    for ((member, view), before) in group.group.members.iter_mut().zip(&group.views).zip(&group.before) {
        member.suppression = surroundings.suppression(&facts_of(view), &mute);
        if member.suppression == *before
            || (member.suppression.is_none() && *before == Some(Suppression::RateCapped))
        {
            continue;
        }
        remember_suppression(connection, group.id, view, member.suppression.as_ref(), &group.receiver).await?;
    }
    Ok(())
}

async fn remember_suppression(
    connection: &mut PgConnection,
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

/// When a receiver may have another message, if it has had as many as it may in the last hour.
async fn room_at(
    connection: &mut PgConnection,
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
    Ok(recent.last().filter(|_| full).map(|oldest| event_time(*oldest).shifted(3_600_000_001)))
}

async fn hold_back(connection: &mut PgConnection, group: &Loaded, about: &[Uuid]) -> Result<(), sqlx::Error> {
    for (view, before) in group.views.iter().zip(&group.before) {
        if about.contains(&view.id) && *before != Some(Suppression::RateCapped) {
            remember_suppression(connection, group.id, view, Some(&Suppression::RateCapped), &group.receiver)
                .await?;
        }
    }
    Ok(())
}

async fn note_told(
    connection: &mut PgConnection,
    group: &Loaded,
    about: &[&AlertView],
    reason: SendReason,
) -> Result<(), sqlx::Error> {
    for view in about {
        let told = Told { status: view.status, severity: view.severity };
        sqlx::query(
            "update alert_group_member set told = $3, suppression = null where group_id = $1 and alert_id = $2",
        )
        .bind(group.id)
        .bind(view.id)
        .bind(Json(told))
        .execute(&mut *connection)
        .await?;
        let detail = format!("{} to {} by route {}", view.status.as_str(), group.receiver, route_of(group));
        write_history(connection, view.id, None, (TOLD, reason.as_str()), view.severity, "driftd", &detail)
            .await?;
    }
    Ok(())
}

fn route_of(group: &Loaded) -> String {
    let labels: Vec<String> = group.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    if labels.is_empty() { "all".to_owned() } else { labels.join(",") }
}

async fn finish(
    connection: &mut PgConnection,
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

/// Puts a message into the outbox. Messages of the same thread that never went out are taken back: this one says what
/// they would have said, and how it stands now.
async fn write_message(
    connection: &mut PgConnection,
    id: Uuid,
    receiver: &str,
    mut event: AlertsEvent,
    now: EventTime,
) -> Result<(), sqlx::Error> {
    let thread = event.group_id;
    let unsent = sqlx::query(
        "select id, body->'data' as data from notification
         where subject_id = $1 and receiver = $2 and status = 'pending'
           and (leased_until is null or leased_until < now())
         order by sequence for update skip locked",
    )
    .bind(thread)
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
        "insert into notification (id, subject_id, receiver, event_type, body) values ($1, $2, $3, $4, $5)
         on conflict (id) do nothing",
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
