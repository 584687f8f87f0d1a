//! Messages and rows that did not become records: how many, why, and an example of each in words.

use std::collections::BTreeMap;

use super::{FieldPath, RejectReason};

/// Rejected messages or rows by reason, with the first example of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    by_reason: BTreeMap<RejectReason, (u64, String)>,
}

impl Rejections {
    /// Counts one; `example` is asked for only when it is the first of its reason.
    pub fn add(&mut self, reason: RejectReason, example: impl FnOnce() -> String) {
        let (count, _) = self.by_reason.entry(reason).or_insert_with(|| (0, example()));
        *count = count.saturating_add(1);
    }

    /// Adds others; their examples are kept where there was none.
    pub fn merge(&mut self, other: &Self) {
        for (reason, (count, example)) in &other.by_reason {
            let (known, _) = self.by_reason.entry(*reason).or_insert_with(|| (0, example.clone()));
            *known = known.saturating_add(*count);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().fold(0, |all, (count, _)| all.saturating_add(*count))
    }

    /// Reasons with their counts and an example in words: field, value and what is allowed.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u64, &str)> {
        self.by_reason.iter().map(|(reason, (count, example))| (*reason, *count, example.as_str()))
    }
}

/// Different values of a filter's field that are kept.
const VALUES: usize = 8;

/// Records of something else: how many, and what they had in the fields of the filters that they failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    count: u64,
    seen: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Filtered {
    /// Counts one, with the path of the filter and the value found there.
    pub fn add(&mut self, failed: Option<(&FieldPath, String)>) {
        self.count = self.count.saturating_add(1);
        let Some((path, value)) = failed else { return };
        self.see(&path.to_string(), &value, 1);
    }

    fn see(&mut self, path: &str, value: &str, count: u64) {
        if !self.seen.contains_key(path) {
            self.seen.insert(path.to_owned(), BTreeMap::new());
        }
        let Some(values) = self.seen.get_mut(path) else { return };
        if let Some(known) = values.get_mut(value) {
            *known = known.saturating_add(count);
        } else if values.len() < VALUES {
            values.insert(value.to_owned(), count);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        for (path, values) in &other.seen {
            for (value, count) in values {
                self.see(path, value, *count);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count
    }

    /// What the fields of the filters held instead: path and some of the values, the most frequent first.
    #[must_use]
    pub fn seen(&self) -> Vec<(&str, Vec<&str>)> {
        let of = |(path, values)| {
            let (path, values): (&String, &BTreeMap<String, u64>) = (path, values);
            let mut ranked: Vec<(&str, u64)> =
                values.iter().map(|(value, count)| (value.as_str(), *count)).collect();
            ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            (path.as_str(), ranked.into_iter().map(|(value, _)| value).collect())
        };
        self.seen.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_first_example_and_filters_the_values_seen() {
        let mut rejections = Rejections::default();
        rejections.add(RejectReason::Syntax, || "first".to_owned());
        rejections.add(RejectReason::Syntax, || unreachable!());
        let mut all = Rejections::default();
        all.add(RejectReason::TooBig, || "big".to_owned());
        all.merge(&rejections);
        assert_eq!(all.total(), 3);
        assert_eq!(
            all.iter().collect::<Vec<_>>(),
            [(RejectReason::Syntax, 2, "first"), (RejectReason::TooBig, 1, "big")]
        );

        let path = FieldPath::parse("model.name").unwrap();
        let mut filtered = Filtered::default();
        for index in 0..100 {
            filtered.add(Some((&path, format!("\"m{}\"", if index < 60 { 0 } else { index }))));
        }
        assert_eq!(filtered.total(), 100);
        let seen = filtered.seen();
        assert_eq!((seen[0].0, seen[0].1[0], seen[0].1.len()), ("model.name", "\"m0\"", VALUES));
    }
}
