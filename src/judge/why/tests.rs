use std::sync::Arc;

use fastrand::Rng;

use super::*;
use crate::binning::{Binning, BinningSet, BuildOptions, CategoricalBinning, numeric_from_values};
use crate::distribution::{RecordSample, RowOrigin, sample_hashes};
use crate::record::{ColumnType, ModelSchema, batch_of};

#[test]
fn numbers_are_written_for_people() {
    let shown: Vec<String> =
        [0.0, 7e-46, 1.0, 0.123_456, 12_345.6, 1e-7, 3.0e9, -2.5, 1000.0].into_iter().map(number).collect();
    assert_eq!(shown, ["0", "0", "1", "0.1235", "12346", "1.000e-7", "3.000e9", "-2.5", "1000"]);
    assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number), ["not known", "not known", "not known"]);
}

/// Records of a window's sample, as a daemon keeps them.
const SAMPLE: usize = 2_000;

/// What a daemon says of a window: a baseline as bins, the window's counts on them, and a sample of its records.
fn of_daemon(column_type: ColumnType, binning: Binning, before: &[String], after: &[String]) -> Vec<Reason> {
    let binnings = Arc::new(BinningSet::new(vec![("x".to_owned(), binning)]));
    let schema = ModelSchema::of_features(&[("x", column_type)]).unwrap();
    let mut sample = RecordSample::new(SAMPLE);
    let mut count = |values: &[String], sampled: bool| {
        let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":{value}}}"#)));
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let mut counts = WindowCounts::empty(Arc::clone(&binnings));
        counts.count(&batch, &rows);
        if sampled {
            let origin = RowOrigin { topic: "t", partition: 0 };
            sample.offer(&batch, origin, &sample_hashes(origin, &batch), &rows);
        }
        counts
    };
    let (before, after) = (count(before, false), count(after, true));
    sample.merge(&RecordSample::new(SAMPLE));
    let pair = Pair::new(&before.columns()[0], &after.columns()[0]).unwrap();
    explain(&pair, Sides::of_window(&pair, sample.column("x").as_ref()).as_ref())
}

fn numbers_of_daemon(before: &[f64], after: &[f64]) -> Vec<Reason> {
    let binning = numeric_from_values(&mut before.to_vec(), BuildOptions::default()).unwrap();
    let texts = |values: &[f64]| values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
    of_daemon(ColumnType::Numeric, Binning::Numeric(binning), &texts(before), &texts(after))
}

fn signatures_of(reasons: &[Reason]) -> Vec<&Reason> {
    reasons.iter().filter(|reason| reason.cause.is_signature()).collect()
}

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// A value of one of seven families of columns.
fn value(rng: &mut Rng, family: usize) -> f64 {
    match family {
        0 => 20.0 + 5.0 * normal(rng),
        1 => (10.0 + 0.6 * normal(rng)).exp(),
        2 => (2.0 + normal(rng)).exp(),
        3 => 100.0 * -(1.0 - rng.f64()).ln(),
        4 => 40.0 + 60.0 * rng.f64(),
        5 => {
            if rng.bool() {
                30.0 + 3.0 * normal(rng)
            } else {
                60.0 + 5.0 * normal(rng)
            }
        }
        // Prices: two decimals.
        _ => ((3.0 + 0.5 * normal(rng)).exp() * 100.0).round() / 100.0,
    }
}

fn values(rng: &mut Rng, family: usize, size: usize) -> Vec<f64> {
    (0..size).map(|_| value(rng, family)).collect()
}

