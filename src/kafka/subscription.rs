//! What the client is told to read, and when it may be told again.
//!
//! While a client without a place in its group waits for metadata or for the group's answer, librdkafka ends the process
//! when its subscription is changed (an assertion in `rd_kafka_cgrp_modify_subscription`), and nobody can know whether it
//! still has its place: statistics are a second old. So a subscription is never changed: the client leaves its group and
//! joins it again with other topics, which is right in every state. That gives all of its partitions back for some
//! seconds, so it waits until the statistics say that the place in the group is steady.

use std::time::{Duration, Instant};

/// Statistics older than this say nothing about now: they come every second.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Subscription {
    /// Names and patterns that the client has still to be told; none when it knows.
    waiting: Option<Vec<String>>,
    /// Those that it was told, and when.
    told: Option<(Vec<String>, Instant)>,
}

impl Subscription {
    /// These topics are to be read; whether that has to wait.
    pub(super) fn want(&mut self, topics: Vec<String>) -> bool {
        let known = self.told.as_ref().is_some_and(|(told, _)| *told == topics);
        self.waiting = (!known).then_some(topics);
        self.waiting.is_some() && self.told.is_some()
    }

    /// Whether the client was told anything: it has to leave its group then, before it is told again.
    pub(super) fn has_begun(&self) -> bool {
        self.told.is_some()
    }

    /// What the client has to be told now, if anything; it counts as told. `steady` is when the client's place in the group
    /// was last seen to be steady; it is asked for only while something waits.
    pub(super) fn due(&mut self, steady: impl FnOnce() -> Option<Instant>, now: Instant) -> Option<&[String]> {
        self.waiting.as_ref()?;
        if let Some((_, at)) = &self.told {
            steady().filter(|seen| seen > at && now.duration_since(*seen) < FRESH)?;
        }
        let (topics, _) = self.told.insert((self.waiting.take()?, now));
        Some(topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_change_waits_for_a_place_in_the_group_and_the_first_does_not() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut subscription = Subscription::default();
        assert_eq!(subscription.due(|| None, at(0.0)), None, "nothing is wanted yet");
        assert!(!subscription.want(names(&["a"])));
        assert_eq!(subscription.due(|| None, at(1.0)), Some(&names(&["a"])[..]));
        assert_eq!(subscription.due(|| Some(at(1.5)), at(1.6)), None, "told once");

        assert!(!subscription.want(names(&["a"])), "the same again is no change");
        assert!(subscription.want(names(&["a", "b"])));
        assert_eq!(subscription.due(|| None, at(2.0)), None, "never seen steady");
        assert_eq!(
            subscription.due(|| Some(at(0.5)), at(2.0)),
            None,
            "steady before it was told: of another client's life"
        );
        assert_eq!(subscription.due(|| Some(at(1.5)), at(4.0)), None, "steady long ago");
        assert_eq!(subscription.due(|| Some(at(3.5)), at(4.0)), Some(&names(&["a", "b"])[..]));

        // The next change waits for what came of this one.
        assert!(subscription.want(names(&["b"])));
        assert_eq!(subscription.due(|| Some(at(3.9)), at(4.1)), None);
        // What is taken back meanwhile needs no word.
        assert!(!subscription.want(names(&["a", "b"])));
        assert_eq!(subscription.due(|| Some(at(5.0)), at(5.1)), None);
    }
}
