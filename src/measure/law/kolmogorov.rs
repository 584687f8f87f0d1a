//! Laws of the Kolmogorov-Smirnov statistic: one sample of finite size, two samples, and the limit.

use std::f64::consts::PI;

use super::binomial_mass;

/// Beyond this size the sum over all sizes costs more than its digits are worth, and the limit is used.
const LARGEST_EXACT: u64 = 500_000;

/// The chance that the statistic of one sample of this size exceeds a value, by the exact law (Simard and
/// L'Ecuyer 2011): Durbin's matrix in the form of Marsaglia, Tsang and Wang (2003) for small values, twice the one-sided
/// tail for large ones, the expansion of Pelz and Good (1976) between.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53")]
pub fn kolmogorov_one_sample(statistic: f64, size: u64) -> f64 {
    let n = size as f64;
    if statistic >= 1.0 {
        return 0.0;
    }
    if statistic <= 0.0 || n * statistic <= 0.5 {
        return 1.0;
    }
    if size > LARGEST_EXACT {
        return kolmogorov_limit(statistic * n.sqrt());
    }
    if n * statistic >= n - 1.0 {
        return 2.0 * (1.0 - statistic).powf(n);
    }
    let square = n * statistic * statistic;
    if square >= 370.0 {
        return 0.0;
    }
    let far = if size <= 140 { square > 4.0 } else { square >= 2.2 };
    let tail = if statistic >= 0.5 || far {
        2.0 * one_sided_tail(statistic, size)
    } else if size <= 140 || (size <= 100_000 && n * statistic.powf(1.5) <= 1.4) {
        1.0 - durbin(statistic, size)
    } else {
        pelz_good_tail(statistic, n)
    };
    tail.clamp(0.0, 1.0)
}

/// The one-sided tail (Birnbaum and Tingey 1951), whose terms are binomial masses.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53")]
fn one_sided_tail(statistic: f64, size: u64) -> f64 {
    let n = size as f64;
    (0..size)
        .map(|hits| hits as f64)
        .take_while(|hits| statistic + hits / n < 1.0)
        .map(|hits| {
            let chance = statistic + hits / n;
            binomial_mass(hits, n, chance) * statistic / chance
        })
        .sum()
}

/// The chance of at most this value, by the power of a matrix.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a small square matrix; its size is computed here"
)]
fn durbin(statistic: f64, size: u64) -> f64 {
    const SCALE: f64 = 1e140;
    let n = size as f64;
    let k = (n * statistic).ceil() as usize;
    let h = k as f64 - n * statistic;
    let m = 2 * k - 1;
    let mut matrix = vec![0.0; m * m];
    let mut factorial = vec![1.0; m + 2];
    for index in 1..m + 2 {
        factorial[index] = factorial[index - 1] * index as f64;
    }
    for row in 0..m {
        for column in 0..m {
            if row + 1 >= column {
                matrix[row * m + column] = 1.0 / factorial[row + 1 - column];
            }
        }
    }
    for index in 0..m {
        matrix[index * m] -= h.powi(index as i32 + 1) / factorial[index + 1];
        matrix[(m - 1) * m + index] -= h.powi((m - index) as i32) / factorial[m - index];
    }
    if h > 0.5 {
        matrix[(m - 1) * m] += (2.0 * h - 1.0).powi(m as i32) / factorial[m];
    }
    let multiply = |left: &[f64], right: &[f64]| {
        let mut product = vec![0.0; m * m];
        for row in 0..m {
            for inner in 0..m {
                let factor = left[row * m + inner];
                for column in 0..m {
                    product[row * m + column] += factor * right[inner * m + column];
                }
            }
        }
        product
    };
    let scale_down = |matrix: &mut [f64]| {
        for value in matrix {
            *value /= SCALE;
        }
    };
    let mut power = vec![0.0; m * m];
    for index in 0..m {
        power[index * m + index] = 1.0;
    }
    let (mut exponent, mut power_exponent) = (0i32, 0i32);
    let mut left = size;
    while left > 0 {
        if left % 2 == 1 {
            power = multiply(&power, &matrix);
            power_exponent += exponent;
        }
        matrix = multiply(&matrix, &matrix);
        exponent *= 2;
        if matrix[(k - 1) * m + k - 1] > SCALE {
            scale_down(&mut matrix);
            exponent += 140;
        }
        if power[(k - 1) * m + k - 1] > SCALE {
            scale_down(&mut power);
            power_exponent += 140;
        }
        left /= 2;
    }
    let mut chance = power[(k - 1) * m + k - 1];
    for index in 1..=size {
        chance *= index as f64 / n;
        if chance < 1.0 / SCALE {
            chance *= SCALE;
            power_exponent -= 140;
        }
    }
    chance * 10f64.powi(power_exponent)
}

