//! How often chance is taken for a change, and what is left of an effect when chance is taken off.

use super::*;
use crate::binning::categorical_from_counts;
use crate::distribution::Distribution;

/// Draws from categories by their weights.
struct Categories {
    ends: Vec<f64>,
    dice: fastrand::Rng,
}

impl Categories {
    fn new(weights: impl Iterator<Item = f64>, seed: u64) -> Self {
        let mut sum = 0.0;
        let ends = weights.map(|weight| {
            sum += weight;
            sum
        });
        Self { ends: ends.collect(), dice: fastrand::Rng::with_seed(seed) }
    }

    fn uniform(number: usize, seed: u64) -> Self {
        Self::new(std::iter::repeat_n(1.0, number), seed)
    }

    fn zipf(number: u32, seed: u64) -> Self {
        Self::new((1..=number).map(|rank| f64::from(rank).powf(-1.1)), seed)
    }

    fn draw(&mut self, size: usize) -> Vec<String> {
        let sum = *self.ends.last().unwrap();
        let draw = |_| {
            let place = self.dice.f64() * sum;
            format!("c{}", self.ends.partition_point(|end| *end <= place))
        };
        (0..size).map(draw).collect()
    }
}

/// A baseline of categories with the bins that it chose.
struct Baseline {
    binnings: Arc<BinningSet>,
    counts: WindowCounts,
}

