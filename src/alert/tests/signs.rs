//! What the state of a monitor is a sign of.

use uuid::Uuid;

use super::*;
use crate::record::TimeSpan;

#[test]
fn facts_about_the_input_are_signs_and_too_few_records_are_none() {
    let limits = OperationalLimits::default();
    let facts = OperationalFacts {
        silent_for: Some(TimeSpan::seconds(7_200)),
        accepted: 900,
        late: 10,
        rejected: [("syntax".to_owned(), 90)].into(),
        examples: [(
            "syntax".to_owned(),
            "t/0 at 17: the message is empty\nhint: let it say something".to_owned(),
        )]
        .into(),
        gaps: vec![("t/0".to_owned(), 12)],
        ..OperationalFacts::default()
    };
    let broken: Vec<String> = facts
        .signs(&limits)
        .into_iter()
        .filter(|sign| sign.level != Level::Quiet)
        .map(|sign| format!("{}: {}", sign.rule.as_str(), sign.summary))
        .collect();
    assert_eq!(
        broken,
        [
            "no_data: no record was counted for 2 hours",
            "rejected_share: 9.0 % of the last 1000 records were rejected: 90 syntax",
            "retention_gap: messages were deleted before they could be read: t/0 lost 12 messages"
        ]
    );
    // A monitor with windows of a day is not silent after two hours.
    let daily = limits.for_windows(TimeSpan::seconds(86_400));
    assert!(
        facts.signs(&daily).iter().all(|sign| sign.rule != OperationalRule::NoData || sign.level == Level::Quiet)
    );
    assert_eq!(
        OperationalLimits { no_data: TimeSpan::ZERO, ..limits }.for_windows(TimeSpan::seconds(86_400)).no_data,
        TimeSpan::ZERO
    );
    let few = OperationalFacts { rejected: [("syntax".to_owned(), 100)].into(), ..OperationalFacts::default() };
    assert!(few.signs(&limits).iter().all(|sign| sign.rule != OperationalRule::RejectedShare));
}

fn firing(facts: &OperationalFacts) -> Vec<(&'static str, String, String)> {
    let signs = facts.signs(&OperationalLimits::default());
    let wrong = signs.into_iter().filter(|sign| sign.level != Level::Quiet);
    wrong.map(|sign| (sign.rule.as_str(), sign.summary.clone(), sign.advice())).collect()
}

#[test]
fn what_is_rejected_late_or_from_the_future_is_told_with_an_example_and_its_own_hint() {
    let example = |text: &str| text.to_owned();
    let facts = OperationalFacts {
        accepted: 100,
        late: 500,
        rejected: [("future_timestamp".to_owned(), 300), ("not_an_object".to_owned(), 100)].into(),
        examples: [
            (
                "late".to_owned(),
                example("t/1 at 9: its event time is 2026-01-01T00:00:00Z, 9 days before the newest"),
            ),
            (
                "future_timestamp".to_owned(),
                example("t/0 at 1: `ts` is 9 h after the timestamp of the message\nhint: a time zone?"),
            ),
            ("not_an_object".to_owned(), example("t/0 at 2: an array of 2")),
        ]
        .into(),
        ..OperationalFacts::default()
    };
    let firing = firing(&facts);
    let names: Vec<&str> = firing.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(names, ["rejected_share", "late_share", "clock_skew"]);
    assert!(!firing[1].2.contains("not in the order"), "half of them late is not most of them: {firing:?}");
    let facts = OperationalFacts { accepted: 50, late: 900, ..facts };
    let firing = self::firing(&facts);
    let of = |rule: &str| firing.iter().find(|(name, ..)| *name == rule).unwrap();
    let (_, rejected, advice) = of("rejected_share");
    assert_eq!(rejected, "29.6 % of the last 1350 records were rejected: 300 future timestamp, 100 not an object");
    assert!(
        advice.starts_with("For example t/0 at 1: `ts` is 9 h after the timestamp of the message. A time zone?")
            && advice.contains("For example t/0 at 2: an array of 2."),
        "{advice}"
    );
    let (_, _, advice) = of("late_share");
    assert!(
        advice.contains("not in the order of its event times") && advice.contains("9 days before"),
        "{advice}"
    );
    let (_, _, advice) = of("clock_skew");
    assert!(advice.contains("9 h after the timestamp of the message. A time zone?"), "{advice}");
    assert!(firing.iter().all(|(_, summary, _)| summary.len() < 120), "subjects are made of them: {firing:?}");
}

#[test]
fn what_is_configured_otherwise_than_the_records_are_is_a_sign() {
    let newest = crate::record::EventTime::from_millis(1_780_000_000).unwrap();
    let facts = OperationalFacts {
        counted: 600,
        newest: Some(newest),
        time_format: Some(crate::record::TimeFormat { unit: crate::record::TimeUnit::Milliseconds }),
        unreadable: vec![("x".to_owned(), "column `x` (path `x`) has no valid value in 600 records".to_owned())],
        ..OperationalFacts::default()
    };
    let firing = firing(&facts);
    assert_eq!(
        firing.iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(),
        ["implausible_time", "unreadable_column"]
    );
    let (_, summary, advice) = &firing[0];
    assert!(summary.contains("the newest is 1970-01-21T14:26:40Z"), "{summary}");
    assert!(advice.contains("With `time_unit = \"s\"` in `[source]` it is 2026-"), "{advice}");
    assert!(firing[1].1.contains("`x`") && firing[1].2.contains("Column `x` (path `x`)"), "{firing:?}");
    let filtered = OperationalFacts {
        filtered_only: Some(43_345),
        filters: vec!["`model` must be `credit`, the values seen are \"loans\"".to_owned()],
        ..OperationalFacts::default()
    };
    let firing = self::firing(&filtered);
    assert_eq!(firing.len(), 1);
    assert_eq!(firing[0].1, "all of 43345 records were filtered by `where`");
    assert!(firing[0].2.contains("`model` must be `credit`, the values seen are \"loans\""), "{firing:?}");
}

#[test]
fn what_cannot_be_read_does_not_silence_drift() {
    let facts = |kind: &str, rule: &str| AlertFacts {
        id: Uuid::new_v4(),
        labels: [("alertname", rule), ("kind", kind), ("monitor", "m")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
        status: AlertStatus::Firing,
        columns: Vec::new(),
    };
    let drift = facts("drift", "drift");
    for rule in OperationalRule::ALL {
        let silences = ["no_data", "retention_gap", "stuck_partition", "log_replaced"].contains(&rule.as_str());
        assert_eq!(explains(&facts("operational", rule.as_str()), &drift), silences, "{}", rule.as_str());
    }
}

#[test]
fn what_is_normal_on_a_topic_is_no_sign() {
    // Few late records, one with a slip in its time, records of other models beside those that are counted.
    let facts = OperationalFacts {
        accepted: 960,
        late: 30,
        rejected: [("bad_timestamp".to_owned(), 5)].into(),
        counted: 960,
        newest: crate::record::EventTime::from_millis(1_780_000_000_000),
        filtered_only: None,
        ..OperationalFacts::default()
    };
    assert_eq!(firing(&facts), []);
    let few = OperationalFacts {
        counted: 3,
        newest: Some(crate::record::EventTime::default()),
        ..OperationalFacts::default()
    };
    assert_eq!(firing(&few), [], "three records do not tell what all are like");
    assert_eq!(firing(&OperationalFacts { filtered_only: Some(150), ..OperationalFacts::default() }), []);
}
