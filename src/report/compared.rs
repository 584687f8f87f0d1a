//! From a comparison to its report.

use std::fmt::Write as _;

use arrow::array::ArrayRef;

use super::columns::{bars, leading, of_finding, of_tool, strength};
use super::notes::reading_notes;
use super::{Both, ColumnReport, CompareReport, FORMAT, MeasureReport, Outcome, Summary};
use crate::binning::Binning;
use crate::compare::{CompareSpec, Comparison};
use crate::judge::why::{Reason, Sides, explain};
use crate::judge::{Finding, Verdict, movement};
use crate::measure::{Pair, Side};
use crate::preset::DatasetRule;
use crate::record::{ColumnType, number_of};
use crate::reference::NaturalVariation;

/// The report of a comparison. `notes` are remarks of the caller, such as columns that were not compared.
#[must_use]
pub fn compare_report(
    comparison: &Comparison,
    spec: &CompareSpec,
    files: Both<String>,
    notes: Vec<String>,
) -> CompareReport {
    let mut columns: Vec<ColumnReport> =
        spec.schema.columns().iter().filter_map(|column| column_report(comparison, spec, &column.name)).collect();
    columns.sort_by(|left, right| {
        left.verdict
            .order()
            .cmp(&right.verdict.order())
            .then(right.moved.total_cmp(&left.moved))
            .then_with(|| left.name.cmp(&right.name))
    });
    let verdict = match &comparison.tool {
        Some(tool) => Outcome::of_tool(tool.drift),
        None => comparison.judgement.verdict.into(),
    };
    let mut notes = notes;
    notes.extend(reading_notes(comparison, spec));
    if comparison.tool.is_none() && spec.judge.has_changes() {
        notes.push(format!("natural variation of the baseline: {}", NaturalVariation::of(&comparison.test)));
    }
    if let Some(tool) = &comparison.tool {
        notes.push(match tool.preset.dataset_rule() {
            DatasetRule::Share(share) => format!(
                "{}'s rule: the data set drifts when {:.0} % of its columns do",
                tool.preset.as_str(),
                share * 100.0
            ),
            DatasetRule::AnyColumn => format!("{}'s rule: any column", tool.preset.as_str()),
            DatasetRule::MeanAtLeast(limit) => format!(
                "{}'s rule: the mean over columns of (total variation + Hellinger)/2 is at least {limit}",
                tool.preset.as_str()
            ),
        });
    }
    CompareReport {
        driftd: env!("CARGO_PKG_VERSION"),
        format: FORMAT,
        verdict,
        summary: sentence(verdict, &columns, comparison, spec),
        method: method(spec),
        files,
        rows: Both { baseline: comparison.baseline_rows.counted, window: comparison.window_rows.counted },
        rejected: Both {
            baseline: comparison.baseline_rows.rejected.total(),
            window: comparison.window_rows.rejected.total(),
        },
        columns,
        notes,
    }
}

fn method(spec: &CompareSpec) -> String {
    match &spec.preset {
        Some((preset, _)) => format!("by the method of {}, on every distinct value", preset.as_str()),
        None if spec.exact => "on every distinct value".to_owned(),
        None => format!(
            "on up to {} bins of equal baseline mass, and one for each frequent value",
            spec.build.resolution
        ),
    }
}

fn column_report(comparison: &Comparison, spec: &CompareSpec, name: &str) -> Option<ColumnReport> {
    let (before, after) = comparison.baseline.column(name).zip(comparison.window.column(name))?;
    let column = spec.schema.columns().iter().find(|column| column.name == name)?;
    let pair = Pair::new(before, after).ok()?;
    let scored = pair.values_only(spec.judge.values_only);
    let (verdict, measures) = match &comparison.tool {
        Some(tool) => {
            let found = tool.columns.iter().find(|column| column.name == name)?;
            (Outcome::of_tool(found.drift), found.scores.iter().map(of_tool).collect::<Vec<_>>())
        }
        None => {
            let judged = comparison.judgement.columns.iter().find(|column| column.column == name)?;
            let findings = comparison.judgement.findings.iter().filter(|finding| finding.subject.is_column(name));
            (judged.verdict.into(), findings.map(|finding| of_finding(finding, Some(&scored))).collect())
        }
    };
    let why = comparison.why.get(name).cloned().unwrap_or_default();
    Some(of_pair(column.column_type, &pair, verdict, measures, (why, comparison.values.get(name))))
}

