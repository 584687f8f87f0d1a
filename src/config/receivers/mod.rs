//! `[receivers.NAME]`: who can be told, and who can be asked.

mod email;
mod http;
mod training;

use std::collections::BTreeMap;

use super::section::Section;
use super::suggestion::suggest;
use crate::notify::{EmailOptions, HttpOptions};

/// Somebody who can be told.
#[derive(Debug)]
pub struct Receiver {
    kind: ReceiverKind,
    /// How; none when one of its secrets could not be read here.
    pub channel: Option<Channel>,
    /// Messages about alerts in an hour at most; the rest is told together when there is room.
    pub max_per_hour: Option<u32>,
    /// Messages under way at the same time.
    pub concurrency: u32,
}

/// How a receiver is told.
#[derive(Debug)]
pub enum Channel {
    /// By mail.
    Email(EmailOptions),
    Http(HttpOptions),
    /// Through a Kafka topic of the same cluster.
    Kafka {
        topic: String,
    },
}

impl Receiver {
    /// Whether it is a training system that can be asked how a run goes.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        matches!(
            self.kind,
            ReceiverKind::Airflow | ReceiverKind::Kubeflow | ReceiverKind::Prefect | ReceiverKind::Dagster
        )
    }

    /// Whether it is posted the state of all alerts instead of messages about them.
    #[must_use]
    pub fn takes_state(&self) -> bool {
        self.kind == ReceiverKind::Alertmanager
    }

    /// Whether it is a training system.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.can_be_asked() || matches!(self.kind, ReceiverKind::GitHub | ReceiverKind::Argo)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ReceiverKind {
    Email,
    Kafka,
    Webhook,
    CloudEvents,
    AlertmanagerWebhook,
    Alertmanager,
    Slack,
    Teams,
    PagerDuty,
    Opsgenie,
    Template,
    Airflow,
    GitHub,
    Argo,
    Kubeflow,
    Prefect,
    Dagster,
}

const KINDS: [(&str, ReceiverKind); 17] = [
    ("email", ReceiverKind::Email),
    ("webhook", ReceiverKind::Webhook),
    ("kafka", ReceiverKind::Kafka),
    ("cloudevents", ReceiverKind::CloudEvents),
    ("alertmanager_webhook", ReceiverKind::AlertmanagerWebhook),
    ("alertmanager", ReceiverKind::Alertmanager),
    ("slack", ReceiverKind::Slack),
    ("teams", ReceiverKind::Teams),
    ("pagerduty", ReceiverKind::PagerDuty),
    ("opsgenie", ReceiverKind::Opsgenie),
    ("template", ReceiverKind::Template),
    ("airflow", ReceiverKind::Airflow),
    ("github", ReceiverKind::GitHub),
    ("argo", ReceiverKind::Argo),
    ("kubeflow", ReceiverKind::Kubeflow),
    ("prefect", ReceiverKind::Prefect),
    ("dagster", ReceiverKind::Dagster),
];

/// The receivers, and the names of all that were declared: one with a mistake is still known where it is used.
pub(super) fn read(root: &Section<'_>, warnings: &mut Vec<String>) -> (BTreeMap<String, Receiver>, Vec<String>) {
    let mut receivers = BTreeMap::new();
    let mut declared = Vec::new();
    for (name, section) in root.named_sections("receivers") {
        declared.push(name.clone());
        let kind = section.optional_choice("type", &KINDS);
        if !section.has("type") {
            let names: Vec<String> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
            section.add(section.mistake("type", format!("is missing: one of {}", names.join(", "))));
        }
        let Some(kind) = kind else { continue };
        let max_per_hour = section
            .has("max_per_hour")
            .then(|| u32::try_from(section.integer("max_per_hour", 60, 1..=100_000)).unwrap_or(60));
        section.value("max_per_hour");
        let concurrency = u32::try_from(section.integer("concurrency", 1, 1..=16)).unwrap_or(1);
        let channel = match kind {
            ReceiverKind::Email => email::read(&section, warnings).map(Channel::Email),
            ReceiverKind::Kafka => {
                section.required("topic", "the Kafka topic").map(|topic| Channel::Kafka { topic })
            }
            _ => http::read(&section, kind, warnings).map(Channel::Http),
        };
        section.finish();
        if section.has_unread() {
            // Without one of its secrets it would be told as somebody else, or in another way.
            receivers.insert(name, Receiver { kind, channel: None, max_per_hour, concurrency });
        } else if channel.is_some() {
            receivers.insert(name, Receiver { kind, channel, max_per_hour, concurrency });
        }
    }
    (receivers, declared)
}

/// Checks names of receivers where they are used.
pub(super) fn check_names(section: &Section<'_>, key: &'static str, receivers: Option<&[String]>) -> Vec<String> {
    let names = section.strings(key).unwrap_or_default();
    if let Some(receivers) = receivers {
        let known: Vec<&str> = receivers.iter().map(String::as_str).collect();
        for (name, span) in &names {
            if !receivers.contains(name) {
                let mistake = super::mistake::Mistake::at(
                    section.file,
                    span.clone(),
                    &section.key(key),
                    format!("`{name}` is not a receiver of driftd.toml"),
                );
                section.add(suggest(mistake, name, &known));
            }
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}
