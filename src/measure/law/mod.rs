//! Laws of test statistics under "no drift": the p-values that general libraries lack or compute otherwise.

mod binomial;
mod cramer_von_mises;
mod kolmogorov;
mod rank_sum;

pub use binomial::{binomial_mass, hypergeometric_mass};
pub use cramer_von_mises::cramer_von_mises_limit;
pub use kolmogorov::{kolmogorov_limit, kolmogorov_one_sample, kolmogorov_two_sample};
pub use rank_sum::rank_sum_tail;

use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal, StudentsT};

/// The chance that a chi-square variable exceeds a value; 1 without degrees of freedom.
#[must_use]
pub fn chi_square_tail(value: f64, degrees: f64) -> f64 {
    if value.is_infinite() {
        return 0.0;
    }
    ChiSquared::new(degrees).map_or(1.0, |law| law.sf(value.max(0.0)))
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
