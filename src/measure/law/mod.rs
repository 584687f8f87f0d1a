//! Laws of test statistics under "no drift": the p-values that general libraries lack or compute otherwise.

mod anderson_darling;
mod anderson_darling_table;
mod binomial;
mod cramer_von_mises;
mod kolmogorov;
mod rank_sum;

pub use anderson_darling::{ANDERSON_DARLING_MOMENTS, anderson_darling_limit};
pub use anderson_darling_table::anderson_darling_by_table;
pub use binomial::{binomial_mass, hypergeometric_mass};
pub use cramer_von_mises::cramer_von_mises_limit;
pub use kolmogorov::{kolmogorov_limit, kolmogorov_one_sample, kolmogorov_two_sample};
pub use rank_sum::rank_sum_tail;

use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Gamma, Normal, StudentsT};

/// The chance that a chi-square variable exceeds a value; 1 without degrees of freedom.
#[must_use]
pub fn chi_square_tail(value: f64, degrees: f64) -> f64 {
    if value.is_infinite() {
        return 0.0;
    }
    ChiSquared::new(degrees).map_or(1.0, |law| law.sf(value.max(0.0)))
}

/// The chance that a variable is at least a value, by its mean, variance and third cumulant: a gamma variable with an origin of its
/// own (Pearson's type III), and its mirror image for a negative third cumulant. Without variance, whether the mean is at least the
/// value.
#[must_use]
pub fn pearson_tail(value: f64, mean: f64, variance: f64, third: f64) -> f64 {
    if variance.is_nan() || variance <= 0.0 {
        // Rounding is no difference.
        return f64::from(u8::from(value <= mean + 1e-12 * (1.0 + mean.abs())));
    }
    let deviation = variance.sqrt();
    let skewness = (third / variance / deviation).abs();
    let z = (value - mean) / deviation;
    if skewness < 1e-3 {
        return normal_tail(z);
    }
    let shape = 4.0 / (skewness * skewness);
    // In standard deviations from the origin, which lies below the mean, or above it in the mirror image.
    let from_origin = if third > 0.0 { 2.0 / skewness + z } else { 2.0 / skewness - z };
    let Ok(law) = Gamma::new(shape, 2.0 / skewness) else { return 1.0 };
    match (third > 0.0, from_origin > 0.0) {
        (true, true) => law.sf(from_origin),
        (true, false) => 1.0,
        (false, true) => law.cdf(from_origin),
        (false, false) => 0.0,
    }
}

/// The chance that a sum of independent squared normal variables is at least a value, by the largest of their weights and the
/// mean of the sum: the largest rules the tail, where the others move it by their mean. Within a tenth of the limiting
/// laws of Cramér-von Mises and Anderson-Darling below 0.05. Without a positive weight, whether the value is 0.
#[must_use]
pub fn shifted_square_tail(value: f64, largest: f64, mean: f64) -> f64 {
    if largest.is_nan() || largest <= 0.0 {
        return f64::from(u8::from(value <= 0.0));
    }
    normal_two_sided(((value - (mean - largest).max(0.0)) / largest).max(0.0).sqrt())
}

/// The chance that a standard normal variable is further from 0 than a value.
#[must_use]
pub fn normal_two_sided(value: f64) -> f64 {
    statrs::function::erf::erfc(value.abs() / std::f64::consts::SQRT_2)
}

/// The chance that a standard normal variable exceeds a value.
#[must_use]
pub fn normal_tail(value: f64) -> f64 {
    statrs::function::erf::erfc(value / std::f64::consts::SQRT_2) / 2.0
}

/// The value that a standard normal variable is further from 0 than with this chance.
#[must_use]
pub fn normal_quantile_two_sided(chance: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - chance / 2.0))
}

/// The chance that Student's t is further from 0 than a value; 1 when the value or the degrees of freedom make no sense.
#[must_use]
pub fn student_two_sided(value: f64, degrees: f64) -> f64 {
    if value.is_nan() || degrees.is_nan() {
        return 1.0;
    }
    if value.is_infinite() {
        return 0.0;
    }
    // Through the incomplete beta function, which keeps its digits far out; 1 - cdf does not.
    StudentsT::new(0.0, 1.0, degrees).map_or(1.0, |law| (2.0 * law.sf(value.abs())).min(1.0))
}

/// The chance that an F variable exceeds a value; 1 when the value makes no sense.
#[must_use]
pub fn f_tail(value: f64, numerator: f64, denominator: f64) -> f64 {
    if value.is_nan() {
        return 1.0;
    }
    if value.is_infinite() {
        return 0.0;
    }
    FisherSnedecor::new(numerator, denominator).map_or(1.0, |law| law.sf(value.max(0.0)))
}

#[cfg(test)]
mod tests;