/// The report of a column of a window: as it was judged, and why it moved. `sample` is the column in the window's sample of
/// records, if there is one.
#[must_use]
pub fn window_column(
    pair: &Pair<'_>,
    findings: &[Finding],
    values_only: bool,
    sample: Option<&ArrayRef>,
) -> ColumnReport {
    let scored = pair.values_only(values_only);
    let own = || findings.iter().filter(|finding| finding.subject.is_column(pair.window().name()));
    let column_type = match pair.window().binning() {
        Binning::Numeric(_) | Binning::UniversalNumeric => ColumnType::Numeric,
        Binning::Categorical(_) => ColumnType::Categorical,
        Binning::Embedding(_) => ColumnType::Embedding,
    };
    let verdict = own().map(|finding| finding.verdict).reduce(Verdict::worse).unwrap_or(Verdict::Undefined);
    let measures = own().map(|finding| of_finding(finding, Some(&scored))).collect();
    let sides = Sides::of_window(pair, sample);
    of_pair(column_type, pair, verdict.into(), measures, (explain(&scored, sides.as_ref()), sides.as_ref()))
}

fn of_pair(
    column_type: ColumnType,
    pair: &Pair<'_>,
    verdict: Outcome,
    measures: Vec<MeasureReport>,
    (why, sides): (Vec<Reason>, Option<&Sides>),
) -> ColumnReport {
    let points = pair.points();
    let of = |side: Side| sides.and_then(|sides| sides.of(side));
    ColumnReport {
        name: pair.window().name().to_owned(),
        column_type: column_type.as_str().to_owned(),
        verdict,
        moved: leading(&measures).map_or(0.0, strength),
        baseline: Summary::of(pair.baseline(), of(Side::Baseline)),
        window: Summary::of(pair.window(), of(Side::Window)),
        category: movement(Some(pair.baseline()), Some(pair.window())).category,
        measures,
        distribution: bars(pair, points.as_ref(), sides),
        why,
    }
}

fn sentence(verdict: Outcome, columns: &[ColumnReport], comparison: &Comparison, spec: &CompareSpec) -> String {
    let of = |wanted: Outcome| columns.iter().filter(|column| column.verdict == wanted).count();
    let (drifting, warned, unclear) = (of(Outcome::Drift), of(Outcome::Warn), of(Outcome::Undefined));
    let all = number_of(columns.len(), "column");
    let mut text = match verdict {
        Outcome::NotEnoughData => {
            let needed = spec.judge.min_records;
            let rows = |rows: u64| match rows {
                0 => "no row".to_owned(),
                1 => "one row".to_owned(),
                rows => format!("{rows} rows"),
            };
            let sides = [("baseline", comparison.baseline.rows()), ("window", comparison.window.rows())];
            let few: Vec<String> = sides
                .into_iter()
                .filter(|(_, count)| *count < needed)
                .map(|(side, count)| format!("the {side} has {}", rows(count)))
                .collect();
            return format!("No verdict: {}; {needed} are required.", few.join(" and "));
        }
        Outcome::Undefined if drifting + warned == 0 => "No column has a verdict.".to_owned(),
        _ if drifting > 0 => {
            let names: Vec<&str> =
                columns.iter().take(drifting.min(3)).map(|column| column.name.as_str()).collect();
            let listed = names.join(", ");
            let more = if drifting > 3 { format!(" and {} more", drifting - 3) } else { String::new() };
            let whole = match (verdict, comparison.tool.is_some()) {
                (Outcome::Drift, _) => "Drift",
                (_, true) => "No drift of the data set by the tool's rule",
                (_, false) => "No drift",
            };
            let gone = columns.iter().filter(|column| column.is_gone()).count();
            let gone = match gone {
                0 => String::new(),
                gone if gone == drifting => ", because the window does not have them".to_owned(),
                gone => format!(", {gone} because the window does not have them"),
            };
            let warned = if warned > 0 { format!("; {warned} more warned") } else { String::new() };
            format!("{whole}: {drifting} of {all} moved{gone}: {listed}{more}{warned}.")
        }
        _ if warned > 0 => format!("No drift, but {warned} of {all} warned."),
        _ if unclear > 0 => format!("No drift in {} of {all}.", columns.len() - unclear),
        _ => format!("No drift in {all}."),
    };
    if unclear > 0 && verdict != Outcome::Undefined {
        let _infallible = write!(text, " No verdict on {unclear} of them.");
    }
    text
}
