//! What people decide about proposals of wider limits.

use uuid::Uuid;

use crate::judge::AcceptedLimits;
use crate::record::EventTime;

/// What a person decides about a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitChoice {
    /// The limits hold for the windows that are judged from then on.
    Accepted,
    /// Limits that are not wider are not proposed again.
    Dismissed,
}

impl LimitChoice {
    /// The name used in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dismissed => "dismissed",
        }
    }

    /// The choice of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Dismissed].into_iter().find(|choice| choice.as_str() == name)
    }

    /// The name of the action in the audit log.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Accepted => "limits.accept",
            Self::Dismissed => "limits.dismiss",
        }
    }
}

/// What a person does about limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsStep {
    /// Accepts a proposal.
    Accept,
    /// Dismisses a proposal.
    Dismiss,
    /// Withdraws accepted limits, or a dismissal.
    Withdraw,
}

impl LimitsStep {
    /// The name used in commands and addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Dismiss => "dismiss",
            Self::Withdraw => "withdraw",
        }
    }
}

/// A decision as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitDecision {
    /// Of the proposal.
    pub id: Uuid,
    pub choice: LimitChoice,
    /// The proposed limits, and what they are of.
    pub limits: AcceptedLimits,
    /// The false alarms that the proposal rested on.
    pub alerts: Vec<Uuid>,
    /// Who decided.
    pub actor: String,
    /// Why.
    pub comment: String,
    /// When.
    pub at: EventTime,
}
