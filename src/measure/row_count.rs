//! The number of records of a window against those of earlier windows.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Score, WITHOUT_BOUND};

/// Earlier windows that are needed at least: with fewer their variation is not known.
pub const LEAST_WINDOWS: usize = 6;

/// Compares the records of a window with those of earlier windows. The effect is the factor between them, 1 or more: half
/// and double both have 2. The statistic is their ratio, below 1 for fewer records. [`Score::n_baseline`] is the number of
/// records that is usual, [`Score::n_window`] that of the window.
///
/// Logarithms of counts are compared: the usual number is their trimmed mean, with a fifth of the windows, at
/// least one, cut off at either end, so that an outage among the earlier windows neither moves it nor hides the next one. The p-value
/// is two-sided, of a prediction interval with the winsorized deviation (Tukey and McLaughlin 1963; Yuen 1974); it is never
/// narrower than chance makes counts (Poisson).
///
/// `None` with fewer than [`LEAST_WINDOWS`] earlier windows, or where one of the numbers is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the largest of the counts")]
pub fn row_count(window: u64, earlier: &[u64]) -> Option<Score> {
    if earlier.len() < LEAST_WINDOWS || window == 0 || earlier.contains(&0) {
        return None;
    }
    let mut logs: Vec<f64> = earlier.iter().map(|rows| (*rows as f64).ln()).collect();
    logs.sort_unstable_by(f64::total_cmp);
    let cut = (logs.len() / 5).max(1);
    let kept = logs.get(cut..logs.len() - cut)?;
    let (lowest, highest) = (kept.first()?, kept.last()?);
    let center = kept.iter().sum::<f64>() / kept.len() as f64;
    let winsorized = logs.iter().map(|log| log.clamp(*lowest, *highest));
    let number = logs.len() as f64;
    let mean = winsorized.clone().sum::<f64>() / number;
    let variance = winsorized.map(|log| (log - mean).powi(2)).sum::<f64>() / (number - 1.0);
    let spread = (variance / (kept.len() as f64 / number).powi(2)) * (1.0 + 1.0 / number);
    let usual = center.exp();
    let chance = 1.0 / window as f64 + 1.0 / (usual * number);
    let distance = (window as f64).ln() - center;
    let law = StudentsT::new(0.0, 1.0, kept.len() as f64 - 1.0).ok()?;
    Some(Score {
        statistic: distance.exp(),
        p_value: Some(2.0 * law.cdf(-distance.abs() / spread.max(chance).sqrt())),
        effect: distance.abs().exp().min(WITHOUT_BOUND),
        n_baseline: usual.round() as u64,
        n_window: window,
        bound: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_records_has_the_effect_four() {
        let earlier = [980, 1_020, 1_000, 990, 1_010, 1_000, 1_005];
        let score = row_count(250, &earlier).unwrap();
        assert!((score.effect - 4.0).abs() < 0.02, "{score:?}");
        assert!((score.statistic - 0.25).abs() < 0.01, "{score:?}");
        assert_eq!((score.n_baseline, score.n_window), (1_001, 250));
        assert!(score.p_value.unwrap() < 1e-3, "{score:?}");
        let fourfold = row_count(4_000, &earlier).unwrap();
        assert!((fourfold.effect - 4.0).abs() < 0.02 && fourfold.statistic > 3.9, "{fourfold:?}");
    }

    #[test]
    fn a_usual_number_is_within_chance() {
        let earlier = [900, 1_100, 1_000, 950, 1_050, 1_200, 870];
        let score = row_count(1_020, &earlier).unwrap();
        assert!(score.effect < 1.1 && score.p_value.unwrap() > 0.5, "{score:?}");
    }

    #[test]
    fn windows_that_vary_widely_need_a_larger_change() {
        let steady = row_count(400, &[1_000; 12]).unwrap();
        let varied =
            row_count(400, &[200, 2_000, 500, 1_500, 300, 2_500, 800, 1_000, 250, 1_800, 600, 900]).unwrap();
        assert!(steady.p_value.unwrap() < 1e-6, "{steady:?}");
        assert!(varied.p_value.unwrap() > 0.05, "{varied:?}");
    }

    #[test]
    fn an_outage_among_the_earlier_windows_does_not_hide_the_next_one() {
        let mut earlier = vec![1_000, 1_040, 960, 1_010, 990, 1_030, 970, 1_000, 1_020, 980, 1_000, 1_015];
        earlier.extend([40, 60]);
        let score = row_count(250, &earlier).unwrap();
        assert!(score.p_value.unwrap() < 1e-3 && score.effect > 3.9, "{score:?}");
    }

    #[test]
    fn small_counts_vary_by_chance() {
        let score = row_count(2, &[5; 8]).unwrap();
        assert!(score.p_value.unwrap() > 0.05, "{score:?}");
    }

    #[test]
    fn few_windows_or_none_say_nothing() {
        assert_eq!(row_count(10, &[10; 5]), None);
        assert_eq!(row_count(0, &[10; 6]), None);
        assert_eq!(row_count(10, &[10, 10, 0, 10, 10, 10]), None);
        assert!(row_count(u64::MAX, &[1; 6]).unwrap().effect.is_finite());
    }
}
