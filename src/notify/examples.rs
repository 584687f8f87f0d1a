//! An example of every event: templates are rendered with them before anything happens, test messages are made of them, and
//! the documentation shows them.

use serde_json::Value;
use uuid::Uuid;

use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, ColumnOnset, ColumnScore, DriftedColumn, EpisodeWindow, EventKind,
    Evidence, Labels, RuleKind, SendReason, Severity, WindowEvidence, WindowRef, event_body,
};
use crate::challenge::{
    ChallengeState, ChallengerEvent, ColumnProgress, ComparedColumn, PairedColumn, PairedVerdict, SideWindow,
};
use crate::detection::DetectionEvent;
use crate::detector::Kind;
use crate::judge::{Movement, Verdict};
use crate::measure::Measure;
use crate::record::{EventTime, Offset, TimeSpan, Timestamp};
use crate::reference::NaturalVariation;
use crate::retrain::{RetrainingEvent, evidence_pack};
use crate::window::{OffsetRanges, Partition};

/// A time of the day of the examples, 2026-11-21.
fn at(hour: i64, minute: i64, second: i64) -> Timestamp {
    let midnight = TimeSpan::seconds(1_795_219_200);
    EventTime::default().shifted(midnight).shifted(TimeSpan::seconds(hour * 3_600 + minute * 60 + second)).into()
}

fn window() -> WindowEvidence {
    let mut offsets = OffsetRanges::default();
    offsets.extend(
        &Partition { topic: "predictions".into(), partition: 0 },
        Offset::new(120_400),
        Offset::new(124_721),
    );
    WindowEvidence {
        id: Some(4_711),
        start: at(14, 0, 0),
        end: at(15, 0, 0),
        records: 4_321,
        late_records: 0,
        complete: true,
        revision: 0,
        offsets,
    }
}

fn income() -> DriftedColumn {
    DriftedColumn {
        column: "income".to_owned(),
        verdict: Verdict::Critical,
        measure: Measure::Psi,
        effect: 0.61,
        threshold: 0.25,
        strength: 2.44,
        movement: Movement {
            mean: Some((52_300.0, 5_230.0)),
            null_share: Some((0.0, 0.0)),
            ..Movement::default()
        },
        why: vec!["all values are about 0.1 times those of the baseline, as by a change of unit".to_owned()],
        window: Some(window().reference()),
        last: Some(score("income", Measure::Psi, 0.61, 2.44)),
        onset: Some(ColumnOnset { likely: at(13, 0, 0), earliest: Some(at(12, 0, 0)), latest: at(13, 0, 0) }),
        further: 0,
        url: None,
    }
}

fn country() -> DriftedColumn {
    DriftedColumn {
        column: "country".to_owned(),
        verdict: Verdict::Warn,
        measure: Measure::JensenShannon,
        effect: 0.13,
        threshold: 0.1,
        strength: 0.65,
        movement: Movement { category: Some(("DE".to_owned(), 0.41, 0.23)), ..Movement::default() },
        why: vec!["`DE` changed most: 41.0 % to 23.0 %".to_owned()],
        window: Some(window().reference()),
        last: Some(score("country", Measure::JensenShannon, 0.13, 0.65)),
        onset: None,
        further: 0,
        url: None,
    }
}

fn score(column: &str, measure: Measure, effect: f64, strength: f64) -> ColumnScore {
    let verdict = if strength >= 1.0 { Verdict::Critical } else { Verdict::Warn };
    ColumnScore { column: column.to_owned(), verdict, measure, effect: Some(effect), strength }
}

fn last_window() -> EpisodeWindow {
    let WindowRef { start, end, .. } = window().reference();
    episode_window(4_711, (start, end), score("income", Measure::Psi, 0.61, 2.44), 1)
}

/// The window of an episode, with the first column that moved in it.
fn episode_window(
    id: i64,
    (start, end): (Timestamp, Timestamp),
    income: ColumnScore,
    warned: usize,
) -> EpisodeWindow {
    EpisodeWindow {
        id: Some(id),
        start,
        end,
        records: 4_321,
        strength: income.strength,
        drifted: 1,
        warned,
        columns: vec![income],
    }
}

