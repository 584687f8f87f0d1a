//! `monitors.d/*.toml`: what is watched, one file per monitor.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alerts::{self, Alerting, Calendars};
use super::path::configured;
use super::section::Section;
use crate::alert::Routing;
use crate::binning::BuildOptions;
use crate::closing::DecisionRules;
use crate::judge::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};
use crate::measure::{Measure, Thresholds};
use crate::record::{
    Column, ColumnType, Derivation, FieldPath, ModelSchema, RecordLayout, Role, TimeFormat, TimeUnit,
};
use crate::window::{CountingSpec, Timing, WindowLength};

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
    /// Its name.
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
    /// Of the text of its file: changes with every change of it.
    pub fingerprint: String,
    /// Alerts of a version or segment end that has no records for this long, in microseconds of event time, while others of
    /// the monitor have some.
    pub gone_after: i64,
    /// The model in MLflow's registry whose new versions bring new baselines.
    pub mlflow: Option<RegisteredModel>,
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
pub(super) struct Context<'a> {
    pub(super) receivers: Option<&'a [String]>,
    pub(super) calendars: Option<&'a Calendars>,
    pub(super) routing: Arc<Routing>,
    pub(super) callback_url: Option<String>,
}

pub(super) fn read(root: &Section<'_>, context: &Context<'_>) -> Option<Monitor> {
    let name = root.required("name", "what the monitor is called");
    if let Some(name) = &name
        && !name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
    {
        root.add(root.problem("name", "may have letters, digits, `-`, `_` and `.` only"));
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
    let defaults: Vec<(ColumnType, Vec<Measure>)> = MEASURED
        .iter()
        .map(|(key, column_type)| {
            (
                *column_type,
                measures(&judge_section.section("measures"), key, *column_type)
                    .unwrap_or_else(|| Measure::defaults_for(*column_type).to_vec()),
            )
        })
        .collect();
    unknown_measures(&judge_section.section("measures"));
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
    let (learn, build) = baseline(&root.section("baseline"));
    let mlflow = mlflow(&root.section("mlflow"));
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
            routing: Arc::clone(&context.routing),
            retrain,
            retrain_receivers,
            callback_url: context.callback_url.clone(),
        },
        learn,
        build,
        mlflow,
        fingerprint: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(root.file.text.as_bytes())),
        name,
    })
}

const TYPES: [(&str, ColumnType); 5] = [
    ("numeric", ColumnType::Numeric),
    ("categorical", ColumnType::Categorical),
    ("boolean", ColumnType::Boolean),
    ("text", ColumnType::Text),
    ("embedding", ColumnType::Embedding),
];

/// Types that measures are set for: a text is watched through numeric and categorical columns.
const MEASURED: [(&str, ColumnType); 4] = [
    ("numeric", ColumnType::Numeric),
    ("categorical", ColumnType::Categorical),
    ("boolean", ColumnType::Boolean),
    ("embedding", ColumnType::Embedding),
];

fn path(section: &Section<'_>, key: &'static str) -> Option<FieldPath> {
    let text = section.string(key)?;
    match configured(&text) {
        Ok(path) => Some(path),
        Err(refusal) => {
            section.add(refusal.at(section, key));
            None
        }
    }
}

