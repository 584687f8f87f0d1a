use std::f64::consts::PI;

use super::*;

#[test]
fn exact_laws_agree_where_they_can_be_counted_by_hand() {
    // Two values each: of 6 orders, 2 have D = 1 and 4 have D = 1/2.
    assert!((kolmogorov_two_sample(1.0, 2, 2) - 1.0 / 3.0).abs() < 1e-15);
    assert!((kolmogorov_two_sample(0.5, 2, 2) - 1.0).abs() < 1e-15);
    // Three of five ranks: one of ten choices has the largest sum.
    assert!((rank_sum_tail(6.0, 2, 3).unwrap() - 0.1).abs() < 1e-15);
    assert_eq!(rank_sum_tail(0.0, 2, 3), Some(1.0));
    // P(D_1 > d) = 2 (1 - d) for d >= 1/2.
    assert!((kolmogorov_one_sample(0.75, 1) - 0.5).abs() < 1e-15);
    assert!((binomial_mass(2.0, 4.0, 0.5) - 0.375).abs() < 1e-15);
    assert!((hypergeometric_mass(1.0, 2.0, 2.0, 2.0) - 2.0 / 3.0).abs() < 1e-15);
}

#[test]
fn tails_stay_between_nothing_and_one_and_fall() {
    for size in [2, 10, 139, 141, 5_000, 200_000] {
        let mut last = 1.0;
        for step in 0..200 {
            let statistic = f64::from(step) / 200.0;
            let tail = kolmogorov_one_sample(statistic, size);
            assert!(
                (0.0..=1.0).contains(&tail) && tail <= last + 1e-12,
                "{size} {statistic}: {tail} after {last}"
            );
            last = tail;
        }
    }
    assert_eq!(cramer_von_mises_limit(0.0), 1.0);
    assert!((cramer_von_mises_limit(0.46136) - 0.05).abs() < 1e-5, "the known 5 % point");
}

#[test]
fn the_law_of_anderson_and_darling_has_its_published_quantiles_and_a_tail() {
    // Marsaglia and Marsaglia (2004); D'Agostino and Stephens (1986), table 4.2.
    for (value, chance) in
        [(1.2479, 0.25), (1.933, 0.1), (2.492, 0.05), (3.878, 0.01), (1.0, 0.357_27), (0.5, 0.746_8)]
    {
        assert!(
            (anderson_darling_limit(value) / chance - 1.0).abs() < 0.01,
            "{value}: {}",
            anderson_darling_limit(value)
        );
    }
    // Far out the first of its squares rules: twice its weight in the exponent, and the root of 3 by all others.
    for value in [15.0_f64, 25.0, 60.0] {
        let leading = 3.0_f64.sqrt() * normal_two_sided((2.0 * value).sqrt());
        assert!((anderson_darling_limit(value) / leading - 1.0).abs() < 0.05, "{value}");
    }
    assert!(anderson_darling_limit(21.0) < 1e-9 && anderson_darling_limit(0.1) == 1.0);
}

#[test]
fn a_law_of_three_moments_is_the_chi_square_law_where_they_are_its_own() {
    for degrees in [1.0, 4.0, 60.0] {
        for value in [0.5, 3.0, 30.0, 90.0] {
            let (own, exact) =
                (pearson_tail(value, degrees, 2.0 * degrees, 8.0 * degrees), chi_square_tail(value, degrees));
            assert!((own - exact).abs() <= 1e-9 * exact, "{value} at {degrees}: {own} {exact}");
            let mirrored = pearson_tail(-value, -degrees, 2.0 * degrees, -8.0 * degrees);
            assert!((mirrored + exact - 1.0).abs() < 1e-9, "{value} at {degrees}: {mirrored}");
        }
    }
}

#[test]
fn the_largest_square_and_the_mean_give_the_tail_of_a_sum_of_squares() {
    for value in [0.461, 0.743, 1.168] {
        let (near, exact) = (shifted_square_tail(value, PI.powi(-2), 1.0 / 6.0), cramer_von_mises_limit(value));
        assert!((near / exact - 1.0).abs() < 0.1, "{value}: {near} {exact}");
    }
}
