//! The machine against a reference that remembers everything and is as simple as the rules can be said.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// Everything that ever happened, looked at anew after every step.
#[derive(Default)]
struct EventHistory {
    /// Levels since the last episode ended.
    windows: Vec<Level>,
    open: bool,
    flaps: u32,
    ended_once: bool,
}

impl EventHistory {
    fn step(&mut self, level: Level, policy: AlertPolicy) -> Option<ChangeKind> {
        self.windows.push(level);
        let drifts = |level: &&Level| level.severity().is_some();
        if self.open {
            let quiet = self.windows.iter().rev().take_while(|level| **level == Level::Quiet).count();
            let needed = policy.resolve_after * 2u32.pow(self.flaps.min(4));
            if quiet >= needed as usize {
                self.open = false;
                self.ended_once = true;
                self.windows.clear();
                return Some(ChangeKind::Resolved);
            }
            return None;
        }
        let newest = self.windows.iter().rev().take(policy.of as usize);
        let drifting = newest.filter(drifts).count();
        if drifting >= policy.windows as usize {
            self.open = true;
            let again = self.ended_once && self.windows.len() <= policy.flap_windows as usize;
            self.flaps = if again { self.flaps + 1 } else { 0 };
            return Some(ChangeKind::Firing);
        }
        if drifting == 0 && self.windows.len() > policy.flap_windows as usize {
            self.flaps = 0;
            self.ended_once = false;
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_machine_fires_and_resolves_when_the_reference_does(
        letters in prop::collection::vec(0u8..4, 1..120),
        windows in 1u32..4, extra in 0u32..4, resolve_after in 1u32..4, flap_windows in 0u32..8,
    ) {
        let policy = AlertPolicy { windows, of: windows + extra, resolve_after, flap_windows };
        let mut reference = EventHistory::default();
        let mut state = AlertState::default();
        let mut ids = std::collections::BTreeSet::new();
        // The window after the end of the last episode.
        let mut first = 0;
        for (start, letter) in (0i64..).zip(letters) {
            let level = [Level::Quiet, Level::Between, Level::Warn, Level::Critical][usize::from(letter)];
            let stored: AlertState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            let id = |since: EventTime| Uuid::from_u128(u128::try_from(since.micros()).unwrap());
            let (next, change) = stored.observe(at(start), level, policy, id);
            let expected = reference.step(level, policy);
            let told = change.as_ref().map(|change| change.kind)
                .filter(|kind| matches!(kind, ChangeKind::Firing | ChangeKind::Resolved));
            prop_assert_eq!(told, expected, "at {}", start);
            if expected == Some(ChangeKind::Firing) {
                prop_assert!(ids.insert(change.unwrap().id), "every episode has an id of its own");
            }
            prop_assert_eq!(next.is_open(), reference.open);
            // An episode counts what drifted since it began, whatever the state remembers.
            if let Some(episode) = &next.episode {
                let since = usize::try_from(episode.since.micros() - first).unwrap();
                let own = reference.windows.get(since..).unwrap_or_default();
                let drifting = own.iter().filter(|level| level.severity().is_some()).count();
                prop_assert_eq!((episode.drifting as usize, episode.judged as usize), (drifting, own.len()));
            }
            if expected == Some(ChangeKind::Resolved) {
                first = start + 1;
            }
            prop_assert!(next.history.len() <= 64 + 8);
            state = next;
        }
    }

    /// In whatever order windows come, what is remembered is the same, as long as nothing fired before.
    #[test]
    fn the_order_of_windows_does_not_matter_before_an_episode(
        letters in prop::collection::vec(0u8..2, 1..12), seed in any::<u64>(),
    ) {
        let policy = AlertPolicy { windows: 1, of: 20, resolve_after: 20, flap_windows: 0 };
        let mut order: Vec<(i64, Level)> = (0..).zip(letters.iter().map(|letter| {
            if *letter == 0 { Level::Quiet } else { Level::Between }
        })).collect();
        let run = |windows: &[(i64, Level)]| windows.iter().fold(AlertState::default(), |state, (start, level)| {
            state.observe(at(*start), *level, policy, |_| Uuid::nil()).0
        });
        let straight = run(&order);
        let mut random = seed;
        for index in (1..order.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(index, usize::try_from(random >> 33).unwrap() % (index + 1));
        }
        prop_assert_eq!(run(&order), straight);
    }
}
