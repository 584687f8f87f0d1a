//! Numeric bins: half-open intervals between cuts, open at both ends.

use serde::{Deserialize, Serialize};

use super::{Level, StoredError, single};

/// The intervals between strictly increasing cuts: bin 0 lies below the first cut, bin i is
/// `[cut[i-1], cut[i])`, the last bin lies at and above the last cut.
///
/// An *atom*, a value with a bin of its own, is the pair of cuts around all that is equal to it in single precision (see
/// [`single`]); or, where every distinct value is told apart, `v` and the next larger float. In the same way the upper end
/// is open: the last cut is the first value that is larger than the baseline's maximum. So one list of cuts says it all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NumericBinningFile", into = "NumericBinningFile")]
pub struct NumericBinning {
    cuts: Vec<f64>,
    largest_mass: f64,
    grid: Grid,
    /// Of the buckets whose ends the cuts are, where they are finer than universal ones.
    level: Option<Level>,
}

/// Equal cells over the range of the cuts, each with the number of cuts before it: the search for a bin begins with the few
/// cuts of a cell instead of all. The cell of a value never falls as the value rises, so no cut outside of its cell
/// can lie on the other side of it.
#[derive(Clone, Debug, PartialEq)]
struct Grid {
    first: f64,
    scale: f64,
    starts: Vec<u32>,
}

/// Cells of the grid.
const CELLS: u32 = 2_048;

impl Grid {
    fn new(cuts: &[f64]) -> Self {
        let first = cuts.first().copied().unwrap_or(0.0);
        let range = cuts.last().copied().unwrap_or(0.0) - first;
        // A range that overflows leaves one cell with everything in it.
        let scale = if range > 0.0 { f64::from(CELLS) / range } else { 0.0 };
        let mut grid = Self { first, scale: if scale.is_finite() { scale } else { 0.0 }, starts: Vec::new() };
        grid.starts = (0..=CELLS + 1)
            .map(|cell| {
                let before = cuts.partition_point(|cut| grid.cell(*cut) < cell);
                u32::try_from(before).unwrap_or(u32::MAX)
            })
            .collect();
        grid
    }

    fn cell(&self, value: f64) -> u32 {
        // A conversion saturates: what lies below is in the first cell; the last one begins at the last cut.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is cut at once"
        )]
        let cell = ((value - self.first) * self.scale) as u32;
        cell.min(CELLS)
    }
}

/// As stored: validated on the way in, since the database is input too.
#[derive(Clone, Serialize, Deserialize)]
struct NumericBinningFile {
    cuts: Vec<f64>,
    largest_mass: f64,
    /// Left out where there is none, so that sets of earlier versions keep their identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
}

impl TryFrom<NumericBinningFile> for NumericBinning {
    type Error = StoredError;

    fn try_from(file: NumericBinningFile) -> Result<Self, StoredError> {
        let level = file.level.and_then(Level::new);
        let binning = Self::new(file.cuts, file.largest_mass).ok_or(StoredError::Cuts)?;
        Ok(Self { level, ..binning })
    }
}

impl From<NumericBinning> for NumericBinningFile {
    fn from(binning: NumericBinning) -> Self {
        Self { level: binning.level.map(Level::bits), cuts: binning.cuts, largest_mass: binning.largest_mass }
    }
}

/// Offsets inside a bin are kept in this many steps, so that sums are integers and add up exactly.
const STEPS: f64 = 16_777_216.0;
/// A single value beyond the open ends adds at most this many steps.
const MAX_STEPS: f64 = 68_719_476_736.0;

impl NumericBinning {
    /// Bins between these cuts. `largest_mass` is the share of the baseline in the fullest inner bin that is
    /// not an atom: the bound on the error of a Kolmogorov-Smirnov statistic read at the cuts.
    ///
    /// `None` unless the cuts are finite, strictly increasing and at least two, and the mass is a share.
    #[must_use]
    pub fn new(cuts: Vec<f64>, largest_mass: f64) -> Option<Self> {
        let increasing = cuts.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
        let valid = cuts.len() >= 2
            && increasing
            && cuts.iter().all(|cut| cut.is_finite())
            && (0.0..=1.0).contains(&largest_mass);
        valid.then(|| Self { grid: Grid::new(&cuts), cuts, largest_mass, level: None })
    }