/// An alert as it could be.
#[must_use]
pub fn example_alert(status: AlertStatus) -> AlertView {
    let labels = [
        ("alertname", "drift"),
        ("kind", "drift"),
        ("monitor", "credit-score"),
        ("version", "3"),
        ("segment", "*"),
        ("severity", "critical"),
        ("owner", "risk-team"),
    ];
    let labels: Labels = labels.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    AlertView {
        id: Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0001),
        status,
        severity: Severity::Critical,
        rule: "drift".to_owned(),
        kind: RuleKind::Drift,
        monitor: "credit-score".to_owned(),
        version: "3".to_owned(),
        segment: "*".to_owned(),
        labels,
        since: at(13, 0, 0),
        fired_at: at(15, 0, 11),
        resolved_at: (status == AlertStatus::Resolved).then(|| at(17, 0, 9)),
        acknowledged_by: (status == AlertStatus::Acknowledged).then(|| "cli:ada".to_owned()),
        resolved_by: None,
        comment: None,
        reason: "persisted".to_owned(),
        windows: 2,
        judged_windows: 2,
        segments: None,
        follows: None,
        evidence: Evidence {
            calm: None,
            summary:
                "credit-score version 3 drifted in 1 of 12 columns: income (2.4 times its drift limit); 1 more warned"
                    .to_owned(),
            advice: "Check the first columns for a change of a pipeline.".to_owned(),
            window: Some(window()),
            baseline: Some("baseline version 1 (train.parquet)".to_owned()),
            baseline_records: Some(50_000),
            natural_variation: Some(NaturalVariation::of_windows(24)),
            columns: Some(12),
            drifted: vec![income()],
            warned: vec![country()],
            more: 0,
            more_warned: 0,
            first: Some(episode_window(
                4_702,
                (at(13, 0, 0), at(14, 0, 0)),
                score("income", Measure::Psi, 0.4, 1.6),
                0,
            )),
            worst: Some(last_window()),
            last: Some(last_window()),
        },
        url: None,
    }
}

fn alerts_event(reason: SendReason, status: AlertStatus) -> AlertsEvent {
    let alert = example_alert(status);
    let group = ["monitor", "version"]
        .into_iter()
        .filter_map(|label| Some((label.to_owned(), alert.labels.get(label)?.clone())));
    AlertsEvent::new(
        Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0002),
        group.collect(),
        reason,
        vec![alert],
    )
}

/// A request as it could be.
#[must_use]
pub fn example_request() -> RetrainingEvent {
    let windows = vec![window()];
    let id = Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0003);
    RetrainingEvent {
        request_id: id,
        alert_id: Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0001),
        monitor: "credit-score".to_owned(),
        version: "3".to_owned(),
        segment: "*".to_owned(),
        reason: "1 of 12 columns drifted since the alert began; training data: 1 drifting window".to_owned(),
        baseline: "baseline version 1 (train.parquet)".to_owned(),
        training: evidence_pack(&windows).unwrap_or_else(|| crate::retrain::TrainingRange {
            from: at(14, 0, 0),
            to: at(15, 0, 0),
            offsets: OffsetRanges::default(),
            records: 0,
        }),
        drifting_windows: 1,
        windows,
        drifted: vec![income()],
        warned: vec![country()],
        callback_url: Some(format!("http://127.0.0.1:9464/api/v1/retraining/{id}")),
        test: false,
    }
}

/// A column of champion and challenger as it could be.
fn compared_column(column: &str, decides: bool, worse: bool) -> ComparedColumn {
    let verdict = if worse { PairedVerdict::ChallengerWorse } else { PairedVerdict::Same };
    let (challenger, effect) = if worse { (2.44, 0.58) } else { (0.13, 0.02) };
    ComparedColumn {
        decides,
        last: PairedColumn {
            column: column.to_owned(),
            verdict,
            champion: Some(0.12),
            challenger: Some(challenger),
            measure: Some(Measure::Psi),
            effect: Some(effect),
            limit: Some(0.25),
            difference: Some(effect / 0.25),
            material: worse,
            further: worse.then_some(true),
        },
        pairs: ColumnProgress {
            same: if worse { 21 } else { 24 },
            challenger_worse: if worse { 3 } else { 0 },
            worse_in_a_row: if worse { 3 } else { 0 },
            apart_in_a_row: if worse { 3 } else { 0 },
            ..ColumnProgress::default()
        },
    }
}

