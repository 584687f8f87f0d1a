//! Alerts, pure: which findings make one ([`AlertRule`]), how it lives ([`AlertState`], [`SeriesAlerts`]), who is told of it
//! ([`Routing`]), when ([`decide_group`]), in which messages ([`decide_message`]), and what these say ([`AlertsEvent`]).
//!
//! There is one episode at most for a rule of a *series* (monitor, version, segment) at a time, and for a rule about
//! columns one for each of them.

mod address;
mod amended;
mod change;
mod event;
mod evidence;
mod group;
mod judged;
mod lifecycle;
mod matcher;
mod message;
mod onset;
mod operational;
mod routing;
mod rule;
mod segments;
mod series;
mod vocabulary;
mod words;

pub use address::{column_page, encoded};
pub use amended::AmendedLevel;
pub use change::{AlertChange, ChangeKind, ChangeReason, RowState, derived_id, episode_id};
pub use event::{AlertStatus, AlertView, AlertsEvent, EventKind, event_body};
pub use evidence::{
    ColumnScore, DriftedColumn, EXPLAINED_COLUMNS, EpisodeWindow, Evidence, JudgedWindow, MAX_COLUMNS, SCORES,
    WindowEvidence, WindowRef,
};
pub use group::{Group, GroupStep, LastTold, Member, SendReason, decide_group};
pub use judged::Judged;
pub use lifecycle::{
    AlertPolicy, AlertState, Calm, Episode, Lessons, Level, MAX_DAMPING, Phase, Severity, WindowLevel,
};
pub use matcher::{Labels, Matcher, MatcherError, all_match};
pub use message::{
    DRILL, DueAlert, DueGroup, GroupDecision, Message, MessageDecision, Recipient, decide_message, is_digest,
    message_id,
};
pub use onset::ColumnOnset;
pub use operational::{
    HeldBack, MIN_RECORDS, MissingBaseline, OperationalFacts, OperationalLimits, OperationalRule, Sign,
};
pub use routing::{
    AlertFacts, BROKEN_FEED, GroupKey, GroupTiming, InhibitRule, OWN_ROUTE, Route, Routing, Silence, Suppression,
    Surroundings, explains,
};
pub use rule::{AlertRule, Observation, RuleKind, Scope};
pub use segments::{SEGMENT_NAMES, Segments, relate};
pub use series::{SeriesAlerts, SeriesKey, SeriesStep, Transition};
pub use vocabulary::{Vocabulary, VocabularyError};
pub use words::{how_far, series_words, summary_of, times, worst_and_last};

/// Whether a field of an event or a stored state has its usual value, and is left out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
