//! Values of windows, ids, and whom detections are sent to.

use std::collections::BTreeSet;

use super::*;
use crate::binning::{Binning, BinningSet, CategoricalBinning};
use crate::detector::{AdwinParameters, Parameters, WindowValue};
use crate::distribution::WindowCounts;
use crate::record::{ColumnType, EventTime, ModelSchema, batch_of};

fn configured(name: &str, receivers: &[&str]) -> ConfiguredDetector {
    ConfiguredDetector {
        spec: DetectorSpec {
            name: name.to_owned(),
            column: "score".to_owned(),
            reads: Reads::Records,
            parameters: Parameters::Adwin(AdwinParameters::default()),
        },
        severity: Severity::Warn,
        cool_down: TimeSpan::hours(1),
        receivers: receivers.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn rules(detectors: Vec<ConfiguredDetector>) -> DetectionRules {
    DetectionRules {
        monitor: "m".to_owned(),
        receivers: vec!["owner".to_owned(), "hook".to_owned(), "owner".to_owned()],
        detectors,
        external_url: Some("https://d.example/".to_owned()),
        ..DetectionRules::default()
    }
}

fn detection(detector: &ConfiguredDetector, offset: i64) -> Detection {
    let found = RecordDetection {
        detector: detector.spec.name.clone(),
        kind: Kind::Adwin,
        column: "score".to_owned(),
        partition: Partition { topic: "t".into(), partition: 2 },
        offset: Offset::new(offset),
        record: 0,
        time: EventTime::default(),
        evidence: Evidence { values: 64, before: 0.1, after: 0.4, statistic: 0.3, limit: 0.2 },
    };
    Detection::of_record(&found, &detector.spec)
}

#[test]
fn a_detection_is_sent_once_to_each_receiver_under_an_id_that_follows_from_its_place() {
    let own = configured("own", &["hook"]);
    let usual = configured("usual", &[]);
    let rules = rules(vec![own.clone(), usual.clone()]);
    let receivers = |detector: &ConfiguredDetector, offset| {
        let sent = rules.notifications(&detection(detector, offset), 3, EventTime::default());
        sent.into_iter().map(|sent| (sent.receiver.clone(), sent)).collect::<Vec<_>>()
    };
    let names = |sent: &[(String, Notification)]| sent.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&receivers(&own, 1)), ["hook"]);
    let sent = receivers(&usual, 1);
    assert_eq!(names(&sent), ["hook", "owner"]);
    assert_eq!(sent, receivers(&usual, 1));
    let mut ids = BTreeSet::new();
    for (detector, offset) in [(&own, 1), (&usual, 1), (&usual, 2)] {
        ids.extend(receivers(detector, offset).into_iter().map(|(_, sent)| sent.id));
    }
    assert_eq!(ids.len(), 5);
    let event = &sent[0].1;
    assert_eq!((event.kind, &event.body["type"]), (EventKind::DriftDetected, &"drift.detected".into()));
    let data: DetectionEvent = serde_json::from_value(event.body["data"].clone()).unwrap();
    assert_eq!(
        (data.topic.as_deref(), data.partition, data.offset, data.others),
        (Some("t"), Some(2), Some(1), 3)
    );
    assert_eq!(data.url.as_deref(), Some("https://d.example/monitors/m#detections"));
    assert_eq!(data.labels(&Labels::new())["detector"], "usual");
    // A detector that is no longer configured sends nothing.
    assert!(rules.notifications(&detection(&configured("gone", &[]), 1), 0, EventTime::default()).is_empty());
}

#[test]
fn values_of_windows_are_means_and_shares_and_nothing_where_nothing_is_known() {
    let types = [("x", ColumnType::Numeric), ("flag", ColumnType::Boolean), ("city", ColumnType::Categorical)];
    let schema = ModelSchema::of_features(&types).unwrap();
    let rows = [
        r#"{"x": 1.0, "flag": true, "city": "b"}"#,
        r#"{"x": 4.0, "flag": false, "city": "a"}"#,
        r#"{"x": null, "flag": true, "city": "a"}"#,
        r#"{"flag": true, "city": "c"}"#,
    ];
    let batch = batch_of(&schema, rows.iter().map(|row| (*row).to_owned()));
    let known = Binning::Categorical(CategoricalBinning::new(vec!["a".into(), "b".into()], vec![]));
    let binnings = BinningSet::new(vec![
        ("x".to_owned(), Binning::UniversalNumeric),
        ("flag".to_owned(), Binning::universal(ColumnType::Boolean)),
        ("city".to_owned(), known),
    ]);
    let mut counts = WindowCounts::empty(Arc::new(binnings));
    let value = |counts: &WindowCounts, column: &str, value| window_value(counts, column, &value);
    let share = |category: &str| WindowValue::CategoryShare(category.to_owned());
    assert_eq!(value(&counts, "x", WindowValue::Mean), None);
    assert_eq!(value(&counts, "x", WindowValue::NullShare), None);
    assert_eq!(value(&counts, "flag", WindowValue::Mean), None);
    counts.count(&batch, &[0, 1, 2, 3]);
    assert_eq!(value(&counts, "x", WindowValue::Mean), Some(2.5));
    assert_eq!(value(&counts, "x", WindowValue::NullShare), Some(0.5));
    assert_eq!(value(&counts, "flag", WindowValue::Mean), Some(0.75));
    assert_eq!(value(&counts, "city", share("a")), Some(0.5));
    // The window does not tell this category from others that are unseen.
    assert_eq!(value(&counts, "city", share("c")), None);
    assert_eq!(value(&counts, "city", WindowValue::Mean), None);
    assert_eq!(value(&counts, "x", share("a")), None);
    assert_eq!(value(&counts, "y", WindowValue::Mean), None);
}
