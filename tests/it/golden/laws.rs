//! P-value functions on a grid, against scipy.

use driftd::measure::Proportions;
use driftd::measure::law::{
    chi_square_tail, kolmogorov_limit, kolmogorov_one_sample, kolmogorov_two_sample, normal_tail,
    student_two_sided,
};

use super::tables::{Tally, file};

#[test]
fn laws_of_test_statistics_are_scipys() {
    let text = std::fs::read_to_string(file("pvalues.csv")).unwrap();
    let mut tally = Tally::default();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [a, b, c, d] = [1, 2, 3, 4].map(|index| fields[index].parse::<f64>().unwrap_or(f64::NAN));
        let expected: f64 = fields[5].parse().unwrap();
        let whole = |value: f64| value as u64;
        let actual = match fields[0] {
            "chi2_sf" => chi_square_tail(a, b),
            "norm_sf" => normal_tail(a),
            "t_sf_two_sided" => student_two_sided(a, b),
            "kstwo_sf" => kolmogorov_one_sample(a, whole(b)),
            "kolmogorov_sf" => kolmogorov_limit(a),
            "ks_2samp_exact" => kolmogorov_two_sample(c, whole(a), whole(b)),
            "fisher_p" => {
                let table = Proportions { baseline: (whole(a), whole(a + b)), window: (whole(c), whole(c + d)) };
                table.fisher().unwrap().1
            }
            // Nothing here rests on the binomial test.
            "binom_two_sided" => continue,
            other => panic!("unknown function {other}"),
        };
        tally.near(fields[0], line, Some(actual), expected, 1e-9, 0.0);
    }
    tally.finish("law");
}
