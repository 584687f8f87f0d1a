//! What is decided about a pair, and the events that ask for a rollback or a promotion.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::compare::order_by_verdict;
use super::{ChallengeSpec, ChallengeState, ColumnProgress, PairedColumn, Progress, SidePair, compare_pair};
use crate::alert::{
    EventKind, Labels, MAX_COLUMNS, Routing, Severity, derived_id, encoded, event_body, is_default,
};
use crate::closing::Notification;
use crate::judge::JudgeSpec;
use crate::record::{EventTime, Timestamp};

/// The window of one side of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SideWindow {
    /// Its id; the window may have been deleted since.
    pub id: i64,
    /// Its model version; empty when records name none.
    pub version: String,
    /// `*` or `column=value`.
    pub segment: String,
    /// Records counted.
    pub records: u64,
}

/// A column with the last pair and all pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ComparedColumn {
    /// Whether it decides; the others are shown.
    pub decides: bool,
    /// The last pair.
    #[serde(flatten)]
    pub last: PairedColumn,
    /// All pairs.
    pub pairs: ColumnProgress,
}

impl ComparedColumn {
    /// The columns of a pair, deciding ones first, then those with the most evidence against the challenger.
    #[must_use]
    pub fn all(pair: &[PairedColumn], progress: &Progress, deciding: &[String]) -> Vec<Self> {
        let mut columns: Vec<Self> = pair
            .iter()
            .map(|column| Self {
                decides: deciding.contains(&column.column),
                last: column.clone(),
                pairs: progress.columns.get(&column.column).cloned().unwrap_or_default(),
            })
            .collect();
        columns.sort_by(|left, right| {
            right.decides.cmp(&left.decides).then_with(|| order_by_verdict(&left.last, &right.last))
        });
        columns
    }
}

/// The `data` of the events about a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerEvent {
    /// The challenge: the same as long as champion and challenger are the same.
    pub challenge_id: Uuid,
    pub monitor: String,
    /// The segment column whose values are the arms; null where they are model versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub champion: String,
    pub challenger: String,
    /// Whether the predictions of the challenger are logged and not used.
    #[serde(default)]
    pub shadow: bool,
    /// `worse` or `ready`.
    pub state: ChallengeState,
    /// The state before.
    pub before: ChallengeState,
    /// Why, in words.
    pub reason: String,
    /// Compared pairs so far.
    pub compared: u32,
    /// Start of the pair that decided.
    pub start: Timestamp,
    /// Its end (exclusive).
    pub end: Timestamp,
    /// The champion's window of that pair.
    pub champion_window: SideWindow,
    /// The challenger's window of that pair.
    pub challenger_window: SideWindow,
    /// Deciding columns first, then those with the most evidence against the challenger; at most 20.
    pub columns: Vec<ComparedColumn>,
    /// Columns left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: usize,
    /// The page that shows both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it is a test message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

impl ChallengerEvent {
    /// The `type` of the event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        if self.state == ChallengeState::Worse { EventKind::ChallengerWorse } else { EventKind::ChallengerReady }
    }

    /// What it is routed by: as an alert of the challenger's series.
    #[must_use]
    pub fn labels(&self, own: &Labels) -> Labels {
        let mut labels = own.clone();
        let severity = if self.state == ChallengeState::Worse { Severity::Critical } else { Severity::Warn };
        labels.extend(challenger_labels());
        let set = [
            ("monitor", self.monitor.as_str()),
            ("version", self.challenger_window.version.as_str()),
            ("segment", self.challenger_window.segment.as_str()),
            ("severity", severity.as_str()),
        ];
        let set = set.iter().filter(|(_, value)| !value.is_empty());
        labels.extend(set.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())));
        labels
    }
}

/// The labels of all events about challengers, by which routes select them.
#[must_use]
pub fn challenger_labels() -> Labels {
    ["alertname", "kind"].map(|label| (label.to_owned(), "challenger".to_owned())).into()
}

/// The path of the page that shows both sides.
#[must_use]
pub fn challenger_page(monitor: &str) -> String {
    format!("/monitors/{}/challenger", encoded(monitor))
}

/// What is decided about a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct ChallengeStep {
    /// The columns of the pair; empty when it could not be compared.
    pub columns: Vec<PairedColumn>,
    /// The progress of the challenge after it.
    pub progress: Progress,
    /// The messages, when the state became worse or ready.
    pub notifications: Vec<Notification>,
}

/// What pairs of a monitor are decided with.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// The monitor's name.
    pub monitor: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// The receivers that it names for its alerts.
    pub receivers: &'a [String],
    /// Measures and limits.
    pub judge: &'a JudgeSpec,
    pub spec: &'a ChallengeSpec,
    /// Selects the receivers where the challenge names none.
    pub routing: &'a Routing,
    /// What the addresses of pages begin with.
    pub external_url: Option<&'a str>,
}

impl Decider<'_> {
    /// Decides about the windows of a pair, which ends at `end`. Without counts of both sides nothing was compared. `now` is the time
    /// that an event carries; it decides nothing.
    #[must_use]
    pub fn decide(
        &self,
        (start, end): (EventTime, EventTime),
        windows: &[SideWindow; 2],
        counts: Option<SidePair<'_>>,
        before: &Progress,
        now: EventTime,
    ) -> ChallengeStep {
        let columns = counts.map(|pair| compare_pair(pair, self.judge)).unwrap_or_default();
        let progress = before.step(&columns, self.spec);
        let has_event = matches!(progress.state, ChallengeState::Ready | ChallengeState::Worse);
        if progress.state == before.state || !has_event {
            return ChallengeStep { columns, progress, notifications: Vec::new() };
        }
        let [champion_window, challenger_window] = windows.clone();
        let mut all = ComparedColumn::all(&columns, &progress, &self.spec.columns);
        let more = all.len().saturating_sub(MAX_COLUMNS);
        all.truncate(MAX_COLUMNS);
        let base = self.external_url.map(|base| base.trim_end_matches('/'));
        let event = ChallengerEvent {
            challenge_id: self.spec.id(self.monitor),
            monitor: self.monitor.to_owned(),
            by: self.spec.by.clone(),
            champion: self.spec.champion.clone(),
            challenger: self.spec.challenger.clone(),
            shadow: self.spec.shadow,
            state: progress.state,
            before: before.state,
            reason: progress.reason(self.spec),
            compared: progress.compared,
            start: start.into(),
            end: end.into(),
            champion_window,
            challenger_window,
            columns: all,
            more,
            url: base.map(|base| format!("{base}{}", challenger_page(self.monitor))),
            test: false,
        };
        let notifications = self.notifications(&event, &progress, now);
        ChallengeStep { columns, progress, notifications }
    }

    /// One message a receiver, with an id that follows from the change of state.
    fn notifications(&self, event: &ChallengerEvent, progress: &Progress, now: EventTime) -> Vec<Notification> {
        let mut receivers = self.spec.receivers.clone();
        if receivers.is_empty() {
            let groups = self.routing.groups_of(&event.labels(self.labels), self.receivers);
            receivers = groups.into_iter().map(|group| group.receiver).collect();
        }
        receivers.sort();
        receivers.dedup();
        let body = event_body(event.kind(), now, event);
        let (challenge, change) = (event.challenge_id.to_string(), progress.changes.to_string());
        let to = |receiver: String| Notification {
            id: derived_id(&["challenge", &challenge, &change, &receiver]),
            subject: event.challenge_id,
            receiver,
            kind: event.kind(),
            body: body.clone(),
        };
        receivers.into_iter().map(to).collect()
    }
}
