//! Detectors over records: by partition, in any batches, and after a restart.

use super::*;
use crate::detector::{AdwinParameters, CusumParameters, Parameters, Reads};
use crate::record::{ColumnType, ModelSchema, batch_of};

fn spec(name: &str, column: &str, parameters: Parameters) -> DetectorSpec {
    DetectorSpec { name: name.to_owned(), column: column.to_owned(), reads: Reads::Records, parameters }
}

fn specs() -> Vec<DetectorSpec> {
    let adwin = AdwinParameters { clock: 4, ..AdwinParameters::default() };
    vec![
        spec("adwin", "x", Parameters::Adwin(adwin)),
        spec("cusum", "flag", Parameters::Cusum(CusumParameters::default())),
        spec("nothing", "gone", Parameters::Cusum(CusumParameters::default())),
    ]
}

fn part(partition: i32) -> Partition {
    Partition { topic: "t".into(), partition }
}

/// Values that rise in the middle; every seventh record has none.
fn rows(number: usize) -> Vec<String> {
    let row = |index: usize| {
        let level = if index < number / 2 { 0 } else { 3 };
        let flag = if index < number / 2 { index.is_multiple_of(5) } else { !index.is_multiple_of(5) };
        if index.is_multiple_of(7) {
            "{}".to_owned()
        } else {
            format!("{{\"x\": {}, \"flag\": {flag}}}", level + index % 2)
        }
    };
    (0..number).map(row).collect()
}

fn batch(rows: &[String], first: usize) -> DecodedBatch {
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric), ("flag", ColumnType::Boolean)]).unwrap();
    let mut batch = batch_of(&schema, rows.iter().cloned());
    batch.offsets = (0..rows.len()).map(|row| Offset::new((first + row) as i64)).collect();
    batch
}

/// What is found when the log is read in batches of a size, and the detectors are stored and restored after each.
fn found(partition: &Partition, size: usize) -> Vec<RecordDetection> {
    let (rows, mut all) = (rows(1_000), Vec::new());
    let mut stored = BTreeMap::new();
    for (number, part) in rows.chunks(size).enumerate() {
        let mut detectors = RecordDetectors::new(specs());
        assert!(detectors.restore(partition, &stored).is_empty());
        detectors.read(&batch(part, number * size), partition);
        let DetectorDelta { states, detections } = detectors.take();
        assert!(detectors.take().states.is_empty(), "nothing was read since");
        stored = states.into_iter().map(|state| (state.detector, state.state)).collect();
        all.extend(detections);
    }
    assert_eq!((stored["adwin"].values, stored["adwin"].skipped), (857, 0));
    all
}

#[test]
fn batches_and_restarts_leave_no_trace_and_partitions_do_not_touch_each_other() {
    let (rows, mut detectors) = (rows(1_000), RecordDetectors::new(specs()));
    for (number, part_of_log) in rows.chunks(10).enumerate() {
        detectors.read(&batch(part_of_log, number * 10), &part(0));
        detectors.read(&batch(part_of_log, number * 10), &part(1));
    }
    assert!(detectors.bytes() > 0);
    let together = detectors.take().detections;
    for partition in [part(0), part(1)] {
        let own: Vec<RecordDetection> =
            together.iter().filter(|found| found.partition == partition).cloned().collect();
        let mut names: Vec<&str> = own.iter().map(|found| found.detector.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, ["adwin", "cusum"]);
        assert!(own.iter().all(|found| found.offset >= Offset::new(500)));
        for size in [1, 33, 1_000] {
            let mut again = found(&partition, size);
            let mut own = own.clone();
            for list in [&mut own, &mut again] {
                list.sort_by(|left, right| (left.offset, &left.detector).cmp(&(right.offset, &right.detector)));
            }
            assert_eq!(own, again, "{size}");
        }
    }
}

#[test]
fn a_state_of_another_input_or_with_damage_is_refused_and_the_detector_begins_anew() {
    let mut detectors = RecordDetectors::new(specs());
    let state = |spec: &DetectorSpec| DetectorState::of(spec, &Detector::new(spec.parameters));
    let [adwin, cusum, nothing] = specs().try_into().unwrap();
    let other = DetectorState { input: "values of y".to_owned(), ..state(&adwin) };
    let damaged = DetectorState { json: "{".to_owned(), ..state(&cusum) };
    let stored = [("adwin", other), ("cusum", damaged), ("nothing", state(&nothing)), ("removed", state(&adwin))];
    let stored = stored.map(|(name, state)| (name.to_owned(), state)).into();
    let refused = detectors.restore(&part(0), &stored);
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["adwin", "cusum"]);
    assert!(matches!(refused[0].1, StateError::Reconfigured) && matches!(refused[1].1, StateError::Damaged(_)));
    detectors.read(&batch(&rows(20), 0), &part(0));
    assert_eq!(detectors.take().states[0].state.values, 17);
}
