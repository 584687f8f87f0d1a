//! What a monitor makes of real messages: how many it counts, filters and rejects and why, which columns it never finds, what
//! its filters see, and whether the event times can be meant. For `tail`, `check --online` and `doctor`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::app::clock_now;
use crate::config::Monitor;
use crate::kafka::{KafkaError, SourceOptions, Tap, TapFrom, Tapped};
use crate::record::{
    Absence, Decoded, DecodedBatch, Decoder, EventTime, RejectReason, TimeSpan, nearest, number_of, plural,
};
use crate::view::UnreadableColumn;
use crate::window::{Notes, Partition, is_unreadable, span_in_words};

/// Messages before the end of each partition that are read.
const LAST: i64 = 50;
/// Messages that are read at most.
const MOST: u64 = 1_000;
/// How long is read at most, and how long is waited for a message.
const FOR: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_millis(1_500);
/// How long brokers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The share of rejected records beyond which something is wrong.
const TOO_MANY: f64 = 0.05;

/// The outcome of one record of a message.
pub(super) struct RecordResult {
    pub(super) decoded: Decoded,
    /// The record alone, when it is one.
    pub(super) batch: Option<DecodedBatch>,
    /// Why it is none.
    pub(super) why: Option<String>,
    /// The paths in the message, when something is missing in the record.
    pub(super) paths: Vec<String>,
}

/// One thing that was found out, and whether it is in order.
#[derive(Debug, Serialize)]
pub(super) struct CheckResult {
    pub(super) what: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

impl CheckResult {
    /// Something that is in order.
    pub(super) fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), ok: true, detail: detail.into() }
    }

    /// Something that is not.
    pub(super) fn bad(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), ok: false, detail: detail.into() }
    }

    /// Something that was tried.
    pub(super) fn of(what: impl Into<String>, tried: Result<String, impl std::fmt::Display>) -> Self {
        match tried {
            Ok(detail) => Self::good(what, detail),
            Err(error) => Self::bad(what, error.to_string()),
        }
    }
}

/// What was found in the messages so far.
pub(super) struct Survey<'a> {
    monitor: &'a Monitor,
    decoder: Decoder,
    read: u64,
    accepted: u64,
    filtered: u64,
    tombstones: u64,
    rejected: BTreeMap<RejectReason, u64>,
    notes: Notes,
    columns: Vec<Absent>,
    newest: HashMap<Partition, EventTime>,
    /// Records further behind the newest of their partition than is waited for.
    disordered: u64,
    furthest: TimeSpan,
}

/// How often a column has no value.
#[derive(Clone, Copy, Default)]
struct Absent {
    nulls: u64,
    missing: u64,
    all: u64,
}

impl<'a> Survey<'a> {
    pub(super) fn new(monitor: &'a Monitor, max_message_bytes: usize) -> Self {
        let mut layout = monitor.layout.clone();
        layout.max_message_bytes = max_message_bytes;
        Self {
            monitor,
            decoder: Decoder::new(&monitor.schema, layout),
            read: 0,
            accepted: 0,
            filtered: 0,
            tombstones: 0,
            rejected: BTreeMap::new(),
            notes: Notes::default(),
            columns: vec![Absent::default(); monitor.schema.columns().len()],
            newest: HashMap::new(),
            disordered: 0,
            furthest: TimeSpan::ZERO,
        }
    }

    /// Reads some of the newest messages of the monitor's topics, beside everybody else.
    ///
    /// # Errors
    /// When the brokers are away, or there is no topic.
    pub(super) fn read(
        &mut self,
        options: &SourceOptions,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), KafkaError> {
        let mut tap = Tap::open(options, wanted, TapFrom::Last(LAST), PATIENCE)?;
        let until = Instant::now() + FOR;
        while self.read < MOST && Instant::now() < until && !tap.is_at_end() {
            // Nothing comes at the end of a partition, and others may have messages yet.
            if let Some(message) = tap.next(IDLE)? {
                self.take(&message);
            }
        }
        Ok(())
    }

