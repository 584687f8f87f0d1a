//! How often a monitor may alarm although nothing changed, and what that leaves for one window.

use std::fmt;

use super::{ColumnRules, JudgeSpec};
use crate::record::TimeSpan;
use crate::retention::Kept;

/// How many false alarms are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FalseAlarms {
    /// The chance of a false finding per window, over all columns together; from 0 to 1.
    PerWindow(f64),
    /// Alerts per period when nothing changes, over all windows, columns, measures, segments and versions together.
    Budget {
        /// The expected number of false alerts.
        alarms: f64,
        /// Per this time.
        period: TimeSpan,
    },
}

/// The part of a budget that is spent on findings of single windows; the rest is spent on slow drift.
const SINGLE_WINDOWS: f64 = 0.75;
/// A level above it would call every second window false.
const MOST: f64 = 0.5;
/// Evidence of less strength shows nothing, whatever the budget.
const LEAST_STRENGTH: f64 = 20.0;
/// What a rule that needs several windows keeps in reserve, because windows share their reference and are not quite independent.
const RESERVE: f64 = 0.5;

impl FalseAlarms {
    /// One false alert per 30 days.
    pub const DEFAULT: Self = Self::Budget { alarms: 1.0, period: TimeSpan::days(30) };
    /// The chance per window where windows come without a time, as in the comparison of two files.
    pub const DEFAULT_PER_WINDOW: f64 = 0.001;

    /// The chance of a false finding per window that the budget leaves, over all columns of the window together.
    ///
    /// A rate is spent evenly: each window of each series has the same part. A rule that fires when `windows` of the last `of`
    /// windows drift may be more sensitive in each: for columns that are independent from window to window the rate is
    /// `C(of - 1, windows - 1) a^windows` for a column's level a.
    #[must_use]
    pub fn level(self, spread: &Spread) -> f64 {
        let (alarms, period) = match self {
            Self::PerWindow(chance) => return chance,
            Self::Budget { alarms, period } => (alarms, period),
        };
        let columns = count(spread.hypotheses.max(1));
        let windows = period.as_seconds() / spread.every.as_seconds().max(1.0) * count(spread.series.max(1));
        let rate = SINGLE_WINDOWS * alarms / windows.max(1.0) / columns;
        let (needed, of) = spread.persistence;
        let level = if needed <= 1 {
            rate
        } else {
            let reserve = RESERVE * (1.0 - spread.autocorrelation.clamp(0.0, 0.9));
            reserve * (rate / choices(of.saturating_sub(1), needed - 1)).powf(1.0 / f64::from(needed))
        };
        (level * columns).min(MOST)
    }

    /// The strength of evidence at which a column has drifted slowly, see [`crate::trend::Evidence`]: so many windows of all followed
    /// columns come for each false alarm. With a chance per window as many as have one false finding.
    #[must_use]
    pub fn strength_needed(self, spread: &Spread, columns: usize) -> f64 {
        let columns = count(columns.max(1));
        match self {
            Self::PerWindow(chance) => columns / chance.max(f64::MIN_POSITIVE),
            Self::Budget { alarms, period } => {
                let windows =
                    period.as_seconds() / spread.every.as_seconds().max(1.0) * count(spread.series.max(1));
                windows.max(1.0) * columns / ((1.0 - SINGLE_WINDOWS) * alarms)
            }
        }
        .max(LEAST_STRENGTH)
    }

    /// The time that a budget is for; none for a chance per window.
    #[must_use]
    pub fn period(self) -> Option<TimeSpan> {
        match self {
            Self::PerWindow(_) => None,
            Self::Budget { period, .. } => Some(period),
        }
    }

    /// The chance per window where nothing is known of how windows follow each other.
    #[must_use]
    pub fn per_window(self) -> f64 {
        match self {
            Self::PerWindow(chance) => chance,
            Self::Budget { .. } => Self::DEFAULT_PER_WINDOW,
        }
    }
}

/// `1 per 30 days`, `0.001 per window`.
impl fmt::Display for FalseAlarms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerWindow(chance) => write!(formatter, "{chance} per window"),
            // A period is shown as other times of configurations are.
            Self::Budget { alarms, period } => write!(formatter, "{alarms} per {}", Kept::For(*period)),
        }
    }
}

/// What a budget is spread over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A window ends every so often.
    pub every: TimeSpan,
    /// Versions and segments that have windows.
    pub series: usize,
    /// What is tested in a window: see [`JudgeSpec::hypotheses`].
    pub hypotheses: usize,
    /// Drifting windows that make an alert fire, of how many.
    pub persistence: (u32, u32),
    /// How much windows of the reference follow the one before, from 0 to 1.
    pub autocorrelation: f64,
}

