//! Fault points, in debug builds only: `DRIFTD_FAULT=NAME:N` makes the process die as by `kill -9` the Nth time it
//! passes the point of that name, `NAME:N:stop` makes it stop there as by `kill -STOP`. Tests prove with them that
//! dying or sleeping anywhere loses and doubles nothing.

use std::sync::atomic::{AtomicU32, Ordering};

static PASSED: AtomicU32 = AtomicU32::new(0);

/// Dies or stops here when told to.
pub fn hit(name: &str) {
    let Ok(wanted) = std::env::var("DRIFTD_FAULT") else { return };
    let mut parts = wanted.split(':');
    let (point, number) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("1"));
    if point != name || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != number.parse().unwrap_or(1) {
        return;
    }
    if parts.next() != Some("stop") {
        std::process::abort();
    }
    let stopped = std::process::Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
    tracing::warn!(?stopped, point, "process resumed after SIGSTOP");
}
