//! Which windows the number of records of a window is compared with: those of its reference, or where that has none, such as
//! a stored baseline, earlier windows of the same time.

use jiff::tz::TimeZone;

use super::{Reference, ReferenceRule, RuleName, Same, Season, Unusable};
use crate::measure::LEAST_WINDOWS;
use crate::record::{EventTime, TimeSpan};
use crate::window::{WindowKey, WindowSpan};

/// Records of earlier windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsualRows {
    /// Which windows they are, in words; empty without any.
    pub name: String,
    /// Records of each.
    pub rows: Vec<u64>,
}

/// A window with its number of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsOfWindow {
    /// Its start.
    pub start: EventTime,
    /// Its end (exclusive).
    pub end: EventTime,
    /// Its records.
    pub rows: u64,
}

/// The rules that select earlier windows of the same time, for windows of this length: those of the same hour of the day or
/// day of the week (UTC), and the last ones where there are too few of these.
#[must_use]
pub fn volume_rules(length: TimeSpan) -> Vec<ReferenceRule> {
    let at_least = u32::try_from(LEAST_WINDOWS).unwrap_or(u32::MAX);
    let season = |same, cycles| ReferenceRule::Seasonal(Season { same, zone: TimeZone::UTC, cycles, at_least });
    let mut rules = Vec::new();
    if length <= TimeSpan::hours(1) {
        rules.push(season(Same::HourOfDay, 14));
    } else if length <= TimeSpan::days(1) {
        rules.push(season(Same::DayOfWeek, 8));
    }
    rules.push(ReferenceRule::Rolling { windows: 24, at_least });
    rules
}

impl UsualRows {
    /// Those of the earlier windows that the reference of a window is made of; none when it is made of fewer than are needed, or
    /// of others than earlier windows like its last pane.
    #[must_use]
    pub fn of_reference(reference: Option<&Reference>, window: &WindowSpan) -> Option<Self> {
        let Reference { choice, parts, .. } = reference?;
        let of_earlier = match choice.rule? {
            RuleName::Rolling => true,
            RuleName::Seasonal => window.panes.len() == 1,
            _ => false,
        };
        let rows = || parts.iter().map(|part| part.counts.rows()).collect();
        (of_earlier && parts.len() >= LEAST_WINDOWS).then(|| Self { name: choice.name.clone(), rows: rows() })
    }

    /// Those of the windows that a rule selected.
    ///
    /// # Errors
    /// When they are too few.
    pub fn of_windows(
        rule: &ReferenceRule,
        key: &WindowKey,
        mut windows: Vec<RowsOfWindow>,
    ) -> Result<Self, Unusable> {
        windows.sort_by_key(|window| window.start);
        let starts: Vec<EventTime> = windows.iter().map(|window| window.start).collect();
        rule.enough(key, &starts).map_err(Unusable::because)?;
        let range = windows.first().map(|first| first.start).zip(windows.iter().map(|window| window.end).max());
        let name = rule.in_words(key, windows.len(), range);
        Ok(Self { name, rows: windows.into_iter().map(|window| window.rows).collect() })
    }
}
