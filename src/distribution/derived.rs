//! What follows from counts, and costs more than to keep it.

use std::sync::OnceLock;

/// A value that is computed when it is asked for first. Whoever changes what it follows from puts an empty one in its place. It is no
/// part of what it follows from: two of them are always equal.
#[derive(Clone, Debug)]
pub(super) struct Derived<T>(OnceLock<T>);

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PartialEq for Derived<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Derived<T> {
    pub(super) fn get_or(&self, compute: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(compute)
    }
}
