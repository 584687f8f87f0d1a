//! The rules by which a reference is chosen, and what each asks for: pure, so that the daemon and replays choose alike.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::season::{Season, TimeRange};
use super::{Fit, Part, Reference, ReferenceChoice};
use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::record::{EventTime, TimeSpan, number_of, quantity};
use crate::window::{Calendar, WHOLE, WindowKey, WindowSpan};

/// The names of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// The active baseline.
    Fixed,
    /// The window before.
    Previous,
    /// The last windows.
    Rolling,
    /// Earlier windows of the same hour or day.
    Seasonal,
    /// The same window of another model version.
    Version,
    /// The same window of all other segments.
    Rest,
}

impl RuleName {
    /// All rules.
    pub const ALL: [Self; 6] =
        [Self::Fixed, Self::Previous, Self::Rolling, Self::Seasonal, Self::Version, Self::Rest];

    /// The name in configuration files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Previous => "previous",
            Self::Rolling => "rolling",
            Self::Seasonal => "seasonal",
            Self::Version => "version",
            Self::Rest => "rest",
        }
    }
}

/// How a reference is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum ReferenceRule {
    /// The active baseline.
    Fixed,
    /// The window before.
    Previous,
    /// The last `windows` windows of the series, at least `at_least`.
    Rolling { windows: u32, at_least: u32 },
    /// Windows of the same hour or day in earlier cycles.
    Seasonal(Season),
    /// The same window of this model version, the champion.
    Version(String),
    /// The same window of the other values of a segment's column, together.
    Rest,
}

/// Which closed windows a rule asks for; all of them of the window's monitor.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// The latest ones of its series before it.
    Latest(usize),
    /// Those of its series that start in one of these ranges.
    Within(Vec<TimeRange>),
    /// Those of its time and segment, of this model version.
    OfVersion(String),
    /// Those of its time and version, of the other values of this segment column.
    OfOthers(String),
}

/// Why a rule gave no reference, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(String);

