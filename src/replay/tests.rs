use std::io::Cursor;

use super::*;
use crate::alert::{AlertPolicy, AlertRule, Severity};
use crate::baseline::build;
use crate::judge::{ColumnRules, FalseAlarms, JudgeSpec, WindowRule};
use crate::record::table::{TableRows, json_batches};
use crate::record::{ColumnType, FieldPath, RecordLayout, TimeFormat, TimeSpan, TimeUnit};
use crate::retrain::RetrainPolicy;
use crate::window::{WindowLength, WindowReach};

const HOUR: i64 = 3_600;

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap()
}

fn rows() -> TableRows {
    let layout = RecordLayout {
        time: Some(FieldPath::parse("at").unwrap()),
        time_format: TimeFormat { unit: TimeUnit::Seconds },
        ..RecordLayout::default()
    };
    TableRows { schema: schema(), layout, timed: true }
}

fn spec(learn: Option<u32>) -> ReplaySpec {
    ReplaySpec {
        schema: schema(),
        counting: CountingSpec {
            length: WindowLength::from_micros(HOUR * 1_000_000).unwrap(),
            segments: vec![],
            sample_size: 0,
            max_open_windows: 64,
            max_series: 100,
            amend: TimeSpan::ZERO,
        },
        timing: Timing {
            amend_every: TimeSpan::ZERO,
            out_of_orderness: TimeSpan::ZERO,
            idle_after: TimeSpan::minutes(1),
            max_close_delay: TimeSpan::minutes(10),
            max_future_skew: TimeSpan::ZERO,
        },
        rules: DecisionRules {
            monitor: "m".into(),
            judge: JudgeSpec::new(
                vec![ColumnRules::of_type("x", ColumnType::Numeric)],
                100,
                FalseAlarms::PerWindow(0.001),
            ),
            alerts: AlertRule::defaults(
                Severity::Critical,
                AlertPolicy { windows: 2, of: 2, ..AlertPolicy::default() },
                0.8,
                WindowRule::Columns(1),
            ),
            labels: BTreeMap::new(),
            receivers: vec![],
            reach: WindowReach::Pane,
            retrain: None,
            retrain_receivers: vec![],
            callback_url: None,
            shadow: None,
        },
        learn,
        references: ReferencePlan::default(),
        build: BuildOptions::default(),
        silence: TimeSpan::from_micros(3 * HOUR * 1_000_000),
    }
}

/// 200 records an hour; from `moved` on, up to `back`, they lie elsewhere.
fn log(hours: std::ops::Range<i64>, moved: i64, back: i64) -> String {
    hours
        .flat_map(|hour| (0..200).map(move |index| (hour, index)))
        .map(|(hour, index)| {
            let shift = if (moved..back).contains(&hour) { 60 } else { 0 };
            format!("{{\"at\":{},\"x\":{}}}\n", hour * HOUR + index * 18, index * 37 % 100 + shift)
        })
        .collect()
}

