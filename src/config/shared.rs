//! What the daemons of one database must have in common, part by part, as hashes: daemons that differ in it count and judge
//! the same records differently.

use std::collections::BTreeMap;

use super::monitor::Monitor;
use crate::alert::Routing;
use crate::record::{FieldPath, TimeSpan};
use crate::retention::Retention;

/// Parts of a configuration, each with a hash of what it means: equal for daemons of one version that read the same files,
/// whatever comments and layout these have.
pub type Parts = BTreeMap<&'static str, String>;

/// A series is gone only when others are this many windows ahead, however short `gone_after` is.
const SILENT_WINDOWS: i64 = 3;

impl Monitor {
    /// For how long the others have records of event time, when a version or segment without any is gone.
    #[must_use]
    pub fn silence_of_series(&self) -> TimeSpan {
        self.gone_after.max(self.counting.length.span().times(SILENT_WINDOWS))
    }

    /// How records are counted, as a hash: columns with their paths and types, event times, versions, segments and filters.
    /// Monitors that differ in it count the same records differently; limits and receivers are not part of it.
    #[must_use]
    pub fn counted_as(&self) -> String {
        let columns: Vec<_> = self
            .schema
            .columns()
            .iter()
            .map(|column| (&column.name, column.path.to_string(), column.column_type.as_str()))
            .collect();
        let path = |path: &Option<FieldPath>| path.as_ref().map(ToString::to_string);
        let named = |list: &[(String, FieldPath)]| -> Vec<(String, String)> {
            list.iter().map(|(name, path)| (name.clone(), path.to_string())).collect()
        };
        let filters: Vec<_> = self.layout.filters.iter().map(|(path, value)| (path.to_string(), value)).collect();
        let layout = (
            path(&self.layout.time),
            self.layout.time_format.unit.as_str(),
            path(&self.layout.version),
            named(&self.layout.segments),
            filters,
        );
        hash(&serde_json::json!([columns, layout]).to_string())
    }

    /// What daemons that read this monitor's records must have in common.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let rules = &self.rules;
        let told = (&rules.labels, &rules.alerts, &rules.receivers, self.gone_after);
        let retraining = (&rules.retrain, &rules.retrain_receivers);
        let references = (&self.references.rules, &self.references.excluded);
        let baselines = (self.learn, self.build, &self.mlflow, references);
        Parts::from([
            ("topics", hash_of(&self.topics)),
            ("columns, paths and filters", self.counted_as()),
            ("windows and limits", hash_of(&(&self.counting, &self.timing))),
            ("measures and thresholds", hash_of(&rules.judge)),
            ("alerts and receivers", hash_of(&told)),
            ("retraining", hash_of(&retraining)),
            ("baselines", hash_of(&baselines)),
            ("challenger", hash_of(&self.challenger)),
            ("detectors", hash_of(&self.detectors)),
            ("retention", hash_of(&self.retention)),
        ])
    }
}

/// What daemons must have in common beside their monitors: routes, retention, and the names of receivers. Addresses and secrets are not
/// part of it: they may differ by the place of a daemon, and no hash of a secret is kept.
#[must_use]
pub fn common_parts<'a>(
    routing: &Routing,
    retention: &Retention,
    receivers: impl Iterator<Item = &'a String>,
) -> Parts {
    Parts::from([
        ("routes", hash_of(routing)),
        ("retention", hash_of(retention)),
        ("names of receivers", hash_of(&receivers.collect::<Vec<_>>())),
    ])
}

/// Of what a value prints for debugging: all of its fields. Two versions of driftd may print different things.
fn hash_of(value: &impl std::fmt::Debug) -> String {
    hash(&format!("{value:?}"))
}

fn hash(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}