fn source(section: &Section<'_>) -> (Option<Topics>, RecordLayout) {
    let names = section.strings("topics").map(|names| names.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    let pattern = section.string("pattern");
    let topics = match (names, pattern) {
        (Some(_), Some(_)) => {
            section.add(section.problem("pattern", "and `topics` exclude each other"));
            None
        }
        (Some(names), None) if !names.is_empty() => Some(Topics::Named(names)),
        (None, Some(pattern)) => match (pattern.starts_with('^'), regex_lite::Regex::new(&pattern)) {
            (true, Ok(_)) => Some(Topics::Pattern(pattern)),
            (false, _) => {
                section.add(section.problem("pattern", "must begin with `^`, as Kafka's patterns do"));
                None
            }
            (_, Err(error)) => {
                section.add(section.problem("pattern", format!("is not a regular expression: {error}")));
                None
            }
        },
        _ => {
            section.add(section.problem("topics", "is missing: the Kafka topics to read"));
            None
        }
    };
    // One format so far; the key is there so that files need not change when more come.
    section.choice("format", (), &[("json", ())]);
    let time = path(section, "time");
    let unit = section.choice(
        "time_unit",
        TimeUnit::Milliseconds,
        &[
            ("s", TimeUnit::Seconds),
            ("ms", TimeUnit::Milliseconds),
            ("us", TimeUnit::Microseconds),
            ("ns", TimeUnit::Nanoseconds),
        ],
    );
    let version = path(section, "version");
    let max_future_skew = section.duration("max_future_skew", "5m", ("0s", "3650d"));
    let filter = section.section("where");
    let filters = filter
        .texts()
        .into_iter()
        .filter_map(|(key, value)| match configured(&key) {
            Ok(path) => Some((path, value)),
            Err(refusal) => {
                filter.add(refusal.at(&filter, &key));
                None
            }
        })
        .collect();
    section.finish();
    let layout = RecordLayout {
        time,
        time_format: TimeFormat { unit },
        version,
        filters,
        max_future_skew,
        ..RecordLayout::default()
    };
    (topics, layout)
}

fn segments(root: &Section<'_>) -> Vec<(String, FieldPath)> {
    root.sections("segments")
        .into_iter()
        .filter_map(|section| {
            let name = section.required("name", "what the segment column is called");
            let path = if section.has("path") {
                path(&section, "path")
            } else {
                section.value("path");
                name.as_deref().and_then(|name| match configured(name) {
                    Ok(path) => Some(path),
                    Err(refusal) => {
                        section.add(refusal.at(&section, "name"));
                        None
                    }
                })
            };
            section.finish();
            Some((name?, path?))
        })
        .collect()
}

/// The value of a segment is its name: a sensitive column cannot be one.
fn hidden_segments(root: &Section<'_>, layout: &RecordLayout, schema: &ModelSchema) {
    for (name, path) in &layout.segments {
        if let Some(column) = schema.columns().iter().find(|column| column.sensitive && column.path == *path) {
            root.add(root.problem(
                "segments",
                format!(
                    "`{name}` has the values of the sensitive column `{}` as names, which every page and alert shows\n\
                     hint: leave the segment out, or `sensitive` of the column",
                    column.name
                ),
            ));
        }
    }
}

/// Records kept a window: none without the section, unless the key says so that was there before it.
fn sample(section: &Section<'_>, old: Option<usize>) -> usize {
    let there = section.is_there();
    let size = section.integer("size", DEFAULT_SAMPLE, 1..=LARGEST_SAMPLE);
    if there && old.is_some() {
        section.add(section.problem("size", "and `sample` of [window], which it replaces, exclude each other"));
    }
    section.finish();
    if there { usize::try_from(size).unwrap_or(0) } else { old.unwrap_or(0) }
}

/// Records a sample holds when nothing else is said.
const DEFAULT_SAMPLE: i64 = 2_000;
/// Records a sample may hold: what is read back, see [`crate::distribution::MAX_SAMPLE`].
const LARGEST_SAMPLE: i64 = 100_000;

fn window(section: &Section<'_>, layout: &RecordLayout) -> (Option<CountingSpec>, Timing, Option<usize>) {
    let length = section.duration("length", "1h", ("1s", "366d"));
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
    let counting = WindowLength::from_micros(length).map(|length| CountingSpec {
        length,
        segments: layout.segments.iter().map(|(name, _)| name.clone()).collect(),
        sample_size: 0,
        max_open_windows,
        max_series: 1_000,
    });
    (counting, timing, sample)
}

fn measures(section: &Section<'_>, key: &'static str, column_type: ColumnType) -> Option<Vec<Measure>> {
    let names = section.strings(key)?;
    let known: Vec<&str> =
        Measure::ALL.into_iter().filter(|measure| measure.applies_to(column_type)).map(Measure::as_str).collect();
    let mut measures = Vec::new();
    for (name, span) in names {
        let at =
            |message: String| super::problem::Problem::at(section.file, span.clone(), &section.key(key), message);
        match Measure::from_name(&name) {
            Some(measure) if measure.applies_to(column_type) => {
                if !measures.contains(&measure) {
                    measures.push(measure);
                }
            }
            Some(_) => section.add(super::section::suggest(
                at(format!("`{name}` is not defined for {} columns", column_type.as_str())),
                "",
                &known,
            )),
            None => section.add(super::section::suggest(at(format!("`{name}` is not a measure")), &name, &known)),
        }
    }
    Some(measures)
}

fn unknown_measures(section: &Section<'_>) {
    for (key, _) in MEASURED {
        section.value(key);
    }
    section.finish();
}

fn thresholds(section: &Section<'_>) -> BTreeMap<Measure, Thresholds> {
    let mut found = BTreeMap::new();
    for measure in Measure::ALL {
        let limits = section.section(measure.as_str());
        if !limits.is_there() {
            continue;
        }
        let default = measure.default_thresholds();
        let read = Thresholds {
            warn: limits.float("warn", 0.0..=1e9).unwrap_or(default.warn),
            critical: limits.float("critical", 0.0..=1e9).unwrap_or(default.critical),
        };
        if read.warn > read.critical {
            limits.add(
                limits.problem("warn", format!("must not be above `critical`: {} > {}", read.warn, read.critical)),
            );
        }
        limits.finish();
        found.insert(measure, read);
    }
    section.finish();
    found
}

fn columns(
    root: &Section<'_>,
    thresholds_for_all: &BTreeMap<Measure, Thresholds>,
    defaults: &[(ColumnType, Vec<Measure>)],
) -> Option<(ModelSchema, Vec<ColumnRules>)> {
    let mut columns = Vec::new();
    let mut rules = Vec::new();
    let mut complete = true;
    for section in root.sections("columns") {
        let name = section.required("name", "what the column is called");
        let column_path = if section.has("path") {
            // A path that is the column's name to the letter means a key of that name, whatever it looks like.
            let literal = || FieldPath::parse(&section.string("path")?).ok();
            let is_name = name.is_some() && section.string("path") == name;
            if is_name { literal() } else { path(&section, "path") }
        } else {
            section.value("path");
            name.as_deref()
                .map(|name| FieldPath::parse(&name.replace('\\', "\\\\").replace('.', "\\.")))
                .and_then(Result::ok)
        };
        let role = section.choice(
            "role",
            Role::Feature,
            &[("feature", Role::Feature), ("output", Role::Output), ("latency", Role::Latency)],
        );
        let column_type = section.optional_choice("type", &TYPES);
        if !section.has("type") {
            section.add(
                section.problem("type", "is missing: `numeric`, `categorical`, `boolean`, `text` or `embedding`"),
            );
        }
        let sensitive = section.flag("sensitive", false);
        let own = thresholds(&section.section("thresholds"));
        let chosen = column_type.and_then(|column_type| measures(&section, "measures", column_type));
        if column_type.is_none() {
            section.value("measures");
        }
        section.finish();
        if let Some(name) = &name
            && columns.iter().any(|known: &Column| known.name == *name)
        {
            section.add(section.problem("name", format!("`{name}` is the name of another column, too")));
            complete = false;
        }
        let (Some(name), Some(path), Some(column_type)) = (name, column_path, column_type) else {
            complete = false;
            continue;
        };
        let column = Column { name, path, role, column_type, derivation: Derivation::Value, sensitive };
        for column in column.expand() {
            rules.push(column_rules(&column, chosen.as_deref(), &own, thresholds_for_all, defaults));
            columns.push(column);
        }
    }
    if !complete {
        return None;
    }
    match ModelSchema::new(columns) {
        Ok(schema) => Some((schema, rules)),
        Err(error) => {
            root.add(root.problem("columns", error.to_string()));
            None
        }
    }
}

/// The measures of a column: those chosen for it as far as they are for its type, else those of its type.
fn column_rules(
    column: &Column,
    chosen: Option<&[Measure]>,
    own: &BTreeMap<Measure, Thresholds>,
    thresholds_for_all: &BTreeMap<Measure, Thresholds>,
    defaults: &[(ColumnType, Vec<Measure>)],
) -> ColumnRules {
    let of_type =
        || defaults.iter().find(|(kind, _)| *kind == column.column_type).map(|(_, list)| list.as_slice());
    let used = chosen.or_else(of_type).unwrap_or_default();
    let measures = used.iter().copied().filter(|measure| measure.applies_to(column.column_type));
    let limits = |measure: Measure| {
        let set = own.get(&measure).or_else(|| thresholds_for_all.get(&measure));
        set.copied().unwrap_or_else(|| measure.default_thresholds())
    };
    ColumnRules {
        name: column.name.clone(),
        measures: measures.map(|measure| MeasureRule { measure, thresholds: limits(measure) }).collect(),
    }
}

fn judge(section: &Section<'_>, columns: Vec<ColumnRules>) -> JudgeSpec {
    let min_records = u64::try_from(section.integer("min_records", 200, 1..=1_000_000_000)).unwrap_or(200);
    let significance = section.float("significance", 1e-12..=0.5).unwrap_or(0.001);
    let drifted_columns = section.integer("drifted_columns", 1, 1..=2_000);
    let drifted_share = section.float("drifted_share", 0.0..=1.0);
    if section.has("drifted_columns") && drifted_share.is_some() {
        section.add(section.problem("drifted_share", "and `drifted_columns` exclude each other"));
    }
    let rule = match drifted_share {
        Some(share) => WindowRule::Share(share),
        None => WindowRule::Columns(usize::try_from(drifted_columns).unwrap_or(1)),
    };
    let values_only = section.choice("absent", false, &[("count", false), ("leave_out", true)]);
    JudgeSpec { columns, min_records, significance, values_only, rule }
}

fn baseline(section: &Section<'_>) -> (Option<u32>, BuildOptions) {
    let learn =
        section.has("learn").then(|| u32::try_from(section.integer("learn", 24, 1..=10_000)).unwrap_or(24));
    section.value("learn");
    let size = |key, default, range| usize::try_from(section.integer(key, default, range)).unwrap_or(1);
    let build = BuildOptions {
        resolution: size("resolution", 500, 10..=5_000),
        max_categories: size("max_categories", 1_000, 2..=100_000),
    };
    section.finish();
    (learn, build)
}

fn mlflow(section: &Section<'_>) -> Option<RegisteredModel> {
    let there = section.is_there();
    let model = if there {
        section.required("model", "the registered model's name")
    } else {
        section.value("model");
        None
    };
    let promote = section.choice("promote", false, &[("propose", false), ("auto", true)]);
    let windows = u32::try_from(section.integer("windows", 24, 1..=10_000)).unwrap_or(24);
    section.finish();
    Some(RegisteredModel { model: model?, promote, windows })
}