fn run(spec: ReplaySpec, baseline: Option<(String, Baseline)>, files: &[String]) -> Replayed {
    let mut replay = Replay::new(spec, baseline);
    let partition = |number| Partition { topic: Arc::from("files"), partition: number };
    let mut rows = rows();
    let has_version = files.iter().any(|text| text.contains("\"version\""));
    rows.layout.version = has_version.then(|| FieldPath::parse("version").unwrap());
    let inputs = (0..)
        .zip(files)
        .map(|(number, text)| (partition(number), json_batches(Cursor::new(text.clone()), &rows).unwrap()));
    let inputs: Vec<_> = inputs.collect();
    replay.announce(inputs.iter().map(|(partition, _)| partition.clone()));
    for next in Inputs::new(inputs) {
        match next {
            NextInput::Batch(partition, batch) => replay.feed(&partition, &batch.batch).unwrap(),
            NextInput::End(partition) => replay.end_of(&partition).unwrap(),
            NextInput::Failed(_, error) => panic!("{error}"),
        }
    }
    replay.finish().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what a replay takes")]
fn given() -> Option<(String, Baseline)> {
    let text = log(0..10, 99, 99);
    let untimed = TableRows { timed: false, ..rows() };
    let open = || json_batches(Cursor::new(text.clone()), &untimed);
    Some(("given".into(), build(&schema(), &[], BuildOptions::default(), open).unwrap().0))
}

/// Start hour, records, verdict and what happened to the alert.
fn transcript(replayed: &Replayed) -> Vec<String> {
    replayed
        .windows
        .iter()
        .map(|window| {
            let change = window.changes.first().map_or("", |transition| transition.change.kind.as_str());
            let hour = window.key.start.micros() / 1_000_000 / HOUR;
            format!("{hour} {} {} {change}", window.judgement.n_window, window.judgement.verdict.as_str())
        })
        .collect()
}

#[test]
fn a_shift_fires_after_two_windows_and_resolves_when_it_is_over() {
    let replayed = run(spec(None), given(), &[log(100..107, 102, 105)]);
    assert_eq!(
        transcript(&replayed),
        [
            "100 200 ok ",
            "101 200 ok ",
            "102 200 critical pending",
            "103 200 critical firing",
            "104 200 critical ",
            "105 200 ok resolved",
            "106 200 ok ",
        ]
    );
    assert_eq!(replayed.tally.accepted, 1_400);
    // The why has what was done to the values, from a sample of the window, as when files are compared.
    let alert = replayed.alerts.values().next().unwrap();
    let why = &alert.evidence.drifted[0].why;
    assert!(why[0].starts_with("a constant of about 60"), "{why:?}");
    assert!(why.iter().any(|reason| reason.contains("mean")), "{why:?}");
}

#[test]
fn files_side_by_side_and_one_after_another_give_the_same_windows() {
    let whole = transcript(&run(spec(None), given(), &[log(100..107, 102, 105)]));
    let in_turn = [log(100..103, 102, 105), log(103..107, 102, 105)];
    assert_eq!(transcript(&run(spec(None), given(), &in_turn)), whole);
    let lines: Vec<String> = log(100..107, 102, 105).lines().map(str::to_owned).collect();
    let every = |odd: usize| lines.iter().skip(odd).step_by(2).map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(transcript(&run(spec(None), given(), &[every(0), every(1)])), whole);
}

#[test]
fn alerts_of_a_version_that_has_no_more_records_end_as_in_the_daemon() {
    let versioned =
        |version: &str, log: String| log.replace("\"at\"", &format!("\"version\":\"{version}\",\"at\""));
    // The first version drifts to its last record, then the second one takes over.
    let first = versioned("1", log(100..104, 102, 104));
    let second = versioned("2", log(104..110, 0, 0));
    let replayed = run(spec(None), given(), &[format!("{first}{second}")]);
    let fired = replayed.windows.iter().flat_map(|window| &window.changes).next().unwrap().change.id;
    let ended: Vec<i64> = replayed
        .windows
        .iter()
        .filter(|window| window.gone == [fired])
        .map(|window| window.key.start.micros() / 1_000_000 / HOUR)
        .collect();
    assert_eq!(ended, [107], "its last window begins at 103, and 106 is only three later: {replayed:?}");
    assert_eq!(replayed.windows.iter().map(|window| window.gone.len()).sum::<usize>(), 1);
}

#[test]
fn records_of_closed_windows_are_late() {
    let mixed = format!("{}{}", log(100..104, 999, 999), log(100..101, 999, 999));
    let replayed = run(spec(None), given(), &[mixed]);
    assert_eq!((replayed.tally.accepted, replayed.tally.late), (800, 200));
    assert_eq!(replayed.windows.len(), 4);
}

#[test]
fn a_baseline_is_learned_from_the_first_windows_and_judges_the_later_ones() {
    let replayed = run(spec(Some(3)), None, &[log(100..110, 106, 999)]);
    let verdicts: Vec<&str> = replayed.windows.iter().map(|window| window.judgement.verdict.as_str()).collect();
    assert_eq!(&verdicts[..3], ["no_baseline"; 3]);
    // Windows that are open already when the baseline comes are judged, too: their counts are moved to its bins.
    assert_eq!(&verdicts[3..], ["ok", "ok", "ok", "critical", "critical", "critical", "critical"]);
    assert_eq!(replayed.baseline.as_deref(), Some("learned from the first 3 windows"));
}

#[test]
fn no_record_at_all_is_no_window() {
    let replayed = run(spec(None), given(), &[String::new()]);
    assert!(replayed.windows.is_empty());
}

/// 200 records an hour; what they hold is said by a letter: `.` as ever, `m` moved, `n` the upper half of them null.
fn script(letters: &str) -> String {
    let record = |hour: i64, index: i64, letter: char| match letter {
        'n' if index * 37 % 100 >= 50 => format!("{{\"at\":{},\"x\":null}}\n", hour * HOUR + index * 18),
        letter => {
            let shift = if letter == 'm' { 60 } else { 0 };
            format!("{{\"at\":{},\"x\":{}}}\n", hour * HOUR + index * 18, index * 37 % 100 + shift)
        }
    };
    let hours = (100..).zip(letters.chars());
    hours.flat_map(|(hour, letter)| (0..200).map(move |index| record(hour, index, letter))).collect()
}

/// What happened to which alert, and what was decided about a retraining, for windows in which anything was.
fn story(policy: RetrainPolicy, letters: &str) -> Vec<String> {
    let mut spec = spec(None);
    spec.rules.retrain = Some(policy);
    spec.rules.retrain_receivers = vec!["trainer".to_owned()];
    let replayed = run(spec, given(), &[script(letters)]);
    let of = |(window, letter): (&ReplayedWindow, char)| {
        let changes: Vec<String> = window
            .changes
            .iter()
            .map(|transition| format!("{} {}", transition.rule, transition.change.kind.as_str()))
            .collect();
        let retraining = window.retraining.filter(|decision| *decision != RetrainDecision::NotFiring);
        let said = changes.join(", ");
        let asked = retraining.map_or("", RetrainDecision::as_str);
        (!said.is_empty() || !asked.is_empty()).then(|| format!("{letter} {said}: {asked}"))
    };
    replayed.windows.iter().zip(letters.chars()).filter_map(of).collect()
}

#[test]
fn a_retraining_is_asked_for_once_an_episode_and_never_for_broken_data() {
    let policy = RetrainPolicy {
        after_windows: 3,
        cool_down: TimeSpan::from_micros(6 * HOUR * 1_000_000),
        ..RetrainPolicy::default()
    };
    assert_eq!(
        story(policy.clone(), ".mmmmm.nnnn.mmmm"),
        [
            "m drift pending: ",
            "m drift firing: not_yet",
            "m : request",
            "m : already_requested",
            "m : already_requested",
            ". drift resolved: ",
            "n drift pending, data_quality pending: ",
            // Half of the values are missing: that moves the scores, too, and is nothing to learn from.
            "n drift firing, data_quality firing: broken_data",
            "n : broken_data",
            "n : broken_data",
            // One quiet window does not end an alert that flaps; the broken windows teach nothing and do not count.
            ". data_quality resolved: not_yet",
            "m : not_yet",
            "m : not_yet",
            "m : request",
            "m : already_requested",
        ]
    );
    let careful = RetrainPolicy { min_records: 700, dry_run: true, ..policy };
    assert_eq!(
        story(careful, "mmmmm"),
        [
            "m drift pending: ",
            "m drift firing: not_yet",
            "m : too_few_records",
            "m : dry_run",
            "m : already_requested"
        ]
    );
}

/// One rule for each column; the rule of the window asks for more columns than there are.
fn by_column(spec: &mut ReplaySpec) {
    spec.rules.judge.rule = WindowRule::Columns(2);
    let mut rule = spec.rules.alerts[0].clone();
    rule.scope = crate::alert::Scope::Column;
    spec.rules.alerts = vec![rule];
}

#[test]
fn a_retraining_is_asked_for_after_as_many_windows_as_the_policy_says() {
    let asked = |policy: RetrainPolicy, change: fn(&mut ReplaySpec), letters: &str| {
        let mut spec = spec(None);
        spec.rules.retrain = Some(policy);
        spec.rules.retrain_receivers = vec!["trainer".to_owned()];
        change(&mut spec);
        let replayed = run(spec, given(), &[script(letters)]);
        replayed.windows.iter().position(|window| window.requested_by.is_some())
    };
    let after = |windows| RetrainPolicy { after_windows: windows, ..RetrainPolicy::default() };
    let moved = "m".repeat(70);
    assert_eq!(asked(after(60), |_| (), &moved), Some(59), "beyond what any list holds");
    assert_eq!(asked(after(70), |_| (), &moved), Some(69));
    assert_eq!(asked(after(71), |_| (), &moved), None);
    let records = |records| RetrainPolicy { min_records: records, ..RetrainPolicy::default() };
    assert_eq!(asked(records(200 * 55), |_| (), &moved), Some(54), "200 records per window");
    // Windows that drift by the rule count, not those that the rule over columns calls drifting.
    assert_eq!(asked(after(3), by_column, "mmmmmm"), Some(2));
    // And those alone of the alert that asks: the quiet one in between is forgiven, and does not count.
    let patient = |spec: &mut ReplaySpec| spec.rules.alerts[0].policy.resolve_after = 3;
    assert_eq!(asked(after(4), patient, "mm.m.mm"), Some(5));
}

#[test]
fn a_replayed_alert_counts_its_windows_and_knows_its_worst() {
    let replayed = run(spec(None), given(), &[script(&("m".repeat(40) + "..."))]);
    let [alert] = replayed.alerts.values().collect::<Vec<_>>()[..] else { panic!("{:?}", replayed.alerts) };
    assert_eq!((alert.windows, alert.judged), (40, 41));
    let evidence = &alert.evidence;
    assert!(evidence.worst.as_ref().is_some_and(|worst| worst.strength >= 1.0), "{evidence:?}");
    assert_eq!(*evidence.first.as_ref().unwrap().start, replayed.windows[0].key.start);
    assert_eq!(evidence.last.as_ref().unwrap().drifted, 0, "the window that ended it");
    assert_eq!(evidence.drifted[0].column, "x");
    let report = crate::report::replay_report(
        vec!["log".into()],
        vec![("m.toml".into(), LogReading::new(schema(), RecordLayout::default()), replayed)],
    );
    let text = crate::report::replay_text(&report, false).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("in 40 of 41 windows"), "{text}");
    assert!(text.contains("worst at 1970-01-05"), "{text}");
}

#[test]
fn an_alert_about_missing_values_names_their_columns_and_the_alert_that_asks_is_the_one_that_drifts() {
    let mut spec = spec(None);
    spec.rules.retrain = Some(RetrainPolicy { after_windows: 3, ..RetrainPolicy::default() });
    spec.rules.retrain_receivers = vec!["trainer".to_owned()];
    // Values are missing and, later, also moved.
    spec.rules.alerts.reverse();
    let replayed = run(spec, given(), &[script("nnmmmmmm")]);
    let report = crate::report::replay_report(
        vec![],
        vec![("m.toml".into(), LogReading::new(schema(), RecordLayout::default()), replayed)],
    );
    let alerts = &report.monitors[0].alerts;
    let asking: Vec<&str> =
        alerts.iter().filter(|alert| alert.retraining).map(|alert| alert.rule.as_str()).collect();
    assert_eq!(asking, ["drift"], "{alerts:?}");
}
