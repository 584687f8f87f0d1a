//! The report of a rehearsal: false alarms against the budget, what each column would find, what to change.

mod html;
mod text;
mod words;

pub use html::calibrate_html;
pub use text::calibrate_text;

use serde::Serialize;

use super::FORMAT;
use crate::calibration::{
    AlertRate, Alternative, ColumnRehearsal, FalseFindings, LongerWindows, Rate, Rehearsal, SeriesRehearsal,
    Standing, Suggestion,
};
use crate::judge::{Bound, Power, Verdict};
use crate::record::EventTime;

/// What a rehearsal found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibrationReport {
    /// The version of driftd.
    pub driftd: &'static str,
    /// The version of this form, see [`FORMAT`].
    pub format: u32,
    pub monitor: String,
    /// The file it was read from.
    pub file: String,
    /// Where the windows come from.
    pub inputs: Vec<String>,
    /// Whether the budget is `kept`, `broken`, or `unknown`.
    pub verdict: &'static str,
    /// The same in a sentence.
    pub summary: String,
    /// How the windows were divided, in a sentence.
    pub method: String,
    pub budget: BudgetReport,
    /// What could not be read, what was left out, and other remarks.
    pub notes: Vec<String>,
    /// The whole of each version before its segments.
    pub series: Vec<SeriesReport>,
    /// Other settings that were rehearsed on the same windows.
    pub alternatives: Vec<AlternativeReport>,
    pub suggestions: Vec<SuggestionReport>,
}

/// All series together against the budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetReport {
    /// What is accepted, in words.
    pub accepted: String,
    /// The time that alerts are counted per.
    pub period_seconds: f64,
    /// None when no window was judged.
    pub alerts: Option<AlertRateReport>,
    /// Times with a false window of any series.
    pub false_windows: RateReport,
    /// The chance of a false window that is accepted at such a time.
    pub level: f64,
    /// How many windows of each series, in all, would show that it is kept if nothing more were false; none when it is known.
    pub windows_needed: Option<u64>,
}

/// Alerts per period, with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AlertRateReport {
    pub count: usize,
    pub periods: f64,
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// A part of windows, with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateReport {
    pub count: usize,
    pub of: usize,
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// One version and segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesReport {
    /// The model version; empty when records name none.
    pub version: String,
    /// `*` for the whole.
    pub segment: String,
    /// Start of the first window.
    pub from: String,
    /// End of the last one.
    pub to: String,
    pub windows: usize,
    /// Windows with a verdict about drift.
    pub judged: usize,
    pub records: RecordsReport,
    /// Records of the usual window that is judged, which `power` is for; without any the least that one has.
    pub usual_records: u64,
    /// How many folds the windows were cut into; 0 where rules select the reference.
    pub folds: usize,
    /// Why nothing is known about its false alarms; none where something is.
    pub not_rehearsed: Option<String>,
    /// The accepted chance of a false finding in a window, over all columns.
    pub level: f64,
    /// Windows with a change that chance does not explain, whatever its limits.
    pub significant: RateReport,
    /// Windows that drift.
    pub false_windows: RateReport,
    /// Windows that only warn.
    pub warned: usize,
    /// Windows with which an alert fires.
    pub alerts: usize,
    /// Where most false windows lie, in words; none where they lie everywhere, or are few.
    pub pattern: Option<String>,
    /// How much windows are like the one before, 0 to 0.9.
    pub autocorrelation: f64,
    /// Windows that drift or warn.
    pub moved: Vec<MovedReport>,
    pub columns: Vec<ColumnCalibration>,
    /// The verdicts of all windows, for charts.
    #[serde(skip)]
    cells: Vec<Verdict>,
}

/// Records of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RecordsReport {
    pub least: u64,
    pub median: u64,
    pub most: u64,
}

