//! Baselines to come: made from the first windows of a new model version, once there are enough of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Store, StoreError, damaged, failed, timestamp};
use crate::baseline::{learn, sum_of};
use crate::binning::{BinningSet, BuildOptions};
use crate::distribution::WindowCounts;
use crate::record::{EventTime, ModelSchema};

/// A baseline to be made from a new version's first windows.
#[derive(Clone, Copy, Debug)]
pub struct NewBaseline<'a> {
    /// The same for the same reason: proposing twice is proposing once.
    pub id: Uuid,
    pub monitor: &'a str,
    /// The model version; when none, any that has no window before `since` (where records name versions at all).
    pub version: Option<&'a str>,
    /// Windows that start earlier do not count; the newest window's end when none.
    pub since: Option<EventTime>,
    /// Windows it is made from.
    pub windows: u32,
    /// Whether windows are compared with it at once.
    pub activate: bool,
    /// Why, in words.
    pub reason: &'a str,
}

impl Store {
    /// Remembers that a baseline is to be made once there are enough windows that start from now on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn propose_baseline(&self, wanted: NewBaseline<'_>) -> Result<(), StoreError> {
        // Event time. A named version counts from its beginning.
        sqlx::query(
            "insert into baseline_proposal (id, monitor, model_version, since, windows, activate, reason)
             select $1, $2, $3,
                    case when $3 is not null then timestamptz '1900-01-01' else coalesce($7, max(ends_at), now()) end,
                    $4, $5, $6
             from model_window where monitor = $2
             on conflict (id) do nothing",
        )
        .bind(wanted.id)
        .bind(wanted.monitor)
        .bind(wanted.version)
        .bind(i32::try_from(wanted.windows).unwrap_or(i32::MAX))
        .bind(wanted.activate)
        .bind(wanted.reason)
        .bind(wanted.since.map(timestamp))
        .execute(&self.pool)
        .await
        .map_err(failed("propose a baseline"))?;
        Ok(())
    }

    /// Makes the proposed baselines of a monitor for which there are enough windows: their versions, and whether they are
    /// active.
    ///
    /// # Errors
    /// When the database is away or counts are damaged.
    pub async fn make_proposed_baselines(
        &self,
        monitor: &str,
        schema: &ModelSchema,
        options: BuildOptions,
    ) -> Result<Vec<(i32, bool)>, StoreError> {
        let attempted = "make a proposed baseline";
        let proposals = sqlx::query(
            "select id, model_version, since, windows, activate, reason from baseline_proposal
             where monitor = $1 order by created_at",
        )
        .bind(monitor)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let mut made = Vec::new();
        for row in proposals {
            let read = || -> Result<Proposal, sqlx::Error> {
                Ok(Proposal {
                    id: row.try_get("id")?,
                    version: row.try_get("model_version")?,
                    since: row.try_get("since")?,
                    windows: row.try_get("windows")?,
                    activate: row.try_get("activate")?,
                    reason: row.try_get("reason")?,
                })
            };
            let proposal = read().map_err(failed(attempted))?;
            let counted = self.windows_of(monitor, &proposal).await?;
            let Some(first) = counted.first() else { continue };
            let universal = BinningSet::universal(schema);
            let baseline = if first.1.binnings().id() == universal.id() {
                learn(schema, &counted, options)
            } else {
                sum_of(&counted)
            };
            let baseline = damaged("the windows of a proposed baseline", baseline)?;
            // The first to mark it makes it.
            let taken = sqlx::query("delete from baseline_proposal where id = $1")
                .bind(proposal.id)
                .execute(&self.pool)
                .await
                .map_err(failed(attempted))?;
            if taken.rows_affected() == 0 {
                continue;
            }
            let added = self
                .add_baseline(monitor, &baseline, &proposal.reason, proposal.activate, false, "driftd")
                .await?;
            made.extend(added.map(|summary| (summary.version, summary.active)));
        }
        Ok(made)
    }

    /// The first closed windows of a proposal, all on the binning of the first, once there are enough; none before.
    async fn windows_of(
        &self,
        monitor: &str,
        proposal: &Proposal,
    ) -> Result<Vec<(String, WindowCounts)>, StoreError> {
        let attempted = "read the windows of a proposed baseline";
        let rows = sqlx::query(
            "with eligible as (
                 select w.id, w.starts_at, w.binning_id from model_window w
                 where w.monitor = $1 and ($2::text is null or w.model_version = $2) and w.starts_at >= $3
                   and w.status = 'closed' and w.rows > 0 and w.counts is not null
                   and ($2 is not null or w.model_version = '' or not exists (
                           select from model_window o
                           where o.monitor = $1 and o.model_version = w.model_version and o.starts_at < $3)))
             select w.starts_at, w.segment, w.counts, n.columns from eligible e
             join model_window w on w.id = e.id join binning n on n.id = w.binning_id
             where w.binning_id = (select binning_id from eligible order by starts_at desc limit 1)
             order by w.starts_at limit $4",
        )
        .bind(monitor)
        .bind(&proposal.version)
        .bind(proposal.since)
        .bind(i64::from(proposal.windows) * 1_000)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let mut binnings: Option<Arc<BinningSet>> = None;
        let mut starts: Vec<DateTime<Utc>> = Vec::new();
        let mut counted = Vec::new();
        for row in rows {
            let start: DateTime<Utc> = row.try_get("starts_at").map_err(failed(attempted))?;
            if starts.last() != Some(&start) {
                if starts.len() == usize::try_from(proposal.windows).unwrap_or(usize::MAX) {
                    return Ok(counted);
                }
                starts.push(start);
            }
            let set = match &binnings {
                Some(set) => Arc::clone(set),
                None => {
                    let columns: Value = row.try_get("columns").map_err(failed(attempted))?;
                    let set: Arc<BinningSet> = Arc::new(damaged("a binning", serde_json::from_value(columns))?);
                    binnings = Some(Arc::clone(&set));
                    set
                }
            };
            let bytes: &[u8] = row.try_get("counts").map_err(failed(attempted))?;
            let counts = damaged("a window", WindowCounts::from_ipc(bytes, set))?;
            counted.push((row.try_get("segment").map_err(failed(attempted))?, counts));
        }
        let enough = starts.len() >= usize::try_from(proposal.windows).unwrap_or(usize::MAX);
        Ok(if enough { counted } else { Vec::new() })
    }
}

struct Proposal {
    id: Uuid,
    version: Option<String>,
    since: DateTime<Utc>,
    windows: i32,
    activate: bool,
    reason: String,
}
