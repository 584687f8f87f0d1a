//! `driftd rejudge`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::compare::OutputFormat;
use super::files::short_name;
use super::monitor::monitor as the_monitor;
use super::reach::Reach;
use super::replay::show;
use super::{CliError, Context, with_reach};
use crate::baseline::{Baseline, unlearned_columns};
use crate::config::Monitor;
use crate::judge::Verdict;
use crate::record::{EventTime, TimeSpan, number_of};
use crate::replay::{CountedWindow, Judging, JudgingSpec, LogReading, Replayed, ReplayedWindow};
use crate::report::{ReplayReport, replay_report};
use crate::store::{ClosedWindowCounts, Store, StoredPeriod};
use crate::window::{Tally, WHOLE};

/// Which windows to judge again, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor: its name in the configuration, or its file. Given twice: both side by side, to tune thresholds on past windows.
    #[arg(long = "monitor", value_name = "MONITOR", required = true)]
    monitors: Vec<String>,
    /// Windows that start at or after this time, such as 2026-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: EventTime,
    /// Windows that start before this time. Default: all.
    #[arg(long, value_name = "TIME")]
    to: Option<EventTime>,
    /// Version of the stored baseline to compare with. Default: as the daemon, the active one, or that on the bins of the window.
    #[arg(long, value_name = "VERSION")]
    baseline: Option<i32>,
    /// Output format. Default: the extension of --output, otherwise text.
    #[arg(long, value_enum)]
    format: Option<OutputFormat>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Judges again; the exit code says what was found, as that of `replay`: 0 no alert, 3 alerts would have fired, 1 nothing could
/// be judged. Nothing is stored and nobody is notified.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<u8, CliError> {
    let output = arguments.output.as_deref();
    let format = OutputFormat::of(arguments.format, output)?;
    let monitors: Vec<Monitor> =
        arguments.monitors.iter().map(|named| the_monitor(context, named)).collect::<Result<_, _>>()?;
    let to = arguments.to.unwrap_or(EventTime::MAX);
    if arguments.from >= to {
        return Err(CliError::Failed(format!(
            "--to must be later than --from: {to} is not after {}",
            arguments.from
        )));
    }
    let report = with_reach(context, async |reach| {
        let Reach::Database(database) = reach else {
            return Err(CliError::Failed(
                "stored windows are judged again from their counts, which the API does not have\n\
                 hint: run `driftd rejudge` without --server where the database can be reached"
                    .to_owned(),
            ));
        };
        let mut judged = Vec::new();
        for monitor in &monitors {
            database.check_monitor(&monitor.name).await?;
            judged.push(rejudge(database.store(), monitor, (arguments.from, to), arguments.baseline).await?);
        }
        Ok(report(arguments.from, to, judged))
    })?;
    show(&report, format, output)
}

/// Windows that are read at a time, beside the rest of those of one start.
const TOGETHER: usize = 128;

/// A monitor with its windows judged again.
struct Rejudged {
    file: String,
    replayed: Replayed,
    reading: LogReading,
    notes: Vec<String>,
}

/// The stored windows of a period as they would be judged by this monitor, compared with this version of the baseline if one is
/// given.
pub(super) async fn judged_again(
    store: &Store,
    monitor: &Monitor,
    period: (EventTime, EventTime),
    version: Option<i32>,
) -> Result<Replayed, CliError> {
    Ok(rejudge(store, monitor, period, version).await?.replayed)
}

