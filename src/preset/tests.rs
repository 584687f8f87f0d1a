//! The deterministic vectors that the tools themselves were run on (or, where said, their formulas re-implemented
//! independently): `ref(n)_i = ((i*7919 mod 1000)/1000)^2*10`, `cur(n)_i = ((i*7919+123 mod 1000)/1000)^2*11 + 0.3`;
//! categories a500 b300 c200 against a90 b150 c60 (first) and a90 b150 c50 d10 (second).

use super::*;
use crate::measure::{Categories, Points};

fn reference(size: u64) -> Vec<f64> {
    (0..size).map(|index| ((index * 7919 % 1000) as f64 / 1000.0).powi(2) * 10.0).collect()
}

fn current(size: u64) -> Vec<f64> {
    (0..size).map(|index| (((index * 7919 + 123) % 1000) as f64 / 1000.0).powi(2) * 10.0 * 1.1 + 0.3).collect()
}

fn numeric(n: u64, m: u64) -> Values {
    Values::Numeric { points: Points::from_samples(&reference(n), &current(m)), integers: false }
}

fn big() -> Values {
    let repeat = |values: Vec<f64>, times: usize| values.repeat(times);
    let points = Points::from_samples(&repeat(reference(1000), 12), &repeat(current(1000), 3));
    Values::Numeric { points, integers: false }
}

fn categories(window: &[(&str, u64)]) -> Values {
    let mut categories = Categories::default();
    for (name, before) in [("a", 500), ("b", 300), ("c", 200), ("d", 0)] {
        let after = window.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| *count);
        if before + after > 0 {
            categories.names.push(name.to_owned());
            categories.baseline.push(before);
            categories.window.push(after);
        }
    }
    Values::Categorical(categories)
}

fn first() -> Values {
    categories(&[("a", 90), ("b", 150), ("c", 60)])
}

fn second() -> Values {
    categories(&[("a", 90), ("b", 150), ("c", 50), ("d", 10)])
}

/// Published with eleven digits or so.
#[track_caller]
fn near(actual: Option<f64>, published: f64) {
    let actual = actual.expect("a number");
    let off = (actual - published).abs() / published.abs();
    assert!(off < 2e-9, "{actual:e} instead of {published:e}");
}

fn statistic(preset: Preset, measure: Measure, values: &Values) -> Option<f64> {
    preset.score(measure, values).statistic
}

fn p_value(preset: Preset, measure: Measure, values: &Values) -> Option<f64> {
    preset.score(measure, values).p_value
}

#[test]
fn evidently_says_what_it_says() {
    use Preset::Evidently;
    let large = numeric(2000, 1500);
    for (measure, published) in [
        (Measure::Psi, 0.282_855_036_07),
        (Measure::JensenShannon, 0.135_099_821_53),
        (Measure::Kl, 0.056_026_864_61),
        (Measure::WassersteinNormed, 0.215_764_559_61),
        (Measure::Hellinger, 0.158_940_379_47),
        (Measure::Energy, 0.283_807_065_85),
    ] {
        near(statistic(Evidently, measure, &large), published);
    }
    for (measure, published) in [
        (Measure::Ks, 4.042_584_929e-23),
        (Measure::MannWhitney, 1.040_041_754e-11),
        (Measure::StudentT, 1.666_472_906e-9),
        (Measure::EppsSingleton, 3.111_372_059e-26),
    ] {
        near(p_value(Evidently, measure, &large), published);
    }
    let small = numeric(500, 300);
    near(p_value(Evidently, Measure::Ks, &small), 1.547_410_349e-5);
    near(statistic(Evidently, Measure::WassersteinNormed, &small), 0.215_440_271_60);
    near(statistic(Evidently, Measure::Psi, &small), 0.353_069_877_75);
    near(statistic(Evidently, Measure::JensenShannon, &small), 0.144_326_109_16);
    // Its series for this p-value stops at terms of 1e-7.
    let cramer = p_value(Evidently, Measure::CramerVonMises, &small).unwrap();
    assert!((cramer - 0.003_623_551_84).abs() < 1e-6, "{cramer}");
    for (values, psi, js, kl, hellinger) in [
        (first(), 0.204_330_249_51, 0.158_956_452_91, 0.102_165_124_75, 0.159_384_223_68),
        (second(), 0.403_464_820_11, 0.193_851_050_16, 0.137_934_723_34, 0.206_952_035_32),
    ] {
        near(statistic(Evidently, Measure::Psi, &values), psi);
        near(statistic(Evidently, Measure::JensenShannon, &values), js);
        near(statistic(Evidently, Measure::Kl, &values), kl);
        near(statistic(Evidently, Measure::Hellinger, &values), hellinger);
    }
    near(p_value(Evidently, Measure::ChiSquare, &first()), 1.266_416_555e-14);
    assert_eq!(p_value(Evidently, Measure::ChiSquare, &second()), Some(0.0));
    assert!(Evidently.score(Measure::GTest, &first()).detail.contains("raises"));
}

