//! What a window is compared with. A window keeps the bins it was opened on; its reference is resolved when it closes: a
//! stored baseline, or a sum of other windows that a rule selects.

mod history;
mod natural_variation;
mod rule;
mod season;
#[cfg(test)]
mod tests;
mod volume;

pub use history::History;
pub use natural_variation::NaturalVariation;
pub use rule::{ReferencePlan, ReferenceRule, RuleName, Selection, Unusable};
pub use season::{Same, Season, TimeRange};
pub use volume::{RowsOfWindow, UsualRows, volume_rules};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::record::{EventTime, Timestamp};
use crate::variation::ChangeTest;

/// What one window is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where it comes from.
    pub choice: ReferenceChoice,
    /// Its counts of the window's segment, on the bins of the window; none when it has nothing of the segment, or is on
    /// other bins.
    pub counts: Option<WindowCounts>,
    /// The windows that it is the sum of, in order of time; empty for a stored baseline.
    pub parts: Vec<Part>,
    /// What windows are tested against, of a stored baseline with counts. That of other windows is learned from them, see
    /// [`Reference::learned_test`].
    pub test: Option<Arc<ChangeTest>>,
}

impl Reference {
    /// A stored baseline, called `name`, such as `version 3 (training.parquet)`.
    #[must_use]
    pub fn baseline(name: String, counts: Option<WindowCounts>, test: Option<Arc<ChangeTest>>) -> Self {
        let records = counts.as_ref().map_or(0, WindowCounts::rows);
        let beyond_bins = counts.as_ref().map(rule::beyond_bins).unwrap_or_default();
        let rule = Some(RuleName::Fixed);
        let choice = ReferenceChoice { rule, name, records, beyond_bins, ..ReferenceChoice::default() };
        Self { choice, counts, parts: Vec::new(), test }
    }

    /// What windows are tested against. That of a reference of windows is learned from them each time. Windows of one series that follow
    /// each other say how much they differ by nature; other versions or segments in one window do not.
    #[must_use]
    pub fn learned_test(&self) -> Option<Arc<ChangeTest>> {
        let counts = self.counts.as_ref()?;
        let learn = || Arc::new(ChangeTest::of_windows(counts, &self.windows().collect::<Vec<_>>()));
        Some(self.test.clone().unwrap_or_else(learn))
    }

    /// The windows that say how much they differ by nature.
    fn windows(&self) -> impl Iterator<Item = &WindowCounts> {
        let follow_each_other = !matches!(self.choice.rule, Some(RuleName::Version | RuleName::Rest));
        self.parts.iter().filter(move |_| follow_each_other).map(|part| part.counts.as_ref())
    }

    /// What is known of how its windows differ; none without counts.
    fn natural_variation(&self) -> Option<NaturalVariation> {
        self.counts.as_ref()?;
        let of_parts = || NaturalVariation::of_windows(self.windows().filter(|window| window.rows() > 0).count());
        Some(self.test.as_deref().map_or_else(of_parts, NaturalVariation::of))
    }

    /// What a window was compared with, of the parts that there still are, all on its bins.
    #[must_use]
    pub fn of_parts(choice: ReferenceChoice, parts: Vec<Part>) -> Self {
        Self { choice, counts: rule::sum(&parts).ok(), parts, test: None }
    }
}

/// One window of a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its id; none in a replay.
    pub id: Option<i64>,
    /// Its start.
    pub start: EventTime,
    /// Its end (exclusive).
    pub end: EventTime,
    /// What was counted in it.
    pub counts: Arc<WindowCounts>,
}

/// How the reference of a window was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReferenceChoice {
    /// The rule that gave it; none when none did.
    pub rule: Option<RuleName>,
    /// In words; empty without a rule.
    #[serde(default)]
    pub name: String,
    /// Number of windows; 0 for a stored baseline.
    #[serde(default)]
    pub windows: u32,
    /// Number of records.
    #[serde(default)]
    pub records: u64,
    /// Start of the first window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// End of the last window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// IDs of the windows; they may have been deleted since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// Rules that come first and could not be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Columns of which more than a tenth of the reference lies outside the bins: not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond_bins: Vec<String>,
    /// What is known of how its windows differ; none of windows that were judged by earlier versions, and without a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_variation: Option<NaturalVariation>,
}

impl ReferenceChoice {
    /// What the window was compared with, as it is said in a sentence; none without a reference.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        match self.rule? {
            RuleName::Fixed => Some(format!("baseline {}", self.name)),
            _ => Some(self.name.clone()),
        }
    }

    /// Why a column is not compared although there is a reference; none otherwise.
    #[must_use]
    pub fn why_not_compared(&self, column: &str) -> Option<&'static str> {
        self.beyond_bins.iter().any(|beyond| beyond == column).then_some(
            "more than a tenth of the reference lies outside the bins of the column, so that changes there cannot be seen; a \
             baseline that is built from a file brings new bins (driftd baseline build)",
        )
    }

    /// Why rules were passed over, each with its name; empty when the first one was used.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons = self.passed_over.iter().map(|passed| format!("{}: {}", passed.rule.as_str(), passed.reason));
        reasons.collect::<Vec<_>>().join("; ")
    }
}

/// The rules that were tried for one window so far.
#[derive(Debug, Default)]
pub struct Resolution(Vec<PassedOver>);

impl Resolution {
    /// A rule cannot be used.
    pub fn pass_over(&mut self, rule: RuleName, reason: &Unusable) {
        self.0.push(PassedOver { rule, reason: reason.to_string() });
    }

    /// The reference that was found, and how it was chosen.
    #[must_use]
    pub fn found(self, mut reference: Reference) -> (Option<Reference>, ReferenceChoice) {
        reference.choice.passed_over = self.0;
        reference.choice.natural_variation = reference.natural_variation();
        let choice = reference.choice.clone();
        (Some(reference), choice)
    }

    /// No rule gave a reference.
    #[must_use]
    pub fn nothing(self) -> (Option<Reference>, ReferenceChoice) {
        (None, ReferenceChoice { passed_over: self.0, ..ReferenceChoice::default() })
    }
}

/// A rule that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PassedOver {
    /// The rule.
    pub rule: RuleName,
    /// Why, in words.
    pub reason: String,
}

/// How counts get onto the bins of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They are on these bins.
    Same,
    /// They were made on universal bins, before the baseline was learned from others like them: they are moved to its bins, which
    /// loses nothing.
    Moved,
}

impl Fit {
    /// How counts made on `counted_on` can be compared with those of a baseline on `bins`; none when they cannot.
    #[must_use]
    pub fn of(counted_on: &BinningSet, bins: &BinningSet) -> Option<Self> {
        if counted_on.id() == bins.id() {
            Some(Self::Same)
        } else {
            bins.holds_whole_buckets_of(counted_on).then_some(Self::Moved)
        }
    }

    /// Moves counts to the bins of the baseline.
    pub fn apply(self, counts: &mut WindowCounts, bins: &Arc<BinningSet>) {
        if self == Self::Moved {
            *counts = counts.rebinned(bins);
        }
    }
}