    /// Takes one message in. Returns the outcome of each of its records.
    pub(super) fn take(&mut self, message: &Tapped) -> Vec<RecordResult> {
        self.read += 1;
        let outcomes = self.decoder.decode(message.raw(clock_now()));
        let rows = self.decoder.finish();
        let mut row = 0..rows.times.len();
        outcomes.iter().map(|outcome| self.take_record(message, outcome, &rows, &mut row)).collect()
    }

    fn take_record(
        &mut self,
        message: &Tapped,
        decoded: Decoded,
        rows: &DecodedBatch,
        row: &mut Range<usize>,
    ) -> RecordResult {
        let mut taken = RecordResult { decoded, batch: None, why: None, paths: Vec::new() };
        match decoded {
            Decoded::Row => {
                self.accepted += 1;
                let batch = rows.slice(row.next().unwrap_or_default(), 1);
                self.count(&batch, &message.partition);
                let missing = batch.absences.iter().any(|codes| codes.first() == Some(&Absence::Missing));
                if missing {
                    taken.paths = self.decoder.paths_of(message.payload.as_deref().unwrap_or_default());
                    self.look_for(&batch, &taken.paths);
                }
                taken.batch = Some(batch);
            }
            Decoded::Filtered => {
                self.filtered += 1;
                taken.why = self.filtered_by(message);
            }
            Decoded::Rejected(reason) => {
                let why = self.decoder.explain(message.raw(clock_now()), reason);
                if reason == RejectReason::Tombstone {
                    self.tombstones += 1;
                } else {
                    *self.rejected.entry(reason).or_insert(0) += 1;
                    self.notes.example(reason.as_str(), &message.partition, message.offset, || why.clone());
                }
                taken.why = Some(why);
            }
        }
        taken
    }

    fn filtered_by(&mut self, message: &Tapped) -> Option<String> {
        let (path, mut value) = self.decoder.filtered_by().map(|(path, value)| (path.to_string(), value))?;
        let paths = self.decoder.paths_of(message.payload.as_deref().unwrap_or_default());
        if let Some(near) = nearest(&path, paths.iter().map(String::as_str)).filter(|_| !paths.contains(&path)) {
            value = format!("{value} (similar path: `{near}`)");
        }
        self.notes.filtered(&path, &value);
        let wanted = self.monitor.layout.filters.iter().find(|(known, _)| known.to_string() == path);
        Some(format!("`{path}` is {value}; `where` wants `{}`", wanted.map_or("", |(_, wanted)| wanted.as_str())))
    }

    fn count(&mut self, batch: &DecodedBatch, partition: &Partition) {
        for (absent, codes) in self.columns.iter_mut().zip(&batch.absences) {
            for absence in codes {
                absent.nulls += u64::from(*absence == Absence::Null);
                absent.missing += u64::from(*absence == Absence::Missing);
                absent.all += u64::from(*absence != Absence::Present);
            }
        }
        for (column, wrong) in self.monitor.schema.columns().iter().zip(&batch.wrong) {
            if let Some(value) = wrong {
                self.notes.wrong(&column.name, value);
            }
        }
        if let Some(time) = batch.times.first() {
            let newest = self.newest.entry(partition.clone()).or_insert(*time);
            let behind = newest.since(*time);
            self.disordered += u64::from(behind > self.monitor.timing.out_of_orderness);
            self.furthest = self.furthest.max(behind);
            *newest = (*newest).max(*time);
        }
    }

    /// The nearest paths of columns that are not in the record.
    fn look_for(&mut self, batch: &DecodedBatch, paths: &[String]) {
        for (column, codes) in self.monitor.schema.columns().iter().zip(&batch.absences) {
            if codes.first() == Some(&Absence::Missing) {
                let near = nearest(&column.path.to_string(), paths.iter().map(String::as_str));
                let hint = self.notes.hint(&column.name);
                hint.nearest = hint.nearest.take().or_else(|| near.map(str::to_owned));
            }
        }
    }

    /// What was found: how many messages became records, and whatever is not as it is configured.
    pub(super) fn found(&self) -> Vec<CheckResult> {
        let mut found = vec![self.outcomes()];
        found.extend(self.unreadable().into_iter().map(|column| {
            let what = format!("column `{}` of monitor `{}`", column.column, self.monitor.name);
            CheckResult::bad(what, column.in_words())
        }));
        found.extend(self.times());
        found.extend(self.order());
        found
    }

