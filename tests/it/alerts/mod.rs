//! Groups, silences, acknowledgements, caps, replays and retraining requests on a real PostgreSQL: what is decided there is
//! what people get.

mod deliveries;
mod groups;
mod monitors;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use driftd::alert::{ChangeKind, Evidence, GroupKey, GroupTiming, Labels, Routing, RuleKind};
use driftd::closing::ChangedAlert;
use driftd::record::TimeSpan;
use driftd::store::{Store, Telling};
use driftd::view::AlertDetail;
use serde_json::Value;
use uuid::Uuid;

use crate::deliveries::transition;
use crate::support::{World, number, services};

/// A database with nothing running on it.
struct Desk {
    world: World,
    store: Store,
    caps: BTreeMap<String, u32>,
    states: BTreeSet<String>,
    routing: Routing,
}

fn at_once() -> GroupTiming {
    GroupTiming {
        wait: TimeSpan::ZERO,
        interval: TimeSpan::ZERO,
        repeat: TimeSpan::ZERO,
        send_resolved: true,
        unacknowledged_for: None,
    }
}

impl Desk {
    fn new(test: &str) -> Option<Self> {
        let world = World::new(&services(test)?);
        let store = world.store();
        Some(Self {
            world,
            store,
            caps: BTreeMap::new(),
            states: BTreeSet::new(),
            routing: Routing { timing: at_once(), ..Routing::default() },
        })
    }

    /// An alert fires or is over, for these receivers.
    fn change(
        &self,
        id: u128,
        kind: ChangeKind,
        receivers: &[&str],
        labels: &[(&str, &str)],
        timing: GroupTiming,
    ) {
        let labels: Labels = [("monitor", "m"), ("kind", "drift"), ("alertname", "drift")]
            .into_iter()
            .chain(labels.iter().copied())
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        let by: Labels =
            labels.iter().filter(|(label, _)| *label == "team").map(|(l, v)| (l.clone(), v.clone())).collect();
        let groups = receivers.iter().map(|receiver| GroupKey {
            route: "test".to_owned(),
            receiver: (*receiver).to_owned(),
            labels: by.clone(),
            timing,
            mute: vec![],
        });
        let change = ChangedAlert {
            transition: transition(id, kind),
            kind: RuleKind::Drift,
            labels,
            evidence: (kind == ChangeKind::Firing)
                .then(|| Evidence { summary: format!("number {id}"), ..Evidence::default() }),
            groups: groups.collect(),
        };
        self.world.runtime.block_on(self.store.inject_alerts("m", "1", &[change], "test")).unwrap();
    }

    /// Looks at all due groups; the reasons of what was decided, by receiver.
    fn settle(&self) -> Vec<String> {
        let telling = Telling {
            routing: &self.routing,
            caps: &self.caps,
            states: &self.states,
            external_url: Some("https://driftd.example/"),
        };
        self.world.runtime.block_on(async {
            let mut decided = Vec::new();
            let open = self.store.firing_alerts().await.unwrap();
            for group in self.store.due_groups(100).await.unwrap() {
                if let Some(told) = self.store.settle_group(group, telling, &open).await.unwrap() {
                    decided.push(format!("{} {} {}", told.receiver, told.reason.as_str(), told.alerts));
                }
            }
            decided.sort();
            decided
        })
    }

    fn number(&self, query: &'static str) -> i64 {
        self.world.runtime.block_on(number(&self.world.pool, query)).unwrap()
    }

    fn run(&self, query: &'static str) {
        self.world.runtime.block_on(sqlx::query(query).execute(&self.world.pool)).unwrap();
    }

    fn bodies(&self, status: &'static str) -> Vec<Value> {
        self.world
            .runtime
            .block_on(
                sqlx::query_scalar("select body from notification where status = $1 order by sequence")
                    .bind(status)
                    .fetch_all(&self.world.pool),
            )
            .unwrap()
    }

    fn history(&self, id: u128) -> Vec<String> {
        let id = Uuid::from_u128(id).to_string();
        let AlertDetail { history, .. } = self.world.runtime.block_on(self.store.alert(&id)).unwrap();
        history.into_iter().map(|entry| format!("{} {}", entry.kind, entry.reason)).collect()
    }
}