#[test]
fn an_income_times_1_82_is_not_a_temperature() {
    let mut rng = Rng::with_seed(1);
    let before = values(&mut rng, 1, 8_000);
    let after: Vec<f64> = values(&mut rng, 1, 4_000).iter().map(|value| value * 1.82).collect();
    let reasons = numbers_of_daemon(&before, &after);
    let found = signatures_of(&reasons);
    assert_eq!(found.iter().map(|reason| reason.cause).collect::<Vec<_>>(), [Cause::Scale]);
    let text = &found[0].text;
    assert!(
        text.contains("multiplied by about 1.") && text.contains("(between 1.") && !text.contains("as from"),
        "{text}"
    );
    assert!(text.contains("falls from") && text.contains("in a sample of 2000 of 4000 values"), "{text}");
}

#[test]
fn units_are_named_when_the_values_prove_them() {
    let mut rng = Rng::with_seed(2);
    for (family, factor, offset, words) in [
        // Narrow enough to tell 1000 from anything near.
        (0, 1000.0, 0.0, "multiplied by 1000, as from kilo-units"),
        (0, 1.8, 32.0, "Celsius to Fahrenheit"),
        (0, 1.0, 273.15, "Celsius to Kelvin"),
        (4, 2.54, 0.0, "multiplied by 2.54, as from inches"),
        // Broad, but the cents fall on cents again.
        (6, 100.0, 0.0, "multiplied by 100, as from a share"),
        (
            6,
            0.001,
            0.0,
            "multiplied by 0.001, as from kilo-units to units or seconds to milliseconds, the other way round",
        ),
    ] {
        let before = values(&mut rng, family, 30_000);
        let after: Vec<f64> =
            values(&mut rng, family, 20_000).iter().map(|value| value * factor + offset).collect();
        let reasons = numbers_of_daemon(&before, &after);
        let found = signatures_of(&reasons);
        assert!(found.iter().any(|reason| reason.text.contains(words)), "{words}: {found:?}");
    }
}

#[test]
fn an_offset_and_a_factor_that_fit_alike_are_both_said() {
    let mut rng = Rng::with_seed(3);
    let before: Vec<f64> = (0..8_000).map(|_| 1_000.0 + 10.0 * normal(&mut rng)).collect();
    let after: Vec<f64> = (0..1_000).map(|_| (1_000.0 + 10.0 * normal(&mut rng)) * 1.05).collect();
    let reasons = numbers_of_daemon(&before, &after);
    let found = signatures_of(&reasons);
    let text = &found[0].text;
    assert!(
        text.contains("seems to be added to all values, or all values seem to be multiplied by about 1.05"),
        "{text}"
    );
    assert!(text.contains("these values do not tell which"), "{text}");
}

#[test]
fn a_constant_that_becomes_another_is_not_clipped() {
    for (before, after) in [(5.0, 6.0), (6.0, 5.0), (0.0, -1.0)] {
        let reasons = numbers_of_daemon(&[before; 500], &[after; 100]);
        let found = signatures_of(&reasons);
        assert_eq!(found.iter().map(|reason| reason.cause).collect::<Vec<_>>(), [Cause::Constant], "{found:?}");
        assert!(
            found[0].text.contains(&format!("every value of the baseline is {}", number(before))),
            "{found:?}"
        );
    }
    let text = |name: &str, size: usize| vec![format!("{name:?}"); size];
    let binning = Binning::Categorical(CategoricalBinning::new(vec!["a".into()], vec![]));
    let reasons = of_daemon(ColumnType::Categorical, binning, &text("a", 500), &text("b", 100));
    assert_eq!(
        signatures_of(&reasons)[0].text,
        "every value of the window is `b`; every value of the baseline is `a`"
    );
}

