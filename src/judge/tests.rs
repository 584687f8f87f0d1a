use std::sync::Arc;

use super::*;
use crate::binning::{Binning, BinningSet, BuildOptions, CategoricalBinning, numeric_from_values};
use crate::distribution::WindowCounts;
use crate::measure::{Measure, Score, Thresholds};
use crate::record::{ColumnType, ModelSchema, batch_of};

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[("x", ColumnType::Numeric), ("k", ColumnType::Categorical)]).unwrap()
}

fn binnings() -> Arc<BinningSet> {
    let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
    Arc::new(BinningSet::new(vec![
        ("x".into(), Binning::Numeric(numeric_from_values(&mut values, BuildOptions::default()).unwrap())),
        ("k".into(), Binning::Categorical(CategoricalBinning::new(vec!["a".into(), "b".into()], vec![]))),
    ]))
}

fn counts(binnings: &Arc<BinningSet>, rows: impl Iterator<Item = String>) -> WindowCounts {
    let batch = batch_of(&schema(), rows);
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(&batch, &(0..batch.times.len() as u32).collect::<Vec<_>>());
    counts
}

fn row(x: u32, k: &str) -> String {
    format!(r#"{{"x":{x},"k":"{k}"}}"#)
}

fn spec() -> JudgeSpec {
    let rules = |name: &str, column_type| ColumnRules::of_type(name, column_type);
    JudgeSpec::new(
        vec![rules("x", ColumnType::Numeric), rules("k", ColumnType::Categorical)],
        100,
        FalseAlarms::PerWindow(0.001),
    )
}

fn even(index: u32) -> &'static str {
    if index.is_multiple_of(2) { "a" } else { "b" }
}

#[test]
fn the_same_data_is_ok_and_a_shift_is_critical_in_the_column_that_moved() {
    let binnings = binnings();
    let baseline = counts(&binnings, (0..1000).map(|index| row(index, even(index))));
    let same = judge(
        &counts(&binnings, (0..500).map(|index| row(index * 2, even(index)))),
        Some(Against::counts(&baseline)),
        &spec(),
        0.001,
    );
    assert_eq!(same.verdict, Verdict::Ok);
    let shifted = judge(
        &counts(&binnings, (0..500).map(|index| row(400 + index, even(index)))),
        Some(Against::counts(&baseline)),
        &spec(),
        0.001,
    );
    assert_eq!(shifted.verdict, Verdict::Critical);
    assert_eq!(shifted.columns[0].column, "x");
    let (before, after) = shifted.columns[0].movement.mean.unwrap();
    assert!((before - 499.5).abs() < 1e-3 && (after - 649.5).abs() < 1e-3);
    assert_eq!(shifted.moved().count(), 1);
}

#[test]
fn too_few_records_and_no_baseline_are_outcomes_of_their_own() {
    let binnings = binnings();
    let baseline = counts(&binnings, (0..1000).map(|index| row(index, even(index))));
    let window = counts(&binnings, (0..99).map(|_| row(999, "a")));
    assert_eq!(judge(&window, Some(Against::counts(&baseline)), &spec(), 0.001).verdict, Verdict::NotEnoughData);
    assert_eq!(judge(&window, None, &spec(), 0.001).verdict, Verdict::NoBaseline);
    let others = Arc::new(BinningSet::universal(&schema()));
    let elsewhere = counts(&others, (0..200).map(|_| row(999, "a")));
    assert_eq!(judge(&elsewhere, Some(Against::counts(&baseline)), &spec(), 0.001).verdict, Verdict::Undefined);
}

#[test]
fn an_effect_within_the_noise_of_a_small_window_is_ok() {
    let binnings = binnings();
    let baseline = counts(&binnings, (0..1000).map(|index| row(index, even(index))));
    // 100 records can have a PSI above 0.1 by chance alone.
    let window = counts(&binnings, (0..100).map(|index| row((index * 37 + index * index) % 1000, even(index))));
    let psi = |spec: &JudgeSpec| {
        let judgement = judge(&window, Some(Against::counts(&baseline)), spec, 0.001);
        judgement.findings.into_iter().find(|finding| finding.measure == Measure::Psi).unwrap()
    };
    let chosen = |name: &str, column_type| {
        ColumnRules::new(name.to_owned(), column_type, Some(&[Measure::Psi]), None, |_| None)
    };
    let chosen = JudgeSpec { columns: vec![chosen("x", ColumnType::Numeric)], ..spec() };
    let decides = psi(&chosen);
    assert!(!decides.significant && decides.score.unwrap().p_value.unwrap() > 1e-4, "{decides:?}");
    assert_eq!(decides.verdict, Verdict::Ok, "{decides:?}");
    let shown = psi(&spec());
    assert_eq!(shown.score.map(|score| score.effect), decides.score.map(|score| score.effect));
    assert_eq!((shown.score.unwrap().p_value, shown.significant), (None, false), "what decides nothing has none");
}