/// A window that drifts or warns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MovedReport {
    pub start: String,
    pub end: String,
    pub records: u64,
    /// `drift` or `warn`.
    pub verdict: &'static str,
    pub columns: Vec<String>,
    /// Whether an alert fires with it.
    pub alert: bool,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnCalibration {
    /// Its name; `(records)` for the number of records.
    pub name: String,
    /// Windows with a verdict on it.
    pub judged: usize,
    /// Whether it can never be judged.
    pub never_judged: bool,
    pub false_windows: RateReport,
    pub warned: usize,
    /// Its part of the level of a window.
    pub part: f64,
    pub findings: Vec<FalseFindingsReport>,
    /// The smallest changes that a window of the usual size is found to drift by with 80 %.
    pub power: Vec<PowerReport>,
    /// The same for longer windows, where enough can be put together.
    pub longer: Vec<LongerReport>,
    pub remarks: Vec<String>,
}

/// What a measure finds falsely.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalseFindingsReport {
    pub measure: &'static str,
    pub drifts: usize,
    pub warns: usize,
    /// The largest effect.
    pub largest: f64,
    /// The limits it was held against.
    pub warn: f64,
    pub threshold: f64,
    /// What changed most, in words.
    pub change: String,
}

/// The smallest change of one statistic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PowerReport {
    pub measure: &'static str,
    /// What it is about, such as a category; none for the column as a whole.
    pub of: Option<String>,
    /// The share in the reference; none for what is no share.
    pub before: Option<f64>,
    /// The share after the change, the shift in standard deviations, or the factor of the spread; none when no change of such a window is
    /// told from chance.
    pub after: Option<f64>,
    /// The size of the change on the scale of limits.
    pub size: Option<f64>,
    /// What limits it: `limit`, `records` or `variation`.
    pub bound: Bound,
    /// Records of a window that it is about.
    pub records: u64,
    /// How many independent records these are worth.
    pub effective_size: f64,
}

/// What windows find that are several times as long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LongerReport {
    pub times: usize,
    /// Records of such a window.
    pub records: u64,
    pub power: Vec<PowerReport>,
}

/// Another setting, rehearsed on the same windows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlternativeReport {
    pub name: String,
    pub toml: String,
    pub false_windows: RateReport,
    pub alerts: usize,
    /// Columns that it finds smaller changes of.
    pub finds: Vec<FindsReport>,
    /// Whether it is suggested.
    pub helps: bool,
}

/// A column that another setting finds smaller changes of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindsReport {
    pub column: String,
    /// The smallest effect that is found with 80 %.
    pub size: f64,
    /// The same as it is now; none where no change is found.
    pub now: Option<f64>,
}

/// A setting that the numbers suggest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuggestionReport {
    /// `reference`, `alert`, `limits`, `window`, `min_records`, `column` or `time`.
    pub topic: &'static str,
    /// The column that it is about.
    pub column: Option<String>,
    pub text: String,
    /// The lines of the monitor file; none where something is to be removed.
    pub toml: Option<String>,
}

/// The report of a rehearsal. `notes` are what is to be said of the input.
#[must_use]
pub fn calibration_report(
    rehearsal: &Rehearsal,
    file: String,
    inputs: Vec<String>,
    notes: Vec<String>,
) -> CalibrationReport {
    let budget = &rehearsal.budget;
    CalibrationReport {
        driftd: env!("CARGO_PKG_VERSION"),
        format: FORMAT,
        monitor: rehearsal.monitor.clone(),
        file,
        inputs,
        verdict: match budget.standing {
            Standing::Kept => "kept",
            Standing::Broken => "broken",
            Standing::Unknown => "unknown",
        },
        summary: words::summary(rehearsal),
        method: words::method(rehearsal),
        budget: BudgetReport {
            accepted: words::accepted(budget),
            period_seconds: budget.period.as_seconds(),
            alerts: budget.alerts.map(Into::into),
            false_windows: budget.windows.into(),
            level: budget.level,
            windows_needed: budget.windows_needed.map(words::whole),
        },
        notes: notes.into_iter().chain(words::left_out(rehearsal)).collect(),
        series: rehearsal.series.iter().map(|series| series_report(series, rehearsal)).collect(),
        alternatives: rehearsal.alternatives.iter().map(AlternativeReport::from).collect(),
        suggestions: rehearsal.suggestions.iter().map(SuggestionReport::from).collect(),
    }
}