#[test]
fn nulls_are_replaced_only_where_all_other_values_are_as_before() {
    let mut rng = Rng::with_seed(11);
    let mut column = |size: usize, nulls: f64, moved: bool, of: &dyn Fn(f64, bool) -> String| -> Vec<String> {
        (0..size).map(|_| if rng.f64() < nulls { "null".to_owned() } else { of(rng.f64(), moved) }).collect()
    };
    // One category, or one value, takes ten points more; in the second case the others change, too.
    let category = |place: f64, moved: bool| {
        let shares = if moved { [0.3, 0.55, 1.0] } else { [0.2, 0.6, 1.0] };
        format!("{:?}", ["c", "d", "e"][shares.iter().position(|end| place < *end).unwrap_or(2)])
    };
    let binning =
        Binning::Categorical(CategoricalBinning::new(["c", "d", "e"].map(str::to_owned).to_vec(), vec![]));
    let before = column(20_000, 0.1, false, &category);
    let swapped = column(20_000, 0.005, true, &category);
    let filled: Vec<String> =
        before.iter().map(|value| if value == "null" { "\"c\"".to_owned() } else { value.clone() }).collect();
    let named = |after: &[String]| {
        of_daemon(ColumnType::Categorical, binning.clone(), &before, after)
            .iter()
            .any(|reason| reason.cause == Cause::NullsReplaced)
    };
    assert!(named(&filled), "the mode instead of nulls");
    assert!(!named(&swapped), "another mix of records, with fewer nulls");
}

#[test]
fn numbers_that_differ_are_told_apart() {
    let apart = |left, right| numbers_apart(left, right);
    let text = |left: &str, right: &str| (left.to_owned(), right.to_owned());
    assert_eq!(apart(5.0, 5.0001), text("5.0000", "5.0001"));
    assert_eq!(apart(1.774e9, 1.774e9 + 7_200.0), text("1774000000", "1774007200"));
    assert_eq!(apart(5.0, 6.0), text("5", "6"));
    assert_eq!(apart(5.0, 5.0), text("5", "5"));
    assert_eq!(apart(0.0, 1e-9), text("0", "1.000e-9"));
    assert_eq!(apart(f64::NAN, f64::NAN), text("not known", "not known"));
    assert_eq!(apart(-3.00001, -3.00002), text("-3.00001", "-3.00002"));
}

#[test]
fn values_served_as_32_bit_floats_carry_no_signature() {
    let mut rng = Rng::with_seed(4);
    let single = |value: &f64| f64::from(*value as f32);
    let rates =
        |rng: &mut Rng, size: usize| (0..size).map(|_| f64::from(rng.u32(1..=10)) / 10.0).collect::<Vec<_>>();
    for family in 0..8 {
        let draw = |rng: &mut Rng, size| if family == 7 { rates(rng, size) } else { values(rng, family, size) };
        let (before, after) = (draw(&mut rng, 6_000), draw(&mut rng, 3_000));
        let served: Vec<f64> = after.iter().map(single).collect();
        let reasons = numbers_of_daemon(&before, &served);
        assert!(signatures_of(&reasons).is_empty(), "{family}: {reasons:?}");
        // As two files are compared.
        let exact = Sides::from(crate::measure::Values::Numeric {
            points: Points::from_samples(&before, &served),
            integers: false,
        });
        let binning = Binning::Numeric(numeric_from_values(&mut before.clone(), BuildOptions::default()).unwrap());
        let binnings = Arc::new(BinningSet::new(vec![("x".to_owned(), binning)]));
        let count = |values: &[f64]| {
            let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
            let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":{value:?}}}"#)));
            let mut counts = WindowCounts::empty(Arc::clone(&binnings));
            counts.count(&batch, &(0..values.len() as u32).collect::<Vec<_>>());
            counts
        };
        let (before, served) = (count(&before), count(&served));
        let pair = Pair::new(&before.columns()[0], &served.columns()[0]).unwrap();
        assert!(signatures(&pair, Some(&exact)).is_empty(), "{family}: {:?}", signatures(&pair, Some(&exact)));
    }
}