/// Pelz and Good's expansion in powers of the size.
#[expect(clippy::cast_possible_truncation, reason = "a small number of terms")]
fn pelz_good_tail(statistic: f64, n: f64) -> f64 {
    let z = n.sqrt() * statistic;
    let (z2, z3, z4, z6) = (z.powi(2), z.powi(3), z.powi(4), z.powi(6));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let exponent = -pi2 / 8.0 / z2;
    if exponent < -708.0 {
        return 1.0;
    }
    let terms = (16.0 * z / PI).ceil() as i32;
    let mut sums = [0.0f64; 4];
    let mut extra = (0.0f64, 0.0f64);
    for term in (1..=terms).rev() {
        let k = f64::from(term);
        let odd = (2.0 * k - 1.0).powi(2);
        let weight = (exponent * odd).exp();
        let (m2, m4, m6) = (odd, odd * odd, odd * odd * odd);
        let factors = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2 + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z.powi(8)
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        for (sum, factor) in sums.iter_mut().zip(factors) {
            *sum += weight * factor;
        }
        let even = (-pi2 * k * k / 2.0 / z2).exp() * k * k;
        extra.0 += even;
        extra.1 += (3.0 * z2 - pi2 * k * k) * even;
    }
    let root = (2.0 * PI).sqrt();
    let [zeroth, first, second, third] = sums;
    let zeroth = zeroth * root / z;
    let first = first * root / (6.0 * z4);
    let second = second * root / (72.0 * z.powi(7)) - extra.0 * pi2 * root / (36.0 * z3);
    let third = third * root / (6480.0 * z.powi(10)) + extra.1 * pi2 * root / (216.0 * z6);
    (1.0 - zeroth) - first / n.sqrt() - second / n - third / n.powf(1.5)
}

/// The chance that the statistic of two samples is at least `statistic`, by the share of lattice paths that leave
/// the band (Hodges 1958). Exact without ties, conservative with ties. Costs about `n * m * statistic` steps.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "indices run inside a band computed here; sizes are at most some ten thousand"
)]
pub fn kolmogorov_two_sample(statistic: f64, n: u64, m: u64) -> f64 {
    let (long, short) = (n.max(m), n.min(m));
    let divisor = gcd(long, short);
    let (long_step, short_step) = ((long / divisor) as i64, (short / divisor) as i64);
    let height = (statistic * long as f64 * short_step as f64).round() as i64;
    if height == 0 {
        return 1.0;
    }
    let ceiling = |value: i64| -(-value).div_euclid(long_step);
    let short = short as i64;
    let mut low = 0i64;
    let mut high = ceiling(height).min(short + 1);
    let mut outside = vec![1.0; (2 * high + 2).min(short + 1) as usize];
    outside[..high as usize].fill(0.0);
    for step in 1..=long as i64 {
        let (last_low, last_length) = (low, high - low);
        low = ((short_step * step - height).div_euclid(long_step) + 1).max(0);
        high = ceiling(short_step * step + height).min(short + 1);
        if high <= low {
            return 1.0;
        }
        let mut value = if low == 0 { 0.0 } else { 1.0 };
        let length = (high - low) as usize;
        for place in 0..length {
            let j = place as i64 + low;
            value =
                (outside[place + (low - last_low) as usize] * step as f64 + value * j as f64) / (step + j) as f64;
            outside[place] = value;
        }
        let spare = (last_length - length as i64).max(0) as usize;
        outside[length..length + spare].fill(1.0);
    }
    outside[(high - low - 1) as usize].clamp(0.0, 1.0)
}

fn gcd(left: u64, right: u64) -> u64 {
    if right == 0 { left } else { gcd(right, left % right) }
}

/// The tail of the limiting law, of the statistic times the root of the (effective) size.
#[must_use]
pub fn kolmogorov_limit(scaled: f64) -> f64 {
    if scaled.is_nan() || scaled < 0.2 {
        // The series does not converge there, and its sum is 1 to sixteen digits.
        return 1.0;
    }
    if scaled < 1.0 {
        // The theta function's other form, which converges for small values.
        let sum: f64 = (0..8)
            .map(|term| (-PI * PI * f64::from((2 * term + 1) * (2 * term + 1)) / (8.0 * scaled * scaled)).exp())
            .sum();
        return (1.0 - (2.0 * PI).sqrt() / scaled * sum).clamp(0.0, 1.0);
    }
    let mut sum = 0.0;
    let mut sign = 1.0;
    for term in 1..=100 {
        let index = f64::from(term);
        let value = (-2.0 * index * index * scaled * scaled).exp();
        sum += sign * value;
        if value < 1e-17 * sum {
            break;
        }
        sign = -sign;
    }
    (2.0 * sum).clamp(0.0, 1.0)
}
