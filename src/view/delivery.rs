//! Messages and how their delivery goes.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Where the delivery of a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not delivered yet.
    Pending,
    /// Delivered.
    Sent,
    /// Given up.
    Dead,
    /// A later message said it in its place.
    Superseded,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Dead, Self::Superseded];

    /// The name in tables, answers and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
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
    /// Those that stand there.
    pub status: Option<DeliveryStatus>,
}

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryRow {
    /// Its id, the receiver's idempotency key.
    pub id: Uuid,
    /// Its place in the order of decisions.
    pub sequence: i64,
    /// To whom.
    pub receiver: String,
    /// The event's `type`.
    pub event_type: String,
    /// Where its delivery stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next, RFC 3339; for pending ones.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was decided, RFC 3339.
    pub created_at: Timestamp,
    /// When it was sent or given up, RFC 3339.
    pub finished_at: Option<Timestamp>,
    /// How the last attempt ended.
    pub outcome: Option<String>,
    /// What the message is about, in a sentence.
    pub about: String,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempt {
    /// Counts up from 1.
    pub attempt: i32,
    /// How it ended.
    pub outcome: String,
    /// In words, without secrets.
    pub detail: String,
    /// When, RFC 3339.
    pub at: Timestamp,
}

/// A message with everything about its delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryDetail {
    /// The message.
    pub delivery: DeliveryRow,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// The event.
    #[schema(value_type = Object)]
    pub body: Value,
}