/// A change of a column, and the causes that are true of it.
fn change(rng: &mut Rng, kind: usize, family: usize, after: &[f64]) -> (Vec<f64>, &'static [Cause]) {
    let mean = after.iter().sum::<f64>() / after.len() as f64;
    let deviation = (after.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / after.len() as f64).sqrt();
    let each = |change: &dyn Fn(f64) -> f64| after.iter().map(|value| change(*value)).collect::<Vec<_>>();
    match kind {
        // Moved by an odd amount.
        0 => {
            let by = deviation * (0.3 + rng.f64());
            (each(&|value| value + by), &[Cause::Offset])
        }
        // Multiplied by an odd factor: none within 2 % of a unit.
        1 => {
            let factors = [1.82, 0.37, 1.3, 0.55, 97.0, 940.0, 55.0, 2.41, 0.0107, 5.0];
            let factor = factors[rng.usize(..factors.len())];
            (each(&|value| value * factor), &[Cause::Scale])
        }
        // Another family of the same mean and spread.
        2 => {
            let other = values(rng, [3, 2, 4, 4, 5, 3, 4][family], after.len());
            let (own, spread) = {
                let own = other.iter().sum::<f64>() / other.len() as f64;
                (own, (other.iter().map(|value| (value - own).powi(2)).sum::<f64>() / other.len() as f64).sqrt())
            };
            (other.iter().map(|value| (value - own) / spread * deviation + mean).collect(), &[])
        }
        // A mixture: a part of the values from elsewhere.
        3 => {
            let by = deviation * (1.5 + rng.f64());
            let share = 0.2 + 0.3 * rng.f64();
            let moved = after.iter().map(|value| if rng.f64() < share { value + by } else { *value }).collect();
            (moved, &[])
        }
        // Another shape: bent around the mean, or another spread around it.
        4 => {
            let bent = rng.bool();
            let stretch = 1.4 + rng.f64();
            (
                each(&|value| {
                    let from_mean = (value - mean) / deviation;
                    mean + deviation
                        * if bent { from_mean.signum() * from_mean.abs().powf(1.7) } else { from_mean * stretch }
                }),
                &[],
            )
        }
        // One season of a year, see where it is called.
        _ => (after.to_vec(), &[]),
    }
}

#[test]
fn no_fault_is_named_in_300_changes_that_are_not_that_fault() {
    let mut wrong = Vec::new();
    let (mut changes, mut named) = (0, 0);
    for round in 0..420u64 {
        let mut rng = Rng::with_seed(1_000 + round);
        let (kind, family) = (round as usize % 6, (round / 6) as usize % 7);
        let mut before = values(&mut rng, family, 8_000);
        let size = [600, 2_000, 6_000][(round / 42) as usize % 3];
        let mut after = values(&mut rng, family, size);
        if kind == 5 {
            // A year of four seasons, each of its own level and spread, and a window of one.
            let seasons: Vec<(f64, f64)> =
                (0..4).map(|season| (f64::from(season) + rng.f64(), 0.5 + 1.5 * rng.f64())).collect();
            let middle = after.iter().sum::<f64>() / after.len() as f64;
            let in_season = |value: f64, (level, spread): (f64, f64)| middle * level + (value - middle) * spread;
            for (row, value) in before.iter_mut().enumerate() {
                *value = in_season(*value, seasons[row % 4]);
            }
            let only = seasons[rng.usize(..4)];
            for value in &mut after {
                *value = in_season(*value, only);
            }
        }
        let (after, truth) = change(&mut rng, kind, family, &after);
        changes += 1;
        let reasons = numbers_of_daemon(&before, &after);
        for reason in signatures_of(&reasons) {
            named += usize::from(truth.contains(&reason.cause));
            // Broken prices have other decimals than prices: that is no rounding. A unit is no truth about any of these.
            if !truth.contains(&reason.cause) && !reason.text.contains("these values do not tell which")
                || reason.text.contains("as from")
                || reason.text.contains("decimal place")
            {
                wrong.push(format!("kind {kind}, family {family}, {size} values: {}", reason.text));
            }
        }
    }
    eprintln!("{changes} changes, {named} named as what they are");
    assert!(wrong.is_empty(), "{} of {changes}: {wrong:#?}", wrong.len());
    assert!(named * 10 >= changes / 3 * 8, "moved and multiplied columns are named: {named}");
}

