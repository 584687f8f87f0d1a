//! Both sides of a numeric column as counts of increasing values: what tests on samples read.

/// Increasing values, and how often the baseline and the window hold each. A sample is the special case of one
/// entry per distinct value; counts on bins give one entry per bin, so values of one bin count as ties.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    values: Vec<f64>,
    baseline: Vec<u64>,
    window: Vec<u64>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is compared with.
    Baseline,
    /// What is compared.
    Window,
}

impl Points {
    /// From (value, count in the baseline, count in the window), of finite values in increasing order; values
    /// that neither side holds are dropped.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (f64, u64, u64)>) -> Self {
        let mut points = Self::default();
        for (value, baseline, window) in counts {
            if baseline + window > 0 {
                points.push(value, baseline, window);
            }
        }
        points
    }

    /// From (value, count in the baseline, count in the window) in any order; counts of one value are added.
    #[must_use]
    pub fn summed(mut counts: Vec<(f64, u64, u64)>) -> Self {
        counts.sort_by(|left, right| left.0.total_cmp(&right.0));
        counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                *kept = (kept.0, kept.1 + next.1, kept.2 + next.2);
            }
            same
        });
        Self::from_counts(counts)
    }

    /// From two samples, in any order; values that are not finite are dropped.
    #[must_use]
    pub fn from_samples(baseline: &[f64], window: &[f64]) -> Self {
        let before = baseline.iter().map(|value| (*value, 1, 0));
        let after = window.iter().map(|value| (*value, 0, 1));
        Self::summed(before.chain(after).filter(|(value, _, _)| value.is_finite()).collect())
    }

    fn push(&mut self, value: f64, baseline: u64, window: u64) {
        self.values.push(value);
        self.baseline.push(baseline);
        self.window.push(window);
    }

    /// The values, increasing.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The counts of one side, in step with the values.
    #[must_use]
    pub fn counts(&self, side: Side) -> &[u64] {
        match side {
            Side::Baseline => &self.baseline,
            Side::Window => &self.window,
        }
    }

    /// (value, count in the baseline, count in the window), by increasing value.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (f64, u64, u64)> + '_ {
        self.values
            .iter()
            .zip(&self.baseline)
            .zip(&self.window)
            .map(|((value, baseline), window)| (*value, *baseline, *window))
    }

    /// Neighbouring entries, for integrals over the line.
    pub fn gaps(&self) -> impl Iterator<Item = (f64, u64, u64)> + '_ {
        let widths = self.values.windows(2).map(|pair| match pair {
            [low, high] => high - low,
            _ => 0.0,
        });
        widths.zip(&self.baseline).zip(&self.window).map(|((width, baseline), window)| (width, *baseline, *window))
    }

    /// (value, count) of one side, entries it does not hold left out.
    #[must_use]
    pub fn of(&self, side: Side) -> impl DoubleEndedIterator<Item = (f64, u64)> + '_ {
        self.values.iter().copied().zip(self.counts(side).iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// How many values a side has.
    #[must_use]
    pub fn size(&self, side: Side) -> u64 {
        self.counts(side).iter().sum()
    }

    /// Both sizes, baseline first, as floats; `None` unless both sides have a value.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn sizes(&self) -> Option<(f64, f64)> {
        let (n, m) = (self.size(Side::Baseline), self.size(Side::Window));
        (n > 0 && m > 0).then_some((n as f64, m as f64))
    }

    /// The mean of a side; `None` without a value.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn mean(&self, side: Side) -> Option<f64> {
        let size = self.size(side);
        // From a value in the middle, so that large offsets cost no digits.
        let origin = self.of(side).next()?.0;
        let sum: f64 = self.of(side).map(|(value, count)| (value - origin) * count as f64).sum();
        let mean = origin + sum / size as f64;
        // Sums of the largest floats are no floats.
        let shares = || self.of(side).map(|(value, count)| value * (count as f64 / size as f64)).sum();
        Some(if mean.is_finite() { mean } else { shares() })
    }

    /// The sum of squared deviations from the mean; `None` without a value.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn squares(&self, side: Side) -> Option<f64> {
        let mean = self.mean(side)?;
        Some(self.of(side).map(|(value, count)| (value - mean).powi(2) * count as f64).sum())
    }

    /// The standard deviation with divisor `size - less`; `None` when that is not positive.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn deviation(&self, side: Side, less: u64) -> Option<f64> {
        let divisor = self.size(side).checked_sub(less).filter(|divisor| *divisor > 0)?;
        let squares = self.squares(side)?;
        if squares.is_finite() {
            return Some((squares / divisor as f64).sqrt());
        }
        // In halves and in units of the largest of them: squares of large floats are no floats.
        let mean = self.mean(side)?;
        let apart = |value: f64| value / 2.0 - mean / 2.0;
        let largest = self.of(side).map(|(value, _)| apart(value).abs()).fold(0.0, f64::max);
        let squares: f64 =
            self.of(side).map(|(value, count)| (apart(value) / largest).powi(2) * count as f64).sum();
        Some((squares / divisor as f64).sqrt() * largest * 2.0)
    }

    /// A quantile of a side by linear interpolation of the order statistics (Hyndman and Fan's type 7, numpy's default);
    /// `None` without a value.
    #[must_use]
    pub fn quantile(&self, side: Side, level: f64) -> Option<f64> {
        quantile(self.of(side), self.size(side), level)
    }

    /// A quantile of both sides together.
    #[must_use]
    pub fn pooled_quantile(&self, level: f64) -> Option<f64> {
        let total = self.size(Side::Baseline) + self.size(Side::Window);
        quantile(self.iter().map(|(value, baseline, window)| (value, baseline + window)), total, level)
    }

    /// How many distinct values the two sides hold together.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.values.len()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts stay far below 2^53"
)]
fn quantile(values: impl Iterator<Item = (f64, u64)>, size: u64, level: f64) -> Option<f64> {
    let position = size.checked_sub(1)? as f64 * level;
    let rank = position.floor() as u64;
    let mut before = 0;
    let mut low = None;
    for (value, count) in values {
        before += count;
        if low.is_none() && before > rank {
            low = Some(value);
        }
        if before > rank + 1 || (before == size && low.is_some()) {
            let low = low?;
            let part = position - rank as f64;
            // numpy's lerp, from the nearer end.
            let width = value - low;
            return Some(if part >= 0.5 { value - width * (1.0 - part) } else { width.mul_add(part, low) });
        }
    }
    low
}
