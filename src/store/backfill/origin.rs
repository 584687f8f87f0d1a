//! Where live counting of a monitor began: up to there a backfill reads.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row as _;

use crate::record::Offset;
use crate::store::{Store, StoreError, failed};
use crate::window::{OffsetRanges, Partition};

/// Where live counting of a monitor began in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveBegin {
    /// At this offset.
    At(Offset),
    /// Before it was recorded, and no window is left that says more.
    Unknown,
}

impl Store {
    /// The offset of each partition from which live counts of a monitor were stored. Where that was not recorded, because the
    /// monitor began under an earlier version, the smallest offset that one of its windows is made of. Partitions that it never
    /// began are missing.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn live_begins(&self, monitor: &str) -> Result<BTreeMap<Partition, LiveBegin>, StoreError> {
        let attempted = failed("read where live counting began");
        let rows = sqlx::query("select topic, partition, first_offset from monitor_begin where monitor = $1")
            .bind(monitor)
            .fetch_all(&self.pool)
            .await
            .map_err(&attempted)?;
        let mut begins = BTreeMap::new();
        for row in rows {
            let read = || -> Result<(Partition, Option<Offset>), sqlx::Error> {
                let topic: String = row.try_get("topic")?;
                let partition = Partition { topic: topic.into(), partition: row.try_get("partition")? };
                Ok((partition, row.try_get("first_offset")?))
            };
            let (partition, offset) = read().map_err(&attempted)?;
            begins.insert(partition, offset.map_or(LiveBegin::Unknown, LiveBegin::At));
        }
        if begins.values().any(|begin| *begin == LiveBegin::Unknown) {
            let smallest = self.smallest_offsets(monitor).await?;
            for (partition, begin) in begins.iter_mut().filter(|(_, begin)| **begin == LiveBegin::Unknown) {
                *begin = smallest.get(partition).map_or(LiveBegin::Unknown, |offset| LiveBegin::At(*offset));
            }
        }
        Ok(begins)
    }

    /// The smallest offset of each partition that a window of live counting is made of.
    async fn smallest_offsets(&self, monitor: &str) -> Result<BTreeMap<Partition, Offset>, StoreError> {
        let attempted = failed("read the offsets of windows");
        let mut smallest: BTreeMap<Partition, Offset> = BTreeMap::new();
        let mut after = 0_i64;
        loop {
            let rows: Vec<(i64, Value)> = sqlx::query_as(
                "select w.id, coalesce(w.ranges, (select jsonb_agg(r) from window_delta d, jsonb_array_elements(d.ranges) r
                                                  where d.window_id = w.id), '[]') as ranges
                 from model_window w where w.monitor = $1 and w.id > $2 and w.backfill_id is null
                 order by w.id limit 1000",
            )
            .bind(monitor)
            .bind(after)
            .fetch_all(&self.pool)
            .await
            .map_err(&attempted)?;
            let Some((last, _)) = rows.last() else { return Ok(smallest) };
            after = *last;
            for (_, ranges) in rows {
                // Damaged ranges say nothing; those of other windows do.
                let ranges: OffsetRanges = serde_json::from_value(ranges).unwrap_or_default();
                for (partition, from, _) in ranges.as_slice() {
                    let known = smallest.entry(partition.clone()).or_insert(*from);
                    *known = (*known).min(*from);
                }
            }
        }
    }
}
