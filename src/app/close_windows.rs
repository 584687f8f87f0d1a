//! Closes due windows and learns baselines. Any daemon may do it for any window.

use crate::record::TimeSpan;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::housekeeping::progress;
use super::learn::{Learning, learn_baseline};
use super::monitors::{RunningMonitor, closing_of};
use super::state::Shared;
use super::topics::look_at_topics;
use crate::alert::Routing;
use crate::closing::{ClosingWindow, Decision, decide_window};
use crate::config::Monitor;
use crate::kafka::SourceCommands;
use crate::store::{DueWindow, OpenWindow, Store, StoreError};
use crate::supervisor::TaskError;
use crate::window::{CloseDecision, EventTimeProgress};

/// Open windows looked at in one go.
const BATCH: i64 = 500;
/// What the brokers said this lately about their partitions is not asked again.
const FRESH: Duration = Duration::from_secs(1);
/// Windows closed in one transaction at most: checkpoints that add to one of them wait for all of them.
const TOGETHER: usize = 50;
/// How long a transaction goes on with further windows, for the same reason.
const WITHIN: Duration = Duration::from_millis(100);

pub(super) async fn run(
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    interval: Duration,
    reader_timeout: TimeSpan,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    let mut judge =
        Judge { store, commands, shared, reader_timeout, topics_known_at: None, topics_unknown_since: None };
    loop {
        let mut worked = false;
        let in_force = judge.shared.in_force();
        for running in &in_force.monitors {
            match judge.monitor(running, &in_force.routing, &stop).await {
                Ok(closed) => {
                    worked |= closed;
                    judge.revise(running, &in_force.routing, &stop).await;
                }
                Err(error) => {
                    let monitor = &running.monitor.name;
                    if judge.shared.complaints.is_due(monitor, &format!("judging: {error}")) {
                        tracing::warn!(%monitor, %error, "cannot close due windows; retrying");
                    }
                }
            }
        }
        if worked {
            judge.shared.outbox.notify_waiters();
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = judge.shared.stored.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// What came of closing windows in one transaction.
struct ClosedTogether {
    /// How many windows it took, from the first on.
    looked_at: usize,
    /// How many of them were closed.
    closed: usize,
}

struct Judge {
    store: Store,
    commands: SourceCommands,
    shared: Arc<Shared>,
    reader_timeout: TimeSpan,
    /// When the brokers last said which partitions there are.
    topics_known_at: Option<Instant>,
    /// Since when they could not be asked.
    topics_unknown_since: Option<Instant>,
}

impl Judge {
    /// Closes the due windows of a monitor; whether there may be more at once.
    async fn monitor(
        &mut self,
        running: &RunningMonitor,
        routing: &Routing,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let monitor = &running.monitor;
        let mut progress = self.progress(running).await?;
        let Some(horizon) = progress.horizon() else { return Ok(false) };
        let open = self.store.open_windows(&monitor.name, horizon, BATCH).await?;
        let full = i64::try_from(open.len()).is_ok_and(|number| number == BATCH);
        let passed = |progress: &EventTimeProgress, window: &OpenWindow| {
            progress.decide(window.end, window.due_for.unwrap_or_default())
        };
        // A partition that the brokers have and that is not known here yet may hold records of these windows.
        let closes = open.iter().any(|window| !matches!(passed(&progress, window), CloseDecision::Wait { .. }));
        if closes {
            if !self.look_at_topics(monitor.timing.max_close_delay).await {
                return Ok(false);
            }
            progress = self.progress(running).await?;
        }
        let (mut waiting, mut due) = (Vec::new(), Vec::new());
        for window in open {
            let missing = match passed(&progress, &window) {
                CloseDecision::Complete => Vec::new(),
                CloseDecision::Incomplete(missing) => missing,
                CloseDecision::Wait { due: true } if window.due_for.is_none() => {
                    waiting.push(window.id);
                    continue;
                }
                CloseDecision::Wait { .. } => continue,
            };
            if !missing.is_empty() {
                tracing::warn!(
                    monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment,
                    start = %window.key.start, ?missing,
                    "closing an incomplete window: not all partitions have passed its end"
                );
            }
            due.push(DueWindow { window, missing });
        }
        if !waiting.is_empty() {
            self.store.mark_due(&waiting).await?;
        }
        let (mut closed, mut is_settled, mut learned_before) = (0, false, None);
        let mut rest = due.as_slice();
        while let Some(next) = rest.first() {
            if stop.is_cancelled() {
                return Ok(false);
            }
            // Of a backlog, windows that begin after those that a baseline is learned from are judged by it: so it is looked for
            // before the first window of each start, and not only when all that is due was closed. Once nothing is to be learned,
            // windows of several starts share a transaction.
            let start = next.window.key.start;
            if !is_settled && learned_before != Some(start) {
                is_settled = self.learn(monitor).await?;
                learned_before = Some(start);
            }
            let number = rest.iter().take(TOGETHER).take_while(|due| is_settled || due.window.key.start == start);
            let number = whole_starts(rest, number.count());
            let together = rest.get(..number).unwrap_or(rest);
            let outcome = self.close(running, routing, together).await?;
            closed += outcome.closed;
            rest = rest.get(outcome.looked_at..).unwrap_or_default();
        }
        if closed > 0 && !is_settled {
            self.learn(monitor).await?;
        }
        Ok(full && closed > 0)
    }

    /// Learns a baseline, if one is due. Whether none is to be learned any more, whatever windows close.
    async fn learn(&self, monitor: &Monitor) -> Result<bool, StoreError> {
        let learning = learn_baseline(&self.store, monitor).await?;
        let is_settled = matches!(learning, Learning::Settled | Learning::Learned { .. });
        match learning {
            Learning::Settled | Learning::NotDue => {}
            Learning::Unreadable(columns) => {
                if self.shared.complaints.is_due(&monitor.name, "learn") {
                    tracing::warn!(
                        monitor = %monitor.name, ?columns,
                        "no baseline is learned: these columns have no or almost no valid values in the closed windows"
                    );
                }
            }
            Learning::Failed(error) => {
                tracing::warn!(monitor = %monitor.name, %error, "cannot learn a baseline from the closed windows; retrying when the next window closes");
            }
            Learning::Learned { version, segments, unlearned } => {
                tracing::info!(monitor = %monitor.name, version, ?segments, "baseline learned");
                for column in unlearned {
                    tracing::warn!(monitor = %monitor.name, %column, "a column is not compared");
                }
            }
        }
        Ok(is_settled)
    }

    async fn progress(&self, running: &RunningMonitor) -> Result<EventTimeProgress, StoreError> {
        let topics = self.store.topics().await?;
        Ok(progress(&self.store, running, &topics, self.reader_timeout).await?.0)
    }

    /// Makes all partitions known that the brokers have. `false` when they cannot be asked: windows stay open then, for as
    /// long as one waits for a partition that stands still.
    async fn look_at_topics(&mut self, patience: TimeSpan) -> bool {
        // The monitors whose windows close at the same time ask once.
        if self.topics_known_at.is_some_and(|at| at.elapsed() < FRESH) {
            return true;
        }
        match look_at_topics(&self.store, &self.commands, &self.shared).await {
            Ok(()) => {
                self.topics_known_at = Some(Instant::now());
                self.topics_unknown_since = None;
                true
            }
            Err(error) => {
                tracing::debug!(%error, "cannot read the partitions of topics from the brokers; windows stay open");
                let since = *self.topics_unknown_since.get_or_insert_with(Instant::now);
                since.elapsed() >= patience.to_std()
            }
        }
    }

    /// Closes windows in one transaction, the first of them at least. When the database refuses them together, each alone, so that what
    /// is wrong with one does not keep the others from being judged.
    async fn close(
        &self,
        running: &RunningMonitor,
        routing: &Routing,
        due: &[DueWindow],
    ) -> Result<ClosedTogether, StoreError> {
        let monitor = &running.monitor;
        let with = closing_of(running);
        let began = Instant::now();
        let span = tracing::debug_span!("close_windows", monitor = %monitor.name, windows = due.len());
        let decide = |closing: &ClosingWindow, now| decide_window(closing, &monitor.rules, routing, now);
        let outcomes = match self.store.close_windows(with, due, WITHIN, decide).instrument(span).await {
            Err(error) if !error.is_transient() && due.len() > 1 => {
                tracing::warn!(monitor = %monitor.name, %error, "cannot close windows in one transaction; closing them one by one");
                let mut closed = 0;
                for one in due.chunks(1) {
                    closed += Box::pin(self.close(running, routing, one)).await?.closed;
                }
                return Ok(ClosedTogether { looked_at: due.len(), closed });
            }
            Err(error) if !error.is_transient() => vec![Err(error)],
            outcomes => outcomes?,
        };
        let (looked_at, mut closed) = (outcomes.len(), 0);
        for (DueWindow { window, .. }, outcome) in due.iter().zip(outcomes) {
            match outcome {
                Ok(Some(decision)) => {
                    closed += 1;
                    self.shared.metrics.window_closed(&monitor.name, decision.judgement.verdict.as_str());
                    for detector in &decision.detected_by {
                        self.shared.metrics.detections(&monitor.name, detector, 1);
                        tracing::info!(monitor = %monitor.name, %detector, start = %window.key.start, "drift detected");
                    }
                    self.report(monitor, window, &decision, "window closed");
                }
                Ok(None) => {}
                // It is tried again with every look.
                Err(error) => {
                    if self.shared.complaints.is_due(&monitor.name, &format!("judge {}", window.id)) {
                        tracing::error!(
                            monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment,
                            start = %window.key.start, %error, "cannot close a window; retrying"
                        );
                    }
                }
            }
        }
        self.shared.metrics.judging(began.elapsed().as_secs_f64(), closed);
        if closed > 0 {
            self.shared.windows_closed.notify_waiters();
        }
        Ok(ClosedTogether { looked_at, closed })
    }

    /// Judges windows again that have late records. What fails is tried again with the next look.
    async fn revise(&self, running: &RunningMonitor, routing: &Routing, stop: &CancellationToken) {
        let monitor = &running.monitor;
        if monitor.counting.amend == TimeSpan::ZERO {
            return;
        }
        let complain = |error: &StoreError| {
            if self.shared.complaints.is_due(&monitor.name, "revise") {
                tracing::warn!(monitor = %monitor.name, %error, "cannot judge windows again; retrying");
            }
        };
        let due = match self.store.windows_to_revise(&monitor.name, monitor.timing.amend_every, BATCH).await {
            Ok(due) => due,
            Err(error) => return complain(&error),
        };
        let decide = |closing: &ClosingWindow, now| decide_window(closing, &monitor.rules, routing, now);
        for window in due {
            if stop.is_cancelled() {
                return;
            }
            match self.store.revise_window(closing_of(running), &window, decide).await {
                Ok(Some(decision)) => {
                    self.shared.metrics.window_revised(&monitor.name, decision.judgement.verdict.as_str());
                    self.report(monitor, &window, &decision, "window judged again");
                }
                Ok(None) => {}
                Err(error) => complain(&error),
            }
        }
    }

    fn report(&self, monitor: &Monitor, window: &OpenWindow, decision: &Decision, what: &str) {
        let verdict = decision.judgement.verdict.as_str();
        tracing::info!(
            monitor = %monitor.name, version = %window.key.version, segment = %window.key.segment,
            start = %window.key.start, end = %window.end, records = decision.judgement.n_window, verdict,
            alerts = alerts_in_words(decision).map(tracing::field::display),
            retraining = decision.retrain.map(crate::retrain::RetrainDecision::as_str),
            "{what}"
        );
        if decision.has_news() {
            self.shared.alerts.notify_waiters();
        }
        if decision.retrain.is_some_and(crate::retrain::RetrainDecision::makes_request) {
            self.shared.outbox.notify_waiters();
        }
    }
}

/// How many of the first windows, at most so many, are those of whole starts, so that there is one message about windows of one start.
/// A start with more windows is parted.
fn whole_starts(due: &[DueWindow], at_most: usize) -> usize {
    let start_at = |place: usize| due.get(place).map(|due| due.window.key.start);
    let next = start_at(at_most);
    match (0..at_most).rev().find(|place| start_at(*place) != next) {
        Some(last) if next.is_some() => last + 1,
        _ => at_most,
    }
}

/// What happened to which alert; none when nothing did.
fn alerts_in_words(decision: &Decision) -> Option<String> {
    let one = |changed: &crate::closing::ChangedAlert| {
        let transition = &changed.transition;
        let column = transition.column.as_ref().map_or(String::new(), |column| format!(" of {column}"));
        format!("{}{column} {}", transition.rule, transition.change.kind.as_str())
    };
    let changes: Vec<String> = decision.changes.iter().map(one).collect();
    (!changes.is_empty()).then(|| changes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EventTime;
    use crate::window::WindowKey;

    #[test]
    fn a_start_is_parted_only_when_it_alone_is_too_large() {
        let due = |hours: &[i64]| -> Vec<DueWindow> {
            let window = |hour: &i64| {
                let start = EventTime::default().shifted(TimeSpan::hours(*hour));
                let key = WindowKey { version: String::new(), segment: "*".to_owned(), start };
                let window = OpenWindow { id: 1, key, end: start.shifted(TimeSpan::hours(1)), due_for: None };
                DueWindow { window, missing: Vec::new() }
            };
            hours.iter().map(window).collect()
        };
        for (hours, at_most, expected) in [
            (&[0, 0, 1, 1, 2][..], 5, 5),
            (&[0, 0, 1, 1, 2], 4, 4),
            (&[0, 0, 1, 1, 2], 3, 2),
            (&[0, 0, 0, 1], 2, 2),
            (&[0], 1, 1),
            (&[], 0, 0),
        ] {
            assert_eq!(whole_starts(&due(hours), at_most), expected, "{hours:?}, at most {at_most}");
        }
    }
}