fn series_report(series: &SeriesRehearsal, rehearsal: &Rehearsal) -> SeriesReport {
    let columns = series.columns.iter().enumerate();
    let moved = series.moved().map(|window| MovedReport {
        start: window.start.to_string(),
        end: window.end.to_string(),
        records: window.records,
        verdict: super::Outcome::from(window.verdict).as_str(),
        columns: window.columns.clone(),
        alert: window.fires,
    });
    let time = |time: EventTime| time.to_string();
    SeriesReport {
        version: series.version.clone(),
        segment: series.segment.clone(),
        from: time(series.from),
        to: time(series.to),
        windows: series.windows,
        judged: series.judged,
        records: RecordsReport {
            least: series.records.least,
            median: series.records.median,
            most: series.records.most,
        },
        usual_records: series.usual,
        folds: series.folds,
        not_rehearsed: series.not_rehearsed.map(|reason| words::not_rehearsed(reason, series.windows)),
        level: series.level,
        significant: series.significant.into(),
        false_windows: series.false_windows.into(),
        warned: series.warned,
        alerts: series.alerts,
        pattern: series.pattern(rehearsal.budget.every).map(|pattern| pattern.to_string()),
        autocorrelation: series.autocorrelation,
        moved: moved.collect(),
        columns: columns.map(|(place, column)| column_report(column, place, &series.longer)).collect(),
        cells: series.all.iter().map(|window| window.verdict).collect(),
    }
}

fn column_report(column: &ColumnRehearsal, place: usize, longer: &[LongerWindows]) -> ColumnCalibration {
    let longer = longer.iter().filter_map(|longer| {
        let power = longer.columns.get(place)?;
        Some(LongerReport {
            times: longer.times,
            records: longer.records,
            power: power.iter().map(PowerReport::from).collect(),
        })
    });
    ColumnCalibration {
        name: column.name.clone(),
        judged: column.judged,
        never_judged: column.is_never_judged(),
        false_windows: column.false_windows.into(),
        warned: column.warned,
        part: column.part,
        findings: column.findings.iter().map(FalseFindingsReport::from).collect(),
        power: column.power.iter().map(PowerReport::from).collect(),
        longer: longer.collect(),
        remarks: column.remarks.iter().map(ToString::to_string).collect(),
    }
}

impl From<Rate> for RateReport {
    fn from(Rate { count, of, rate, low, high, .. }: Rate) -> Self {
        Self { count, of, rate, low, high }
    }
}

impl From<AlertRate> for AlertRateReport {
    fn from(AlertRate { alerts, periods, rate, low, high }: AlertRate) -> Self {
        Self { count: alerts, periods, rate, low, high }
    }
}

impl From<&FalseFindings> for FalseFindingsReport {
    fn from(found: &FalseFindings) -> Self {
        Self {
            measure: found.measure.as_str(),
            drifts: found.drifts,
            warns: found.warns,
            largest: found.largest,
            warn: found.limits.warn,
            threshold: found.limits.critical,
            change: found.change.clone(),
        }
    }
}

impl From<&Power> for PowerReport {
    fn from(power: &Power) -> Self {
        Self {
            measure: power.measure.as_str(),
            of: power.of.clone(),
            before: power.before,
            after: power.after,
            size: power.size,
            bound: power.bound,
            records: power.records,
            effective_size: power.effective_size,
        }
    }
}

impl From<&Alternative> for AlternativeReport {
    fn from(other: &Alternative) -> Self {
        Self {
            name: other.name.clone(),
            toml: other.toml.clone(),
            false_windows: other.false_windows.into(),
            alerts: other.alerts,
            finds: other
                .finds
                .iter()
                .map(|(column, size, now)| FindsReport { column: column.clone(), size: *size, now: *now })
                .collect(),
            helps: other.helps,
        }
    }
}

impl From<&Suggestion> for SuggestionReport {
    fn from(suggestion: &Suggestion) -> Self {
        Self {
            topic: suggestion.topic.as_str(),
            column: suggestion.column.clone(),
            text: suggestion.text.clone(),
            toml: suggestion.toml.clone(),
        }
    }
}
