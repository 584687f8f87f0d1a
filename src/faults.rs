//! Fault points, in debug builds only: `DRIFTD_FAULT=NAME[:N]` makes the process die as by `kill -9` the Nth
//! time it passes the point of that name. Tests prove with them that dying anywhere loses and doubles nothing.

use std::sync::atomic::{AtomicU32, Ordering};

static PASSED: AtomicU32 = AtomicU32::new(0);

/// Dies here when told to.
pub fn hit(name: &str) {
    let Ok(wanted) = std::env::var("DRIFTD_FAULT") else { return };
    let (point, number) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == number.parse().unwrap_or(1) {
        std::process::abort();
    }
}
