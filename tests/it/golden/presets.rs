//! Presets give the numbers and the verdicts of their tools, on every column of every window.

use std::collections::BTreeMap;

use arrow::array::Array;
use driftd::measure::{Categories, Measure, Points, Values};
use driftd::preset::{Preset, nannyml_threshold};

use super::tables::{Dataset, Line, Tally, datasets, file, lines, numbers, texts};

/// All values of both sides of a column; `None` in place of a window takes a part of the reference.
fn values(dataset: &Dataset, column: &str, window: &str) -> Values {
    if dataset.is_continuous(column) {
        let of = |rows| numbers(rows, column).into_iter().flatten().collect::<Vec<f64>>();
        // pandas has integers as integers only where the whole file has no null.
        let whole = dataset.windows.iter().map(|(_, rows)| rows).chain([&dataset.reference]);
        let integers = whole.clone().all(|rows| {
            let array = rows.column_by_name(column).unwrap();
            array.data_type().is_integer() && array.null_count() == 0
        });
        let points = Points::from_samples(&of(&dataset.reference), &of(dataset.window(window)));
        Values::Numeric { points, integers }
    } else {
        categories(&texts(&dataset.reference, column), &texts(dataset.window(window), column))
    }
}

fn categories(baseline: &[Option<String>], window: &[Option<String>]) -> Values {
    let of = |texts: &[Option<String>]| texts.iter().flatten().cloned().collect::<Vec<String>>();
    let (baseline, window) = (of(baseline), of(window));
    Values::Categorical(Categories::from_samples(
        baseline.iter().map(String::as_str),
        window.iter().map(String::as_str),
    ))
}

fn each_column(library: &str, mut visit: impl FnMut(&Dataset, &Values, &[Line])) {
    for dataset in datasets() {
        let lines = lines(&dataset.name, library);
        let mut rest = lines.as_slice();
        while let Some(first) = rest.first() {
            let together =
                rest.iter().take_while(|line| line.window == first.window && line.column == first.column).count();
            let (of_column, others) = rest.split_at(together);
            visit(&dataset, &values(&dataset, &first.column, &first.window), of_column);
            rest = others;
        }
    }
}

fn place(dataset: &Dataset, line: &Line) -> String {
    format!("{} {} {} {}", dataset.name, line.window, line.column, line.note)
}

/// (the measure, whether its score is a p-value)
fn evidently_metric(name: &str) -> Option<(Measure, bool)> {
    Some(match name {
        "psi" => (Measure::Psi, false),
        "kl_div" => (Measure::Kl, false),
        "jensenshannon" => (Measure::JensenShannon, false),
        "hellinger" => (Measure::Hellinger, false),
        "wasserstein" => (Measure::WassersteinNormed, false),
        "ed" => (Measure::Energy, false),
        "TVD_statistic" => (Measure::TotalVariation, false),
        "ks" => (Measure::Ks, true),
        "chisquare" => (Measure::ChiSquare, true),
        "z" => (Measure::ZProportions, true),
        "cramer_von_mises" => (Measure::CramerVonMises, true),
        "anderson" => (Measure::AndersonDarling, true),
        "es" => (Measure::EppsSingleton, true),
        "mannw" => (Measure::MannWhitney, true),
        "t_test" => (Measure::StudentT, true),
        "g_test" => (Measure::GTest, true),
        "fisher_exact" => (Measure::FisherExact, true),
        _ => return None,
    })
}

