//! How long what is stored is kept. The tiers build on one another: a window loses its sample first, then its counts, then its
//! findings, and is deleted last, with the alerts of its time.

use std::fmt;

use crate::record::{TimeSpan, number_of};

/// How long something is kept, in wall-clock time since it was over: since a window was closed, an alert was last changed, a
/// message was finished. The shorter is the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// It is deleted at this age.
    For(TimeSpan),
    /// It is never deleted.
    Forever,
}

/// How [`Kept::Forever`] is written.
const FOREVER: &str = "forever";

impl Kept {
    /// As it is written in files: a duration (`14d`) or `forever`. `None` for other texts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == FOREVER {
            return Some(Self::Forever);
        }
        TimeSpan::parse(text).map(Self::For)
    }

    /// The age at which it is deleted; `None` when it never is.
    #[must_use]
    pub const fn age(self) -> Option<TimeSpan> {
        match self {
            Self::For(age) => Some(age),
            Self::Forever => None,
        }
    }
}

/// `14 days`, `36 hours`, `90 seconds`, `forever`.
impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(age) = self else { return formatter.write_str(FOREVER) };
        let units = [(TimeSpan::days(1), "day"), (TimeSpan::hours(1), "hour"), (TimeSpan::minutes(1), "minute")];
        let whole = units.iter().find(|(unit, _)| age.micros() % unit.micros() == 0);
        let (unit, name) = whole.copied().unwrap_or((TimeSpan::seconds(1), "second"));
        formatter.write_str(&number_of(age.micros() / unit.micros(), name))
    }
}

/// How long the parts of closed windows are kept, measured from when a window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRetention {
    /// Samples: raw values of records.
    pub samples: Kept,
    /// Counts per bin: distributions, comparisons and new baselines need them.
    pub counts: Kept,
    /// Findings of each measure, and summaries of each column.
    pub findings: Kept,
}

/// What a monitor keeps longer or shorter than others; `None` is as for all monitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionOverride {
    /// See [`WindowRetention::samples`].
    pub samples: Option<Kept>,
    /// See [`WindowRetention::counts`].
    pub counts: Option<Kept>,
    /// See [`WindowRetention::findings`].
    pub findings: Option<Kept>,
}

/// How long everything is kept that is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Windows of monitors that do not override it.
    pub windows: WindowRetention,
    /// Alerts that are over, with their histories and retraining requests; and windows as such: verdict, scores, sizes.
    pub alerts: Kept,
    /// Messages that were sent, failed finally or were superseded.
    pub messages: Kept,
    /// The audit log, silences that have ended, gaps in the input.
    pub audit: Kept,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days| Kept::For(TimeSpan::days(days));
        Self {
            windows: WindowRetention { samples: days(14), counts: days(180), findings: days(400) },
            alerts: days(800),
            messages: days(90),
            audit: days(800),
        }
    }
}

impl Retention {
    /// How long the parts of a monitor's windows are kept.
    #[must_use]
    pub fn of_monitor(&self, own: &RetentionOverride) -> WindowRetention {
        WindowRetention {
            samples: own.samples.unwrap_or(self.windows.samples),
            counts: own.counts.unwrap_or(self.windows.counts),
            findings: own.findings.unwrap_or(self.windows.findings),
        }
    }
}

impl WindowRetention {
    /// Why a window has no counts, in words, with a hint.
    #[must_use]
    pub fn counts_deleted(&self) -> String {
        let after = after(self.counts);
        format!(
            "the counts of this window were deleted{after} (`retention.counts`)\n\
             hint: its verdict and its scores are kept longer; `retention.counts` in driftd.toml, or in the file of the monitor, says \
             how long the counts of later windows are kept"
        )
    }

    /// Why a window has no sample although its monitor keeps samples, in words.
    #[must_use]
    pub fn sample_deleted(&self) -> String {
        format!("the sample of this window was deleted{} (`retention.samples`)", after(self.samples))
    }
}

/// Nothing when it would be kept now: it was deleted under an earlier configuration.
fn after(kept: Kept) -> String {
    kept.age().map_or(String::new(), |_| format!(" after {kept}"))
}

/// The first two neighbours of a list of tiers, from the first that is deleted to the last, of which the first is kept longer
/// than the second: it would be deleted with what it belongs to.
#[must_use]
pub fn contradiction<'a>(tiers: &[(&'a str, Kept)]) -> Option<[(&'a str, Kept); 2]> {
    tiers.windows(2).find_map(|pair| match pair {
        [first, second] if first.1 > second.1 => Some([*first, *second]),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_forever_is_kept_longest_and_every_age_is_shown_in_its_largest_whole_unit() {
        let kept = |text| Kept::parse(text).unwrap();
        assert!(kept("400d") > kept("14d") && kept("forever") > kept("400d"));
        let shown = ["14d", "1d", "36h", "90m", "90s", "forever"].map(|text| kept(text).to_string());
        assert_eq!(shown, ["14 days", "1 day", "36 hours", "90 minutes", "90 seconds", "forever"]);
        assert_eq!(["never", "14", "", "-1d"].map(Kept::parse), [None; 4]);
    }

    #[test]
    fn the_defaults_do_not_contradict_each_other_and_a_monitor_overrides_what_it_names() {
        let usual = Retention::default();
        let WindowRetention { samples, counts, findings } = usual.windows;
        let tiers = [("samples", samples), ("counts", counts), ("findings", findings), ("alerts", usual.alerts)];
        assert_eq!(contradiction(&tiers), None);
        let own =
            RetentionOverride { counts: Some(Kept::For(TimeSpan::days(30))), ..RetentionOverride::default() };
        let merged = usual.of_monitor(&own);
        assert_eq!((merged.samples, merged.findings), (samples, findings));
        assert!(merged.counts_deleted().starts_with("the counts of this window were deleted after 30 days"));
    }

    #[test]
    fn the_first_pair_that_contradicts_is_named() {
        let days = |days| Kept::For(TimeSpan::days(days));
        let tiers = [("samples", days(1)), ("counts", Kept::Forever), ("findings", days(400))];
        assert_eq!(contradiction(&tiers), Some([tiers[1], tiers[2]]));
        assert_eq!(contradiction(&[("counts", days(5)), ("findings", days(5))]), None, "equal is fine");
    }
}
