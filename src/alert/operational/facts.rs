//! What is known of a monitor, for alerts about the daemon and what it reads from.

use std::collections::BTreeMap;

use crate::record::{EventTime, TimeFormat, TimeSpan, listed};

/// What is known of a monitor at one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationalFacts {
    /// How long no record was counted; none when none ever was.
    pub silent_for: Option<TimeSpan>,
    /// Messages between the position and the end of the log, over all partitions.
    pub lag: i64,
    /// Records counted since the last look that had enough of them.
    pub accepted: u64,
    /// Records that came too late since then.
    pub late: u64,
    /// Records that could not be used since then, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The newest example of each reason in words: of rejections, and `late`.
    pub examples: BTreeMap<String, String>,
    /// How many records were filtered, when no other was ever counted or late.
    pub filtered_only: Option<u64>,
    /// What each filter wants and what it sees instead.
    pub filters: Vec<String>,
    /// Columns without a valid value, or hardly with one: their names, and what was found, in words.
    pub unreadable: Vec<(String, String)>,
    /// Records ever counted.
    pub counted: u64,
    /// The newest event time ever counted.
    pub newest: Option<EventTime>,
    /// How event times are written; none when they are those of the messages.
    pub time_format: Option<TimeFormat>,
    /// Partitions that lost messages to retention lately, with how many.
    pub gaps: Vec<(String, u64)>,
    /// Partitions with unread messages whose position stands still, and for how long.
    pub stuck: Vec<(String, TimeSpan)>,
    /// Partitions whose log is not the one that was read, with what is wrong.
    pub replaced: Vec<(String, String)>,
    /// Topics that do not exist: deleted, or never there.
    pub missing_topics: Vec<String>,
    /// How many versions and segments are counted apart, when there are more.
    pub series_full: Option<usize>,
    /// Partitions in which an open transaction has kept messages from being read for too long.
    pub held: Vec<HeldBack>,
    /// Consumer groups and databases that take records from one another, in words.
    pub conflicts: Vec<String>,
    /// In what the configurations of running daemons differ, in words.
    pub differences: Vec<String>,
    /// Why windows close without a baseline, when they do and none is being learned.
    pub baseline_missing: Option<MissingBaseline>,
    /// Segments that send enough records for a verdict and that the active baseline does not have, with the start of their
    /// first window that was not judged.
    pub segments: Vec<(String, String)>,
    /// Retraining requests that got no answer in time lately.
    pub unanswered: u64,
}

/// Why there is nothing to compare windows with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingBaseline {
    /// No version is active.
    NoneActive,
    /// The active version was made for other columns.
    Unfit {
        version: i32,
        /// The columns for which it does not fit; empty when only their order differs.
        columns: Vec<String>,
    },
}

impl MissingBaseline {
    pub(super) fn words(&self) -> String {
        match self {
            Self::NoneActive => "windows close and there is no baseline to compare them with".to_owned(),
            Self::Unfit { version, columns } if columns.is_empty() => format!(
                "windows close without being compared: baseline version {version} has the columns in another order"
            ),
            Self::Unfit { version, columns } => format!(
                "windows close without being compared: baseline version {version} does not fit the monitor's columns: {}",
                listed(columns, NAMED_COLUMNS)
            ),
        }
    }
}

/// Columns that one alert names.
const NAMED_COLUMNS: usize = 10;

/// A partition in which an open transaction keeps messages from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Topic and number.
    pub partition: String,
    /// Offsets that cannot be read.
    pub messages: u64,
    /// For how long.
    pub held_for: TimeSpan,
}
