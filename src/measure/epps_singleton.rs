//! The Epps-Singleton test.

use super::law::chi_square_tail;
use super::{Points, Side};

/// Where the characteristic functions are compared, in units of half the pooled interquartile range.
const AT: [f64; 2] = [0.4, 0.8];

type Vector = [f64; 4];
type Matrix = [Vector; 4];

/// Epps and Singleton (1986): the distance of the empirical characteristic functions at two places, (statistic, p-value).
/// It also suits discrete values. Needs five values a side and a pooled interquartile range above 0, otherwise `None`;
/// below 25 values a side their small-sample correction is applied, as scipy does.
#[must_use]
pub fn epps_singleton(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = points.sizes()?;
    if n < 5.0 || m < 5.0 {
        return None;
    }
    let half_range = (points.pooled_quantile(0.75)? - points.pooled_quantile(0.25)?) / 2.0;
    if half_range <= 0.0 {
        return None;
    }
    let total = n + m;
    let (left_mean, left) = moments(points, Side::Baseline, n, half_range);
    let (right_mean, right) = moments(points, Side::Window, m, half_range);
    let mut covariance = Matrix::default();
    for ((row, left), right) in covariance.iter_mut().zip(left).zip(right) {
        for ((cell, left), right) in row.iter_mut().zip(left).zip(right) {
            *cell = total / n * left + total / m * right;
        }
    }
    let mut difference = Vector::default();
    for ((cell, left), right) in difference.iter_mut().zip(left_mean).zip(right_mean) {
        *cell = left - right;
    }
    let (form, rank) = inverse_form(covariance, difference);
    let mut statistic = total * form;
    if n.max(m) < 25.0 {
        statistic /= 1.0 + total.powf(-0.45) + 10.1 * (n.powf(-1.7) + m.powf(-1.7));
    }
    if rank == 0 {
        return None;
    }
    Some((statistic, chi_square_tail(statistic, f64::from(rank))))
}

/// Means and population covariances of cosine and sine at both places.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn moments(points: &Points, side: Side, size: f64, half_range: f64) -> (Vector, Matrix) {
    let [first, second] = AT.map(|at| at / half_range);
    let waves = |value: f64| {
        [(first * value).cos(), (second * value).cos(), (first * value).sin(), (second * value).sin()]
    };
    let mut mean = Vector::default();
    for (value, count) in points.of(side) {
        for (sum, wave) in mean.iter_mut().zip(waves(value)) {
            *sum += wave * count as f64 / size;
        }
    }
    let mut covariance = Matrix::default();
    for (value, count) in points.of(side) {
        let mut wave = waves(value);
        for (wave, mean) in wave.iter_mut().zip(mean) {
            *wave -= mean;
        }
        for (row, left) in covariance.iter_mut().zip(wave) {
            for (cell, right) in row.iter_mut().zip(wave) {
                *cell += left * right * count as f64 / size;
            }
        }
    }
    (mean, covariance)
}

/// The quadratic form of a vector in the pseudo-inverse of a symmetric matrix, and its rank, by Jacobi rotations.
#[expect(clippy::indexing_slicing, reason = "indices below four")]
fn inverse_form(mut matrix: Matrix, vector: Vector) -> (f64, u8) {
    let mut vectors: Matrix =
        [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    for _sweep in 0..60 {
        let mut rest = 0.0;
        for p in 0..4 {
            for q in p + 1..4 {
                let off = matrix[p][q];
                rest += off * off;
                if off == 0.0 {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * off);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (t * t + 1.0).sqrt();
                let sine = t * cosine;
                for row in &mut matrix {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                let (upper, lower) = (matrix[p], matrix[q]);
                for (index, (upper, lower)) in upper.into_iter().zip(lower).enumerate() {
                    matrix[p][index] = cosine * upper - sine * lower;
                    matrix[q][index] = sine * upper + cosine * lower;
                }
                for row in &mut vectors {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
            }
        }
        if rest < 1e-300 {
            break;
        }
    }
    let largest = (0..4).map(|index| matrix[index][index].abs()).fold(0.0, f64::max);
    // numpy's limits of pseudo-inverse and rank.
    let cutoff = largest * 1e-15;
    let mut form = 0.0;
    let mut rank = 0;
    for index in 0..4 {
        let eigenvalue = matrix[index][index];
        if eigenvalue.abs() > cutoff && eigenvalue != 0.0 {
            let along: f64 = (0..4).map(|row| vectors[row][index] * vector[row]).sum();
            form += along * along / eigenvalue;
            rank += 1;
        }
    }
    (form, rank)
}
