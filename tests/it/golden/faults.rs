//! Common faults of pipelines, put into real columns, are named; untouched columns carry no signature. Both when two files
//! are compared, value by value, and as a daemon sees them: a baseline as bins, the counts of a window and a sample of it.
//!
//! Baseline and window are the rows of a reference, dealt out as if by chance: the same law, other records. (Every other
//! row would not do: data by the hour has a rhythm.)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftd::binning::{
    Binning, BinningSet, BuildOptions, CategoricalBinning, NumericBinning, categorical_from_counts,
    numeric_from_values,
};
use driftd::distribution::{RecordSample, RowOrigin, WindowCounts, sample_hashes};
use driftd::judge::why::{Cause, Sides, signatures};
use driftd::measure::{Pair, Values};
use driftd::record::{ColumnType, ModelSchema};

use super::tables::{Dataset, datasets, numbers, records, texts};

type Numbers = Vec<Option<f64>>;
type Texts = Vec<Option<String>>;

fn halves<T: Clone>(values: &[T]) -> (Vec<T>, Vec<T>) {
    let odd = |row: usize| ((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) & 1;
    let side = |wanted| {
        values.iter().enumerate().filter(|(row, _)| odd(*row) == wanted).map(|(_, value)| value.clone()).collect()
    };
    (side(0), side(1))
}

/// How a column is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// With all values of both sides, as `driftd compare` does.
    InFiles,
    /// With a baseline as bins and a sample of the window, as a daemon does.
    ByDaemon,
}

fn numeric_causes(seen: Seen, before: &Numbers, after: &Numbers) -> BTreeSet<Cause> {
    let binning = match seen {
        Seen::InFiles => NumericBinning::distinct(before.iter().chain(after).flatten().copied(), false),
        Seen::ByDaemon => {
            numeric_from_values(&mut before.iter().flatten().copied().collect(), BuildOptions::default()).ok()
        }
    };
    let Some(binning) = binning else { return BTreeSet::new() };
    let json = |values: &Numbers| -> Vec<String> {
        values.iter().map(|value| value.map_or("null".to_owned(), |value| format!("{value:?}"))).collect()
    };
    causes(seen, ColumnType::Numeric, Binning::Numeric(binning), &json(before), &json(after))
}

fn text_causes(seen: Seen, before: &Texts, after: &Texts) -> BTreeSet<Cause> {
    let binning = match seen {
        Seen::InFiles => {
            let mut names: Vec<String> = before.iter().chain(after).flatten().cloned().collect();
            names.sort();
            Binning::Categorical(CategoricalBinning::new(names, vec![]))
        }
        Seen::ByDaemon => {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            before.iter().flatten().for_each(|name| *counts.entry(name.clone()).or_default() += 1);
            categorical_from_counts(&counts, BuildOptions::default())
        }
    };
    let json = |values: &Texts| -> Vec<String> {
        values.iter().map(|value| serde_json::to_string(value).unwrap()).collect()
    };
    causes(seen, ColumnType::Categorical, binning, &json(before), &json(after))
}