    /// The same bins, which were placed by counts of buckets of this level.
    #[must_use]
    pub fn placed_at(self, level: Level) -> Self {
        Self { level: Some(level).filter(|level| *level < Level::COARSEST), ..self }
    }

    /// The level of the buckets whose counts placed the bins; `None` when values did, or universal buckets.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.level
    }

    /// Every distinct value an atom: the binning that makes statistics from counts equal to those from
    /// samples. With `singles`, values equal in single precision are one. `None` without a finite value.
    #[must_use]
    pub fn distinct(values: impl IntoIterator<Item = f64>, singles: bool) -> Option<Self> {
        let ends = |value: f64| if singles { single::class_of(value) } else { (value, value.next_up()) };
        let mut cuts: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .flat_map(|value| <[f64; 2]>::from(ends(value)))
            .collect();
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        Self::new(cuts, 0.0)
    }

    /// The cuts, strictly increasing.
    #[must_use]
    pub fn cuts(&self) -> &[f64] {
        &self.cuts
    }

    /// The share of the baseline in the fullest bin that is not an atom.
    #[must_use]
    pub fn largest_mass(&self) -> f64 {
        self.largest_mass
    }

    /// How many bins there are, the two open ones included.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.cuts.len() + 1
    }

    /// The bin of a finite value.
    #[must_use]
    pub fn bin(&self, value: f64) -> usize {
        let cell = self.grid.cell(value) as usize;
        let start = self.grid.starts.get(cell).map_or(0, |start| *start as usize);
        let end = self.grid.starts.get(cell + 1).map_or(self.cuts.len(), |end| *end as usize);
        let near = self.cuts.get(start..end).unwrap_or(&self.cuts);
        start + near.partition_point(|cut| *cut <= value)
    }

    /// Lower and upper end of a bin; `None` where it is open.
    #[must_use]
    pub fn ends(&self, bin: usize) -> (Option<f64>, Option<f64>) {
        (bin.checked_sub(1).and_then(|index| self.cuts.get(index)).copied(), self.cuts.get(bin).copied())
    }

    /// Lower and upper end of a bin as people read them: a cut that stands where values of single precision part is told as the
    /// value that begins there.
    #[must_use]
    pub fn shown_ends(&self, bin: usize) -> (Option<f64>, Option<f64>) {
        let shown = |cut: f64| if single::class_of(cut).0 == cut { single::written(cut) } else { cut };
        let (low, high) = self.ends(bin);
        (low.map(shown), high.map(shown))
    }

    /// Whether a bin holds a single value, or what is equal to one in single precision.
    #[must_use]
    pub fn is_atom(&self, bin: usize) -> bool {
        matches!(self.ends(bin), (Some(low), Some(high)) if low.next_up() == high || single::class_of(low) == (low, high))
    }

    /// The smallest and the largest value of the baseline, to single precision.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        let ends = self.cuts.first().zip(self.cuts.last());
        ends.map_or((0.0, 0.0), |(first, last)| (single::written(*first), single::written(last.next_down())))
    }

    /// The value of a bin that holds a single one.
    #[must_use]
    pub fn atom(&self, bin: usize) -> Option<f64> {
        let low = self.ends(bin).0.filter(|_| self.is_atom(bin))?;
        // What is equal in single precision goes by the digits that it has.
        Some(if self.ends(bin).1 == Some(low.next_up()) { low } else { single::written(low) })
    }

    /// Where offsets of a bin are measured from and the size of one step.
    fn ruler(&self, bin: usize) -> (f64, f64) {
        let ends = self.ends(bin);
        if let (Some(low), Some(high)) = ends {
            return (low, (high - low) / STEPS);
        }
        let first = self.cuts.first().copied().unwrap_or(0.0);
        let last = self.cuts.last().copied().unwrap_or(0.0);
        let range = last - first;
        // A constant baseline has no width of its own to measure outliers with.
        let open = if range > first.abs().max(last.abs()) * 1e-6 { range } else { first.abs().max(1.0) };
        (ends.0.unwrap_or(first), open / STEPS)
    }

    /// The offset of a value in its bin, in whole steps; saturates far beyond the open ends.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to well within i64")]
    pub fn offset(&self, bin: usize, value: f64) -> i64 {
        let steps = match self.ends(bin) {
            (Some(low), Some(high)) if low.next_up() == high => return 0,
            // The number of steps is a power of two: multiplying by it afterwards costs no digit, and saves a division.
            (Some(low), Some(high)) => (value - low) / (high - low) * STEPS,
            _ => {
                let (origin, step) = self.ruler(bin);
                (value - origin) / step
            }
        };
        // Half away from zero: adding a half and cutting off needs no call into the mathematics library.
        (steps + 0.5_f64.copysign(steps)).clamp(-MAX_STEPS, MAX_STEPS) as i64
    }

    /// Whether the sum of offsets in an open bin may hold one that was cut off: the sum of values is not known then.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "compared with a power of two")]
    pub fn may_be_cut(offsets: i64) -> bool {
        offsets.unsigned_abs() as f64 >= MAX_STEPS
    }

    /// The sum of values in a bin, from their number and the sum of their offsets.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn sum(&self, bin: usize, count: u64, offsets: i64) -> f64 {
        let (origin, step) = self.ruler(bin);
        origin.mul_add(count as f64, step * offsets as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binning() -> NumericBinning {
        // [0, 5), the atom 5, (5, 10].
        NumericBinning::new(vec![0.0, 5.0, 5.0_f64.next_up(), 10.0_f64.next_up()], 0.5).unwrap()
    }

    #[test]
    fn bins_are_closed_below_and_atoms_hold_one_value() {
        let binning = binning();
        let bins: Vec<usize> =
            [-0.1, -0.0, 4.9, 5.0, 5.0_f64.next_up(), 10.0, 10.1].map(|value| binning.bin(value)).to_vec();
        assert_eq!(bins, [0, 1, 1, 2, 3, 3, 4]);
        assert!(binning.is_atom(2) && !binning.is_atom(1) && !binning.is_atom(0) && !binning.is_atom(4));
    }

    proptest::proptest! {
        #[test]
        fn the_grid_finds_the_bin_that_a_search_of_all_cuts_finds(
            cuts in proptest::collection::btree_set(-1_000_000i64..1_000_000, 2..60),
            power in -300i32..300,
            values in proptest::collection::vec(-1_100_000i64..1_100_000, 1..60),
        ) {
            let scaled = |value: i64| value as f64 * 10f64.powi(power);
            let binning = NumericBinning::new(cuts.iter().map(|cut| scaled(*cut)).collect(), 0.1).unwrap();
            let near = binning.cuts().iter().flat_map(|cut| [cut.next_down(), *cut, cut.next_up()]);
            for value in values.iter().map(|value| scaled(*value)).chain(near).chain([f64::MAX, f64::MIN]) {
                proptest::prop_assert_eq!(binning.bin(value), binning.cuts().partition_point(|cut| *cut <= value));
            }
        }
    }

    #[test]
    fn ends_are_told_in_the_digits_of_the_values() {
        let class = single::class_of;
        let cuts = vec![class(0.0).0, class(0.35).0, class(0.35).1, class(1.0).0];
        let binning = NumericBinning::new(cuts, 0.5).unwrap();
        assert_eq!(binning.shown_ends(1), (Some(0.0), Some(0.35)));
        assert_eq!((binning.is_atom(2), binning.atom(2)), (true, Some(0.35)));
        assert_eq!(binning.shown_ends(4), (Some(1.0), None));
    }

    #[test]
    fn sums_come_back_within_a_step() {
        let binning = binning();
        for value in [-3.0, 0.25, 4.999, 5.0, 9.5, 17.0] {
            let bin = binning.bin(value);
            let back = binning.sum(bin, 1, binning.offset(bin, value));
            assert!((back - value).abs() < 1e-5, "{value} came back as {back}");
        }
    }

    #[test]
    fn a_single_outlier_cannot_overflow_the_sum() {
        let binning = binning();
        let offset = binning.offset(4, 1e300);
        assert!(offset > 0 && offset.checked_mul(100_000_000).is_some());
    }

    #[test]
    fn disordered_or_infinite_cuts_are_refused() {
        assert!(NumericBinning::new(vec![1.0, 1.0], 0.0).is_none());
        assert!(NumericBinning::new(vec![1.0, f64::INFINITY], 0.0).is_none());
        assert!(NumericBinning::new(vec![1.0], 0.0).is_none());
        assert!(serde_json::from_str::<NumericBinning>(r#"{"cuts":[2.0,1.0],"largest_mass":0.1}"#).is_err());
    }
}
