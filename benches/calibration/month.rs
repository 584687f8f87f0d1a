//! Alerts of the daemon in 30 days of hourly windows, alerts and slow drift included: the closing of windows as in production.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use driftd::account::Interval;
use driftd::alert::ChangeKind;
use driftd::baseline::Baseline;
use driftd::config::{Monitor, load_monitor};
use driftd::distribution::RecordSample;
use driftd::record::{EventTime, TimeSpan};
use driftd::replay::{CountedWindow, Judging, JudgingSpec, ReplayedWindow};
use driftd::window::{OffsetRanges, WindowKey};

use crate::Size;
use crate::changes::{Changed, changes, columns};
use crate::quiet;
use crate::reference::{Reference, Source};
use crate::table::{header, side_by_side};
use crate::world::{Column, Kind, Stream};

/// Hourly windows of 30 days.
const WINDOWS: i64 = 720;
const RECORDS: u64 = 1_000;
/// Windows before a change, and after it.
const BEFORE: i64 = 48;
const AFTER: i64 = 24;

/// A monitor of these columns, by default, with a file of configuration.
fn monitor(columns: &[Column], alerts: &str) -> Monitor {
    let mut text =
        "name = \"study\"\n[source]\ntopics = [\"study\"]\ntime = \"time\"\n[window]\nlength = \"1h\"\n[judge.measures]\nshown = []\n"
            .to_owned();
    for column in columns {
        let column_type = if column.is_numeric() { "numeric" } else { "categorical" };
        write!(text, "[[columns]]\nname = \"{}\"\ntype = \"{column_type}\"\n", column.name).unwrap();
    }
    text.push_str(alerts);
    let file = std::env::temp_dir().join(format!(
        "driftd-study-{}-{:?}.toml",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, text).unwrap();
    let monitor = load_monitor(&file).unwrap_or_else(|error| panic!("{error}"));
    std::fs::remove_file(&file).unwrap();
    monitor
}

/// Windows of the daemon, one after the other.
struct Month {
    judging: Judging,
    reference: Reference,
    next: i64,
}

impl Month {
    fn new(monitor: &Monitor, reference: Reference) -> Self {
        let spec = JudgingSpec {
            rules: monitor.rules.clone(),
            references: monitor.references.clone(),
            silence: TimeSpan::days(7),
        };
        let whole = "*".to_owned();
        let baseline = Baseline {
            binnings: Arc::clone(&reference.binnings),
            segments: BTreeMap::from([(whole.clone(), reference.counts.clone())]),
            tests: BTreeMap::from([(whole, Arc::new(reference.test.clone()))]),
        };
        Self { judging: Judging::new(spec, vec![("study".to_owned(), baseline)]), reference, next: 0 }
    }

    fn judge(&mut self, counts: &[(Vec<u64>, u64)]) {
        let start = EventTime::default().shifted(TimeSpan::hours(self.next));
        self.next += 1;
        self.judging.judge(vec![CountedWindow {
            id: None,
            key: WindowKey { version: String::new(), segment: "*".to_owned(), start },
            end: start.shifted(TimeSpan::hours(1)),
            counts: self.reference.window(counts),
            sample: RecordSample::new(0),
            offsets: OffsetRanges::default(),
            complete: true,
            is_whole: true,
        }]);
    }

    /// The windows with which alerts fired, from 0, and what drifted in each.
    fn fired(self) -> Vec<(i64, Vec<String>)> {
        let (windows, _) = self.judging.finish();
        let fires = |changes: &[driftd::alert::Transition]| {
            changes.iter().any(|transition| transition.change.kind == ChangeKind::Firing)
        };
        let drifting = |window: &ReplayedWindow| {
            let findings = window.judgement.findings.iter().filter(|finding| finding.verdict.drifts());
            findings.map(|finding| format!("{} {}", finding.subject.name(), finding.measure.as_str())).collect()
        };
        let fired = (0..).zip(windows).filter(|(_, window)| fires(&window.changes));
        fired.map(|(place, window)| (place, drifting(&window))).collect()
    }
}

const RULES: [(&str, &str); 2] = [("by default", ""), ("`for = \"2 of 3\"`", "[alert]\nfor = \"2 of 3\"\n")];

pub fn alerts(size: Size) {
    let months = size.references;
    println!("\n## Alerts in 30 days in which nothing changes\n");
    println!(
        "Hourly windows of {RECORDS} records, 30 columns, the budget of 1 in 30 days. Per cell {months} months with a reference each: alerts per month and their exact 95 % interval; months without any."
    );
    let kinds = [
        ("independent", Kind::Independent),
        ("effects of 0.05 sd", Kind::Effects(0.05)),
        ("effects of 0.15 sd", Kind::Effects(0.15)),
        ("AR(1) of 0.9", Kind::Alike(0.9)),
        ("daily rhythm of 0.3 sd", Kind::Daily(0.3)),
    ];
    let sources = [Source::Windows(24), Source::Windows(168)];
    let columns = quiet::columns();
    header(&["data", "reference", RULES[0].0, RULES[1].0].map(str::to_owned));
    let (mut seed, mut causes) = (300, Vec::new());
    for (name, kind) in kinds.into_iter().filter(|(name, _)| name.contains(size.data)) {
        for source in sources {
            let mut findings: BTreeMap<String, u64> = BTreeMap::new();
            let shown = RULES.map(|(_, rule)| {
                seed += 1;
                let monitor = monitor(&columns, rule);
                let seeds = (0..months).map(|month| seed * 1_000 + month).collect();
                let counts = side_by_side(seeds, |seed| {
                    let mut stream = Stream::new(&columns, kind, seed);
                    let mut month = Month::new(&monitor, Reference::new(&mut stream, source, RECORDS));
                    for _ in 0..WINDOWS {
                        let counts = stream.window(&month.reference.grids, RECORDS);
                        month.judge(&counts);
                    }
                    month.fired()
                });
                for (_, drifting) in counts.iter().flatten() {
                    for finding in drifting {
                        *findings.entry(finding.clone()).or_default() += 1;
                    }
                }
                per_month(&counts.iter().map(|fired| fired.len() as u64).collect::<Vec<_>>())
            });
            println!("| {name} | {} | {} |", source.name(), shown.join(" | "));
            let mut findings: Vec<(String, u64)> = findings.into_iter().collect();
            findings.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let most = findings.iter().take(6).map(|(finding, count)| format!("{finding} {count}"));
            causes.push(format!("* {name}, {}: {}", source.name(), most.collect::<Vec<_>>().join(", ")));
        }
    }
    println!("\nWhat drifted in the windows with which alerts fired:\n\n{}", causes.join("\n"));
}

/// A mean of counts with its exact interval (Garwood, 1936), bold where all of it lies above 1.
fn per_month(counts: &[u64]) -> String {
    let (months, sum) = (counts.len() as f64, counts.iter().sum::<u64>());
    let Interval { lower, upper } = Interval::of_count(sum, sum).scaled(1.0 / months);
    let mean = format!("{:.2}", sum as f64 / months);
    let mean = if lower > 1.0 { format!("**{mean}**") } else { mean };
    let silent = counts.iter().filter(|count| **count == 0).count();
    format!("{mean} ({lower:.2} to {upper:.2}); {silent} of {}", counts.len())
}

/// Changes that a month is searched for.
const SOUGHT: [&str; 9] = [
    "normal, mean +0.1 sd",
    "normal, mean +0.2 sd",
    "normal, mean +0.5 sd",
    "normal, variance x1.2",
    "normal, variance x1.5",
    "5 % stuck at the median",
    "nulls 1 % to 2 %",
    "yes 1 % to 3 %",
    "yes 30 % to 40 %",
];

pub fn delays(size: Size) {
    println!("\n## How soon an alert follows a change\n");
    println!(
        "Hourly windows of {RECORDS} records, 30 columns, the budget of 1 in 30 days, reference of 168 windows; a change that stays after {BEFORE} quiet windows. {} runs per cell: alerts within 1 / 3 / 6 / {AFTER} windows after it, in percent.",
        size.references
    );
    let kinds = [
        ("independent", Kind::Independent),
        ("effects of 0.05 sd", Kind::Effects(0.05)),
        ("effects of 0.15 sd", Kind::Effects(0.15)),
    ];
    let columns = columns();
    let all = changes();
    let sought: Vec<&Changed> =
        SOUGHT.iter().map(|name| all.iter().find(|change| change.name == *name).unwrap()).collect();
    header(&["data", "change", RULES[0].0, RULES[1].0].map(str::to_owned));
    for (place, (name, kind)) in (0..).zip(kinds) {
        for changed in &sought {
            let shown = RULES.map(|(_, rule)| {
                let monitor = monitor(&columns, rule);
                let seeds = (0..size.references).map(|run| 400_000 + place * 1_000 + run).collect();
                let first = side_by_side(seeds, |seed| {
                    let mut stream = Stream::new(&columns, kind, seed);
                    let mut month =
                        Month::new(&monitor, Reference::new(&mut stream, Source::Windows(168), RECORDS));
                    for window in 0..BEFORE + AFTER {
                        let mut counts = stream.window(&month.reference.grids, RECORDS);
                        if window >= BEFORE {
                            let conditions = stream.conditions()[changed.column];
                            let grid = &month.reference.grids[changed.column];
                            counts[changed.column] =
                                stream.counts(changed.column, grid, RECORDS, conditions, Some(&changed.change));
                        }
                        month.judge(&counts);
                    }
                    month.fired().into_iter().map(|(window, _)| window - BEFORE).find(|delay| *delay >= 0)
                });
                let within = |windows: i64| {
                    let found = first.iter().flatten().filter(|delay| **delay < windows).count();
                    format!("{:.0}", found as f64 * 100.0 / first.len() as f64)
                };
                [1, 3, 6, AFTER].map(within).join(" / ")
            });
            println!("| {name} | {} | {} |", changed.name, shown.join(" | "));
        }
    }
}
