//! `monitors.d/*.toml`: what is watched, one file per monitor.

mod challenger;
mod columns;
mod reference;
mod source;

use std::collections::BTreeMap;

use super::alerts::{self, Alerting, Calendars};
use super::receivers::Receiver;
use super::section::Section;
use crate::binning::BuildOptions;
use crate::challenge::ChallengeSpec;
use crate::closing::DecisionRules;
use crate::measure::Measure;
use crate::record::{ColumnType, ModelSchema, RecordLayout, TimeSpan};
use crate::reference::ReferencePlan;
use crate::retention::{Retention, RetentionOverride};
use crate::window::{CalendarUnit, CountingSpec, Timing, WindowLength};
use challenger::challenger;
use columns::{MEASURED, columns, judge, measures, thresholds, unknown_measures};
use reference::{BaselineSettings, baseline, check_references};
use source::{LARGEST_SAMPLE, hidden_segments, sample, segments, source};

/// Which topics a monitor reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// These.
    Named(Vec<String>),
    /// All that match a regular expression, which begins with `^`.
    Pattern(String),
}

/// A monitor, checked and ready to run.
#[derive(Clone, Debug)]
pub struct Monitor {
    pub name: String,
    /// The file it came from.
    pub file: String,
    /// Which topics it reads.
    pub topics: Topics,
    /// The columns.
    pub schema: ModelSchema,
    /// How records are read.
    pub layout: RecordLayout,
    /// How they are counted.
    pub counting: CountingSpec,
    /// When windows close.
    pub timing: Timing,
    /// How windows are judged and who is told.
    pub rules: DecisionRules,
    /// Windows to learn a baseline from, when it is not built from a file.
    pub learn: Option<u32>,
    /// How fine baselines are.
    pub build: BuildOptions,
    /// What windows are compared with.
    pub references: ReferencePlan,
    /// Of the text of its file: changes with every change of it.
    pub fingerprint: String,
    /// Alerts of a version or segment end that has no records for this long of event time, while others of
    /// the monitor have some.
    pub gone_after: TimeSpan,
    /// The model in MLflow's registry whose new versions bring new baselines.
    pub mlflow: Option<RegisteredModel>,
    /// The version or arm that is compared with the one in use.
    pub challenger: Option<ChallengeSpec>,
    /// What it keeps longer or shorter than others.
    pub retention: RetentionOverride,
}

/// A model in MLflow's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredModel {
    /// Its name there.
    pub model: String,
    /// Whether the baseline from a new version's first windows is made at once, or only proposed.
    pub promote: bool,
    /// Windows it is made from.
    pub windows: u32,
}

/// What `driftd.toml` says that monitors refer to. A monitor that is read by itself has none, and its references are not
/// checked.
#[derive(Default)]
pub(super) struct MonitorReferences<'a> {
    pub(super) receivers: Option<&'a [String]>,
    pub(super) calendars: Option<&'a Calendars>,
    /// The receivers themselves; none where they are not read.
    pub(super) answering: Option<&'a BTreeMap<String, Receiver>>,
    pub(super) callback_url: Option<String>,
    /// What holds for all monitors.
    pub(super) retention: Option<Retention>,
}