#[test]
fn columns_of_few_values_that_were_moved_or_multiplied_are_matched_value_by_value() {
    let mut rng = Rng::with_seed(6);
    // Hundredths from 0 to 1, ages, and mostly zeros.
    let draw = |rng: &mut Rng, kind: usize| match kind {
        0 => (f64::from(rng.u32(0..50) + rng.u32(0..52)) / 100.0).min(1.0),
        1 => 20.0 + (f64::from(rng.u32(0..30)) * rng.f64()).floor() * 2.0,
        _ => {
            if rng.f64() < 0.8 {
                0.0
            } else {
                (normal(rng) * 0.8 + 6.0).exp().round()
            }
        }
    };
    let sample = |rng: &mut Rng, kind, size: usize| (0..size).map(|_| draw(rng, kind)).collect::<Vec<f64>>();
    for kind in 0..3 {
        let before = sample(&mut rng, kind, 6_000);
        let after = sample(&mut rng, kind, 3_000);
        for (cause, factor, offset) in [
            (Cause::Offset, 1.0, 0.135),
            (Cause::Scale, 1.37, 0.0),
            (Cause::Scale, 0.01, 0.0),
            (Cause::Scale, 1000.0, 0.0),
        ] {
            let offset = if kind == 0 { offset } else { offset * 50.0 };
            let changed: Vec<f64> = after.iter().map(|value| value * factor + offset).collect();
            let by_daemon = numbers_of_daemon(&before, &changed);
            let binning =
                crate::binning::NumericBinning::distinct(before.iter().chain(&changed).copied(), false).unwrap();
            let texts = |values: &[f64]| values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
            let in_files = of_files(Binning::Numeric(binning), &texts(&before), &texts(&changed));
            for reasons in [by_daemon, in_files] {
                // Columns that are mostly zeros hide what happened to the rest, which must not be told as something else.
                let other = |reason: &Reason| matches!(reason.cause, Cause::Clipping | Cause::StuckValue);
                assert!(
                    if kind == 2 {
                        !reasons.iter().any(other)
                    } else {
                        reasons.iter().any(|reason| reason.cause == cause)
                    },
                    "{kind} {cause:?} {factor}: {reasons:?}"
                );
            }
        }
    }
}

/// What `compare --exact` says.
fn of_files(binning: Binning, before: &[String], after: &[String]) -> Vec<Reason> {
    let binnings = Arc::new(BinningSet::new(vec![("x".to_owned(), binning)]));
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let count = |values: &[String]| {
        let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":{value}}}"#)));
        let mut counts = WindowCounts::empty(Arc::clone(&binnings));
        counts.count(&batch, &(0..values.len() as u32).collect::<Vec<_>>());
        counts
    };
    let (before, after) = (count(before), count(after));
    let pair = Pair::new(&before.columns()[0], &after.columns()[0]).unwrap();
    explain(&pair, Some(&Sides::from(crate::measure::Values::of_pair(&pair, false))))
}

#[test]
fn names_of_new_categories_are_known_without_a_sample() {
    let names = |counts: &[(&str, usize)]| -> Vec<String> {
        counts.iter().flat_map(|(name, count)| vec![format!("{name:?}"); *count]).collect()
    };
    let binning =
        Binning::Categorical(CategoricalBinning::new(vec!["car".into(), "bus".into(), "tram".into()], vec![]));
    let before = names(&[("car", 500), ("bus", 300), ("tram", 200)]);
    let after = names(&[("Car", 250), ("bus", 150), ("tram", 100)]);
    let reasons = of_daemon(ColumnType::Categorical, binning.clone(), &before, &after);
    let found = signatures_of(&reasons);
    assert!(found[0].text.contains("`car` (50.0 %) to `Car` (50.0 %)"), "{found:?}");
    let after = names(&[("car", 250), ("bus", 100), ("ferry", 150)]);
    let reasons = of_daemon(ColumnType::Categorical, binning.clone(), &before, &after);
    assert!(reasons.iter().any(|reason| reason.text.contains("`ferry`")), "{reasons:?}");
    // More new names than are kept apart: nothing is called by the name of a bin.
    let many: Vec<String> = (0..3_000).map(|index| format!("\"id-{index}\"")).collect();
    let reasons = of_daemon(ColumnType::Categorical, binning, &before, &many);
    assert!(signatures_of(&reasons).is_empty(), "{reasons:?}");
}

