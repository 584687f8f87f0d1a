//! Messages and how their delivery goes.

use crate::record::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Delivery state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not delivered yet.
    Pending,
    /// Delivered.
    Sent,
    /// Failed: not retried any further.
    Dead,
    /// Replaced by a later message.
    Superseded,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Dead, Self::Superseded];

    /// The name in tables and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Dead => "failed",
            other => other.as_str(),
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Which messages to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this receiver.
    pub receiver: Option<String>,
    /// With this status.
    pub status: Option<DeliveryStatus>,
}

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryRow {
    /// Message ID, the idempotency key for the receiver.
    pub id: Uuid,
    /// Sequence number of the decision.
    pub sequence: i64,
    /// Receiver.
    pub receiver: String,
    /// `type` of the event.
    pub event_type: String,
    /// Delivery state.
    pub status: DeliveryStatus,
    /// Number of attempts.
    pub attempts: i32,
    /// Time of the next attempt, RFC 3339; pending messages only.
    pub next_attempt_at: Option<Timestamp>,
    /// Time of the decision, RFC 3339.
    pub created_at: Timestamp,
    /// Time of delivery or final failure, RFC 3339.
    pub finished_at: Option<Timestamp>,
    /// Outcome of the last attempt.
    pub outcome: Option<String>,
    /// Summary of the message.
    pub about: String,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempt {
    /// Attempt number, from 1.
    pub attempt: i32,
    /// Outcome.
    pub outcome: String,
    /// Text, without secrets.
    pub detail: String,
    /// Time, RFC 3339.
    pub at: Timestamp,
}

/// A message with its delivery attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryDetail {
    /// The message.
    pub delivery: DeliveryRow,
    /// All attempts.
    pub attempts: Vec<Attempt>,
    /// The event.
    #[schema(value_type = Object)]
    pub body: Value,
}
