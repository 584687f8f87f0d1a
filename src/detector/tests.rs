//! What all detectors have in common, and the run lengths of the two charts.

use super::*;

/// All kinds with their defaults, and one more form of each that has forms.
fn all() -> Vec<Parameters> {
    let known = Standard::Known { mean: 0.4, deviation: 0.5 };
    vec![
        Parameters::Adwin(AdwinParameters::default()),
        Parameters::PageHinkley(PageHinkleyParameters { threshold: 5.0, ..Default::default() }),
        Parameters::Cusum(CusumParameters::default()),
        Parameters::Cusum(CusumParameters { standard: known, direction: Direction::Up, ..Default::default() }),
        Parameters::Ewma(EwmaParameters::default()),
        Parameters::Ewma(EwmaParameters { standard: known, direction: Direction::Down, ..Default::default() }),
        Parameters::Kswin(KswinParameters::default()),
        Parameters::Ddm(DdmParameters::default()),
        Parameters::Eddm(EddmParameters::default()),
        Parameters::HddmA(HddmAParameters { two_sided: true, ..Default::default() }),
        Parameters::HddmW(HddmWParameters { two_sided: true, ..Default::default() }),
    ]
}

/// Numbers that look like chance, between 0 and 1.
fn chance(seed: u64, index: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&index.to_le_bytes(), seed);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// A standard normal value (Box and Muller).
fn normal(seed: u64, index: u64) -> f64 {
    let (radius, angle) = (1.0 - chance(seed, 2 * index), chance(seed, 2 * index + 1));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Errors at a rate that rises from one in five to four in five.
fn errors(number: u64) -> Vec<f64> {
    let rate = |index| if index < number / 2 { 0.2 } else { 0.8 };
    (0..number).map(|index| f64::from(u8::from(chance(1, index) < rate(index)))).collect()
}

#[test]
fn every_kind_detects_a_rise_of_the_rate_of_errors_and_says_how_far() {
    for parameters in all() {
        let mut detector = Detector::new(parameters);
        let outcomes: Vec<Outcome> = errors(2_000).into_iter().map(|value| detector.update(value)).collect();
        let drift = outcomes.iter().skip(1_000).find_map(|outcome| match outcome {
            Outcome::Drift(evidence) => Some(*evidence),
            _ => None,
        });
        if matches!(parameters, Parameters::Ewma(EwmaParameters { direction: Direction::Down, .. })) {
            continue;
        }
        let drift = drift.unwrap_or_else(|| panic!("{parameters:?}"));
        let rises = drift.after > drift.before;
        // The distance between errors falls when their rate rises.
        assert_eq!(rises, parameters.kind() != Kind::Eddm, "{parameters:?}: {drift:?}");
        let is_below = matches!(parameters.kind(), Kind::Kswin | Kind::Eddm);
        assert!(
            if is_below { drift.statistic <= drift.limit } else { drift.statistic >= drift.limit },
            "{drift:?}"
        );
    }
}

#[test]
fn values_that_cannot_be_read_change_nothing_but_their_number() {
    for parameters in all() {
        let (mut with, mut without) = (Detector::new(parameters), Detector::new(parameters));
        let wrong = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e101, -1e101];
        for (index, value) in errors(1_000).into_iter().enumerate() {
            assert_eq!(with.update(wrong[index % wrong.len()]), Outcome::None);
            assert_eq!(with.update(value), without.update(value));
        }
        assert_eq!((with.values(), with.skipped()), (1_000, 1_000));
        assert_eq!((without.values(), without.skipped()), (1_000, 0));
    }
    for (parameters, value) in [
        (Parameters::HddmA(HddmAParameters::default()), 1.5),
        (Parameters::HddmW(HddmWParameters::default()), -0.1),
        (Parameters::Ddm(DdmParameters::default()), 0.5),
        (Parameters::Eddm(EddmParameters::default()), 2.0),
    ] {
        let mut detector = Detector::new(parameters);
        detector.update(value);
        assert_eq!((detector.values(), detector.skipped()), (0, 1), "{parameters:?}");
    }
}

#[test]
fn a_detector_that_was_stored_after_every_value_says_the_same() {
    for parameters in all() {
        let (mut stored, mut kept) = (Detector::new(parameters), Detector::new(parameters));
        for value in errors(600) {
            assert_eq!(stored.update(value), kept.update(value));
            stored = Detector::from_json(&stored.to_json(), parameters).unwrap();
            assert_eq!(stored, kept);
        }
    }
}

