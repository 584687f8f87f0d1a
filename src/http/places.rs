//! Who gets a connection: so many in all, so many of one peer. A connection that neither asks nor reads gives way to new ones, and a few
//! places are kept for probes and metrics, whatever the others do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Places for probes and metrics when all others are taken.
const KEPT: usize = 16;
/// A connection that has neither asked nor read for this long gives way when places are short.
const PATIENCE: Duration = Duration::from_secs(1);

/// The other side, as far as limits know it: an address, or a network of 64 bits, of which one machine may have all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            other => other,
        })
    }
}

/// How a connection does.
#[derive(Debug)]
pub(super) struct Seat {
    began: Instant,
    /// Since when it waits for the other side, in milliseconds from its beginning and one; 0 while an answer is being made.
    waiting: AtomicU64,
    evicted: CancellationToken,
}

impl Seat {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), waiting: AtomicU64::new(1), evicted: CancellationToken::new() }
    }

    /// A request came: the next step is ours.
    pub(super) fn asked(&self) {
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// The next step is theirs: to read, or to ask.
    pub(super) fn answered(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        self.waiting.store(since, Ordering::Relaxed);
    }

    /// They read some more.
    pub(super) fn progressed(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.answered();
        }
    }

    /// For how long the other side has done nothing.
    fn stalled(&self) -> Duration {
        match self.waiting.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.began.elapsed().saturating_sub(Duration::from_millis(since - 1)),
        }
    }

    /// Ends when the place is needed for somebody else.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

/// A place that was given; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    /// How its connection does.
    pub(super) seat: Arc<Seat>,
    /// Whether it is one of those kept for probes and metrics.
    pub(super) kept: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().leave(self.id);
    }
}

/// All places of a listener.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    each: usize,
    taken: Mutex<TakenPlaces>,
}

#[derive(Debug, Default)]
struct TakenPlaces {
    next: u64,
    /// By number: the lower came earlier.
    ordinary: HashMap<u64, (Peer, Arc<Seat>)>,
    kept: HashMap<u64, (Peer, Arc<Seat>)>,
    peers: HashMap<Peer, usize>,
}

impl TakenPlaces {
    fn leave(&mut self, id: u64) {
        self.kept.remove(&id);
        let Some((peer, _)) = self.ordinary.remove(&id) else { return };
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    fn of(&self, peer: Peer) -> usize {
        self.peers.get(&peer).copied().unwrap_or(0)
    }

    /// Sends the one away who has done nothing for longest: of a peer, or of all.
    fn make_room(&mut self, of: Option<Peer>) -> bool {
        let candidates = self.ordinary.iter().filter(|(_, (peer, _))| of.is_none_or(|of| of == *peer));
        let longest = candidates
            .map(|(id, (_, seat))| (seat.stalled(), *id))
            .filter(|(stalled, _)| *stalled >= PATIENCE)
            .max();
        let Some((_, id)) = longest else { return false };
        if let Some((_, seat)) = self.ordinary.get(&id) {
            seat.evicted.cancel();
        }
        self.leave(id);
        true
    }

    /// Sends the oldest away of the peer that has most of the places kept.
    fn make_room_for_a_probe(&mut self) {
        let count = |peer: Peer| self.kept.values().filter(|(other, _)| *other == peer).count();
        let first = self.kept.iter().map(|(id, (peer, _))| (std::cmp::Reverse(count(*peer)), *id)).min();
        if let Some((_, id)) = first
            && let Some((_, seat)) = self.kept.remove(&id)
        {
            seat.evicted.cancel();
        }
    }
}

impl Places {
    pub(super) fn new(all: usize, each: usize) -> Self {
        Self { all, each: each.min(all), taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, TakenPlaces> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of a peer: an ordinary one where there is room, or where somebody gives way; otherwise one of those
    /// kept, where the oldest gives way.
    pub(super) fn take(self: &Arc<Self>, peer: Peer) -> Place {
        let mut taken = self.taken();
        let room = if taken.of(peer) >= self.each {
            taken.make_room(Some(peer))
        } else {
            taken.ordinary.len() < self.all || taken.make_room(None)
        };
        let id = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat::new());
        if room {
            *taken.peers.entry(peer).or_default() += 1;
            taken.ordinary.insert(id, (peer, Arc::clone(&seat)));
        } else {
            if taken.kept.len() >= KEPT {
                taken.make_room_for_a_probe();
            }
            taken.kept.insert(id, (peer, Arc::clone(&seat)));
        }
        Place { places: Arc::clone(self), id, seat, kept: !room }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap())
    }

    #[test]
    fn a_peer_has_its_share_and_no_more_while_all_of_it_is_used() {
        let places = Arc::new(Places::new(8, 3));
        let busy = |place: Place| {
            place.seat.asked();
            place
        };
        let held: Vec<Place> = (0..3).map(|_| busy(places.take(peer("10.0.0.1")))).collect();
        assert!(held.iter().all(|place| !place.kept));
        let fourth = places.take(peer("10.0.0.1"));
        assert!(fourth.kept, "for probes alone");
        let other = busy(places.take(peer("10.0.0.2")));
        assert!(!other.kept);
        drop(held);
        assert!(!places.take(peer("10.0.0.1")).kept, "free again");
        let numbers = || {
            let taken = places.taken();
            (taken.ordinary.len(), taken.peers.len(), taken.kept.len())
        };
        assert_eq!(numbers(), (1, 1, 1));
        drop((fourth, other));
        assert_eq!(numbers(), (0, 0, 0));
    }

    #[test]
    fn a_connection_that_neither_asks_nor_reads_gives_way() {
        let places = Arc::new(Places::new(4, 4));
        let held: Vec<Place> = (1..=4).map(|number| places.take(peer(&format!("10.0.0.{number}")))).collect();
        held[1].seat.asked();
        assert!(places.take(peer("10.0.0.9")).kept, "they have only just come");
        std::thread::sleep(PATIENCE + Duration::from_millis(50));
        held[2].seat.progressed();
        let new = places.take(peer("10.0.0.9"));
        assert!(!new.kept);
        let gone: Vec<bool> = held.iter().map(|place| place.seat.evicted.is_cancelled()).collect();
        assert!(!gone[1], "its answer is being made");
        assert!(!gone[2], "it reads");
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1, "{gone:?}");
        drop(held);
        assert_eq!(places.taken().ordinary.len(), 1, "a place is given back once");
    }

    #[test]
    fn a_crowd_does_not_take_the_places_kept_from_others() {
        let places = Arc::new(Places::new(1, 1));
        let first = places.take(peer("10.0.0.1"));
        first.seat.asked();
        let probe = places.take(peer("10.0.0.2"));
        let crowd: Vec<Place> = (0..100).map(|_| places.take(peer("10.0.0.1"))).collect();
        assert!(probe.kept && !probe.seat.evicted.is_cancelled(), "one of another peer stays");
        assert_eq!(places.taken().kept.len(), KEPT);
        assert_eq!(crowd.iter().filter(|place| place.seat.evicted.is_cancelled()).count(), 100 - (KEPT - 1));
    }

    #[test]
    fn a_network_of_one_machine_is_one_peer() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        assert_ne!(peer("::1"), peer("::2"));
    }
}
