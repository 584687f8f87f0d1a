//! What is kept of numeric values besides the counts of their bins: exact moments, so that means and standard deviations
//! are those of the values, and a finer resolution where bins are too wide to tell where their values lie.
//!
//! The *core* are all bins but those at the ends. It has one set of moments. What lies beyond it is put into universal
//! buckets by its distance: from the end of the core inside of the baseline's range, and from the end of the range
//! outside. A bucket is 1/64 of the distance wide, so this works as well a hair as a million ranges away.

use super::bins::TREE_ENTRY;
use super::moments::{Cells, Moments, Ruler, ValueGroup, add_to, bucket_ends, bucket_ruler, merge_cells};
use super::total;
use crate::binning::NumericBinning;

/// Where a value lies outside of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Below the baseline's range.
    Below,
    /// Within the range, below the core.
    Low,
    /// Within the range, above the core.
    High,
    /// Above the baseline's range.
    Above,
}

impl Zone {
    pub(super) const ALL: [Self; 4] = [Self::Below, Self::Low, Self::High, Self::Above];
}

/// Moments of the core, cells of the other zones in the order of [`Zone::ALL`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Detail {
    pub(super) core: Moments,
    pub(super) cells: [Cells; 4],
}

/// How the bins of a binning are divided into zones.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZoneLayout {
    /// The first bin of the core and the first one after it.
    first: usize,
    end: usize,
    last: usize,
    core: Ruler,
    /// What distances are measured from, in the order of [`Zone::ALL`].
    anchors: [f64; 4],
}

/// Of so many cuts one at each end is outside of the core.
const CUTS_PER_END: usize = 200;
/// Fewer cuts than this are all in the core.
const FEW_CUTS: usize = 8;

/// A stretch of the line and how many values it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) group: ValueGroup,
}

impl Detail {
    /// Bytes in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        let cells: usize = self.cells.iter().map(Cells::len).sum();
        size_of::<Self>() + cells * (TREE_ENTRY + size_of::<Moments>())
    }
}

impl ZoneLayout {
    pub(super) fn of(binning: &NumericBinning) -> Self {
        let cuts = binning.cuts();
        let skipped = if cuts.len() < FEW_CUTS { 0 } else { (cuts.len() / CUTS_PER_END).max(1) };
        let at = |index: usize| cuts.get(index).copied().unwrap_or(0.0);
        let last = cuts.len();
        let (low, high) = (at(skipped), at(last.saturating_sub(1 + skipped)));
        Self {
            first: skipped + 1,
            end: last.saturating_sub(skipped),
            last,
            core: Ruler::between(low, high),
            anchors: [at(0), low, high, at(last.saturating_sub(1))],
        }
    }

    /// The bins of the core.
    pub(super) fn core_bins(&self) -> std::ops::Range<usize> {
        self.first..self.end
    }

    /// The zone of a bin; none in the core.
    pub(super) fn zone(&self, bin: usize) -> Option<Zone> {
        match bin {
            0 => Some(Zone::Below),
            bin if bin < self.first => Some(Zone::Low),
            bin if bin >= self.last => Some(Zone::Above),
            bin if bin >= self.end => Some(Zone::High),
            _ => None,
        }
    }

    fn anchor(&self, zone: Zone) -> f64 {
        let [below, low, high, above] = self.anchors;
        match zone {
            Zone::Below => below,
            Zone::Low => low,
            Zone::High => high,
            Zone::Above => above,
        }
    }

    /// Half of the distance of a value from where its zone begins: the whole may be larger than any float.
    fn distance(&self, zone: Zone, value: f64) -> f64 {
        (value / 2.0 - self.anchor(zone) / 2.0).abs()
    }

    /// The value at half of a distance from where a zone begins.
    fn at(&self, zone: Zone, distance: f64) -> f64 {
        let signed = if matches!(zone, Zone::Below | Zone::Low) { -distance } else { distance };
        ((self.anchor(zone) / 2.0 + signed) * 2.0).clamp(f64::MIN, f64::MAX)
    }

    fn stretch(&self, zone: Zone, bucket: i32, moments: &Moments) -> Option<Stretch> {
        let group = moments.group(bucket_ruler(bucket))?;
        let (near, far) = bucket_ends(bucket);
        let (near, far) = (self.at(zone, near), self.at(zone, far));
        let group = ValueGroup {
            mean: self.at(zone, group.mean),
            deviation: (group.deviation * 2.0).min(f64::MAX),
            ..group
        };
        Some(Stretch { low: near.min(far), high: near.max(far), group })
    }
}

impl Detail {
    /// Counts a value that lies in a bin.
    pub(super) fn add(&mut self, layout: &ZoneLayout, bin: usize, value: f64) {
        match layout.zone(bin) {
            None => self.core.add(layout.core.offset(value)),
            Some(zone) => {
                if let Some(cells) = self.cells.get_mut(zone as usize) {
                    add_to(cells, layout.distance(zone, value));
                }
            }
        }
    }

    /// Counts values of one bin of which number, mean and deviation are known.
    pub(super) fn add_group(&mut self, layout: &ZoneLayout, bin: usize, group: ValueGroup) {
        match layout.zone(bin) {
            None => self.core.merge(&Moments::of_group(group, layout.core)),
            Some(zone) => {
                let distance = layout.distance(zone, group.mean);
                let bucket = crate::binning::universal::bucket(distance);
                let group = ValueGroup { mean: distance, deviation: group.deviation / 2.0, ..group };
                if let Some(cells) = self.cells.get_mut(zone as usize) {
                    cells.entry(bucket).or_default().merge(&Moments::of_group(group, bucket_ruler(bucket)));
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.core.merge(&other.core);
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            merge_cells(mine, theirs);
        }
    }

    /// How many values it knows of.
    pub(super) fn count(&self) -> u64 {
        let cells = self.cells.iter().flat_map(|cells| cells.values()).map(|moments| moments.count);
        total(cells).saturating_add(self.core.count)
    }

    /// How many values of a zone it knows of.
    pub(super) fn count_in(&self, zone: Zone) -> u64 {
        self.cells.get(zone as usize).map_or(0, |cells| total(cells.values().map(|moments| moments.count)))
    }

    /// The values of a zone, by increasing value.
    pub(super) fn stretches(&self, layout: &ZoneLayout, zone: Zone) -> Vec<Stretch> {
        let Some(cells) = self.cells.get(zone as usize) else { return Vec::new() };
        let mut found: Vec<Stretch> =
            cells.iter().filter_map(|(bucket, moments)| layout.stretch(zone, *bucket, moments)).collect();
        if matches!(zone, Zone::Below | Zone::Low) {
            found.reverse();
        }
        found
    }

    /// Everything it knows of, in groups.
    pub(super) fn groups(&self, layout: &ZoneLayout) -> Vec<ValueGroup> {
        let mut groups: Vec<ValueGroup> = self.core.group(layout.core).into_iter().collect();
        for zone in Zone::ALL {
            groups.extend(self.stretches(layout, zone).into_iter().map(|stretch| stretch.group));
        }
        groups
    }
}
