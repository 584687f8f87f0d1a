//! Circuits: a host that fails again and again is left alone for a while, so that messages to it neither use up their
//! attempts nor keep connections busy. Pure: the time is given.

use std::collections::HashMap;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 5;
/// How long a host is left alone first, in seconds; doubled with every failed try, up to [`LONGEST`].
const FIRST: u64 = 15;
/// How long a host is left alone at most, in seconds.
const LONGEST: u64 = 300;

#[derive(Clone, Copy, Debug, Default)]
struct Host {
    failures: u32,
    closed_until: u64,
}

/// The circuits of all hosts.
#[derive(Debug, Default)]
pub struct Circuit {
    hosts: HashMap<String, Host>,
}

impl Circuit {
    /// For how many seconds a host is still left alone; none when it may be tried. After that time one try is made, and
    /// callers wait for its outcome meanwhile.
    pub fn wait(&mut self, host: &str, now: u64) -> Option<u64> {
        let state = self.hosts.get_mut(host)?;
        if state.failures < FAILURES {
            return None;
        }
        if now < state.closed_until {
            return Some(state.closed_until - now);
        }
        state.closed_until = now + pause(state.failures);
        None
    }

    /// Notes how a try went: whether the host answered at all.
    pub fn note(&mut self, host: &str, answered: bool, now: u64) {
        if answered {
            self.hosts.remove(host);
            return;
        }
        let state = self.hosts.entry(host.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.closed_until = now + pause(state.failures);
        }
    }
}

fn pause(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(FAILURES).min(8);
    (FIRST << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_fails_is_left_alone_and_tried_once_in_a_while() {
        let mut circuit = Circuit::default();
        for now in 0..4 {
            circuit.note("a", false, now);
            assert_eq!(circuit.wait("a", now), None, "four failures say nothing yet");
        }
        circuit.note("a", false, 4);
        assert_eq!((circuit.wait("a", 4), circuit.wait("a", 18)), (Some(15), Some(1)));
        assert_eq!(circuit.wait("b", 4), None, "other hosts are not concerned");
        assert_eq!((circuit.wait("a", 19), circuit.wait("a", 19)), (None, Some(15)), "one try at a time");
        circuit.note("a", false, 20);
        assert_eq!(circuit.wait("a", 20), Some(30), "the pause grows");
        for now in 21..40 {
            circuit.note("a", false, now);
        }
        assert_eq!(circuit.wait("a", 39), Some(LONGEST));
        circuit.note("a", true, 400);
        assert_eq!(circuit.wait("a", 400), None);
    }
}