#[test]
fn a_state_of_other_parameters_another_format_or_with_damage_is_refused() {
    let parameters = Parameters::Adwin(AdwinParameters::default());
    let mut detector = Detector::new(parameters);
    for index in 0..300 {
        detector.update(f64::from(index % 2));
    }
    let text = detector.to_json();
    let read = |text: &str| Detector::from_json(text, parameters);
    let other = Parameters::Adwin(AdwinParameters { delta: 0.1, ..Default::default() });
    assert!(matches!(Detector::from_json(&text, other), Err(StateError::Reconfigured)));
    let kswin = Parameters::Kswin(KswinParameters::default());
    assert!(matches!(Detector::from_json(&text, kswin), Err(StateError::Reconfigured)));
    assert!(matches!(read(&text.replace("\"version\":1", "\"version\":2")), Err(StateError::Version(2))));
    for damaged in [
        "",
        "{}",
        "null",
        &text[..text.len() / 2],
        &text.replace("\"width\":300.0", "\"width\":301.0"),
        &text.replace("\"width\":300.0", "\"width\":1e999"),
        &text.replace("\"values\":300", "\"values\":1"),
        &" ".repeat(1_000_000),
    ] {
        assert!(matches!(read(damaged), Err(StateError::Damaged(_))), "{damaged:.60}");
    }
    let long = format!("[{}]", vec!["0.5"; 101].join(","));
    let window = Detector::new(kswin).to_json().replace("\"window\":[]", &format!("\"window\":{long}"));
    assert!(matches!(Detector::from_json(&window, kswin), Err(StateError::Damaged(_))));
}

#[test]
fn hostile_numbers_in_a_state_do_no_harm() {
    for parameters in all() {
        let text = Detector::new(parameters).to_json();
        for number in ["1e308", "-1e308", "0.5", "-1.0"] {
            let hostile = text.replace("0.0", number);
            let Ok(mut detector) = Detector::from_json(&hostile, parameters) else { continue };
            for value in errors(500) {
                detector.update(value);
            }
        }
    }
}

#[test]
fn a_detector_is_small_however_many_values_it_read() {
    for parameters in all() {
        let mut detector = Detector::new(parameters);
        // Without a drift: the window of ADWIN is never dropped.
        for index in 0..100_000 {
            detector.update(f64::from(u8::from(chance(2, index) < 0.5)));
        }
        assert!(detector.to_json().len() < 10_000, "{parameters:?}: {}", detector.to_json().len());
        assert!(detector.bytes() < 10_000, "{parameters:?}: {}", detector.bytes());
    }
}

/// Values until the first drift, on average; the first `warm_up` are not counted and have no shift.
fn run_length(parameters: Parameters, warm_up: u64, shift: f64) -> f64 {
    const RUNS: u64 = 4_000;
    let length = |run: u64| {
        let mut detector = Detector::new(parameters);
        for index in 0..warm_up {
            detector.update(normal(run, index));
        }
        let drifts = (1u64..).take_while(|index| {
            !matches!(detector.update(shift + normal(run, warm_up + index)), Outcome::Drift(_))
        });
        drifts.count() as f64 + 1.0
    };
    (0..RUNS).map(length).sum::<f64>() / RUNS as f64
}

#[test]
fn the_charts_have_the_run_lengths_of_the_textbooks() {
    let standard = Standard::Known { mean: 0.0, deviation: 1.0 };
    let cusum = Parameters::Cusum(CusumParameters { standard, ..Default::default() });
    let ewma = Parameters::Ewma(EwmaParameters { standard, ..Default::default() });
    // Montgomery, tables 9.3 and 9.11. The run lengths are geometric: their mean over 4,000 runs is within 8 % (five
    // standard errors).
    for (parameters, shift, expected) in
        [(cusum, 0.0, 465.0), (cusum, 1.0, 10.4), (ewma, 0.0, 500.0), (ewma, 1.0, 10.3)]
    {
        let found = run_length(parameters, 0, shift);
        assert!((found / expected - 1.0).abs() < 0.08, "{parameters:?} at {shift}: {found}, not {expected}");
    }
    // An estimate from 100 values makes the mean run length no shorter than 400.
    let found = run_length(Parameters::Cusum(CusumParameters::default()), 100, 0.0);
    assert!((400.0..560.0).contains(&found), "{found}");
}

#[test]
fn equal_values_have_no_deviation_and_the_estimate_goes_on() {
    let mut detector = Detector::new(Parameters::Cusum(CusumParameters::default()));
    for _ in 0..500 {
        assert_eq!(detector.update(3.0), Outcome::None);
    }
    assert_eq!(detector.update(4.0), Outcome::None);
    // Now there is a deviation, and a value far from the mean counts.
    assert!(matches!(detector.update(4.0), Outcome::Drift(_)));
}
