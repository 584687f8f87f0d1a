//! `driftd measures`

use super::{CliError, say, tell};
use crate::measure::{Measure, Reads};

/// Lists the measures: name, what it reads, limits, what it is.
pub(super) fn run() -> Result<(), CliError> {
    let listed: Vec<serde_json::Value> = Measure::ALL
        .into_iter()
        .map(|measure| {
            let limits = measure.default_thresholds();
            serde_json::json!({
                "measure": measure.as_str(), "for": reads(measure), "warn": limits.warn, "critical": limits.critical,
                "about": measure.about(),
            })
        })
        .collect();
    tell(&listed, || {
        say(format!("{:<20} {:<11} {:>5} {:>6}  description", "measure", "for", "warn", "drift"));
        for measure in Measure::ALL {
            let limits = measure.default_thresholds();
            say(format!(
                "{:<20} {:<11} {:>5} {:>6}  {}",
                measure.as_str(),
                reads(measure),
                limits.warn,
                limits.critical,
                measure.about()
            ));
        }
    })
}

fn reads(measure: Measure) -> &'static str {
    match measure.reads() {
        Reads::Groups => "all",
        Reads::Values => "numeric",
        Reads::TwoValues => "two values",
        Reads::Counters => "all rows",
        Reads::Vectors => "embeddings",
        Reads::Rows => "records",
        Reads::Change => "changes",
        Reads::Sequence => "windows",
    }
}