pub(super) fn read(root: &Section<'_>, context: &MonitorReferences<'_>) -> Option<Monitor> {
    let name = root.required("name", "the name of the monitor");
    if let Some(name) = &name
        && !name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
    {
        root.add(root.mistake("name", "may have letters, digits, `-`, `_` and `.` only"));
    }
    let segments = segments(root);
    let (topics, mut layout) = source(&root.section("source"));
    layout.segments = segments;
    let (mut counting, timing, old_sample) = window(&root.section("window"), &layout);
    if let Some(counting) = &mut counting {
        counting.sample_size = sample(&root.section("sample"), old_sample);
    }
    let judge_section = root.section("judge");
    let thresholds = thresholds(&judge_section.section("thresholds"));
    // Read once: a value of the wrong type is one error, not one per type of column.
    let measures_section = judge_section.section("measures");
    let defaults: Vec<(ColumnType, Vec<Measure>)> = MEASURED
        .iter()
        .map(|(key, column_type)| {
            (
                *column_type,
                measures(&measures_section, key, *column_type)
                    .unwrap_or_else(|| Measure::defaults_for(*column_type).to_vec()),
            )
        })
        .collect();
    unknown_measures(&measures_section);
    let columns = columns(root, &thresholds, &defaults);
    let (schema, rules) = columns.map_or((None, Vec::new()), |(schema, rules)| (Some(schema), rules));
    if let Some(schema) = &schema {
        hidden_segments(root, &layout, schema);
    }
    let judge = judge(&judge_section, rules);
    judge_section.finish();
    let names: Vec<String> = judge.columns.iter().map(|rules| rules.name.clone()).collect();
    let labels = alerts::labels(&root.section("labels"));
    let Alerting { rules: alerts, receivers, gone_after } =
        alerts::alerts(&root.section("alert"), judge.rule, &names, context);
    let (retrain, retrain_receivers) = alerts::retrain(&root.section("retrain"), &alerts, context);
    let length = counting.as_ref().map(|counting| &counting.length);
    let BaselineSettings { learn, build, plan } =
        baseline(&root.section("baseline"), context, length, judge.min_records);
    let mlflow = mlflow(&root.section("mlflow"));
    let challenger = challenger(root, context, &layout, schema.as_ref());
    let retention = super::retention::of_monitor(&root.section("retention"), context.retention.as_ref());
    let kept = context.retention.map(|all| all.of_monitor(&retention).counts);
    let number = schema.as_ref().map_or(0, |schema| schema.columns().len());
    check_references(root, (&plan, length), (&layout, number), kept);
    root.finish();
    let name = name?;
    Some(Monitor {
        gone_after,
        file: root.file.name.clone(),
        topics: topics?,
        schema: schema?,
        layout,
        counting: counting?,
        timing,
        rules: DecisionRules {
            monitor: name.clone(),
            judge,
            alerts,
            labels,
            receivers,
            retrain,
            retrain_receivers,
            callback_url: context.callback_url.clone(),
            shadow: challenger.as_ref().and_then(ChallengeSpec::shadowed),
        },
        learn,
        build,
        references: plan,
        mlflow,
        challenger,
        retention,
        fingerprint: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(root.file.text.as_bytes())),
        name,
    })
}

/// `length`: a duration, or a unit of the calendar in `time_zone`.
fn window_length(section: &Section<'_>) -> Option<WindowLength> {
    let text = section.text("length").unwrap_or_default();
    let unit = CalendarUnit::ALL.into_iter().find(|unit| unit.as_str() == text);
    let named = section.has("time_zone");
    let zone = section.time_zone("time_zone");
    match unit {
        Some(unit) => {
            section.value("length");
            Some(WindowLength::Calendar(unit, zone))
        }
        None => {
            if named {
                let mistake = section.mistake("time_zone", "is used only with a unit of the calendar");
                section.add(mistake.hint("length = \"hour\", \"day\", \"week\" or \"month\""));
            }
            WindowLength::from_micros(section.duration("length", "1h", ("1s", "366d")).micros())
        }
    }
}

fn window(section: &Section<'_>, layout: &RecordLayout) -> (Option<CountingSpec>, Timing, Option<usize>) {
    let length = window_length(section);
    let timing = Timing {
        max_future_skew: layout.max_future_skew,
        out_of_orderness: section.duration("out_of_orderness", "30s", ("0s", "30d")),
        idle_after: section.duration("idle_after", "1m", ("1s", "30d")),
        max_close_delay: section.duration("max_close_delay", "10m", ("1s", "30d")),
    };
    let sample = section
        .has("sample")
        .then(|| usize::try_from(section.integer("sample", 0, 0..=LARGEST_SAMPLE)).unwrap_or(0));
    section.value("sample");
    let max_open_windows = u32::try_from(section.integer("max_open", 64, 2..=100_000)).unwrap_or(64);
    section.finish();
    let counting = length.map(|length| CountingSpec {
        length,
        segments: layout.segments.iter().map(|(name, _)| name.clone()).collect(),
        sample_size: 0,
        max_open_windows,
        max_series: 1_000,
    });
    (counting, timing, sample)
}

fn mlflow(section: &Section<'_>) -> Option<RegisteredModel> {
    let there = section.is_there();
    let model = if there {
        section.required("model", "the name of the registered model")
    } else {
        section.value("model");
        None
    };
    let promote = section.choice("promote", false, &[("propose", false), ("auto", true)]);
    let windows = u32::try_from(section.integer("windows", 24, 1..=10_000)).unwrap_or(24);
    section.finish();
    Some(RegisteredModel { model: model?, promote, windows })
}
