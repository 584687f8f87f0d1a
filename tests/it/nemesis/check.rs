//! The promises, from the outside: what PostgreSQL, the API and the receiver have, against what was produced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::{Int32Type, Int64Type};
use driftd::binning::{Binning, BinningSet};
use driftd::distribution::{Distribution, RecordSample, WindowCounts};
use driftd::record::Absence;
use serde_json::Value;
use sqlx::Row as _;

use super::field::{Field, MONITORS};
use super::traffic::{Record, Truth, What, Y};
use crate::support::DAEMONS;

/// A record's partition and offset.
type Place = (i32, i64);
/// Version, segment, start in milliseconds.
type Key = (String, String, i64);

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub messages: u64,
    pub windows: u64,
    pub late: u64,
    pub alerts: u64,
    pub webhooks: u64,
}

/// A closed window as it is stored.
struct Window {
    key: Key,
    rows: i64,
    late: i64,
    complete: bool,
    verdict: String,
    counts: WindowCounts,
    members: Vec<Place>,
}

/// What is stored, after the daemons have caught up.
pub fn check(field: &Field<'_>, truth: &Truth) -> Figures {
    let mut figures = Figures { messages: truth.messages(), ..Figures::default() };
    for (monitor, length, series) in MONITORS {
        let windows = stored(field, monitor);
        figures.windows += windows.len() as u64;
        let mut expected: BTreeMap<Key, BTreeMap<Place, &Record>> = BTreeMap::new();
        for (place, record) in truth.records() {
            for (version, segment) in keys(record, series) {
                let start = record.time.div_euclid(length) * length;
                expected.entry((version, segment, start)).or_default().insert(place, record);
            }
        }
        for window in &windows {
            check_window(field, monitor, window, expected.get(&window.key));
            check_verdict(field, monitor, window, truth, length);
        }
        let known: BTreeSet<&Key> = windows.iter().map(|window| &window.key).collect();
        for (key, records) in &expected {
            let in_time = records.values().filter(|record| record.in_time).count();
            if in_time > 0 && !known.contains(key) {
                field.violated(format!("{monitor} {key:?}: there is no window for {in_time} records"));
            }
        }
        let counted: u64 =
            windows.iter().filter(|window| window.key.1 == "*").map(|window| window.rows as u64).sum();
        figures.late += check_tally(field, monitor, truth, counted);
    }
    check_positions(field, truth);
    check_episodes(field);
    figures.alerts = ask(field, "select count(*) from alert where fired_at is not null") as u64;
    figures.webhooks = field.world.webhooks.received().len() as u64;
    figures
}

fn keys(record: &Record, series: bool) -> Vec<(String, String)> {
    if series {
        let segment = format!("country={}", record.country);
        vec![(record.version.to_owned(), "*".to_owned()), (record.version.to_owned(), segment)]
    } else {
        vec![(String::new(), "*".to_owned())]
    }
}

fn ask(field: &Field<'_>, query: &'static str) -> i64 {
    field.world.runtime.block_on(crate::support::number(&field.world.pool, query)).unwrap()
}

fn stored(field: &Field<'_>, monitor: &str) -> Vec<Window> {
    let query = "select model_version, segment, (extract(epoch from starts_at) * 1e3)::bigint as start, rows, complete, verdict,
                        counts, sample, binning.columns,
                        coalesce((select sum(l.rows) from window_late l where l.window_id = w.id), 0)::bigint as late
                 from model_window w join binning on binning.id = binning_id
                 where monitor = $1 and status = 'closed'";
    let rows =
        field.world.runtime.block_on(sqlx::query(query).bind(monitor).fetch_all(&field.world.pool)).unwrap();
    rows.iter()
        .map(|row| {
            let binnings: BinningSet = serde_json::from_value(row.get("columns")).unwrap();
            let sample: Option<Vec<u8>> = row.get("sample");
            let members = sample.map(|bytes| {
                let sample = RecordSample::from_ipc(&bytes, 100_000).unwrap();
                let (partitions, offsets) =
                    (sample.column("__partition").unwrap(), sample.column("__offset").unwrap());
                let partitions = partitions.as_primitive::<Int32Type>().values().to_vec();
                let offsets = offsets.as_primitive::<Int64Type>().values().to_vec();
                partitions.into_iter().zip(offsets).collect()
            });
            Window {
                key: (row.get("model_version"), row.get("segment"), row.get("start")),
                rows: row.get("rows"),
                late: row.get("late"),
                complete: row.get("complete"),
                verdict: row.get("verdict"),
                counts: WindowCounts::from_ipc(row.get("counts"), Arc::new(binnings)).unwrap(),
                members: members.unwrap_or_default(),
            }
        })
        .collect()
}