async fn rejudge(
    store: &Store,
    monitor: &Monitor,
    (from, to): (EventTime, EventTime),
    version: Option<i32>,
) -> Result<Rejudged, CliError> {
    let period = store.windows_with_counts(&monitor.name, from, to).await?;
    if period.starts.is_empty() {
        return Err(CliError::Failed(format!(
            "monitor `{}` has no closed window with counts that starts from {from} on\nhint: counts are deleted after `retention.counts`",
            monitor.name
        )));
    }
    let baselines: Vec<(String, Baseline)> = match version {
        Some(version) => {
            vec![(format!("version {version}"), store.baseline(&monitor.name, version).await?)]
        }
        None => store.baselines_for(&monitor.name, &period).await?,
    };
    let name = baselines.first().map(|(name, _)| name.clone());
    let unlearned = baselines.first().map(|(_, baseline)| unlearned_columns(&monitor.schema, baseline));
    let unlearned = unlearned.unwrap_or_default();
    // As the daemon judges the next window.
    let accepted = store.accepted_limits(&monitor.name).await?;
    let rules = monitor.rules.with_accepted(&accepted);
    let widened = matches!(rules, Cow::Owned(_));
    let spec = JudgingSpec {
        rules: rules.into_owned(),
        references: monitor.references.clone(),
        silence: monitor.silence_of_series(),
    };
    let mut judging = Judging::new(spec, baselines);
    let length = monitor.counting.length.span();
    if !monitor.references.volume.is_empty() {
        let before = earliest(monitor.references.volume_reach(), from, length);
        for (key, window) in store.rows_of_windows(&monitor.name, before, from).await? {
            judging.remember_rows(&key, window);
        }
    }
    if let Some(before) = before(monitor, from) {
        let earlier = store.windows_with_counts(&monitor.name, before, from).await?;
        each_start(store, &earlier, false, |windows| {
            judging
                .remember_panes(&windows.into_iter().map(|stored| stored.window).collect::<Vec<CountedWindow>>());
        })
        .await?;
    }
    let mut verdicts: BTreeMap<i64, Verdict> = BTreeMap::new();
    let mut tally = Tally::default();
    each_start(store, &period, true, |windows| {
        for ClosedWindowCounts { window, verdict } in &windows {
            verdicts.extend(window.id.map(|id| (id, *verdict)));
            if window.key.segment == WHOLE {
                tally.accepted += window.counts.rows();
            }
        }
        judging.judge(windows.into_iter().map(|stored| stored.window).collect());
    })
    .await?;
    let (windows, alerts) = judging.finish();
    let mut notes = vec![differences(&windows, &verdicts)];
    if widened {
        notes.push(format!(
            "Limits that were accepted are used, beside those of the file: driftd limits list --monitor {}.",
            monitor.name
        ));
    }
    let monitor_name = monitor.name.clone();
    Ok(Rejudged {
        file: short_name(Path::new(&monitor.file)),
        replayed: Replayed {
            monitor: monitor_name,
            baseline: name,
            learning: false,
            unlearned,
            windows,
            alerts,
            tally,
            detections: Vec::new(),
        },
        reading: LogReading::new(monitor.schema.clone(), monitor.layout.clone()),
        notes,
    })
}

/// Reads the windows of a period, a few starts at a time, and hands them on start by start.
pub(super) async fn each_start(
    store: &Store,
    period: &StoredPeriod,
    with_samples: bool,
    mut take: impl FnMut(Vec<ClosedWindowCounts>),
) -> Result<(), CliError> {
    let mut starts = period.starts.iter().peekable();
    while starts.peek().is_some() {
        let mut ids: Vec<i64> = Vec::new();
        while let Some((_, of_start)) = starts.next_if(|_| ids.len() < TOGETHER) {
            ids.extend(of_start);
        }
        let windows = store.stored_windows(&ids, with_samples).await?;
        let mut windows = windows.into_iter().peekable();
        while let Some(first) = windows.next() {
            let start = first.window.key.start;
            let mut group = vec![first];
            while let Some(next) = windows.next_if(|next| next.window.key.start == start) {
                group.push(next);
            }
            take(group);
        }
    }
    Ok(())
}

/// From when on windows can be part of windows that start at `from`, or of their references; none when all windows are one pane
/// and no rule selects windows.
fn before(monitor: &Monitor, from: EventTime) -> Option<EventTime> {
    let (plan, reach) = (&monitor.references, monitor.rules.reach);
    let length = monitor.counting.length.span();
    let own = from.shifted(-reach.longest(length));
    if plan.is_fixed() {
        return (!reach.is_pane()).then_some(own);
    }
    Some(earliest(plan.reach(), own, length))
}

/// Where so many windows, or a time so long, before another begin.
fn earliest((windows, span): (usize, TimeSpan), from: EventTime, length: TimeSpan) -> EventTime {
    let windows = i64::try_from(windows).unwrap_or(i64::MAX);
    from.shifted(-span.max(TimeSpan::from_micros(length.micros().saturating_mul(windows))))
}

/// How many windows have another verdict than they had.
fn differences(windows: &[ReplayedWindow], verdicts: &BTreeMap<i64, Verdict>) -> String {
    let differs = |window: &&ReplayedWindow| {
        let before = window.id.and_then(|id| verdicts.get(&id));
        before.is_some_and(|before| *before != window.judgement.verdict)
    };
    let changed: Vec<&ReplayedWindow> = windows.iter().filter(differs).collect();
    let Some(first) = changed.first() else {
        return format!("All {} have the verdict that is stored.", number_of(windows.len() as u64, "window"));
    };
    let before = first.id.and_then(|id| verdicts.get(&id)).map_or("", |verdict| verdict.words());
    format!(
        "{} of {} have another verdict than the stored one, the first from {}: {} instead of {before}.",
        changed.len(),
        number_of(windows.len() as u64, "window"),
        first.key.start,
        first.judgement.verdict.words(),
    )
}

fn report(from: EventTime, to: EventTime, judged: Vec<Rejudged>) -> ReplayReport {
    let until = if to == EventTime::MAX { String::new() } else { format!(" to {to}") };
    let inputs = vec![format!("stored windows from {from}{until}")];
    let notes: Vec<Vec<String>> = judged.iter().map(|one| one.notes.clone()).collect();
    let judged = judged.into_iter().map(|one| (one.file, one.reading, one.replayed)).collect();
    let mut report = replay_report(inputs, judged);
    for (monitor, notes) in report.monitors.iter_mut().zip(notes) {
        monitor.notes.extend(notes);
    }
    report
}
