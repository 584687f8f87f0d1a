//! `driftd measures`

use super::say;
use crate::measure::{Measure, Reads};

/// Lists the measures: name, what it reads, limits, what it is.
pub(super) fn run() {
    say(format!("{:<20} {:<11} {:>5} {:>6}  what it is", "measure", "for", "warn", "drift"));
    for measure in Measure::ALL {
        let limits = measure.default_thresholds();
        let reads = match measure.reads() {
            Reads::Groups => "all",
            Reads::Values => "numeric",
            Reads::TwoValues => "two values",
            Reads::Counters => "all rows",
            Reads::Vectors => "embeddings",
        };
        say(format!(
            "{:<20} {:<11} {:>5} {:>6}  {}",
            measure.as_str(),
            reads,
            limits.warn,
            limits.critical,
            measure.about()
        ));
    }
}
