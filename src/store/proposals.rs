//! Baselines to come: made from the first windows of a new model version, once there are enough of them.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use super::close::binning;
use super::selection::{WindowSelection, sums};
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
        let mut connection = self.pool.acquire().await.map_err(failed(attempted))?;
        let mut selection = WindowSelection::closed(monitor).from(proposal.since);
        selection = match &proposal.version {
            Some(version) => selection.of_version(version),
            None => selection.of_versions_since(monitor, proposal.since),
        };
        let most = i64::from(proposal.windows) * 1_000;
        let mut windows = selection.oldest(&mut connection, most).await?;
        // Windows on the bins of before the latest change of the baseline do not add up with those after it.
        let Some(bins) = windows.last().map(|window| window.binning) else { return Ok(Vec::new()) };
        windows.retain(|window| window.binning == bins);
        let mut starts: Vec<EventTime> = windows.iter().map(|window| window.start).collect();
        starts.dedup();
        let wanted = usize::try_from(proposal.windows).unwrap_or(usize::MAX);
        let Some(last) = wanted.checked_sub(1).and_then(|last| starts.get(last)) else { return Ok(Vec::new()) };
        windows.retain(|window| window.start <= *last);
        let binnings = binning(&mut connection, bins).await?;
        sums(&mut connection, &windows, &binnings).await
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