#[test]
fn a_new_category_and_a_jump_of_nulls_are_drift() {
    let binnings = binnings();
    let baseline = counts(&binnings, (0..1000).map(|index| row(index, even(index))));
    let window = counts(
        &binnings,
        (0..1000).map(|index| if index < 300 { r#"{"k":"new"}"#.to_owned() } else { row(index, even(index)) }),
    );
    let judgement = judge(&window, Some(Against::counts(&baseline)), &spec(), 0.001);
    let verdict = |measure| judgement.findings.iter().find(|finding| finding.measure == measure).unwrap().verdict;
    assert_eq!(verdict(Measure::NullChange), Verdict::Critical);
    assert_eq!(verdict(Measure::UnseenChange), Verdict::Critical);
    let k = judgement.columns.iter().find(|column| column.column == "k").unwrap();
    assert_eq!(k.movement.category.as_ref().unwrap().0, "new");
}

#[test]
fn what_leads_is_the_worst_verdict_and_only_then_the_largest_effect() {
    let finding = |measure, effect, significant, verdict| Finding {
        subject: Subject::Column("a".into()),
        measure,
        score: Some(Score { statistic: effect, p_value: None, effect, bound: None, n_baseline: 50, n_window: 50 }),
        limits: Some(Thresholds { warn: 0.1, critical: 0.2 }),
        noise_floor: None,
        significant,
        verdict,
        change: None,
    };
    // Chance explains the larger effect.
    let noisy = finding(Measure::WassersteinNormed, 0.5, false, Verdict::Ok);
    let warned = finding(Measure::Psi, 0.15, true, Verdict::Warn);
    let without = Finding { score: None, ..finding(Measure::NullShare, 0.0, false, Verdict::Undefined) };
    let of = |findings: &[Finding]| leading(findings.iter()).map(|finding| finding.measure);
    assert_eq!(of(&[noisy.clone(), warned.clone(), without.clone()]), Some(Measure::Psi));
    assert_eq!(of(&[noisy, without.clone()]), Some(Measure::WassersteinNormed));
    assert_eq!(of(&[without]), Some(Measure::NullShare));
    assert_eq!(of(&[]), None);
}

#[test]
fn the_rule_over_columns_counts_or_takes_a_share() {
    let column =
        |verdict| ColumnJudgement { column: String::new(), verdict, strength: 0.0, movement: Movement::default() };
    let columns = [Verdict::Critical, Verdict::Warn, Verdict::Ok, Verdict::Ok].map(column);
    assert_eq!(WindowRule::Columns(1).verdict(&columns), Verdict::Critical);
    assert_eq!(WindowRule::Columns(2).verdict(&columns), Verdict::Warn);
    assert_eq!(WindowRule::Columns(3).verdict(&columns), Verdict::Ok);
    assert_eq!(WindowRule::Share(0.5).verdict(&columns), Verdict::Warn);
    assert_eq!(WindowRule::Share(0.25).verdict(&columns), Verdict::Critical);
    assert_eq!(WindowRule::Columns(1).verdict(&[Verdict::Undefined].map(column)), Verdict::Undefined);
}

#[test]
fn a_subject_is_stored_under_a_name_that_no_other_has() {
    for subject in [Subject::Column("age".into()), Subject::Rows] {
        assert_eq!(Subject::from_stored(subject.as_stored().to_owned()), subject);
    }
    assert!(!Subject::Rows.is_column("") && Subject::Rows.column().is_none());
}

#[test]
fn a_change_says_which_values_it_is_about_unless_the_column_is_sensitive() {
    let of = |sensitive: &[&str], moved: fn(u32) -> u32| {
        let set =
            Arc::new(BinningSet::new(binnings().columns().to_vec()).hiding(&schema().with_sensitive(sensitive)));
        let reference = counts(&set, (0..1000).map(|index| row(index, even(index))));
        let window = counts(&set, (0..1000).map(|index| row(moved(index), even(index))));
        let judgement = judge(&window, Some(Against::counts(&reference)), &spec(), 0.001);
        let found = judgement
            .findings
            .into_iter()
            .find(|finding| finding.measure == Measure::GroupChange && finding.subject.is_column("x"));
        let found = found.unwrap();
        assert!(found.significant && found.noise_floor.unwrap() <= found.score.unwrap().effect, "{found:?}");
        found.change.unwrap().of.unwrap()
    };
    // The fourth tenth moves to the fifth.
    let middle = |index| if (300..400).contains(&index) { index + 100 } else { index };
    let (known, hidden) = (of(&[], middle), of(&["x"], middle));
    assert!(known.starts_with("values from 300 to 4") || known.starts_with("values from 400 to 5"), "{known}");
    assert!(hidden == "tenth 4 of 10" || hidden == "tenth 5 of 10", "{hidden}");
    // The lowest ones move to the middle.
    let lowest = |index| if index < 25 { index + 500 } else { index };
    let (known, hidden) = (of(&[], lowest), of(&["x"], lowest));
    assert!(known.starts_with("values below 2"), "{known}");
    assert_eq!(hidden, "the lowest 2.5 %");
}