/// An event about a challenger as it could be.
#[must_use]
pub fn example_challenger(worse: bool) -> ChallengerEvent {
    let side = |id: i64, version: &str, records| SideWindow {
        id,
        version: version.to_owned(),
        segment: "*".to_owned(),
        records,
    };
    let reason = if worse {
        "`score` of version 4 drifted in 3 pairs in a row, of version 3 in none of them"
    } else {
        "`score` of version 4 stayed within the limits of version 3 in 24 compared pairs"
    };
    ChallengerEvent {
        challenge_id: Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0004),
        monitor: "credit-score".to_owned(),
        by: None,
        champion: "3".to_owned(),
        challenger: "4".to_owned(),
        shadow: false,
        state: if worse { ChallengeState::Worse } else { ChallengeState::Ready },
        before: ChallengeState::Collecting,
        reason: reason.to_owned(),
        compared: 24,
        start: at(14, 0, 0),
        end: at(15, 0, 0),
        champion_window: side(4_711, "3", 4_321),
        challenger_window: side(4_712, "4", 480),
        columns: vec![compared_column("score", true, worse), compared_column("income", false, false)],
        more: 0,
        url: Some("http://127.0.0.1:9464/monitors/credit-score/challenger".to_owned()),
        test: false,
    }
}

/// An event about a detection as it could be.
#[must_use]
pub fn example_detection() -> DetectionEvent {
    DetectionEvent {
        detection_id: Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0005),
        detector_id: Uuid::from_u128(0x5a1e_7a11_0000_5000_8000_0000_0000_0006),
        monitor: "credit-score".to_owned(),
        detector: "score-adwin".to_owned(),
        kind: Kind::Adwin,
        column: "score".to_owned(),
        input: "values of score".to_owned(),
        severity: Severity::Warn,
        at: at(14, 31, 7),
        topic: Some("predictions".to_owned()),
        partition: Some(0),
        offset: Some(48_815),
        window: None,
        version: None,
        segment: None,
        end: None,
        values: 12_832,
        before: 0.412,
        after: 0.633,
        statistic: 0.221,
        limit: 0.118,
        others: 2,
        url: Some("http://127.0.0.1:9464/monitors/credit-score#detections".to_owned()),
        test: false,
    }
}

/// The bodies of all events.
#[must_use]
pub fn examples() -> Vec<Value> {
    let alerts = [
        alerts_event(SendReason::NewAlerts, AlertStatus::Firing),
        alerts_event(SendReason::Resolved, AlertStatus::Resolved),
        alerts_event(SendReason::Digest, AlertStatus::Firing),
    ];
    let mut bodies: Vec<Value> =
        alerts.iter().map(|event| event_body(event.kind(), *at(15, 0, 11), event)).collect();
    bodies.push(event_body(EventKind::RetrainingRequested, *at(15, 0, 11), &example_request()));
    for event in [example_challenger(true), example_challenger(false)] {
        bodies.push(event_body(event.kind(), *at(15, 0, 11), &event));
    }
    bodies.push(event_body(EventKind::DriftDetected, *at(15, 0, 11), &example_detection()));
    bodies
}

/// What `driftd notify test` sends: an alert that says that it is none.
#[must_use]
pub fn test_event(training: bool, now: EventTime, thread: Uuid) -> Value {
    if training {
        let request = RetrainingEvent { request_id: thread, test: true, ..example_request() };
        return event_body(EventKind::RetrainingRequested, now, &request);
    }
    let mut alert = example_alert(AlertStatus::Firing);
    alert.id = thread;
    alert.labels.insert("test".to_owned(), "true".to_owned());
    alert.fired_at = now.into();
    let mut event = AlertsEvent::new(thread, Labels::new(), SendReason::Test, vec![alert]);
    event.test = true;
    event_body(event.kind(), now, &event)
}