/// Every record once, none missing that came in time, and every bin as the records have it.
fn check_window(field: &Field<'_>, monitor: &str, window: &Window, expected: Option<&BTreeMap<Place, &Record>>) {
    let at = format!("{monitor} {:?}", window.key);
    let Some(expected) = expected else {
        field.violated(format!("{at}: a window of {} records that nobody produced", window.rows));
        return;
    };
    let members: BTreeSet<Place> = window.members.iter().copied().collect();
    if members.len() != window.members.len() || window.rows != members.len() as i64 {
        let (rows, sampled) = (window.rows, window.members.len());
        field.violated(format!("{at}: {rows} rows, {sampled} sampled, {} different records", members.len()));
    }
    if window.counts.rows() != window.rows as u64 {
        field.violated(format!("{at}: counts of {} rows, {} said", window.counts.rows(), window.rows));
    }
    if !window.complete {
        field.violated(format!("{at}: closed incomplete, although every partition could be read in the end"));
    }
    let strangers: Vec<&Place> = members.iter().filter(|place| !expected.contains_key(place)).collect();
    if !strangers.is_empty() {
        field.violated(format!("{at}: holds records of other windows, at {strangers:?}"));
        return;
    }
    let missing: Vec<&Place> = expected
        .iter()
        .filter(|(place, record)| record.in_time && !members.contains(place))
        .map(|(place, _)| place)
        .collect();
    if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
        let number = missing.len();
        field.violated(format!(
            "{at}: {number} of {} records that came in time are not in it, from {first:?} to {last:?}; {} counted as late",
            expected.len(),
            window.late
        ));
    }
    if window.late as usize > expected.len() - members.len() {
        field.violated(format!(
            "{at}: {} late records said, {} of {} are not in it",
            window.late,
            expected.len() - members.len(),
            expected.len()
        ));
    }
    let records: Vec<&Record> = members.iter().map(|place| expected[place]).collect();
    for column in window.counts.columns() {
        if let Err(difference) = compare(column, &records) {
            field.violated(format!("{at}, column {}: {difference}", column.name()));
        }
    }
}

/// A column's counts, bin by bin.
fn compare(column: &Distribution, records: &[&Record]) -> Result<(), String> {
    let equal = |what: String, counted: u64, expected: usize| {
        if counted == expected as u64 {
            Ok(())
        } else {
            Err(format!("{what}: {counted} counted, {expected} there are"))
        }
    };
    let numbers = |record: &Record| match (column.name(), record.y) {
        ("x", _) => Some(record.x),
        ("y", Y::Number(value)) => Some(value),
        _ => None,
    };
    match column.binning() {
        Binning::Numeric(binning) => {
            for bin in 0..binning.bins() {
                let (low, high) = binning.ends(bin);
                let inside =
                    |value: &f64| low.is_none_or(|low| low <= *value) && high.is_none_or(|high| *value < high);
                let expected = records.iter().filter_map(|record| numbers(record)).filter(inside).count();
                equal(format!("bin {bin}"), column.counts()[bin], expected)?;
            }
        }
        Binning::Categorical(binning) => {
            for (bin, category) in binning.categories().iter().enumerate() {
                let expected = records.iter().filter(|record| record.c == category).count();
                equal(category.clone(), column.counts()[bin], expected)?;
            }
        }
        Binning::Embedding(_) | Binning::UniversalNumeric => return Err("it has no bins of a baseline".to_owned()),
    }
    for absence in Absence::ALL {
        let is_absent = |record: &&&Record| {
            column.name() == "y"
                && record.y
                    == match absence {
                        Absence::Null => Y::Null,
                        Absence::Missing => Y::Missing,
                        Absence::Nan => Y::Nan,
                        Absence::Infinite => Y::Infinite,
                        Absence::WrongType => Y::WrongType,
                        Absence::Present => return false,
                    }
        };
        equal(absence.as_str().to_owned(), column.absent(absence), records.iter().filter(is_absent).count())?;
    }
    Ok(())
}

/// A window whose records are all moved by ten standard deviations drifts.
fn check_verdict(field: &Field<'_>, monitor: &str, window: &Window, truth: &Truth, length: i64) {
    let (start, end) = (window.key.2, window.key.2 + length - 1);
    if truth.drifts(start) && truth.drifts(end) && window.rows >= 50 && window.verdict != "critical" {
        field.violated(format!(
            "{monitor} {:?}: {} drifted records, and the verdict is {}",
            window.key, window.rows, window.verdict
        ));
    }
}

