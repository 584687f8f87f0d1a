//! `monitors.d/*.toml`: what is watched, one file per monitor.

mod challenger;
mod columns;
mod detectors;
mod false_alarms;
mod reference;
mod source;
mod window;

use std::collections::BTreeMap;

use super::alerts::{self, Alerting, Calendars};
use super::receivers::Receiver;
use super::section::Section;
use crate::binning::BuildOptions;
use crate::challenge::ChallengeSpec;
use crate::closing::DecisionRules;
use crate::detection::ConfiguredDetector;
use crate::detector::{DetectorSpec, Reads};
use crate::record::{ModelSchema, RecordLayout, TimeSpan};
use crate::reference::{ReferencePlan, volume_rules};
use crate::retention::{Kept, Retention, RetentionOverride};
use crate::window::{CountingSpec, Timing};
use challenger::challenger;
use columns::{MeasuresOfTypes, columns, judge, rows, thresholds};
use detectors::detectors;
use reference::{BaselineSettings, baseline, check_references};
use source::{hidden_segments, sample, segments, source};
use window::window;

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
    /// Sequential detectors.
    pub detectors: Vec<ConfiguredDetector>,
    /// What it keeps longer or shorter than others.
    pub retention: RetentionOverride,
}

impl Monitor {
    /// The detectors that read records.
    #[must_use]
    pub fn record_detectors(&self) -> Vec<DetectorSpec> {
        let specs = self.detectors.iter().map(|detector| &detector.spec);
        specs.filter(|spec| spec.reads == Reads::Records).cloned().collect()
    }
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
    let (mut counting, reach, timing, old_sample) = window(&root.section("window"), &layout);
    if let Some(counting) = &mut counting {
        counting.sample_size = sample(&root.section("sample"), old_sample);
    }
    let judge_section = root.section("judge");
    let thresholds = thresholds(&judge_section.section("thresholds"));
    // Read once: a value of the wrong type is one error, not one per type of column.
    let measures_section = judge_section.section("measures");
    let of_types = MeasuresOfTypes::read(&measures_section);
    let rows = rows(&measures_section, &thresholds);
    measures_section.finish();
    let columns = columns(root, &thresholds, &of_types);
    let (schema, rules) = columns.map_or((None, Vec::new()), |(schema, rules)| (Some(schema), rules));
    if let Some(schema) = &schema {
        hidden_segments(root, &layout, schema);
    }
    let judge = judge(&judge_section, rules, rows);
    judge_section.finish();
    let labels = alerts::labels(&root.section("labels"));
    let Alerting { rules: alerts, receivers, gone_after } =
        alerts::alerts(&root.section("alert"), &judge, context);
    let (retrain, retrain_receivers) = alerts::retrain(&root.section("retrain"), &alerts, context);
    let length = counting.as_ref().map(|counting| &counting.length);
    let BaselineSettings { learn, build, mut plan } =
        baseline(&root.section("baseline"), context, length, judge.min_records);
    if let (Some(length), true) = (length, judge.rows.is_some()) {
        plan.volume = volume_rules(length.span());
    }
    let mlflow = mlflow(&root.section("mlflow"));
    let challenger = challenger(root, context, &layout, schema.as_ref());
    let detectors = detectors(root, context, schema.as_ref());
    let retention = super::retention::of_monitor(&root.section("retention"), context.retention.as_ref());
    let kept = context.retention.map(|all| all.of_monitor(&retention).counts);
    let number = schema.as_ref().map_or(0, |schema| schema.columns().len());
    if let (Some(counting), Some(Kept::For(kept))) = (&counting, kept)
        && counting.amend > kept
    {
        let window = root.section("window");
        let mistake =
            window.mistake("amend", "is longer than counts are kept, which windows are judged again from");
        window.add(mistake.hint("a longer `counts` under [retention] of this file"));
    }
    check_references(root, (&plan, length, reach), (&layout, number), kept);
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
            reach,
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
        detectors,
        retention,
        fingerprint: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(root.file.text.as_bytes())),
        name,
    })
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