impl JudgeSpec {
    /// The level of one hypothesis where all share a level (Bonferroni).
    #[must_use]
    pub fn level_of_one(&self, level: f64) -> f64 {
        level / count(self.hypotheses().max(1))
    }

    /// What is tested in a window and can be false: a column with all its change measures together, every other measure that has
    /// limits, and the number of records.
    #[must_use]
    pub fn hypotheses(&self) -> usize {
        self.columns.iter().map(ColumnRules::hypotheses).sum::<usize>() + usize::from(self.rows.is_some())
    }

    /// Whether there is any change measure.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.columns.iter().flat_map(|column| &column.measures).any(|rule| rule.measure.is_change())
    }
}

impl ColumnRules {
    /// See [`JudgeSpec::hypotheses`].
    #[must_use]
    pub fn hypotheses(&self) -> usize {
        let decides = || self.measures.iter().filter(|rule| rule.limits.is_some());
        let has_changes = decides().any(|rule| rule.measure.is_change());
        let others = decides().filter(|rule| !rule.measure.is_change() && !rule.measure.has_own_budget());
        others.count() + usize::from(has_changes)
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand at most")]
fn count(number: usize) -> f64 {
    number as f64
}

/// The number of ways to choose `some` of `all`.
fn choices(all: u32, some: u32) -> f64 {
    (0..some.min(all)).fold(1.0, |product, index| product * f64::from(all - index) / f64::from(index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: TimeSpan = TimeSpan::hours(1);

    fn spread(series: usize, persistence: (u32, u32)) -> Spread {
        Spread { every: HOUR, series, hypotheses: 30, persistence, autocorrelation: 0.0 }
    }

    #[test]
    fn a_budget_is_spread_evenly_over_windows_and_series() {
        let level = FalseAlarms::DEFAULT.level(&spread(1, (1, 1)));
        assert!((level - 0.75 / 720.0).abs() < 1e-12, "{level}");
        let shared = FalseAlarms::DEFAULT.level(&spread(10, (1, 1)));
        assert!((shared - level / 10.0).abs() < 1e-12);
        let daily = Spread { every: TimeSpan::days(1), ..spread(1, (1, 1)) };
        assert!((FalseAlarms::DEFAULT.level(&daily) - level * 24.0).abs() < 1e-12);
    }

    #[test]
    fn a_rule_that_needs_more_windows_is_more_sensitive_in_each() {
        let column = |persistence| FalseAlarms::DEFAULT.level(&spread(1, persistence)) / 30.0;
        let expected = 0.5 * (0.75_f64 / (2.0 * 720.0 * 30.0)).sqrt();
        assert!((column((2, 3)) - expected).abs() < 1e-12, "{}", column((2, 3)));
        assert!(column((3, 3)) > column((2, 3)) && column((2, 3)) > column((1, 1)));
        let follows = Spread { autocorrelation: 0.5, ..spread(1, (2, 3)) };
        assert!((FalseAlarms::DEFAULT.level(&follows) / 30.0 - expected / 2.0).abs() < 1e-12);
    }

    #[test]
    fn slow_drift_spends_what_single_windows_leave() {
        let needed = FalseAlarms::DEFAULT.strength_needed(&spread(2, (2, 3)), 30);
        assert!((needed - 4.0 * 720.0 * 2.0 * 30.0).abs() < 1e-6, "{needed}");
        assert_eq!(FalseAlarms::PerWindow(0.001).strength_needed(&spread(2, (1, 1)), 30), 30_000.0);
        assert_eq!(FalseAlarms::PerWindow(1.0).strength_needed(&spread(2, (1, 1)), 1), LEAST_STRENGTH);
    }

    #[test]
    fn a_budget_is_written_as_people_say_it() {
        assert_eq!(FalseAlarms::DEFAULT.to_string(), "1 per 30 days");
        assert_eq!(FalseAlarms::PerWindow(0.001).to_string(), "0.001 per window");
    }

    #[test]
    fn few_windows_never_make_a_level_that_calls_everything_false() {
        let month = Spread { every: TimeSpan::days(60), ..spread(1, (1, 1)) };
        assert_eq!(FalseAlarms::DEFAULT.level(&month), 0.5);
        assert_eq!(FalseAlarms::PerWindow(0.01).level(&month), 0.01);
    }
}
