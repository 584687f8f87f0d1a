//! Failed log-ins: each makes the next of the same peer slower, and they are in the log with their peer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use super::places::Peer;

/// What comes from a peer after this long without a failure begins anew.
const FORGET_AFTER: Duration = Duration::from_mins(15);
/// A log-in waits no longer than this: a user who shares an address with an attacker gets in.
const LONGEST: Duration = Duration::from_secs(8);
/// Peers that are remembered; beyond it the one whose failures are oldest is forgotten.
const PEERS: usize = 1_024;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// How somebody says who he is. Programs that go on with an old token do not slow down the log-ins of people beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// By the form.
    LogIn,
    /// By a token with each request.
    Token,
}

/// What failed lately, by peer.
#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<(Way, Peer), Failures>>);

impl Attempts {
    fn known(&self) -> MutexGuard<'_, HashMap<(Way, Peer), Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a log-in of a peer waits before it is looked at: nothing at first, then half a second for the first failure, and
    /// twice as long for each.
    pub(super) fn delay(&self, peer: Peer) -> Duration {
        let known = self.known();
        let Some(failures) =
            known.get(&(Way::LogIn, peer)).filter(|failures| failures.last.elapsed() < FORGET_AFTER)
        else {
            return Duration::ZERO;
        };
        let factor = 1_u32 << (failures.count - 1).min(10);
        (Duration::from_millis(500) * factor).min(LONGEST)
    }

    /// Notes a failure: how many there are of this peer, where that is worth a line in the log: of the first ones each, then of ever
    /// more.
    pub(super) fn failed(&self, way: Way, peer: Peer) -> Option<u32> {
        let mut known = self.known();
        let peer = (way, peer);
        let now = Instant::now();
        if known.len() >= PEERS && !known.contains_key(&peer) {
            known.retain(|_, failures| failures.last.elapsed() < FORGET_AFTER);
            if known.len() >= PEERS
                && let Some(oldest) = known.iter().min_by_key(|(_, failures)| failures.last).map(|(peer, _)| *peer)
            {
                known.remove(&oldest);
            }
        }
        let failures = known.entry(peer).or_insert(Failures { count: 0, last: now });
        if failures.last.elapsed() >= FORGET_AFTER {
            failures.count = 0;
        }
        *failures = Failures { count: failures.count.saturating_add(1), last: now };
        (failures.count <= 8 || failures.count.is_power_of_two()).then_some(failures.count)
    }

    /// A log-in of a peer succeeded.
    pub(super) fn succeeded(&self, peer: Peer) {
        self.known().remove(&(Way::LogIn, peer));
    }
}

/// What a proxy on this machine says of who is behind it; of others that header says nothing.
pub(super) fn forwarded(headers: &HeaderMap, peer: std::net::IpAddr) -> Option<&str> {
    let said = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| peer.to_canonical().is_loopback());
    said.and_then(|said| said.to_str().ok()).and_then(|said| said.rsplit(',').next()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_slows_the_next_attempt_of_its_peer_and_of_no_other() {
        let attempts = Attempts::default();
        let peer = |text: &str| Peer::of(text.parse().unwrap());
        let (bad, good) = (peer("10.0.0.1"), peer("10.0.0.2"));
        let mut delays = Vec::new();
        for count in 1..=7 {
            assert_eq!(attempts.failed(Way::LogIn, bad), Some(count));
            delays.push(attempts.delay(bad).as_millis());
        }
        assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(attempts.delay(good), Duration::ZERO);
        assert_eq!(attempts.failed(Way::Token, good), Some(1));
        assert_eq!(attempts.delay(good), Duration::ZERO, "a program is not a person");
        let logged = (8..=1_024).filter_map(|_| attempts.failed(Way::LogIn, bad)).collect::<Vec<_>>();
        assert_eq!(logged, [8, 16, 32, 64, 128, 256, 512, 1_024]);
        attempts.succeeded(bad);
        assert_eq!(attempts.delay(bad), Duration::ZERO);
    }

    #[test]
    fn many_peers_take_no_more_memory() {
        let attempts = Attempts::default();
        for number in 0..PEERS as u32 + 200 {
            attempts.failed(Way::LogIn, Peer::of(std::net::Ipv4Addr::from(number).into()));
        }
        assert_eq!(attempts.known().len(), PEERS);
    }

    #[test]
    fn only_a_proxy_on_this_machine_says_who_is_behind_it() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 10.0.0.9".parse().unwrap());
        assert_eq!(forwarded(&headers, "127.0.0.1".parse().unwrap()), Some("10.0.0.9"));
        assert_eq!(forwarded(&headers, "10.0.0.2".parse().unwrap()), None);
    }
}
