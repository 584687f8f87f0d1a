//! Panics of libraries that decode hostile bytes, turned into errors.
//!
//! Sizes are checked before decoding, since an allocation that fails ends the process and cannot be caught. What is left
//! are assertions of the decoders, which unwind.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread decodes hostile bytes at the moment: a panic is reported as damage then, so a panic hook has
/// nothing to print.
#[must_use]
pub fn is_isolated() -> bool {
    DEPTH.get() > 0
}

/// Leaves the isolation when dropped, whether the work returned or unwound.
struct Isolation;

impl Isolation {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get().saturating_add(1));
        Self
    }
}

impl Drop for Isolation {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// A decoder panicked, with this message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(String);

/// Runs a decoder. What it was working on must not be used after a panic.
///
/// # Errors
/// With the message of the panic.
pub(crate) fn isolated<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let isolation = Isolation::enter();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    drop(isolation);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Panicked(text.unwrap_or_else(|| "the decoder panicked".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_isolation_ends_with_it() {
        assert_eq!(isolated(|| 1), Ok(1));
        assert!(!is_isolated());
        let inner = isolated(|| {
            assert!(is_isolated());
            let empty: [u8; 0] = [];
            empty[std::hint::black_box(3)]
        });
        assert!(inner.unwrap_err().to_string().contains("index out of bounds"));
        assert!(!is_isolated());
    }
}
