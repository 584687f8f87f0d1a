//! Whole paths: simulated windows, stored states, hostile input.

use proptest::prelude::*;

use super::*;

/// 24 windows of 1,000 records, whose values vary by 0.05 beside sampling.
pub(super) const LEVEL: ReferenceLevel = ReferenceLevel {
    mean: 0.0,
    record_variance: 1.0,
    record_skewness: 0.0,
    records: 24_000.0,
    window_records: 1_000.0,
    concentration: 1.0 / 24.0,
    dispersion: 3.5,
    freedom: 23.0,
    autocorrelation: 0.0,
    pairs: 240.0,
};

/// Standard deviation of a window about `LEVEL`.
const SPREAD: f64 = 0.059;

pub(super) fn reading(value: f64) -> Reading {
    Reading { value, records: 1_000.0 }
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// The level that a reference of 24 windows finds, and the windows after it: correlated by `correlation`, moved by `shift`.
fn windows(
    random: &mut fastrand::Rng,
    correlation: f64,
    count: i64,
    shift: impl Fn(i64) -> f64,
) -> (ReferenceLevel, Vec<(i64, Reading)>) {
    let mut effect = normal(random);
    let mut next = || {
        effect = correlation * effect + (1.0f64 - correlation * correlation).sqrt() * normal(random);
        SPREAD * effect
    };
    let reference: Vec<f64> = (0..24).map(|_| next()).collect();
    let mean = reference.iter().sum::<f64>() / 24.0;
    let squares: f64 = reference.iter().map(|value| (value - mean).powi(2)).sum();
    let stretch = (1.0 + correlation) / (1.0 - correlation);
    let level = ReferenceLevel {
        mean,
        dispersion: squares * 1_000.0 / 23.0 / (1.0 - stretch / 24.0),
        concentration: stretch / 24.0,
        autocorrelation: correlation,
        ..LEVEL
    };
    (level, (0..count).map(|window| (window, reading(next() + shift(window)))).collect())
}

fn followed(level: ReferenceLevel) -> [Followed; 1] {
    [Followed { weight: 1.0, level }]
}

/// The first window with evidence of the budget.
fn found(level: ReferenceLevel, windows: &[(i64, Reading)], budget: f64) -> Option<(i64, Evidence)> {
    let followed = followed(level);
    let mut drift = SlowDrift::new(&followed);
    windows.iter().find_map(|(window, reading)| {
        let evidence = drift.observe(&followed, *window, &[Some(*reading)])?;
        (evidence.strength >= budget).then_some((*window, evidence))
    })
}

#[test]
fn without_a_change_evidence_keeps_its_level_under_optional_stopping() {
    for (correlation, seed) in [(0.0, 1), (0.5, 2)] {
        let random = &mut fastrand::Rng::with_seed(seed);
        let alarms = (0..1_000)
            .filter(|_| {
                let (level, windows) = windows(random, correlation, 300, |_| 0.0);
                found(level, &windows, 300.0 / 0.05).is_some()
            })
            .count();
        assert!(alarms <= 50, "{alarms} of 1,000 at a level of 5 % with correlation {correlation}");
    }
}

/// A share of 0.4 % in windows of 200 to 1,000 records: mostly 1 to 4 records.
#[test]
fn rare_values_are_no_drift_by_themselves() {
    let random = &mut fastrand::Rng::with_seed(7);
    let share = 0.004;
    let variance: f64 = share * (1.0 - share);
    let level = ReferenceLevel {
        mean: share,
        record_variance: variance,
        record_skewness: (1.0 - 2.0 * share) / variance.sqrt(),
        records: 1e6,
        dispersion: 1.0,
        concentration: 0.001,
        freedom: 1_000.0,
        ..LEVEL
    };
    let alarms = (0..100)
        .filter(|_| {
            let windows: Vec<_> = (0..300)
                .map(|window| {
                    let records = random.u32(200..1_000);
                    let count = (0..records).filter(|_| random.f64() < share).count() as f64;
                    (window, Reading { value: count / f64::from(records), records: f64::from(records) })
                })
                .collect();
            found(level, &windows, 300.0 / 0.05).is_some()
        })
        .count();
    assert!(alarms <= 10, "{alarms} of 100 at a level of 5 %");
}

#[test]
fn drift_too_small_for_a_single_window_is_found() {
    let random = &mut fastrand::Rng::with_seed(3);
    for (name, shift) in [
        ("step", (|window| if window < 50 { 0.0 } else { -0.1 }) as fn(i64) -> f64),
        ("ramp", |window| if window < 50 { 0.0 } else { -0.003 * (window - 49) as f64 }),
    ] {
        let mut delays: Vec<i64> = (0..50)
            .map(|_| {
                let (level, windows) = windows(random, 0.0, 250, shift);
                let (window, evidence) = found(level, &windows, 21_600.0).unwrap();
                assert_eq!(evidence.direction, Direction::Fall);
                assert!(evidence.age >= 1.0 && evidence.age <= 120.0, "{evidence:?}");
                window - 49
            })
            .collect();
        delays.sort_unstable();
        assert!(delays[25] > 3 && delays[25] < 45, "{name}: {delays:?}");
    }
}

#[test]
fn the_onset_of_steps_is_found_within_one_window() {
    let random = &mut fastrand::Rng::with_seed(4);
    for step in [0.1, 0.2, 0.5, 1.0] {
        let mut errors = Vec::new();
        let mut covered = 0;
        for _ in 0..300 {
            let (level, windows) = windows(random, 0.0, 70, |window| if window < 60 { 0.0 } else { step });
            let Some(onset) = onset(&level, &windows) else { continue };
            errors.push((onset.likely - 60).abs());
            covered += i64::from(onset.earliest.is_none_or(|earliest| earliest <= 60) && onset.latest >= 60);
        }
        errors.sort_unstable();
        assert!(errors.len() > 280 && errors[errors.len() / 2] <= 1, "{step}: {errors:?}");
        assert!(covered as f64 >= 0.95 * errors.len() as f64, "{step}: {covered} of {}", errors.len());
    }
}

#[test]
fn a_further_change_is_found_from_the_level_of_the_first() {
    let random = &mut fastrand::Rng::with_seed(5);
    let (level, windows) = windows(random, 0.0, 300, |window| match window {
        ..100 => 0.0,
        100..200 => 0.3,
        _ => 0.15,
    });
    let (first, _) = windows.split_at(200);
    let onset = onset(&level, first).unwrap();
    let since: Vec<Reading> =
        first.iter().filter(|(window, _)| *window >= onset.likely).map(|(_, reading)| *reading).collect();
    let moved = level.moved_to(&since).unwrap();
    assert!(found(moved, &windows[150..200], 21_600.0).is_none());
    let (window, evidence) = found(moved, &windows[200..], 21_600.0).unwrap();
    assert!(window < 230 && evidence.direction == Direction::Fall, "{window} {evidence:?}");
}

#[test]
fn weights_share_the_evidence_of_a_column() {
    let followed = [Followed { weight: 3.0, level: LEVEL }, Followed { weight: 1.0, level: LEVEL }];
    let mut drift = SlowDrift::new(&followed);
    let mut alone = SlowDrift::new(&followed[..1]);
    let mut last = None;
    for window in 0..10 {
        last = drift.observe(&followed, window, &[None, Some(reading(0.15))]);
        alone.observe(&followed[..1], window, &[Some(reading(0.15))]);
    }
    let (both, alone) = (last.unwrap(), alone.evidence(&followed[..1]).unwrap());
    assert!((both.strength - alone.strength / 4.0).abs() < 1e-9 * alone.strength);
    assert_eq!((both.statistic, both.direction), (1, Direction::Rise));
    assert_eq!(both.chance(1e9), 1.0);
    assert!((both.chance(2.0) - 2.0 / both.strength).abs() < 1e-12);
}

#[test]
fn a_window_counts_once_and_nothing_is_known_without_one() {
    let followed = followed(LEVEL);
    let mut drift = SlowDrift::new(&followed);
    assert_eq!(drift.evidence(&followed), None);
    assert_eq!(drift.observe(&followed, 7, &[Some(reading(f64::NAN))]), None);
    drift.observe(&followed, 8, &[Some(reading(0.1))]);
    let before = drift.clone();
    drift.observe(&followed, 8, &[Some(reading(5.0))]);
    drift.observe(&followed, 3, &[Some(reading(5.0))]);
    assert_eq!(drift, before);
    assert_eq!(drift.last_window(), Some(8));
}

#[test]
fn a_statistic_that_never_varies_is_not_followed() {
    let constant = ReferenceLevel { record_variance: 0.0, ..LEVEL };
    let followed = [Followed { weight: 1.0, level: constant }, Followed { weight: 1.0, level: LEVEL }];
    let mut drift = SlowDrift::new(&followed);
    let evidence = drift.observe(&followed, 0, &[Some(reading(1.0)), Some(reading(0.0))]).unwrap();
    assert_eq!(evidence.statistic, 1);
    assert!(drift.fits(&followed) && !drift.fits(&followed[1..]));
    let back: SlowDrift = serde_json::from_str(&serde_json::to_string(&drift).unwrap()).unwrap();
    assert!(back.fits(&followed));
}

#[test]
fn a_stored_state_goes_on_where_it_was() {
    let random = &mut fastrand::Rng::with_seed(6);
    let (level, windows) = windows(random, 0.5, 200, |window| 0.001 * window as f64);
    let followed = followed(level);
    let mut kept = SlowDrift::new(&followed);
    let mut stored = serde_json::to_string(&kept).unwrap();
    for (window, reading) in &windows {
        let expected = kept.observe(&followed, *window, &[Some(*reading)]).unwrap();
        let mut back: SlowDrift = serde_json::from_str(&stored).unwrap();
        let found = back.observe(&followed, *window, &[Some(*reading)]).unwrap();
        assert!((found.strength / expected.strength - 1.0).abs() < 1e-3, "{found:?} instead of {expected:?}");
        stored = serde_json::to_string(&back).unwrap();
        assert!(stored.len() < 250, "{stored}");
    }
}

#[test]
fn damaged_states_are_refused() {
    let state = serde_json::to_value(SlowDrift::new(&followed(LEVEL))).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut damaged = state.clone();
        change(&mut damaged);
        serde_json::from_value::<SlowDrift>(damaged).unwrap_err().to_string()
    };
    assert!(refused(&|state| state["version"] = 2.into()).contains("it has version 2, known is 1\nhint: "));
    let numbers = refused(&|state| state["statistics"][0][1] = (-1).into());
    assert!(numbers.contains("the numbers of statistic 0 are not possible ones\nhint: "), "{numbers}");
    refused(&|state| state["statistics"][0] = serde_json::json!([1, 2]));
    refused(&|state| state["statistics"][0][7] = 1e30.into());
    refused(&|state| state["statistics"][0].as_array_mut().unwrap().extend([1.into(), 2.into()]));
}