/// Every message ended in exactly one counter. How many came late.
fn check_tally(field: &Field<'_>, monitor: &str, truth: &Truth, counted: u64) -> u64 {
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut good = 0;
    for message in truth.partitions.values().flatten() {
        match message.what {
            What::Record(_) => good += 1,
            What::Filtered => *expected.entry("filtered".to_owned()).or_default() += 1,
            What::Rejected(reason) => *expected.entry(format!("rejected {reason}")).or_default() += 1,
        }
    }
    expected.insert("accepted".to_owned(), counted);
    if good > counted {
        expected.insert("late".to_owned(), good - counted);
    }
    let query = "select outcome, reason, sum(count)::bigint as count from record_tally where monitor = $1
                 group by outcome, reason having sum(count) > 0";
    let rows =
        field.world.runtime.block_on(sqlx::query(query).bind(monitor).fetch_all(&field.world.pool)).unwrap();
    let tally: BTreeMap<String, u64> = rows
        .iter()
        .map(|row| {
            let (outcome, reason): (String, String) = (row.get("outcome"), row.get("reason"));
            (format!("{outcome} {reason}").trim().to_owned(), row.get::<i64, _>("count") as u64)
        })
        .collect();
    if tally != expected {
        field.violated(format!("{monitor}: outcomes are {tally:?}, and should be {expected:?}"));
    }
    good.saturating_sub(counted)
}

/// What people see, at every daemon, is what is stored.
pub fn check_api(field: &Field<'_>) {
    for (monitor, ..) in MONITORS {
        check_list(field, monitor, &stored(field, monitor));
    }
}

fn check_list(field: &Field<'_>, monitor: &str, windows: &[Window]) {
    let stored: BTreeMap<(String, String, i64), (u64, u64)> =
        windows.iter().map(|window| (window.key.clone(), (window.rows as u64, window.late as u64))).collect();
    for daemon in DAEMONS {
        let (status, answer) = field.world.get(daemon, &format!("/api/v1/monitors/{monitor}/windows?limit=10000"));
        let Ok(page) = serde_json::from_str::<Value>(&answer) else {
            field.violated(format!("{daemon} answers {status} when asked for the windows of {monitor}: {answer}"));
            continue;
        };
        let shown: BTreeMap<(String, String, i64), (u64, u64)> = page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|window| {
                let text = |name: &str| window[name].as_str().unwrap_or_default().to_owned();
                let start = text("start").parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond);
                let number = |name: &str| window[name].as_u64().unwrap_or_default();
                ((text("version"), text("segment"), start), (number("rows"), number("late")))
            })
            .collect();
        // The page is cut at its limit.
        let wrong: Vec<_> = shown.iter().filter(|(key, rows)| stored.get(*key) != Some(rows)).collect();
        if !wrong.is_empty() || shown.len() != stored.len().min(10_000) {
            let number = (shown.len(), stored.len());
            field.violated(format!(
                "{daemon} shows other windows of {monitor} than there are: {number:?} {wrong:?}"
            ));
        }
    }
}

/// Every partition was read from its beginning to its end, and no gap was noted.
fn check_positions(field: &Field<'_>, truth: &Truth) {
    let rows: Vec<(i32, Option<i64>)> = field
        .world
        .runtime
        .block_on(
            sqlx::query_as("select partition, next_offset from source_partition").fetch_all(&field.world.pool),
        )
        .unwrap();
    let stored: BTreeMap<i32, i64> =
        rows.into_iter().map(|(partition, next)| (partition, next.unwrap_or(-1))).collect();
    let expected: BTreeMap<i32, i64> =
        truth.partitions.iter().map(|(partition, messages)| (*partition, messages.len() as i64)).collect();
    if stored != expected {
        field.violated(format!("positions are {stored:?}, the ends of the log {expected:?}"));
    }
    let gaps = ask(field, "select count(*) from retention_gap");
    if gaps != 0 {
        field.violated(format!("{gaps} gaps were noted, and nothing was deleted"));
    }
}

/// One episode at a time, one request an episode, and every drifted window belongs to an alert that fired.
fn check_episodes(field: &Field<'_>) {
    let overlapping = ask(
        field,
        "select count(*) from alert a join alert b
           on a.id < b.id and a.monitor = b.monitor and a.model_version = b.model_version and a.segment = b.segment
          and a.rule = b.rule and a.column_name is not distinct from b.column_name
        where a.fired_at is not null and b.fired_at is not null
          and a.since = b.since",
    );
    if overlapping != 0 {
        field.violated(format!("{overlapping} pairs of alerts are one episode of one rule and series"));
    }
    let open = ask(
        field,
        "select count(*) from (select 1 from alert where state in ('pending', 'firing', 'acknowledged')
         group by monitor, model_version, segment, rule, column_name having count(*) > 1) doubled",
    );
    if open != 0 {
        field.violated(format!("{open} rules have more than one open alert in a series"));
    }
    let unexplained = ask(
        field,
        "select count(*) from model_window w where verdict = 'critical'
         and not exists (select from alert a where a.id = any(w.drifts_for) and a.fired_at is not null)",
    );
    if unexplained != 0 {
        field.violated(format!("{unexplained} windows drift, and no alert that fired is about them"));
    }
    let requests = ask(
        field,
        "select count(*) from (select alert_id from retraining_request group by alert_id having count(*) > 1) doubled",
    );
    if requests != 0 {
        field.violated(format!("{requests} episodes asked for more than one retraining"));
    }
}
