//! The life of a request: from proposed to succeeded, or to one of the other ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alert::{DriftedColumn, WindowEvidence};
use crate::record::Timestamp;
use crate::window::OffsetRanges;

/// Request state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Waits for approval; or a dry run.
    Proposed,
    /// Being sent to the training system.
    Requested,
    /// Accepted by the training system.
    Accepted,
    /// Training is running.
    Running,
    /// New model trained.
    Succeeded,
    /// Training failed.
    Failed,
    /// No answer in time.
    Expired,
    /// Cancelled by a person.
    Cancelled,
}

impl RequestState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Proposed,
        Self::Requested,
        Self::Accepted,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Requested => "requested",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing can follow but a late answer.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Expired | Self::Cancelled)
    }

    fn rank(self) -> u8 {
        match self {
            Self::Proposed => 0,
            Self::Requested => 1,
            Self::Accepted => 2,
            Self::Running => 3,
            Self::Expired => 4,
            Self::Succeeded | Self::Failed | Self::Cancelled => 5,
        }
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A person approves it.
    Approve,
    /// A person calls it off.
    Cancel,
    /// The training system took it.
    Delivered,
    /// It could not be delivered.
    Undeliverable,
    /// The training system says how it stands.
    Report(RequestState),
    /// The time for an answer is over.
    TimedOut,
}

/// A step that was taken, or had nothing left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It stands here now.
    To(RequestState),
    /// It stands there already, or further.
    Nothing,
}

/// A step that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Where the request stands.
    #[error("a request that is {} cannot be {step}", .state.as_str())]
    NotHere {
        /// There.
        state: RequestState,
        /// What is done to it.
        step: &'static str,
    },
    /// A state that no training system reports.
    #[error("`{}` is not something a training system says", .0.as_str())]
    NotTheirs(RequestState),
}

impl RequestState {
    /// Takes a step. Reports may come twice and out of order: one that says less than is known changes nothing. A success
    /// or failure is believed even after the request expired, never after a person called it off.
    ///
    /// # Errors
    /// When the step makes no sense here.
    pub fn take(self, step: Step) -> Result<StepOutcome, StepError> {
        let no = |step| Err(StepError::NotHere { state: self, step });
        match step {
            Step::Approve if self == Self::Proposed => Ok(StepOutcome::To(Self::Requested)),
            Step::Approve => no("approved"),
            Step::Cancel if self.is_over() => no("cancelled"),
            Step::Cancel => Ok(StepOutcome::To(Self::Cancelled)),
            Step::Delivered if self == Self::Requested => Ok(StepOutcome::To(Self::Accepted)),
            Step::Undeliverable if self == Self::Requested => Ok(StepOutcome::To(Self::Failed)),
            Step::Delivered | Step::Undeliverable => Ok(StepOutcome::Nothing),
            Step::TimedOut if self.is_over() || self == Self::Proposed => Ok(StepOutcome::Nothing),
            Step::TimedOut => Ok(StepOutcome::To(Self::Expired)),
            Step::Report(state) => match (self, state) {
                (_, Self::Proposed | Self::Requested | Self::Expired | Self::Cancelled) => {
                    Err(StepError::NotTheirs(state))
                }
                (Self::Proposed, _) => no("reported on: nobody approved it"),
                _ if state.rank() > self.rank() => Ok(StepOutcome::To(state)),
                _ => Ok(StepOutcome::Nothing),
            },
        }
    }
}

/// What a model could be trained on: the drifting windows, as event time and as offsets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRange {
    /// From here on ...
    pub from: Timestamp,
    /// ... to here, exclusive.
    pub to: Timestamp,
    /// Topic, partition, first offset, offset past the last.
    pub offsets: OffsetRanges,
    pub records: u64,
}

/// The `data` of a retraining request: all that a training system, or a person, needs to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrainingEvent {
    /// The request's id: the receiver's idempotency key.
    pub request_id: Uuid,
    /// The alert behind it.
    pub alert_id: Uuid,
    pub monitor: String,
    /// The model version that drifted.
    pub version: String,
    /// The segment that drifted.
    pub segment: String,
    /// Why, in words.
    pub reason: String,
    /// The baseline it was compared with.
    pub baseline: String,
    /// The proposed training range.
    pub training: TrainingRange,
    /// The drifting windows that it rests on, of which `windows` lists the newest.
    #[serde(default)]
    pub drifting_windows: u32,
    /// The newest drifting windows, at most [`LISTED_WINDOWS`], oldest first, with the offsets they are made of.
    pub windows: Vec<WindowEvidence>,
    /// The columns that drifted in a window of the episode, most moved first, each as in its worst one.
    pub drifted: Vec<DriftedColumn>,
    /// The columns that warned in one and drifted in none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<DriftedColumn>,
    /// Where to say how it goes, when that can be said over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Whether somebody only tries whether messages arrive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// Windows that a request lists at most; its training range spans all of them.
pub const LISTED_WINDOWS: usize = 48;

/// The range that drifting windows span, and what they are made of.
#[must_use]
pub fn evidence_pack(windows: &[WindowEvidence]) -> Option<TrainingRange> {
    let (first, last) = (windows.first()?, windows.last()?);
    let mut offsets = OffsetRanges::default();
    for window in windows {
        offsets.merge(&window.offsets);
    }
    Some(TrainingRange {
        from: first.start,
        to: last.end,
        offsets,
        records: windows.iter().map(|window| window.records).sum(),
    })
}
