//! driftd watches machine-learning models in production: it reads the Kafka topics where models log their
//! predictions, keeps windowed distributions of every feature and output, compares them with versioned
//! baselines in Postgres, and tells people (and training systems) when they drift.
//!
//! # The map
//!
//! ```text
//!  Kafka ──> kafka ──> record ──> window ──────────> store (checkpoint) ──> Postgres
//!            poll      JSON to    counts on fixed    offsets and counts         │
//!            thread    Arrow      bins, by event     in one transaction         │
//!                                 time                                          v
//!  people <── notify <── outbox <── groups <── closing  <── store (close) <── due windows, merged
//!             mail, chat,           routes,    judge, alert,  findings and alerts
//!             pager, webhook        silences   retrain        in one transaction
//! ```
//!
//! Two pure machines, and edges around them. *Counting* ([`window`]): (binnings, record batches) to deltas.
//! *Closing* ([`closing`], over [`judge`], [`alert`], [`retrain`]): (merged window, reference, alert states) to
//! findings and changes. Beside them, smaller ones: *messages* ([`alert::decide_message`]): (groups of alerts, what was told of
//! them, what suppresses them, how many messages a receiver may have, now) to a message or none; and the *ledger* of
//! partitions (`app/ingest/ledger.rs`): (assignments, positions, messages, outcomes of checkpoints) to what is counted,
//! stored and dropped. None reads a clock, a socket, a file or a database.
//!
//! * the core: [`record`], [`binning`], [`distribution`], [`detector`], [`window`], [`measure`], [`variation`], [`trend`], [`preset`], [`judge`], [`alert`],
//!   [`retrain`], [`baseline`], [`mod@reference`], [`closing`], [`detection`], [`retention`]; [`escape`] is how text from data is shown, by all of them;
//! * on top of it, as pure: [`compare`] (two files), [`replay`] (logs, window by window) and [`calibration`] (a reference against itself)
//!   run the same machines, [`account`] holds false alarms against their budget, [`report`] and [`chart`] say what they found,
//!   [`view`] is what is shown of what is stored;
//! * the edges, which never import each other: [`kafka`], [`store`], [`notify`], [`http`];
//! * around them: [`config`] (files to checked settings), [`app`] (wiring and tasks), [`supervisor`],
//!   [`telemetry`], [`cli`].
//!
//! # What holds, always
//!
//! * Counts are integers on fixed bins: adding them is exact, commutative and associative. The order of records,
//!   the number of daemons and crashes leave no trace in a window.
//! * A position in Kafka is stored only in the transaction that stores the counts of every record before it, and
//!   only from the value its reader started at. A daemon that lost its partitions cannot write.
//! * Every record ends in exactly one counter of each monitor that reads its topic: accepted, late,
//!   filtered, or rejected by reason; a message without a record ends in one as a whole.
//! * Time is event time. A window closes when every partition known from metadata has passed its end, is idle
//!   (read to its end *and* quiet), or is stuck for longer than the monitor is patient, which the window says.
//! * A window's findings, the changes of its alerts and the groups they concern are stored together; a message is stored
//!   with what it told of each alert. So nothing is decided twice and nothing decided goes untold. No transaction is open
//!   while anything is sent, and a message has one id over all attempts.
//! * "No baseline", "not enough data" and "undefined" are outcomes of their own: never NaN, never green.
//!
//! A test scans the sources for who may name what.
//!
//! # Words
//!
//! What Evidently calls *reference* and *current*, and NannyML *reference* and *analysis chunk*, are a
//! *reference* and a *window* here; a *baseline* is a reference that is stored under a version. A *binning* is the bins of a column, a *distribution* counts on it, a *measure*
//! a number for how far two distributions are apart, a *finding* one measure of one column in one window.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::format_collect,
        reason = "tests convert small numbers"
    )
)]

pub mod account;
pub mod alert;
pub mod app;
pub mod baseline;
pub mod binning;
pub mod calibration;
pub mod challenge;
pub mod chart;
pub mod cli;
pub mod closing;
pub mod compare;
pub mod config;
pub mod detection;
pub mod detector;
pub mod distribution;
pub mod escape;
#[cfg(debug_assertions)]
pub mod faults;
pub mod http;
pub mod judge;
pub mod kafka;
pub mod measure;
pub mod notify;
pub mod preset;
pub mod record;
pub mod reference;
pub mod replay;
pub mod report;
pub mod retention;
pub mod retrain;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod trend;
pub mod variation;
pub mod view;
pub mod window;