#[test]
fn nannyml_says_what_it_says() {
    use Preset::NannyMl;
    let large = numeric(2000, 1500);
    near(statistic(NannyMl, Measure::JensenShannon, &large), 0.192_066_350_43);
    near(statistic(NannyMl, Measure::Hellinger, &large), 0.187_331_224_70);
    near(statistic(NannyMl, Measure::Ks, &large), 0.174);
    near(statistic(NannyMl, Measure::Wasserstein, &large), 0.642_682_166_67);
    // Read off its grid: 1.5 % low.
    near(statistic(NannyMl, Measure::Ks, &big()), 0.174);
    near(statistic(NannyMl, Measure::Wasserstein, &big()), 0.632_851_287_27);
    for (measure, published) in [
        (Measure::JensenShannon, 0.016_944_76),
        (Measure::Hellinger, 0.014_108_23),
        (Measure::Ks, 0.007),
        (Measure::Wasserstein, 0.020_300_78),
    ] {
        let all = reference(2000);
        let chunks: Vec<f64> = all
            .chunks(500)
            .map(|chunk| {
                let values = Values::Numeric { points: Points::from_samples(&all, chunk), integers: false };
                statistic(NannyMl, measure, &values).unwrap()
            })
            .collect();
        let limit = nannyml_threshold(&chunks).unwrap();
        assert!((limit - published).abs() < 6e-9, "{measure:?}: {limit}");
    }
    for (values, js, hellinger, chi2, p) in [
        (first(), 0.190_926_157_61, 0.159_384_223_68, 47.005_649_72, 6.206_587e-11),
        (second(), 0.232_838_840_31, 0.206_952_035_32, 81.672_316_38, 1.343_638_6e-17),
    ] {
        near(statistic(NannyMl, Measure::JensenShannon, &values), js);
        near(statistic(NannyMl, Measure::Hellinger, &values), hellinger);
        near(statistic(NannyMl, Measure::ChiSquare, &values), chi2);
        let actual = p_value(NannyMl, Measure::ChiSquare, &values).unwrap();
        assert!((actual / p - 1.0).abs() < 1e-6);
    }
    near(statistic(NannyMl, Measure::LInfinity, &first()), 0.2);
}

#[test]
fn the_platforms_say_what_they_say() {
    let large = numeric(2000, 1500);
    near(statistic(Preset::MlRun, Measure::TotalVariation, &large), 0.096_666_666_67);
    near(statistic(Preset::MlRun, Measure::Hellinger, &large), 0.193_118_119_41);
    near(statistic(Preset::MlRun, Measure::Kl, &large), 0.449_232_204_19);
    assert!(Preset::MlRun.score(Measure::Hellinger, &large).detail.contains("0.144892"));
    near(statistic(Preset::Tfdv, Measure::LInfinity, &first()), 0.2);
    near(statistic(Preset::Tfdv, Measure::JensenShannon, &first()), 0.036_452_797_66);
    near(statistic(Preset::Tfdv, Measure::JensenShannon, &second()), 0.054_213_925_56);
    near(statistic(Preset::Tfdv, Measure::JensenShannon, &large), 0.088_082_691_87);
    near(statistic(Preset::Deequ, Measure::Ks, &large), 0.112_518_295_40);
    near(statistic(Preset::Deequ, Measure::Ks, &numeric(500, 300)), 0.044_546_586_20);
    near(statistic(Preset::Deequ, Measure::LInfinity, &first()), 0.081_509_494_05);
    near(statistic(Preset::Azure, Measure::Psi, &large), 0.223_766_715_85);
    near(statistic(Preset::Azure, Measure::JensenShannon, &large), 0.162_942_017_01);
    near(statistic(Preset::Azure, Measure::WassersteinNormed, &large), 0.215_710_611_73);
    near(statistic(Preset::Azure, Measure::Psi, &first()), 0.201_878_448_46);
    near(statistic(Preset::Azure, Measure::JensenShannon, &first()), 0.190_926_157_61);
    near(statistic(Preset::Azure, Measure::Psi, &second()), 0.333_601_216_22);
    near(statistic(Preset::Azure, Measure::JensenShannon, &second()), 0.232_838_840_31);
    near(statistic(Preset::WhyLabs, Measure::Hellinger, &large), 0.201_170_887_81);
    near(statistic(Preset::WhyLabs, Measure::Psi, &large), 0.756_530_527_73);
    near(statistic(Preset::WhyLabs, Measure::JensenShannon, &large), 0.179_233_273_63);
    let scouter = Preset::Scouter.score(Measure::Psi, &large);
    near(scouter.statistic, 2.113_486_396_52);
    near(scouter.threshold, 0.011_279_318_40);
}

#[test]
fn one_name_four_numbers() {
    // Why a threshold for "PSI" means nothing without bins and smoothing.
    let large = numeric(2000, 1500);
    let all: Vec<String> = [Preset::Azure, Preset::Evidently, Preset::WhyLabs, Preset::Scouter]
        .map(|preset| format!("{:.2}", statistic(preset, Measure::Psi, &large).unwrap()))
        .to_vec();
    assert_eq!(all, ["0.22", "0.28", "0.76", "2.11"]);
}

#[test]
fn every_preset_answers_every_measure_without_panic_or_nan() {
    let empty = Values::Numeric { points: Points::from_samples(&[], &[1.0]), integers: false };
    let constant = Values::Numeric { points: Points::from_samples(&[3.0; 30], &[3.0; 20]), integers: true };
    let one = Values::Numeric { points: Points::from_samples(&[3.0, 4.0], &[1.0]), integers: false };
    let other = Values::Categorical(Categories::from_samples(["a", "a"], ["b"]));
    let same = Values::Categorical(Categories::from_samples(["a", "a"], ["a"]));
    for preset in Preset::ALL {
        assert_eq!(Preset::from_name(preset.as_str()), Some(preset));
        for values in [&empty, &constant, &one, &other, &same, &numeric(500, 300), &second()] {
            assert!(!preset.defaults(values).is_empty());
            for measure in Measure::ALL {
                let score = preset.score(measure, values);
                assert!(score.statistic.is_none_or(f64::is_finite), "{preset:?} {score:?}");
                assert!(score.p_value.is_none_or(|p| (0.0..=1.0).contains(&p)), "{preset:?} {score:?}");
                assert!(!score.detail.is_empty());
            }
        }
    }
}
