//! The published table of the Anderson-Darling test, which other tools interpolate.

/// Critical values of the standardised statistic at these levels (Scholz and Stephens 1987, table 2, two samples).
const CRITICAL: [(f64, f64); 7] = [
    (0.675 - 0.245 - 0.105, 0.25),
    (1.281 + 0.25 - 0.305, 0.1),
    (1.645 + 0.678 - 0.362, 0.05),
    (1.96 + 1.149 - 0.391, 0.025),
    (2.326 + 1.822 - 0.396, 0.01),
    (2.573 + 2.364 - 0.345, 0.005),
    (3.085 + 3.615 - 0.154, 0.001),
];

/// The p-value of the standardised statistic as scipy has it: the logarithm of the level as a parabola through the table, by
/// least squares; from 0.001 to 0.25, the ends of the table.
#[must_use]
pub fn anderson_darling_by_table(statistic: f64) -> f64 {
    let [(lowest, _), .., (highest, _)] = CRITICAL;
    if statistic < lowest {
        return 0.25;
    }
    if statistic > highest {
        return 0.001;
    }
    // Normal equations about the middle of the table.
    let origin = f64::midpoint(lowest, highest);
    let mut moments = [0.0; 5];
    let mut sums = [0.0; 3];
    for (critical, level) in CRITICAL {
        let x = critical - origin;
        let mut power = 1.0;
        for (index, moment) in moments.iter_mut().enumerate() {
            if let Some(sum) = sums.get_mut(index) {
                *sum += power * f64::ln(level);
            }
            *moment += power;
            power *= x;
        }
    }
    let [m0, m1, m2, m3, m4] = moments;
    let [s0, s1, s2] = sums;
    let det = |r1: [f64; 3], r2: [f64; 3], r3: [f64; 3]| {
        r1[0] * (r2[1] * r3[2] - r2[2] * r3[1]) - r1[1] * (r2[0] * r3[2] - r2[2] * r3[0])
            + r1[2] * (r2[0] * r3[1] - r2[1] * r3[0])
    };
    let all = det([m0, m1, m2], [m1, m2, m3], [m2, m3, m4]);
    let c0 = det([s0, m1, m2], [s1, m2, m3], [s2, m3, m4]) / all;
    let c1 = det([m0, s0, m2], [m1, s1, m3], [m2, s2, m4]) / all;
    let c2 = det([m0, m1, s0], [m1, m2, s1], [m2, m3, s2]) / all;
    let x = statistic - origin;
    (c0 + c1 * x + c2 * x * x).exp()
}