#[test]
fn the_way_a_column_moved_is_told_in_true_numbers() {
    let mut rng = Rng::with_seed(5);
    // Far beyond, at one place beyond, in a gap of the baseline, and in a hair's width of it.
    let normal_before = values(&mut rng, 0, 5_000);
    let two_before: Vec<f64> = (0..5_000).map(|row| f64::from(row % 2) * 1_000.0 + rng.f64()).collect();
    let cases: [(&[f64], Vec<f64>); 4] = [
        (&normal_before, (0..3_000).map(|_| 5e9 + 1e6 * normal(&mut rng)).collect()),
        (&normal_before, vec![82_372.0; 300]),
        (&two_before, (0..3_000).map(|_| 500.0 + 50.0 * normal(&mut rng)).collect()),
        (&normal_before, (0..3_000).map(|_| 20.0 + 1e-4 * normal(&mut rng)).collect()),
    ];
    for (before, after) in cases {
        let reasons = numbers_of_daemon(before, &after);
        let text = &reasons.iter().find(|reason| reason.cause == Cause::Direction).unwrap().text;
        let points = Points::from_samples(&[], &after);
        let deviation = points.deviation(Side::Window, 0).unwrap();
        assert!(text.contains(&format!(" to {};", number(deviation))), "{deviation}: {text}");
        let told = text.rsplit(" to ").next().unwrap();
        for (told, level) in told.trim_start_matches("about ").split(", ").zip([0.05, 0.5, 0.95]) {
            let told: f64 = told.parse().unwrap();
            let truth = points.quantile(Side::Window, level).unwrap();
            let slack = (deviation / 4.0).max(truth.abs() * 1e-3);
            assert!((told - truth).abs() <= slack, "{told} for {truth}: {text}");
        }
    }
}

#[test]
fn the_brackets_of_a_bin_say_which_of_its_ends_belongs_to_it() {
    // Tenths from 0 to 1; a third of all values is exactly 0.5.
    let before: Vec<f64> =
        (0..3_000).map(|row| if row % 3 == 0 { 0.5 } else { f64::from(row % 11) / 10.0 }).collect();
    let after: Vec<f64> = (0..3_000).map(|row| 0.6 + f64::from(row % 5) / 10.0).collect();
    let reasons = numbers_of_daemon(&before, &after);
    let text = &reasons.iter().find(|reason| reason.cause == Cause::Bins).unwrap().text;
    for group in text.split("; ") {
        let Some((low, high)) = group.split_once(", ") else { continue };
        let (open, low) = low.split_at(1);
        let (high, rest) = high.split_at(high.find([')', ']']).unwrap());
        let (low, high): (f64, f64) = (low.parse().unwrap(), high.parse().unwrap());
        let within = |value: &&f64| {
            (**value > low || **value == low && open == "[")
                && (**value < high || **value == high && rest.starts_with(']'))
        };
        for (values, said) in [(&before, " from "), (&after, " to ")] {
            let share = values.iter().filter(within).count() as f64 / values.len() as f64 * 100.0;
            assert!(rest.contains(&format!("{said}{share:.1} %")), "{share:.1}: {group}");
        }
    }
    assert!(text.contains("[0, 0.1]") && text.contains("(0.1, 0.3]"), "{text}");
}
