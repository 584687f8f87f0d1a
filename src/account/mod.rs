//! The account of false alarms, pure: how many alerts were false by what people said, against the budget of the same time; and proposals of
//! wider limits for the measures that carried false alarms.
//!
//! People do not judge every alert. A count of false alarms is therefore known within bounds: from those that were said to be false to
//! these with all that nobody judged.

mod decision;
mod interval;
mod proposal;

pub use decision::{LimitChoice, LimitDecision, LimitsStep};
pub use interval::Interval;
pub use proposal::{Alarm, Carried, Obstacle, Outcome, Proposal, ProposalBasis, carrying_columns, proposals};

use crate::alert::Judged;
use crate::judge::FalseAlarms;
use crate::judge::why::number;
use crate::record::{TimeSpan, number_of, quantity};

/// Alerts that fired, by what people said about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Said to be real.
    pub real: u64,
    /// Said to be false.
    pub wrong: u64,
    /// Nobody said what they were.
    pub not_judged: u64,
}

impl Alarms {
    /// Counts one more.
    pub fn add(&mut self, judged: Option<Judged>) {
        let counter = match judged {
            Some(Judged::Real) => &mut self.real,
            Some(Judged::FalseAlarm) => &mut self.wrong,
            None => &mut self.not_judged,
        };
        *counter = counter.saturating_add(1);
    }

    /// All together.
    #[must_use]
    pub fn all(self) -> u64 {
        self.real.saturating_add(self.wrong).saturating_add(self.not_judged)
    }

    /// False alarms at most: those that were said to be false, and all that nobody judged.
    #[must_use]
    pub fn wrong_at_most(self) -> u64 {
        self.wrong.saturating_add(self.not_judged)
    }
}

/// What was counted over a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Windows with a verdict, of all versions and segments.
    pub windows: u64,
    /// Event time that they cover together; of windows with the same start it counts once.
    pub time: TimeSpan,
    /// Alerts about drift that fired.
    pub alarms: Alarms,
}

/// Whether a budget was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There were not more false alarms than the budget allows, even if all alerts that nobody judged were false.
    Kept,
    /// Those that were said to be false are more than chance explains if the budget were kept.
    Exceeded,
    /// No window was judged.
    NoWindows,
    /// The budget allows less than half a false alarm in this time.
    TooShort,
    /// It depends on alerts that nobody judged.
    NotJudged,
    /// There were more than the budget allows, and not more than chance may bring if the budget were kept.
    MayBeChance,
}

/// The account of a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    pub observed: Observed,
    /// False alarms that the budget allows in the same time.
    pub allowed: f64,
    /// The 95 % interval of the rate of false alarms, per period of the budget, or per window for a chance per window; none without a judged
    /// window.
    pub rate: Option<Interval>,
    pub standing: Standing,
}

/// A time in which a budget allows less says nothing about whether it is kept.
const LEAST_ALLOWED: f64 = 0.5;

impl Account {
    /// Holds what was counted against a budget.
    #[must_use]
    pub fn new(observed: Observed, budget: FalseAlarms) -> Self {
        let Observed { windows, time, alarms } = observed;
        let (allowed, units) = match budget {
            FalseAlarms::PerWindow(chance) => (count(windows) * chance, count(windows)),
            FalseAlarms::Budget { alarms, period } => {
                let periods = time.as_seconds() / period.as_seconds().max(1.0);
                (periods * alarms, periods)
            }
        };
        let interval = Interval::of_count(alarms.wrong, alarms.wrong_at_most());
        let standing = if windows == 0 {
            Standing::NoWindows
        } else if interval.lower > allowed {
            Standing::Exceeded
        } else if allowed < LEAST_ALLOWED {
            Standing::TooShort
        } else if count(alarms.wrong_at_most()) <= allowed.ceil() {
            Standing::Kept
        } else if count(alarms.wrong) <= allowed.ceil() {
            Standing::NotJudged
        } else {
            Standing::MayBeChance
        };
        let rate = (units > 0.0).then(|| interval.scaled(1.0 / units));
        Self { observed, allowed, rate, standing }
    }

    /// Whether the budget was kept, in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let alarms = self.observed.alarms;
        let wrong = match (alarms.wrong, alarms.wrong_at_most()) {
            (least, most) if least == most => number_of(least, "false alarm"),
            (least, most) => format!("{least} to {}", number_of(most, "false alarm")),
        };
        let wrong = format!("{wrong} in {}", in_words(self.observed.time));
        let allows = format!("the budget allows {}", number(self.allowed));
        let untold = "Whether the budget is kept cannot be told";
        match self.standing {
            Standing::Kept => format!("Budget kept: {wrong}; {allows}."),
            Standing::Exceeded => {
                format!("Budget exceeded: {wrong}; {allows}. Chance does not explain the difference.")
            }
            Standing::NoWindows => format!("{untold}: no window has been judged."),
            Standing::TooShort => format!("{untold} yet: {wrong}; {allows}."),
            Standing::NotJudged => {
                let alerts = quantity(alarms.not_judged, "alert is", "alerts are");
                format!("{untold}: {wrong}, because {alerts} not judged; {allows}.")
            }
            Standing::MayBeChance => format!("{untold}: {wrong}; {allows}. Chance explains the difference."),
        }
    }
}

/// A length of time in its largest unit of which there are two at least.
fn in_words(time: TimeSpan) -> String {
    let seconds = time.as_seconds();
    let units = [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit).unwrap_or((1.0, "seconds"));
    format!("{} {name}", number(seconds / unit))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
