//! Numbers by bin of which few are not zero: most windows of a crowd of versions or segments have a handful of records, and a
//! place for each bin of each column would take thousands of times as much memory as these.

use std::sync::OnceLock;

/// As many numbers as there are bins. Only those that were touched are kept, until they are a good part of all.
#[derive(Clone, Debug)]
pub(super) struct Sparse<T> {
    bins: usize,
    held: Held<T>,
    zero: T,
}

#[derive(Clone, Debug)]
enum Held<T> {
    /// Ordered by bin. The view is made for those who want to see all.
    Few {
        entries: Vec<(u32, T)>,
        view: OnceLock<Vec<T>>,
    },
    Many(Vec<T>),
}

/// With a fourth of all bins touched, a place for each costs no more.
const FEW: usize = 4;

impl<T: Copy + Default + PartialEq> Sparse<T> {
    /// Zero everywhere.
    pub(super) fn zeros(bins: usize) -> Self {
        Self { bins, held: Held::Few { entries: Vec::new(), view: OnceLock::new() }, zero: T::default() }
    }

    /// The number of a bin; `None` when there is no such bin.
    pub(super) fn get(&self, bin: usize) -> Option<&T> {
        match &self.held {
            Held::Many(all) => all.get(bin),
            Held::Few { .. } if bin >= self.bins => None,
            Held::Few { entries, .. } => {
                let place = entries.binary_search_by_key(&bin, |(known, _)| *known as usize).ok();
                Some(place.and_then(|place| entries.get(place)).map_or(&self.zero, |(_, number)| number))
            }
        }
    }

    /// The place of a bin's number; `None` when there is no such bin.
    pub(super) fn get_mut(&mut self, bin: usize) -> Option<&mut T> {
        if let Held::Few { entries, view } = &mut self.held {
            if bin >= self.bins {
                return None;
            }
            view.take();
            if entries.len() * FEW < self.bins {
                let place = match entries.binary_search_by_key(&bin, |(known, _)| *known as usize) {
                    Ok(place) => place,
                    Err(place) => {
                        entries.insert(place, (u32::try_from(bin).ok()?, T::default()));
                        place
                    }
                };
                return match &mut self.held {
                    Held::Few { entries, .. } => entries.get_mut(place).map(|(_, number)| number),
                    Held::Many(_) => None,
                };
            }
            self.held = Held::Many(all_of(self.bins, entries));
        }
        match &mut self.held {
            Held::Many(all) => all.get_mut(bin),
            Held::Few { .. } => None,
        }
    }

    /// All numbers, by bin.
    pub(super) fn as_slice(&self) -> &[T] {
        match &self.held {
            Held::Many(all) => all,
            Held::Few { entries, view } => view.get_or_init(|| all_of(self.bins, entries)),
        }
    }

    /// Those that are not zero, in the order of their bins.
    pub(super) fn touched(&self) -> impl Iterator<Item = (usize, T)> + '_ {
        let (few, many) = match &self.held {
            Held::Few { entries, .. } => {
                (Some(entries.iter().map(|(bin, number)| (*bin as usize, *number))), None)
            }
            Held::Many(all) => (None, Some(all.iter().copied().enumerate())),
        };
        let numbers = few.into_iter().flatten().chain(many.into_iter().flatten());
        numbers.filter(|(_, number)| *number != T::default())
    }

    /// How many bins there are.
    pub(super) fn len(&self) -> usize {
        self.bins
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        match &self.held {
            Held::Few { entries, view } => {
                entries.capacity() * size_of::<(u32, T)>() + view.get().map_or(0, |all| all.len() * size_of::<T>())
            }
            Held::Many(all) => all.capacity() * size_of::<T>(),
        }
    }
}

/// Equal numbers are equal, however they are held.
impl<T: Copy + Default + PartialEq> PartialEq for Sparse<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bins == other.bins && self.touched().eq(other.touched())
    }
}

fn all_of<T: Copy + Default>(bins: usize, entries: &[(u32, T)]) -> Vec<T> {
    let mut all = vec![T::default(); bins];
    for (bin, number) in entries {
        if let Some(place) = all.get_mut(*bin as usize) {
            *place = *number;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_a_vector_is(bins in 0usize..40, steps in prop::collection::vec((0usize..45, 1u64..9), 0..60)) {
            let mut sparse = Sparse::<u64>::zeros(bins);
            let mut all = vec![0; bins];
            for (bin, number) in steps {
                match (sparse.get_mut(bin), all.get_mut(bin)) {
                    (Some(mine), Some(theirs)) => { *mine += number; *theirs += number; }
                    (mine, theirs) => prop_assert_eq!(mine, theirs),
                }
                prop_assert_eq!(sparse.as_slice(), all.as_slice());
                prop_assert_eq!(sparse.get(bin), all.get(bin));
            }
            let touched: Vec<(usize, u64)> = all.iter().copied().enumerate().filter(|(_, number)| *number > 0).collect();
            prop_assert_eq!(sparse.touched().collect::<Vec<_>>(), touched);
            prop_assert_eq!(sparse.clone(), sparse);
        }
    }

    #[test]
    fn a_window_of_few_records_takes_little() {
        let mut counts = Sparse::<u64>::zeros(1_000);
        for bin in [3, 999, 3, 17] {
            *counts.get_mut(bin).unwrap() += 1;
        }
        assert!(counts.bytes() < 100, "{}", counts.bytes());
        assert_eq!(counts.get(3), Some(&2));
        assert_eq!(counts.get(1_000), None);
    }
}
