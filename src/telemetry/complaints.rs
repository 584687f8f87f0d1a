//! The same complaint is logged once in a while, however often its reason comes up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Complaints that are remembered; beyond it all are forgotten.
const REMEMBERED: usize = 10_000;

/// Remembers what was complained about.
pub struct Complaints {
    every: Duration,
    known: Mutex<HashMap<(String, String), Instant>>,
}

impl Complaints {
    /// None yet. Between two complaints about the same lies at least the given time.
    #[must_use]
    pub fn every(every: Duration) -> Self {
        Self { every, known: Mutex::default() }
    }

    /// Whether to complain about something now; `of` says what it belongs to: a monitor.
    pub fn is_due(&self, of: &str, what: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED {
            known.clear();
        }
        let key = (of.to_owned(), what.to_owned());
        if known.get(&key).is_some_and(|at| at.elapsed() < self.every) {
            return false;
        }
        known.insert(key, Instant::now());
        true
    }
}
