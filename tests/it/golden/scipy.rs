//! With one bin per distinct value, statistics and p-values are those of scipy on the samples.

use driftd::measure::law::anderson_darling_by_table;
use driftd::measure::{
    Measure, Pair, Score, Side, chi_square, cramer_von_mises_by_ranks, g_test, ks_p_value_large,
};

use super::tables::{Dataset, Line, Tally, datasets, lines};

#[test]
fn exact_statistics_and_p_values_are_scipys() {
    let mut tally = Tally::default();
    for dataset in datasets() {
        let lines = lines(&dataset.name, "scipy");
        let mut rest = lines.as_slice();
        while let Some(first) = rest.first() {
            let together =
                rest.iter().take_while(|line| line.window == first.window && line.column == first.column).count();
            let (of_column, others) = rest.split_at(together);
            compare(&dataset, of_column, &mut tally);
            rest = others;
        }
    }
    tally.finish("scipy");
}

fn compare(dataset: &Dataset, lines: &[Line], tally: &mut Tally) {
    let (window, column) = (&lines[0].window, &lines[0].column);
    let (before, after) = dataset.exact(window, column);
    let pair = Pair::new(&before, &after).unwrap().values_only(true);
    let points = pair.points().unwrap_or_default();
    let score = |measure: Measure| measure.score(&pair);
    let statistic = |measure| score(measure).map(|score: Score| score.statistic);
    let p_value = |measure| score(measure).and_then(|score: Score| score.p_value);
    for line in lines {
        let Some(expected) = line.value else { continue };
        let side = if line.metric.ends_with("_ref") { Side::Baseline } else { Side::Window };
        // Of differences of two nearly equal numbers only the digits of the numbers can agree.
        let (mut tolerance, mut scale) = (1e-9, 0.0);
        let actual = match line.metric.as_str() {
            "ks_stat" => statistic(Measure::Ks),
            "ks_p_auto" => p_value(Measure::Ks),
            "ks_p_asymp" => {
                score(Measure::Ks).map(|ks| ks_p_value_large(ks.statistic, ks.n_baseline, ks.n_window))
            }
            "wasserstein" => statistic(Measure::Wasserstein),
            // A constant reference whose deviation numpy finds to be 1e-18: ours has a floor.
            "wasserstein_std0" if expected > 1e12 => continue,
            "wasserstein_std0" => statistic(Measure::WassersteinNormed),
            "energy_distance" => statistic(Measure::Energy),
            "cvm_stat" => {
                // Our own is no larger than the largest gap, with ties, too, of which scipy's formula makes far more.
                let (gap, largest) = (score(Measure::CramerVonMises), statistic(Measure::Ks));
                let holds = gap.zip(largest).is_none_or(|(gap, largest)| gap.effect <= largest + 1e-9);
                assert!(holds, "{window} {column}: {gap:?} {largest:?}");
                // scipy subtracts numbers of the size of n m / (n + m) as floats; ours is exact.
                let (n, m) = points.sizes().unwrap();
                scale = n * m / (n + m);
                tolerance = 1e-12;
                cramer_von_mises_by_ranks(&points).map(|(statistic, _)| statistic)
            }
            "cvm_p" => {
                // scipy stops its series at terms below 1e-7, of which several are left.
                (tolerance, scale) = (2e-6, 1.0);
                cramer_von_mises_by_ranks(&points).map(|(_, p_value)| p_value)
            }
            "ad_stat" => {
                scale = 1.0;
                statistic(Measure::AndersonDarling)
            }
            "ad_p" => {
                // scipy interpolates a table; ours is the limiting law, which is near it between its ends.
                let (own, statistic) = (p_value(Measure::AndersonDarling), statistic(Measure::AndersonDarling));
                let by_table = statistic.map(anderson_darling_by_table);
                let is_near = |own: f64| {
                    (expected <= 0.001 && own < 0.0015)
                        || (expected >= 0.25 && own > 0.2)
                        || (own / expected - 1.0).abs() < 0.15
                };
                let has_ties = points.distinct() < points.sizes().map_or(0, |(n, m)| (n + m) as usize);
                assert!(
                    has_ties || own.is_none_or(is_near),
                    "{window} {column}: {own:?}, by the table {expected}"
                );
                by_table
            }
            "mwu_u1" => statistic(Measure::MannWhitney),
            "mwu_p" => p_value(Measure::MannWhitney),
            "welch_t" => statistic(Measure::WelchT),
            "welch_p" => p_value(Measure::WelchT),
            "student_t" => statistic(Measure::StudentT),
            "student_p" => p_value(Measure::StudentT),
            "es_stat" => statistic(Measure::EppsSingleton),
            "es_p" => {
                // The tenth digit of a statistic of 1,200 is the seventh of its p-value of 1e-266.
                tolerance = 2e-7;
                p_value(Measure::EppsSingleton)
            }
            "mean_ref" | "mean_cur" => points.mean(side),
            "std0_ref" | "std0_cur" | "std1_ref" | "std1_cur" => {
                // numpy finds 1e-18 in some constant columns.
                scale = 1e-6;
                points.deviation(side, u64::from(line.metric.starts_with("std1")))
            }
            "min_cur" => points.of(side).next().map(|(value, _)| value),
            "max_cur" => points.of(side).next_back().map(|(value, _)| value),
            quantile if quantile.starts_with('q') => {
                let level: f64 = quantile[1..3].parse().unwrap();
                points.quantile(side, level / 100.0)
            }
            "chi2_stat" => statistic(Measure::ChiSquare),
            "chi2_p" | "g_p" => {
                let groups = pair.grouped();
                let (test, measure) = if line.metric == "g_p" {
                    (g_test(&groups.baseline, &groups.window), Measure::GTest)
                } else {
                    (chi_square(&groups.baseline, &groups.window, false), Measure::ChiSquare)
                };
                let plain = test.map(|test| test.p_value);
                // The measure has the plain law where all bins are well filled.
                let (n, m) = (groups.baseline.iter().sum::<u64>(), groups.window.iter().sum::<u64>());
                let fewest = groups.pairs().map(|(before, after)| before + after).filter(|count| *count > 0).min();
                let expected_least = fewest.unwrap_or(0) as f64 * n.min(m) as f64 / (n + m).max(1) as f64;
                if expected_least >= 40.0 && groups.filled() > 2 { p_value(measure) } else { plain }
            }
            "chi2_yates_stat" | "chi2_yates_p" => {
                let groups = pair.grouped();
                let test = chi_square(&groups.baseline, &groups.window, true).unwrap();
                Some(if line.metric == "chi2_yates_p" { test.p_value } else { test.statistic })
            }
            "cramers_v" => statistic(Measure::CramersV),
            "g_stat" => {
                scale = 1e-3;
                statistic(Measure::GTest)
            }
            "hellinger" => {
                scale = 1e-3;
                statistic(Measure::Hellinger)
            }
            "l_infinity" => statistic(Measure::LInfinity),
            "tvd" => statistic(Measure::TotalVariation),
            "js_distance_base2" => {
                scale = 1e-3;
                statistic(Measure::JensenShannon)
            }
            "fisher_p" => p_value(Measure::FisherExact),
            "fisher_odds" => statistic(Measure::FisherExact),
            "z_prop" => statistic(Measure::ZProportions),
            "z_prop_p" => p_value(Measure::ZProportions),
            _ => continue,
        };
        let place = format!("{} {window} {column} ({})", dataset.name, line.note);
        tally.near(&line.metric, &place, actual, expected, tolerance, scale);
    }
}
