//! The statistics of natural variation against an independent implementation of them with numpy and scipy:
//! `tests/golden/variation/generate.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use driftd::variation::{
    Change, ColumnCounts, Foreign, Judge, Kind, ReferenceColumn, Source, Statistic, Variation,
};
use serde::Deserialize;

use super::tables::file;

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    windows: usize,
    autocorrelation: f64,
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    kind: Kind,
    foreign: Expected,
    total: Counts,
    windows: Vec<Counts>,
    judged: Vec<Window>,
    left_out: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    OnlyHere(Vec<u64>),
    Singletons(u64),
    Independent {},
}

#[derive(Deserialize)]
struct Counts {
    bins: Vec<u64>,
    nulls: u64,
}

#[derive(Deserialize)]
struct Window {
    #[serde(flatten)]
    counts: Counts,
    changes: BTreeMap<String, Numbers>,
}

#[derive(Deserialize)]
struct Numbers {
    p: f64,
    /// Within two standard deviations, where the p-value is not computed.
    quiet: bool,
    size: f64,
    before: f64,
    after: f64,
    margin: Option<f64>,
    effective_size: Option<f64>,
    weight: f64,
    bin: Option<usize>,
}

impl Counts {
    fn get(&self) -> ColumnCounts<'_> {
        ColumnCounts { bins: &self.bins, nulls: self.nulls, invalid: 0 }
    }
}

fn cases() -> Vec<Case> {
    let packed = std::fs::read(file("variation/cases.json.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str::<Table>(&text).unwrap().cases
}

fn name(statistic: Statistic) -> String {
    match statistic {
        Statistic::Location => "location".into(),
        Statistic::Spread => "spread".into(),
        Statistic::LowTail => "low_tail".into(),
        Statistic::HighTail => "high_tail".into(),
        Statistic::Below => "below".into(),
        Statistic::Above => "above".into(),
        Statistic::Group(tenth) => format!("group{tenth}"),
        Statistic::Stuck(_) => "stuck".into(),
        Statistic::Category(bin) => format!("category{bin}"),
        Statistic::Surge(_) => "surge".into(),
        Statistic::Unseen => "unseen".into(),
        Statistic::Mix => "mix".into(),
        Statistic::Null => "null".into(),
        Statistic::Invalid => "invalid".into(),
    }
}

fn fit(case: &Case) -> Judge {
    let columns: Vec<ReferenceColumn<'_>> = case
        .columns
        .iter()
        .map(|column| ReferenceColumn {
            name: &column.name,
            kind: column.kind,
            total: column.total.get(),
            windows: column.windows.iter().map(Counts::get).collect(),
            rare: None,
            foreign: match &column.foreign {
                Expected::OnlyHere(records) => Foreign::OnlyHere(records.clone()),
                Expected::Singletons(categories) => Foreign::Singletons(*categories),
                Expected::Independent {} => Foreign::Independent,
            },
        })
        .collect();
    let variation = Variation::fit(&columns);
    let stored = serde_json::to_string(&variation).unwrap();
    let read: Variation = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, variation);
    let total = |name: &str| {
        let column = case.columns.iter().find(|column| column.name == name)?;
        Some(Cow::Borrowed(column.total.bins.as_slice()))
    };
    Judge::new(Arc::new(read), total)
}

fn near(found: f64, expected: f64, relative: f64) -> bool {
    (found - expected).abs() <= relative * expected.abs() + 1e-9
}

fn compare(found: &Change, expected: &Numbers, farthest: &mut f64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, found: f64, expected: f64, relative: f64| {
        if !near(found, expected, relative) {
            wrong.push(format!("{what} {found} instead of {expected}"));
        }
    };
    if expected.quiet {
        check("quiet p", found.p_value, 1.0, 0.0);
    } else {
        let error = (found.p_value / expected.p.max(1e-290) - 1.0).abs();
        if expected.p > 1e-290 {
            *farthest = farthest.max(error);
            check("log p", found.p_value.ln(), expected.p.ln(), 1e-6);
        }
    }
    check("size", found.size, expected.size, 1e-6);
    check("before", found.before, expected.before, 1e-6);
    check("after", found.after, expected.after, 1e-6);
    check("weight", found.weight, expected.weight, 1e-9);
    if let Some(margin) = expected.margin {
        check("margin", found.margin, margin, 1e-6);
    }
    if let Some(size) = expected.effective_size {
        check("effective size", found.effective_size, size, 1e-6);
    }
    if let (Some(bin), Statistic::Stuck(found_bin), false) = (expected.bin, found.statistic, expected.quiet) {
        assert_eq!(found_bin, bin);
    }
    wrong
}

#[test]
fn changes_agree_with_an_independent_implementation() {
    let (mut compared, mut loud, mut farthest, mut wrong) = (0, 0, 0.0f64, Vec::new());
    for case in cases() {
        let judge = fit(&case);
        let variation = judge.variation();
        assert_eq!(variation.windows(), case.windows);
        assert!(near(variation.autocorrelation(), case.autocorrelation, 1e-9), "{}", case.name);
        let source = match case.windows {
            0 | 1 => Source::Sampling,
            2..6 => Source::Learning,
            _ => Source::Windows,
        };
        assert_eq!(variation.source(), source);
        for column in &case.columns {
            assert_eq!(variation.left_out(&column.name), Some(column.left_out), "{} {}", case.name, column.name);
            for (number, window) in column.judged.iter().enumerate() {
                let changes = judge.changes(&column.name, &window.counts.get()).unwrap();
                assert!(changes.iter().map(|change| change.weight).sum::<f64>() < 1.0 + 1e-9);
                let found: BTreeMap<String, Change> = changes
                    .into_iter()
                    .filter(|change| !matches!(change.statistic, Statistic::Invalid | Statistic::Surge(_)))
                    .map(|change| (name(change.statistic), change))
                    .collect();
                let place = format!("{} {} window {number}", case.name, column.name);
                let names: Vec<&String> = found.keys().collect();
                assert_eq!(names, window.changes.keys().collect::<Vec<_>>(), "{place}");
                for (name, expected) in &window.changes {
                    compared += 1;
                    loud += usize::from(!expected.quiet);
                    let mut found = *found.get(name).unwrap();
                    // Which bin is shown where none stands out does not matter.
                    if name == "stuck" && expected.quiet {
                        (found.size, found.before, found.after) = (expected.size, expected.before, expected.after);
                    }
                    let differences = compare(&found, expected, &mut farthest);
                    if !differences.is_empty() {
                        wrong.push(format!("{place} {name}: {}", differences.join(", ")));
                    }
                }
            }
        }
    }
    println!(
        "natural variation: {compared} changes, {loud} beyond two deviations, farthest p-value off by {farthest:.1e}"
    );
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 10_000 && loud > 1_000);
}