fn causes(
    seen: Seen,
    column_type: ColumnType,
    binning: Binning,
    before: &[String],
    after: &[String],
) -> BTreeSet<Cause> {
    let binnings = Arc::new(BinningSet::new(vec![("x".to_owned(), binning)]));
    let schema = ModelSchema::of_features(&[("x", column_type)]).unwrap();
    let mut sample = RecordSample::new(2_000);
    let mut count = |values: &[String], sampled: bool| -> WindowCounts {
        let batch = records(&schema, values.iter().map(|value| format!(r#"{{"x":{value}}}"#)));
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
    sample.merge(&RecordSample::new(2_000));
    let pair = Pair::new(&before.columns()[0], &after.columns()[0]).unwrap();
    let sides = match seen {
        Seen::InFiles => Some(Values::of_pair(&pair, false).into()),
        Seen::ByDaemon => Sides::of_window(&pair, sample.column("x").as_ref()),
    };
    signatures(&pair, sides.as_ref()).into_iter().map(|reason| reason.cause).collect()
}

fn sorted(values: &Numbers) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values
}

fn each(values: &Numbers, change: impl Fn(f64) -> f64) -> Numbers {
    values.iter().map(|value| value.map(&change)).collect()
}

/// What was put in, with the columns where it can be told at all.
fn numeric_faults(before: &Numbers, after: &Numbers) -> Vec<(&'static str, Cause, Numbers, Numbers)> {
    let ordered = sorted(before);
    if ordered.len() < 300 {
        // So few values leave every fault room to be chance.
        return vec![];
    }
    let mut distinct = ordered.clone();
    distinct.dedup();
    if distinct.len() < 2 {
        return vec![];
    }
    let at = |level: f64| ordered[(level * (ordered.len() - 1) as f64) as usize];
    let deviation = {
        let mean = ordered.iter().sum::<f64>() / ordered.len() as f64;
        (ordered.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / ordered.len() as f64).sqrt()
    };
    let mut faults = Vec::new();
    let mut add =
        |name, cause, before: &Numbers, after: Numbers| faults.push((name, cause, before.clone(), after));
    add("constant", Cause::Constant, before, each(after, |_| at(0.5)));
    let every = |step: usize, value: Option<f64>, values: &Numbers| -> Numbers {
        values.iter().enumerate().map(|(row, old)| if row % step == 0 { value } else { *old }).collect()
    };
    add("nulls become 0", Cause::NullsReplaced, &every(7, None, before), every(7, Some(0.0), after));
    add("nulls become -999", Cause::NullsReplaced, &every(7, None, before), every(7, Some(-999.0), after));
    // Half of a column on one value, or on the value most of it has already, is another matter.
    if distinct.len() > 20 {
        add("stuck", Cause::StuckValue, before, every(3, Some(at(0.35) + deviation * 0.0123), after));
    }
    let spread = at(0.95) - at(0.05);
    if distinct.len() > 20 && spread > 0.0 {
        add("times 1000", Cause::Scale, before, each(after, |value| value * 1000.0));
        add("over 100", Cause::Scale, before, each(after, |value| value / 100.0));
        add("inches", Cause::Scale, before, each(after, |value| value / 2.54));
        add("times 1.37", Cause::Scale, before, each(after, |value| value * 1.37));
        add("offset", Cause::Offset, before, each(after, |value| value + deviation * 0.7));
        // A column as likely above as below 0 is its own mirror image.
        if at(0.05) >= 0.0 {
            add("sign", Cause::SignFlip, before, each(after, |value| -value));
        }
        let limit = at(0.9);
        if ordered.last() > Some(&limit) && ordered.first() < Some(&limit) {
            add("clipped above", Cause::Clipping, before, each(after, |value| value.min(limit)));
        }
        let limit = at(0.1);
        if ordered.first() < Some(&limit) && ordered.last() > Some(&limit) {
            add("clipped below", Cause::Clipping, before, each(after, |value| value.max(limit)));
        }
        let fraction = distinct.iter().filter(|value| value.fract() != 0.0).count();
        if fraction * 2 > distinct.len() && spread > 10.0 {
            add("rounded", Cause::Rounding, before, each(after, f64::round));
        }
    }
    faults
}

fn text_faults(before: &Texts, after: &Texts) -> Vec<(&'static str, Cause, Texts, Texts)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    before.iter().flatten().for_each(|value| *counts.entry(value).or_default() += 1);
    let present: usize = counts.values().sum();
    let Some((top, times)) = counts.iter().max_by_key(|(_, count)| **count) else { return vec![] };
    if counts.len() < 2 || times * 100 > present * 95 {
        return vec![];
    }
    let change = |change: &dyn Fn(&str) -> String| -> Texts {
        after.iter().map(|value| value.as_deref().map(change)).collect()
    };
    let only = |new: String| change(&move |value| if value == *top { new.clone() } else { value.to_owned() });
    let mut faults = Vec::new();
    let mut add = |name, cause, after: Texts| faults.push((name, cause, before.clone(), after));
    add("constant", Cause::Constant, change(&|_| (*top).to_owned()));
    let has_letters = top.chars().any(char::is_alphabetic);
    if has_letters {
        let swapped = if top.to_uppercase() == *top { top.to_lowercase() } else { top.to_uppercase() };
        add("case", Cause::Renamed, only(swapped));
        add("blank", Cause::Renamed, only(format!("{top} ")));
    }
    if top.chars().count() >= 6 {
        let mut letters: Vec<char> = top.chars().collect();
        letters.swap(2, 3);
        let misspelt: String = letters.into_iter().collect();
        if misspelt != *top {
            add("spelling", Cause::Renamed, only(misspelt));
        }
    }
    let long = counts.iter().filter(|(name, _)| name.chars().count() > 4).map(|(_, count)| count).sum::<usize>();
    if has_letters && long * 20 > present {
        add("truncated", Cause::Truncated, change(&|value| value.chars().take(4).collect()));
    }
    if counts.keys().all(|name| name.parse::<u8>().is_ok_and(|hour| hour < 24)) && counts.len() == 24 {
        // Hours as uniform as the clock cannot be told from shifted ones; see below for hours with a rhythm.
        let most = counts.values().max().unwrap();
        let least = counts.values().min().unwrap();
        if most > &(least * 2) {
            let later = |value: &str| ((value.parse::<u8>().unwrap() + 5) % 24).to_string();
            add("time zone", Cause::TimeZone, change(&later));
        }
    }
    faults
}

#[derive(Default)]
struct Hits {
    injected: usize,
    named: usize,
    also: usize,
    missed: Vec<String>,
}

#[test]
fn faults_are_named_and_untouched_columns_carry_none() {
    look_for_faults(Seen::InFiles);
}

#[test]
fn a_daemon_names_faults_from_bins_and_a_sample() {
    look_for_faults(Seen::ByDaemon);
}

fn look_for_faults(seen: Seen) {
    let mut table: BTreeMap<&'static str, Hits> = BTreeMap::new();
    let (mut untouched, mut false_hits) = (0, Vec::new());
    let mut judge = |name: &'static str, cause: Cause, place: String, found: BTreeSet<Cause>| {
        let hits = table.entry(name).or_default();
        hits.injected += 1;
        if found.contains(&cause) {
            hits.named += 1;
            hits.also += usize::from(found.len() > 1);
        } else {
            hits.missed.push(format!("{place}: {found:?}"));
        }
    };
    for dataset in datasets() {
        for (name, column) in columns(&dataset) {
            let place = format!("{} {name}", dataset.name);
            let found = match column {
                Column::Numbers(values) => {
                    let (before, after) = halves(&values);
                    for (fault, cause, before, after) in numeric_faults(&before, &after) {
                        judge(fault, cause, place.clone(), numeric_causes(seen, &before, &after));
                    }
                    numeric_causes(seen, &before, &after)
                }
                Column::Texts(values) => {
                    let (before, after) = halves(&values);
                    for (fault, cause, before, after) in text_faults(&before, &after) {
                        judge(fault, cause, place.clone(), text_causes(seen, &before, &after));
                    }
                    text_causes(seen, &before, &after)
                }
            };
            untouched += 1;
            if !found.is_empty() {
                false_hits.push(format!("{place}: {found:?}"));
            }
        }
    }
    // Hours with a rhythm: when bicycles are rented, as whole numbers and as text.
    let bikes = datasets().into_iter().find(|dataset| dataset.name == "bike_hour").unwrap();
    let (hours, rented) = (texts(&bikes.reference, "hr"), numbers(&bikes.reference, "cnt"));
    let by_rental: Numbers = hours
        .iter()
        .zip(rented)
        .flat_map(|(hour, rented)| {
            let hour: f64 = hour.as_deref().unwrap().parse().unwrap();
            vec![Some(hour); rented.unwrap() as usize / 20]
        })
        .collect();
    let (before, after) = halves(&by_rental);
    for by in [1.0, 5.0, 13.0, 23.0] {
        let moved = each(&after, |hour| (hour + by) % 24.0);
        judge("time zone", Cause::TimeZone, format!("rentals {by}"), numeric_causes(seen, &before, &moved));
    }
    eprintln!("{:<18} {:>8} {:>6} {:>11}", "fault", "injected", "named", "with others");
    for (name, hits) in &table {
        eprintln!("{name:<18} {:>8} {:>6} {:>11}", hits.injected, hits.named, hits.also);
    }
    eprintln!("untouched columns: {untouched}, with a signature: {}", false_hits.len());
    let missed: Vec<String> = table
        .iter()
        .flat_map(|(name, hits)| hits.missed.iter().map(move |place| format!("{name}: {place}")))
        .collect();
    let injected: usize = table.values().map(|hits| hits.injected).sum();
    assert!(false_hits.is_empty(), "signatures where nothing was changed: {false_hits:#?}");
    assert!(missed.len() * 20 <= injected, "{} of {injected} missed: {missed:#?}", missed.len());
}

enum Column {
    Numbers(Numbers),
    Texts(Texts),
}

fn columns(dataset: &Dataset) -> Vec<(String, Column)> {
    let schema = dataset.reference.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names
        .filter(|name| dataset.is_known(name))
        .map(|name| {
            let column = if dataset.is_continuous(&name) {
                Column::Numbers(numbers(&dataset.reference, &name))
            } else {
                Column::Texts(texts(&dataset.reference, &name))
            };
            (name, column)
        })
        .collect()
}