fn counted(binnings: &Arc<BinningSet>, values: &[String]) -> WindowCounts {
    let schema = ModelSchema::of_features(&[("x", ColumnType::Categorical)]).unwrap();
    let batch = batch_of(&schema, values.iter().map(|value| format!(r#"{{"x":"{value}"}}"#)));
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    counts.count(&batch, &(0..values.len() as u32).collect::<Vec<_>>());
    counts
}

impl Baseline {
    fn of(values: &[String]) -> Self {
        let mut counts = std::collections::BTreeMap::new();
        for value in values {
            *counts.entry(value.clone()).or_insert(0) += 1;
        }
        let binning = categorical_from_counts(&counts, BuildOptions::default());
        let binnings = Arc::new(BinningSet::new(vec![("x".into(), binning)]));
        Self { counts: counted(&binnings, values), binnings }
    }

    fn column(&self) -> &Distribution {
        &self.counts.columns()[0]
    }

    fn score(&self, measure: Measure, values: &[String]) -> Score {
        let window = counted(&self.binnings, values);
        measure.score(&Pair::new(self.column(), &window.columns()[0]).unwrap()).unwrap()
    }
}

const OF_BINS: [Measure; 8] = [
    Measure::Psi,
    Measure::JensenShannon,
    Measure::Hellinger,
    Measure::TotalVariation,
    Measure::LInfinity,
    Measure::ChiSquare,
    Measure::GTest,
    Measure::UnseenShare,
];

#[test]
fn chance_on_rare_categories_and_few_records_is_no_change() {
    // Ten well filled categories, many rare ones, and more than have bins, which the baseline chose by its own counts.
    let laws = [
        (Categories::uniform(10, 1), 100),
        (Categories::zipf(50, 2), 200),
        (Categories::uniform(1_000, 3), 200),
        (Categories::uniform(5_000, 4), 400),
    ];
    for (place, (mut law, size)) in laws.into_iter().enumerate() {
        let mut significant = [0; OF_BINS.len()];
        let repetitions = 120;
        let mut baseline = Baseline::of(&law.draw(3_000));
        for repetition in 0..repetitions {
            if repetition % 10 == 9 {
                // A baseline has luck of its own, in all of its windows.
                baseline = Baseline::of(&law.draw(3_000));
            }
            let window = counted(&baseline.binnings, &law.draw(size));
            let pair = Pair::new(baseline.column(), &window.columns()[0]).unwrap();
            for (measure, count) in OF_BINS.iter().zip(&mut significant) {
                *count += usize::from(measure.score(&pair).unwrap().p_value.unwrap() <= 0.01);
            }
        }
        let named: Vec<_> = OF_BINS.iter().map(|measure| measure.as_str()).zip(&significant).collect();
        assert!(significant.iter().all(|count| *count <= 7), "law {place} at 1 %: {named:?} of {repetitions}");
    }
}

#[test]
fn the_distance_that_chance_gives_is_no_effect() {
    let mut law = Categories::zipf(5_000, 5);
    let baseline = Baseline::of(&law.draw(10_000));
    let window = law.draw(1_000);
    for measure in [Measure::JensenShannon, Measure::Hellinger, Measure::TotalVariation] {
        let score = baseline.score(measure, &window);
        assert!(score.statistic > 0.25, "{measure:?}: {score:?}");
        assert!(score.effect < 0.1, "{measure:?}: {score:?}");
    }
    // Of a change that chance does not make nearly all is left.
    let mut moved = law.draw(1_000);
    moved[..300].fill("c0".to_owned());
    let score = baseline.score(Measure::JensenShannon, &moved);
    assert!(score.effect > 0.2 && score.effect < score.statistic && score.p_value.unwrap() < 1e-9, "{score:?}");
}

#[test]
fn where_all_bins_are_well_filled_the_effect_is_the_statistic_less_next_to_nothing() {
    let mut law = Categories::uniform(4, 6);
    let baseline = Baseline::of(&law.draw(20_000));
    let mut moved = law.draw(20_000);
    moved[..4_000].fill("c0".to_owned());
    for measure in OF_BINS.into_iter().filter(|measure| *measure != Measure::UnseenShare) {
        let score = baseline.score(measure, &moved);
        let whole = match measure {
            Measure::ChiSquare | Measure::GTest => (score.statistic / 40_000.0).sqrt(),
            _ => score.statistic,
        };
        assert!((score.effect / whole - 1.0).abs() < 0.01, "{measure:?}: {score:?}");
    }
    let test = chi_square(&[5_000, 5_100, 4_900, 5_000], &[5_050, 5_000, 4_950, 5_000], false).unwrap();
    assert_eq!(test.p_value, law::chi_square_tail(test.statistic, 3.0));
}

#[test]
fn new_categories_of_an_open_set_are_expected_and_those_of_a_closed_one_found() {
    // One value in fifteen is of a category of its own, in the baseline as in the windows.
    let mut closed = Categories::uniform(20, 7);
    let mut next = 0;
    let mut draw = |size: usize, share: f64| -> Vec<String> {
        let mut values = closed.draw(size);
        for value in &mut values {
            if closed.dice.f64() < share {
                next += 1;
                *value = format!("new-{next}");
            }
        }
        values
    };
    let open = Baseline::of(&draw(10_000, 1.0 / 15.0));
    for _ in 0..40 {
        let score = open.score(Measure::UnseenShare, &draw(1_000, 1.0 / 15.0));
        assert!(score.statistic > 0.02 && score.effect < 0.05 && score.p_value.unwrap() > 1e-4, "{score:?}");
    }
    let fewer = open.score(Measure::UnseenShare, &draw(1_000, 0.0));
    assert_eq!((fewer.effect, fewer.p_value), (0.0, Some(1.0)), "fewer new ones are no bad news");
    let more = open.score(Measure::UnseenShare, &draw(1_000, 0.2));
    assert!(more.effect > 0.1 && more.p_value.unwrap() < 1e-9, "{more:?}");
    let closed = Baseline::of(&draw(10_000, 0.0));
    let found = closed.score(Measure::UnseenShare, &draw(1_000, 0.02));
    assert!((0.01..0.03).contains(&found.effect) && found.p_value.unwrap() < 1e-9, "{found:?}");
}

#[test]
fn many_values_of_one_record_count_as_one() {
    // Each record is one word, twenty times.
    let mut law = Categories::zipf(30, 8);
    let mut repeated = |records: usize| -> Vec<String> {
        law.draw(records).into_iter().flat_map(|word| vec![word; 20]).collect()
    };
    let baseline = Baseline::of(&repeated(2_000));
    let (mut alone, mut together) = (0, 0);
    for _ in 0..40 {
        let window = counted(&baseline.binnings, &repeated(100));
        let pair = Pair::new(baseline.column(), &window.columns()[0]).unwrap();
        let score = |pair: &Pair<'_>| Measure::JensenShannon.score(pair).unwrap();
        alone += usize::from(score(&pair).p_value.unwrap() < 0.01);
        let of_records = score(&pair.of_records(2_000, 100));
        together += usize::from(of_records.p_value.unwrap() < 0.01);
        assert!(of_records.effect < score(&pair).effect, "{of_records:?}");
    }
    assert!(alone == 40 && together <= 3, "{alone} as if independent, {together} by records");
    let moved = counted(&baseline.binnings, &vec!["c3".to_owned(); 2_000]);
    let pair = Pair::new(baseline.column(), &moved.columns()[0]).unwrap().of_records(2_000, 100);
    assert!(Measure::JensenShannon.score(&pair).unwrap().p_value.unwrap() < 1e-9);
}