proptest! {
    #[test]
    fn hostile_numbers_neither_panic_nor_damage_the_state(
        numbers in prop::collection::vec(prop::num::f64::ANY, 10),
        sane in any::<bool>(),
        readings in prop::collection::vec((any::<i64>(), prop::num::f64::ANY, prop::num::f64::ANY), 0..20),
    ) {
        let level = if sane { LEVEL } else {
            ReferenceLevel {
                mean: numbers[0],
                record_variance: numbers[1].abs(),
                records: numbers[2].abs(),
                window_records: numbers[3].abs(),
                concentration: numbers[4].abs(),
                dispersion: numbers[5].abs(),
                freedom: numbers[6].abs(),
                autocorrelation: numbers[7].abs().fract(),
                pairs: numbers[8].abs(),
                record_skewness: numbers[9],
            }
        };
        let windows: Vec<(i64, Reading)> = readings
            .into_iter()
            .map(|(window, value, records)| (window, Reading { value, records: records.abs() }))
            .collect();
        let followed = followed(level);
        let mut drift = SlowDrift::new(&followed);
        for (window, reading) in &windows {
            if let Some(evidence) = drift.observe(&followed, *window, &[Some(*reading)]) {
                prop_assert!(evidence.strength.is_finite() && evidence.age.is_finite(), "{evidence:?}");
            }
        }
        if let Some(onset) = onset(&level, &windows) {
            prop_assert!(onset.earliest.is_none_or(|earliest| earliest <= onset.likely), "{onset:?}");
            prop_assert!(onset.likely <= onset.latest, "{onset:?}");
        }
    }
}