    fn outcomes(&self) -> CheckResult {
        let what = format!("messages of monitor `{}`", self.monitor.name);
        if self.read == 0 {
            return CheckResult::good(what, "no messages in its topics yet");
        }
        let mut parts = vec![format!("{} of {} accepted", self.accepted, number_of(self.read, "message"))];
        if self.filtered > 0 {
            let seen: Vec<String> = self
                .notes
                .filtered
                .iter()
                .map(|(path, values)| {
                    format!("`{path}` is {}", values.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
                })
                .collect();
            parts.push(format!("{} filtered by `where`: {}", self.filtered, seen.join("; ")));
        }
        if self.tombstones > 0 {
            parts.push(format!(
                "{} without a value ({})",
                self.tombstones,
                plural(self.tombstones, "tombstone", "tombstones")
            ));
        }
        // Each hint once, behind the list.
        let mut hints: Vec<&str> = Vec::new();
        for (reason, number) in &self.rejected {
            let examples = self.notes.examples.get(reason.as_str()).into_iter().flatten();
            let shown: Vec<String> = examples
                .map(|example| {
                    let (why, hint) = example.why.split_once("\nhint: ").unwrap_or((&example.why, ""));
                    if !hint.is_empty() && !hints.contains(&hint) {
                        hints.push(hint);
                    }
                    format!("{} at {}: {why}", example.partition, example.offset)
                })
                .collect();
            parts.push(format!("{number} rejected ({reason}), for example {}", shown.join("; ")));
        }
        let text = [parts.join("; ").as_str()].into_iter().chain(hints).collect::<Vec<_>>().join("\nhint: ");
        let rejected: u64 = self.rejected.values().sum();
        let usable = self.read - self.tombstones;
        let nothing = self.accepted == 0 && usable > 0;
        let bad = nothing || ratio(rejected, usable - self.filtered) > TOO_MANY;
        CheckResult { what, ok: !bad, detail: text }
    }

    fn unreadable(&self) -> Vec<UnreadableColumn> {
        let columns = self.monitor.schema.columns().iter().zip(&self.columns);
        let mut found: Vec<UnreadableColumn> = Vec::new();
        for (column, absent) in columns {
            let valid = self.accepted.saturating_sub(absent.all);
            let path = column.path.to_string();
            let known = found.iter().any(|other| other.path == path);
            if known || !is_unreadable(self.accepted, valid, absent.nulls) {
                continue;
            }
            let hint = self.notes.columns.get(&column.name).cloned().unwrap_or_default();
            found.push(UnreadableColumn {
                column: column.name.clone(),
                path,
                records: self.accepted,
                valid,
                missing: absent.missing,
                nulls: absent.nulls,
                wrong: hint.wrong,
                nearest: hint.nearest,
            });
        }
        found
    }

    fn times(&self) -> Option<CheckResult> {
        let newest = self.newest.values().max().filter(|newest| !newest.is_plausible())?;
        let layout = &self.monitor.layout;
        let path = layout.time.as_ref().map_or_else(|| "of the messages".to_owned(), |path| format!("`{path}`"));
        let unit = layout.time_format.in_other_unit(*newest);
        let what = format!("event times of monitor `{}`", self.monitor.name);
        Some(CheckResult::bad(
            what,
            format!("{path}: the newest is {newest}, outside the years 1990 to 2100{unit}"),
        ))
    }

    fn order(&self) -> Option<CheckResult> {
        if self.accepted == 0 || ratio(self.disordered, self.accepted) <= 0.5 {
            return None;
        }
        let what = format!("order of the records of monitor `{}`", self.monitor.name);
        Some(CheckResult::bad(
            what,
            format!(
                "{} of {} are more than {} (window.out_of_orderness) behind the newest earlier record, up to {}: the log is not \
                 in event-time order, and most records will be late",
                self.disordered,
                self.accepted,
                span_in_words(self.monitor.timing.out_of_orderness),
                span_in_words(self.furthest)
            ),
        ))
    }
}

#[expect(clippy::cast_precision_loss, reason = "some messages")]
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}
