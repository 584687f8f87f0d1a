//! Groups of alerts: looked at when they are due, told in the transaction that decides it. Any daemon may do it for any
//! group; the row of the group is the lock.

mod read;
mod waiting;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError, event_time, failed, silences};
use crate::alert::{AlertFacts, Recipient, Routing, SendReason, Surroundings, decide_message, is_digest};
use crate::store::session::Session;
pub(super) use read::segments_judged;
use read::{count_segments, load, open_alerts, room_at};
pub use waiting::WaitingGroup;
use write::{write_group, write_message};

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

    /// All alerts that fire: what inhibition looks at.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn firing_alerts(&self) -> Result<Vec<AlertFacts>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed("read the alerts that fire"))?;
        open_alerts(&mut connection).await.map_err(failed("read the alerts that fire"))
    }

    /// Looks at a group: tells what is new, remembers what it told, and when to look again. `open` are the alerts that may
    /// inhibit others. `None` when another daemon looks at it or nothing is to be told.
    ///
    /// # Errors
    /// When the database is away; nothing changed then.
    pub async fn settle_group(
        &self,
        id: Uuid,
        telling: Telling<'_>,
        open: &[AlertFacts],
    ) -> Result<Option<Decided>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin telling a group"))?;
        let decided = settle(&mut transaction, id, telling, open).await.map_err(failed("tell a group"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("groups.before_commit");
        transaction.commit().await.map_err(failed("commit what is told to a group"))?;
        #[cfg(debug_assertions)]
        crate::faults::hit("groups.after_commit");
        Ok(decided)
    }
}

async fn settle(
    connection: &mut Session,
    id: Uuid,
    telling: Telling<'_>,
    open: &[AlertFacts],
) -> Result<Option<Decided>, sqlx::Error> {
    let now: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(&mut *connection).await?;
    let now = event_time(now);
    let Some(first) = load(connection, id).await? else { return Ok(None) };
    let silences = silences::active(connection, now).await?;
    let surroundings = Surroundings { silences: &silences, open, routing: telling.routing, now };
    let receiver = first.receiver.clone();
    let room_at = match telling.caps.get(&receiver) {
        Some(cap) => room_at(connection, &receiver, *cap).await?,
        None => None,
    };
    let recipient = Recipient { takes_states: telling.states.contains(&receiver), room_at };
    let digest = is_digest(&first, recipient);
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
    let decision = decide_message(&groups, recipient, &surroundings, telling.external_url);
    for (group, decided) in groups.iter().zip(&decision.groups) {
        write_group(connection, group, decided).await?;
    }
    let Some(mut message) = decision.message else { return Ok(None) };
    count_segments(connection, &mut message.event.alerts).await?;
    let (reason, alerts) = (message.event.reason, message.event.alerts.len() + message.event.more);
    write_message(connection, &receiver, message, now).await?;
    Ok(Some(Decided { receiver, reason, alerts }))
}
