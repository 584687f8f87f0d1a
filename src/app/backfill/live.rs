//! Where the past ends: windows that live counting goes on with are left to it.

use std::collections::BTreeMap;

use super::{BackfillError, Run};
use crate::record::EventTime;
use crate::store::Backfill;
use crate::window::{EventTimeProgress, Partition};

impl Run<'_> {
    /// Windows that end after this are left to live counting: it has not passed their ends, and closes them when it has.
    ///
    /// What was read here counts as seen. A partition that is read to its end, and that nothing has come in since live counting
    /// began, counts as idle at once: otherwise the last window of a topic that stands still would be live, and alarm.
    pub(super) async fn live_from(&self, backfill: &Backfill) -> Result<EventTime, BackfillError> {
        let topics = self.store.topics().await?;
        let own: Vec<String> = topics.into_iter().filter(|topic| self.running.topics.matches(topic)).collect();
        let mut views = self.store.partition_views(self.name(), &own, self.reader_timeout).await?;
        let seen: BTreeMap<&Partition, EventTime> =
            backfill.sources.iter().filter_map(|source| Some((&source.partition, source.newest?))).collect();
        let timing = self.running.monitor.timing;
        for view in &mut views.partitions {
            if view.newest.is_none() {
                view.quiet_for = view.quiet_for.map(|quiet| quiet.max(timing.idle_after));
            }
            view.newest = view.newest.max(seen.get(&view.partition).copied());
        }
        // Partitions without any record, old or new, say nothing.
        views.partitions.retain(|view| view.newest.is_some());
        let progress = EventTimeProgress::new(views.partitions, timing, views.now);
        let by_clock = views.now.shifted(-timing.out_of_orderness.plus(timing.idle_after));
        Ok(progress.watermark().unwrap_or(by_clock))
    }
}
