//! Messages and how their delivery goes.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Which messages to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this receiver.
    pub receiver: Option<String>,
    /// pending, sent, dead or superseded.
    pub status: Option<String>,
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
    /// pending, sent, dead or superseded.
    pub status: String,
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