impl Unusable {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// There is no baseline, or none on bins that the window's counts can be moved to.
    #[must_use]
    pub fn no_baseline() -> Self {
        Self::because("no baseline has bins for the counts of the window, or it is still being learned")
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ReferenceRule {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> RuleName {
        match self {
            Self::Fixed => RuleName::Fixed,
            Self::Previous => RuleName::Previous,
            Self::Rolling { .. } => RuleName::Rolling,
            Self::Seasonal(_) => RuleName::Seasonal,
            Self::Version(_) => RuleName::Version,
            Self::Rest => RuleName::Rest,
        }
    }

    /// The windows it asks for when this one closes; none for a stored baseline.
    ///
    /// # Errors
    /// When it does not apply to such a window.
    pub fn selection(&self, window: &WindowSpan) -> Result<Option<Selection>, Unusable> {
        let key = &window.key;
        Ok(Some(match self {
            Self::Fixed => return Ok(None),
            Self::Previous => Selection::Latest(1),
            Self::Rolling { windows, .. } => Selection::Latest(*windows as usize),
            Self::Seasonal(season) => {
                Selection::Within(window.panes.iter().flat_map(|start| season.earlier(*start)).collect())
            }
            Self::Version(champion) if *champion == key.version => {
                return Err(Unusable::because(format!("the window is of version {champion} itself")));
            }
            Self::Version(champion) => Selection::OfVersion(champion.clone()),
            Self::Rest => match key.segment.split_once('=') {
                Some((column, _)) if key.segment != WHOLE => Selection::OfOthers(column.to_owned()),
                _ => return Err(Unusable::because("the window is of all records, not of a segment")),
            },
        }))
    }

    /// The reference that these windows make. `parts` are what the rule selected, without those that are excluded; those on
    /// other bins are left out, which its name says.
    ///
    /// # Errors
    /// When they are too few, have fewer than `min_records` records together, or do not add up.
    pub fn reference(
        &self,
        key: &WindowKey,
        bins: &Arc<BinningSet>,
        parts: Vec<Part>,
        min_records: u64,
    ) -> Result<Reference, Unusable> {
        let selected = parts.len();
        let mut parts: Vec<Part> = parts.into_iter().filter_map(|part| part.on(bins)).collect();
        parts.sort_by_key(|part| part.start);
        let elsewhere = match selected - parts.len() {
            0 => String::new(),
            others => format!("; {} counted on other bins", quantity(others as u64, "window was", "windows were")),
        };
        let starts: Vec<EventTime> = parts.iter().map(|part| part.start).collect();
        self.enough(key, &starts).map_err(|reason| Unusable::because(format!("{reason}{elsewhere}")))?;
        let counts = sum(&parts)?;
        if counts.rows() < min_records {
            return Err(Unusable::because(format!(
                "its {} {} {}, {min_records} are needed{elsewhere}",
                quantity(parts.len() as u64, "window", "windows"),
                if parts.len() == 1 { "has" } else { "have" },
                number_of(counts.rows(), "record"),
            )));
        }
        let (from, to) = (parts.first().map(|part| part.start), parts.iter().map(|part| part.end).max());
        let choice = ReferenceChoice {
            rule: Some(self.name()),
            name: format!("{}{elsewhere}", self.in_words(key, parts.len(), from.zip(to))),
            windows: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            records: counts.rows(),
            from: from.map(Into::into),
            to: to.map(Into::into),
            ids: parts.iter().filter_map(|part| part.id).collect(),
            passed_over: Vec::new(),
            beyond_bins: beyond_bins(&counts),
            natural_variation: None,
        };
        Ok(Reference { choice, counts: Some(counts), parts, test: None })
    }

    /// Whether windows with these starts are enough; why not otherwise.
    pub(super) fn enough(&self, key: &WindowKey, starts: &[EventTime]) -> Result<(), String> {
        let found = starts.len();
        match self {
            Self::Seasonal(season) => {
                let holds = |(from, to): &TimeRange| starts.iter().any(|start| from <= start && start < to);
                let cycles = season.earlier(key.start).iter().filter(|range| holds(range)).count();
                if cycles >= season.at_least as usize {
                    return Ok(());
                }
                Err(format!(
                    "{cycles} of the last {} with a usable window of the same {}, {} needed",
                    number_of(u64::from(season.cycles), "cycle"),
                    season.same.in_words(),
                    quantity(u64::from(season.at_least), "is", "are"),
                ))
            }
            Self::Rolling { at_least, .. } if found < *at_least as usize => {
                let found = quantity(found as u64, "earlier window is", "earlier windows are");
                Err(format!("{found} usable, {} needed", quantity(u64::from(*at_least), "is", "are")))
            }
            Self::Previous if found == 0 => Err("there is no earlier window that is usable".to_owned()),
            Self::Version(champion) if found == 0 => {
                Err(format!("version {champion} has no records in this window"))
            }
            Self::Rest if found == 0 => Err("no other segment has records in this window".to_owned()),
            _ => Ok(()),
        }
    }

    /// The windows it selects, in words.
    pub(super) fn in_words(&self, key: &WindowKey, windows: usize, range: Option<TimeRange>) -> String {
        let range = range.map_or(String::new(), |(from, to)| format!(", {from} to {to}"));
        let windows_in_words = number_of(windows as u64, "window");
        match self {
            Self::Fixed => "the baseline".to_owned(),
            Self::Previous => format!("the previous window{range}"),
            Self::Rolling { .. } => format!("the last {windows_in_words}{range}"),
            Self::Seasonal(season) => format!(
                "{windows_in_words} of the same {} in {}{range}",
                season.same.in_words(),
                season.zone_name()
            ),
            Self::Version(champion) => format!("version {champion} in the same window"),
            Self::Rest => {
                let column = key.segment.split_once('=').map_or("", |(column, _)| column);
                format!("the other segments of {column} in the same window")
            }
        }
    }
}

/// The columns whose values lie outside the bins to such a part that they can hardly be compared.
pub(super) fn beyond_bins(counts: &WindowCounts) -> Vec<String> {
    let beyond = counts.columns().iter().filter(|column| column.lies_beyond_bins());
    beyond.map(|column| column.name().to_owned()).collect()
}

/// The sum of all parts.
pub(super) fn sum(parts: &[Part]) -> Result<WindowCounts, Unusable> {
    let sum = WindowCounts::sum(parts.iter().map(|part| part.counts.as_ref()));
    sum.map_err(|error| Unusable::because(format!("its windows do not add up: {error}")))?
        .ok_or_else(|| Unusable::because("no window was selected"))
}

/// Windows beyond those that a rolling reference needs, in place of excluded ones.
const SPARE_WINDOWS: usize = 64;

/// The rules of a monitor in the order in which they are tried, and what never enters a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferencePlan {
    /// The first one that has enough windows is used.
    pub rules: Vec<ReferenceRule>,
    /// Windows that overlap with one of these are no part of a reference of earlier windows.
    pub excluded: Vec<Calendar>,
    /// A sum of windows with fewer records is no reference.
    pub min_records: u64,
    /// Which earlier windows the number of records is compared with where the reference is made of none; see
    /// [`super::volume_rules`]. None when it is not judged.
    pub volume: Vec<ReferenceRule>,
}

impl Default for ReferencePlan {
    /// The active baseline.
    fn default() -> Self {
        Self { rules: vec![ReferenceRule::Fixed], excluded: Vec::new(), min_records: 0, volume: Vec::new() }
    }
}

impl ReferencePlan {
    /// Whether a window may be part of a reference.
    #[must_use]
    pub fn admits(&self, start: EventTime, end: EventTime) -> bool {
        !self.excluded.iter().any(|calendar| calendar.overlaps(start, end))
    }

    /// How many windows of a series the rules need at most, with room for excluded ones, and how far back they look.
    #[must_use]
    pub fn reach(&self) -> (usize, TimeSpan) {
        reach(&self.rules)
    }

    /// The same for the number of records.
    #[must_use]
    pub fn volume_reach(&self) -> (usize, TimeSpan) {
        reach(&self.volume)
    }

    /// Whether windows are selected at all, or only a stored baseline is used.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.rules.iter().all(|rule| *rule == ReferenceRule::Fixed)
    }
}

fn reach(rules: &[ReferenceRule]) -> (usize, TimeSpan) {
    let mut reach = (1, TimeSpan::ZERO);
    for rule in rules {
        match rule {
            ReferenceRule::Rolling { windows, .. } => reach.0 = reach.0.max(*windows as usize + SPARE_WINDOWS),
            ReferenceRule::Previous => reach.0 = reach.0.max(1 + SPARE_WINDOWS),
            ReferenceRule::Seasonal(season) => reach.1 = reach.1.max(season.reach()),
            ReferenceRule::Fixed | ReferenceRule::Version(_) | ReferenceRule::Rest => {}
        }
    }
    reach
}

impl Part {
    /// The window with its counts on these bins; none when they cannot be moved there.
    #[must_use]
    pub fn on(self, bins: &Arc<BinningSet>) -> Option<Self> {
        match Fit::of(self.counts.binnings(), bins)? {
            Fit::Same => Some(self),
            Fit::Moved => Some(Self { counts: Arc::new(self.counts.rebinned(bins)), ..self }),
        }
    }
}
