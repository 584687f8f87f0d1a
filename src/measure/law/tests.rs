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
