//! Monitors as they run: with the limits of the daemon, and which topics they read.

use std::sync::Arc;

use regex_lite::Regex;

use crate::config::{Monitor, Parts, Settings, Topics};
use crate::detection::DetectionRules;
use crate::store::{Closing, SeriesLimit};

/// Which topics a monitor reads.
#[derive(Clone, Debug)]
pub enum TopicMatcher {
    /// These.
    Named(Vec<String>),
    /// All that match.
    Pattern(Regex),
}

impl TopicMatcher {
    /// From the configuration.
    #[must_use]
    pub fn new(topics: &Topics) -> Self {
        match topics {
            Topics::Named(names) => Self::Named(names.clone()),
            // The pattern was compiled once when it was checked.
            Topics::Pattern(pattern) => {
                Regex::new(pattern).map_or_else(|_| Self::Named(Vec::new()), Self::Pattern)
            }
        }
    }

    /// Whether it reads a topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|name| name == topic),
            Self::Pattern(pattern) => pattern.is_match(topic),
        }
    }
}

/// A monitor with everything it needs to run.
#[derive(Debug)]
pub struct RunningMonitor {
    /// As configured.
    pub monitor: Monitor,
    /// Which topics it reads.
    pub topics: TopicMatcher,
    pub counted_as: String,
    pub parts: Parts,
    /// Its detectors, and whom they notify.
    pub detection: Arc<DetectionRules>,
}

/// What windows of a monitor are closed with.
pub(super) fn closing_of(running: &RunningMonitor) -> Closing<'_> {
    let monitor = &running.monitor;
    Closing {
        monitor: &monitor.name,
        sample_size: monitor.counting.sample_size,
        configuration: &monitor.fingerprint,
        references: &monitor.references,
        reach: monitor.rules.reach,
        budget_period: monitor.rules.judge.false_alarms.period(),
        detection: &running.detection,
    }
}

/// Whether one of the monitors reads a topic.
pub(super) fn is_read(monitors: &[Arc<RunningMonitor>], topic: &str) -> bool {
    monitors.iter().any(|running| running.topics.matches(topic))
}

/// Applies the daemon's limits to its monitors.
pub(super) fn runtime(settings: &Settings) -> Vec<Arc<RunningMonitor>> {
    settings
        .monitors
        .iter()
        .map(|monitor| {
            let mut monitor = monitor.clone();
            monitor.layout.max_message_bytes = settings.daemon.limits.max_message_bytes;
            monitor.counting.max_series = settings.daemon.limits.max_series;
            Arc::new(RunningMonitor {
                topics: TopicMatcher::new(&monitor.topics),
                counted_as: monitor.counted_as(),
                parts: monitor.parts(),
                detection: Arc::new(DetectionRules {
                    monitor: monitor.name.clone(),
                    labels: monitor.rules.labels.clone(),
                    receivers: monitor.rules.receivers.clone(),
                    detectors: monitor.detectors.clone(),
                    routing: Arc::clone(&settings.routing),
                    external_url: settings.daemon.http.external_url.clone(),
                }),
                monitor,
            })
        })
        .collect()
}

/// How many series a monitor counts apart, and when one gives way.
pub(super) fn series_limit(monitor: &Monitor) -> SeriesLimit {
    SeriesLimit { most: monitor.counting.max_series, idle: monitor.silence_of_series() }
}

/// What to subscribe to: names and patterns of all monitors, each once.
pub(super) fn subscription(monitors: &[Arc<RunningMonitor>]) -> Vec<String> {
    let mut topics: Vec<String> = monitors
        .iter()
        .flat_map(|running| match &running.monitor.topics {
            Topics::Named(names) => names.clone(),
            Topics::Pattern(pattern) => vec![pattern.clone()],
        })
        .collect();
    topics.sort();
    topics.dedup();
    topics
}