#[test]
fn evidently_scores_defaults_and_verdicts() {
    let mut tally = Tally::default();
    let mut drifted: BTreeMap<(String, String), (usize, Vec<String>)> = BTreeMap::new();
    each_column("evidently", |dataset, values, lines| {
        for line in lines {
            let place = place(dataset, line);
            let (measure, is_test) = if line.metric == "default" {
                let chosen = Preset::Evidently.defaults(values)[0];
                if let Some((measure, is_test)) = evidently_metric(&line.note) {
                    tally.same("default choice", &place, chosen == measure, true);
                    (measure, is_test)
                } else {
                    continue;
                }
            } else {
                evidently_metric(&line.metric).unwrap()
            };
            let score = Preset::Evidently.score(measure, values);
            let actual = if is_test { score.p_value } else { score.statistic };
            if line.metric == "default" {
                let of_window = drifted.entry((dataset.name.clone(), line.window.clone())).or_default();
                of_window.0 += 1;
                if score.drift == Some(true) {
                    of_window.1.push(line.column.clone());
                }
            }
            let Some(expected) = line.value else {
                tally.same(&format!("{} (raises)", line.metric), &place, actual.is_none(), true);
                continue;
            };
            // A tolerance of 1e-9, except where the tool itself has fewer digits (see scipy.rs), and where a score near
            // 0 is a difference of numbers near 1.
            let (tolerance, scale) = match measure {
                Measure::CramerVonMises => (2e-6, 1.0),
                Measure::EppsSingleton => (2e-7, 0.0),
                Measure::Hellinger => (1e-9, 0.1),
                // It takes 1 - cdf, which leaves nothing below 1e-16.
                Measure::ZProportions => (1e-9, 1e-6),
                Measure::JensenShannon | Measure::Kl | Measure::Psi => (1e-9, 1e-3),
                _ => (1e-9, 0.0),
            };
            tally.near(&line.metric, &place, actual, expected, tolerance, scale);
            if let Some(published) = line.drift {
                tally.same(&format!("{} verdict", line.metric), &place, score.drift == Some(true), published);
            }
        }
    });
    for line in std::fs::read_to_string(file("verdicts/evidently-preset.csv")).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (columns, names) = &drifted[&(fields[0].to_owned(), fields[1].to_owned())];
        tally.same("drifted columns", line, names.join("|") == fields[6], true);
        let share = names.len() as f64 / *columns as f64;
        tally.same("dataset verdict", line, share >= 0.5, fields[5] == "1");
    }
    tally.finish("evidently");
}

#[test]
fn nannyml_scores_limits_and_verdicts() {
    let mut tally = Tally::default();
    let mut limits: BTreeMap<(String, String, &str), f64> = BTreeMap::new();
    let mut alerts: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    each_column("nannyml", |dataset, values, lines| {
        for line in lines {
            let (measure, is_p) = match line.metric.as_str() {
                "jensen_shannon" => (Measure::JensenShannon, false),
                "kolmogorov_smirnov" => (Measure::Ks, false),
                "wasserstein" => (Measure::Wasserstein, false),
                "hellinger" => (Measure::Hellinger, false),
                "l_infinity" => (Measure::LInfinity, false),
                "chi2" => (Measure::ChiSquare, false),
                "chi2_p" => (Measure::ChiSquare, true),
                other => panic!("{other}"),
            };
            let score = Preset::NannyMl.score(measure, values);
            let place = place(dataset, line);
            let actual = if is_p { score.p_value } else { score.statistic };
            let expected = line.value.unwrap();
            let scale =
                if measure == Measure::JensenShannon || measure == Measure::Hellinger { 1e-3 } else { 0.0 };
            tally.near(&line.metric, &place, actual, expected, 1e-9, scale);
            let drift = if measure == Measure::ChiSquare {
                score.drift == Some(true)
            } else {
                let key = (dataset.name.clone(), line.column.clone(), measure.as_str());
                let limit = *limits.entry(key).or_insert_with(|| learned_limit(dataset, &line.column, measure));
                if let Some(published) = line.threshold {
                    tally.near(&format!("{} limit", line.metric), &place, Some(limit), published, 1e-9, 1e-3);
                }
                actual.is_some_and(|actual| actual > limit)
            };
            if let Some(published) = line.drift {
                tally.same(&format!("{} verdict", line.metric), &place, drift, published);
            }
            if drift && measure == Measure::JensenShannon {
                alerts.entry((dataset.name.clone(), line.window.clone())).or_default().push(line.column.clone());
            }
        }
    });
    for line in std::fs::read_to_string(file("verdicts/nannyml-js.csv")).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let names = alerts.get(&(fields[0].to_owned(), fields[1].to_owned())).cloned().unwrap_or_default();
        tally.same("alerting columns", line, names.join("|") == fields[4], true);
    }
    tally.finish("nannyml");
}

/// From chunks of the reference as long as the first window, each against the whole.
fn learned_limit(dataset: &Dataset, column: &str, measure: Measure) -> f64 {
    let size = dataset.windows[0].1.num_rows();
    let chunks: Vec<f64> = if dataset.is_continuous(column) {
        let all = numbers(&dataset.reference, column);
        let flat = |values: &[Option<f64>]| values.iter().flatten().copied().collect::<Vec<f64>>();
        let whole = flat(&all);
        all.chunks(size)
            .filter_map(|chunk| {
                let points = Points::from_samples(&whole, &flat(chunk));
                Preset::NannyMl.score(measure, &Values::Numeric { points, integers: false }).statistic
            })
            .collect()
    } else {
        let all = texts(&dataset.reference, column);
        all.chunks(size)
            .filter_map(|chunk| Preset::NannyMl.score(measure, &categories(&all, chunk)).statistic)
            .collect()
    };
    nannyml_threshold(&chunks).unwrap()
}
