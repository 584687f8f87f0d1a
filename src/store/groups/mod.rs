//! Groups of alerts: looked at when they are due, told in the transaction that decides it. Any daemon may do it for any
//! group; the row of the group is the lock.

mod read;
mod waiting;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError, event_time, failed, silences};
use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, Group, GroupStep, Labels, Member, Routing, SendReason, Surroundings,
    Told, column_page, decide_group, derived_id, message_id,
};
use crate::record::EventTime;
use crate::store::session::Session;
pub(super) use read::segments_judged;
use read::{count_segments, load, open_alerts, room_at};
pub use waiting::WaitingGroup;
use write::{finish, hold_back, note_told, suppress, write_message};

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

/// The label of alerts that are a drill.
pub const DRILL: &str = "drill";

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

/// Says where an alert can be looked at, and each of its columns in the window that it is told of.
fn link(view: &mut AlertView, external_url: Option<&str>) {
    let Some(base) = external_url.map(|base| base.trim_end_matches('/')) else { return };
    view.url = Some(format!("{base}/alerts/{}", view.id));
    let AlertView { evidence, monitor, version, segment, .. } = view;
    for column in evidence.drifted.iter_mut().chain(&mut evidence.warned) {
        let window = column.window.as_ref().and_then(|window| window.id);
        column.url = window.map(|window| {
            format!("{base}{}", column_page(monitor, &column.column, version, segment, Some(window)))
        });
    }
}

async fn settle(connection: &mut Session, id: Uuid, telling: Telling<'_>) -> Result<Option<Decided>, sqlx::Error> {
    let now: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(&mut *connection).await?;
    let now = event_time(now);
    let Some(first) = load(connection, id).await? else { return Ok(None) };
    let silences = silences::active(connection, now).await?;
    let open = open_alerts(connection).await?;
    let surroundings = Surroundings { silences: &silences, open: &open, routing: telling.routing, now };
    let receiver = first.receiver.clone();
    let room = match telling.caps.get(&receiver) {
        Some(cap) => room_at(connection, &receiver, *cap).await?,
        None => None,
    };
    // What a cap had held back is told together as soon as there is room.
    let digest = first.capped && room.is_none();
    let mut groups = vec![first];
    if digest {
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
    let mut others: Vec<AlertView> = Vec::new();
    let mut news: Vec<(Uuid, Uuid, Told)> = Vec::new();
    let mut reason = None;
    for group in &mut groups {
        suppress(connection, group, &surroundings).await?;
        let mut step = decide_group(&group.group, now);
        if telling.states.contains(&receiver) {
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
            news.extend(note_told(connection, group, &about, send).await?);
        }
        told.extend(about.into_iter().cloned());
        others.extend(group.views.iter().filter(|view| !step.about.contains(&view.id)).cloned());
        let capped = room.is_some() && step.send.is_none() && step.due == room;
        finish(connection, group, &step, capped).await?;
    }
    let (Some(reason), Some(group)) = (reason, groups.first()) else { return Ok(None) };
    let message = message_id(&receiver, &news);
    // A digest is about several groups, and a thread of its own.
    let thread = if digest { derived_id(&["digest", &message.to_string()]) } else { group.thread };
    count_segments(connection, &mut told, &others).await?;
    for view in &mut told {
        link(view, telling.external_url);
    }
    let labels = if digest { Labels::new() } else { group.labels.clone() };
    let alerts = told.len();
    let drill = told.iter().all(|view| view.labels.contains_key(DRILL));
    let mut event = AlertsEvent::beside(thread, labels, reason, told, &others);
    event.test = drill;
    let threads: Vec<Uuid> = groups.iter().map(|group| group.thread).collect();
    write_message(connection, message, &receiver, event, &threads, now).await?;
    Ok(Some(Decided { receiver, reason, alerts }))
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
