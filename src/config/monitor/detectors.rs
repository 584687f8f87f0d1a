//! `[[detectors]]`: sequential detectors, each with the parameters of its kind.

use std::collections::BTreeSet;

use super::super::receivers::check_names;
use super::super::section::Section;
use super::super::suggestion::suggest;
use super::MonitorReferences;
use crate::alert::Severity;
use crate::detection::ConfiguredDetector;
use crate::detector::{
    AdwinParameters, CusumParameters, DdmParameters, DetectorSpec, Direction, Domain, EddmParameters,
    EwmaParameters, HddmAParameters, HddmWParameters, Kind, KswinParameters, PageHinkleyParameters, Parameters,
    Reads, Standard, WindowValue,
};
use crate::record::{Column, ColumnType, Derivation, ModelSchema};

/// Detectors of a monitor at most: each has a state in every partition, which each checkpoint stores.
const MOST: usize = 100;
/// The least value of what must be above 0.
const SMALLEST: f64 = 1e-12;
/// The largest value of limits in the unit of values.
const LARGEST: f64 = 1e100;
/// The largest window of KSWIN: all of its values are stored.
const LARGEST_WINDOW: i64 = 2_000;

#[derive(Clone, Copy, PartialEq)]
enum On {
    Records,
    Windows,
}

#[derive(Clone, Copy, PartialEq)]
enum Value {
    Mean,
    NullShare,
    CategoryShare,
}

/// Reads `[[detectors]]`; those that something is wrong with are left out.
pub(super) fn detectors(
    root: &Section<'_>,
    context: &MonitorReferences<'_>,
    schema: Option<&ModelSchema>,
) -> Vec<ConfiguredDetector> {
    let sections = root.sections("detectors");
    if sections.len() > MOST {
        root.add(
            root.mistake("detectors", format!("has {} detectors, at most {MOST} are allowed", sections.len())),
        );
    }
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for section in &sections {
        let detector = detector(section, context, schema);
        section.finish();
        let Some(detector) = detector else { continue };
        if !names.insert(detector.spec.name.clone()) {
            let message = format!("`{}` is the name of another detector of this monitor", detector.spec.name);
            section
                .add(section.mistake("name", message).hint("set `name`: its default is the column and the kind"));
        }
        found.push(detector);
    }
    found
}

fn detector(
    section: &Section<'_>,
    context: &MonitorReferences<'_>,
    schema: Option<&ModelSchema>,
) -> Option<ConfiguredDetector> {
    let kinds: Vec<(&str, Kind)> = Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let kind = if section.has("kind") {
        section.optional_choice("kind", &kinds)
    } else {
        section.required(
            "kind",
            &format!("one of {}", kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
        );
        None
    };
    let name = section.string("name");
    let wrong = |name: &str| {
        name.is_empty()
            || name.len() > 100
            || name.chars().any(|letter| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter))
    };
    if name.as_deref().is_some_and(wrong) {
        section.add(section.mistake("name", "may have letters, digits, `-`, `_` and `.` only, at most 100"));
    }
    let column = section.required("column", "the column whose values it reads");
    let on = section.choice("on", On::Records, &[("records", On::Records), ("windows", On::Windows)]);
    let reads = reads(section, on);
    let severity =
        section.choice("severity", Severity::Warn, &[("warn", Severity::Warn), ("critical", Severity::Critical)]);
    let cool_down = section.duration("cool_down", "1h", ("0s", "365d"));
    let receivers = check_names(section, "receivers", context.receivers);
    if let (Some(kind), On::Windows) = (kind, on)
        && kind.domain() == Domain::Error
    {
        let message = format!("`{}` reads errors of records: values that are 0 or 1", kind.as_str());
        section.add(section.mistake("on", message).hint("set on = \"records\", or another `kind`"));
    }
    let parameters = kind.map(|kind| parameters(section, kind));
    let column = column.zip(schema).and_then(|(name, schema)| check_column(section, &name, schema, &reads));
    let (parameters, column) = (parameters?, column?);
    let name = name.unwrap_or_else(|| format!("{}-{}", column.name, parameters.kind().as_str()));
    let spec = DetectorSpec { name, column: column.name.clone(), reads, parameters };
    Some(ConfiguredDetector { spec, severity, cool_down, receivers })
}

fn reads(section: &Section<'_>, on: On) -> Reads {
    let values =
        [("mean", Value::Mean), ("null_share", Value::NullShare), ("category_share", Value::CategoryShare)];
    let value = section.choice("value", Value::Mean, &values);
    let category = section.string("category");
    if on == On::Records {
        for key in ["value", "category"] {
            if section.has(key) {
                let mistake = section.mistake(key, "is for detectors that read windows");
                section.add(mistake.hint("set on = \"windows\", or remove it"));
            }
        }
        return Reads::Records;
    }
    if (value == Value::CategoryShare) != category.is_some() {
        let mistake = section.mistake("category", "belongs to value = \"category_share\", which needs it");
        section.add(mistake.hint("set both: value = \"category_share\" and category = \"DE\""));
    }
    Reads::Windows(match value {
        Value::Mean => WindowValue::Mean,
        Value::NullShare => WindowValue::NullShare,
        Value::CategoryShare => WindowValue::CategoryShare(category.unwrap_or_default()),
    })
}

/// The column of a detector, when it has values that the detector reads.
fn check_column<'a>(
    section: &Section<'_>,
    name: &str,
    schema: &'a ModelSchema,
    reads: &Reads,
) -> Option<&'a Column> {
    let Some(column) = schema.columns().iter().find(|column| column.name == name) else {
        let known: Vec<&str> = schema.columns().iter().map(|column| column.name.as_str()).collect();
        let mistake = section.mistake("column", format!("`{name}` is not a column of this monitor"));
        section.add(suggest(mistake, name, &known));
        return None;
    };
    let is_list = matches!(column.derivation, Derivation::Tokens);
    let (fits, wanted) = match reads {
        Reads::Records | Reads::Windows(WindowValue::Mean) => {
            (matches!(column.column_type, ColumnType::Numeric | ColumnType::Boolean), "numeric or boolean")
        }
        Reads::Windows(WindowValue::CategoryShare(_)) => {
            (column.column_type == ColumnType::Categorical && !is_list, "categorical")
        }
        Reads::Windows(WindowValue::NullShare) => (true, ""),
    };
    if !fits {
        let message = format!("`{name}` is {}: it must be {wanted}", column.column_type.as_str());
        section.add(section.mistake("column", message));
        return None;
    }
    // The share of nulls says nothing of a value.
    if column.sensitive && *reads != Reads::Windows(WindowValue::NullShare) {
        let message = format!("`{name}` is sensitive: the levels before and after a drift would show its values");
        let hint = "a detector with on = \"windows\" and value = \"null_share\" shows none";
        section.add(section.mistake("column", message).hint(hint));
        return None;
    }
    Some(column)
}

fn parameters(section: &Section<'_>, kind: Kind) -> Parameters {
    match kind {
        Kind::Adwin => {
            let usual = AdwinParameters::default();
            Parameters::Adwin(AdwinParameters {
                delta: chance(section, "delta", usual.delta),
                clock: whole(section, "clock", usual.clock, (1, 1_000_000)),
                max_buckets: whole(section, "max_buckets", usual.max_buckets, (2, 50)),
                min_window_length: whole(section, "min_window_length", usual.min_window_length, (1, 1_000_000)),
                grace_period: whole(section, "grace_period", usual.grace_period, (0, 1_000_000)),
            })
        }
        Kind::PageHinkley => {
            let usual = PageHinkleyParameters::default();
            Parameters::PageHinkley(PageHinkleyParameters {
                min_instances: whole(section, "min_instances", usual.min_instances, (1, 1_000_000)),
                delta: number(section, "delta", usual.delta, (0.0, LARGEST)),
                threshold: number(section, "threshold", usual.threshold, (SMALLEST, LARGEST)),
                alpha: number(section, "alpha", usual.alpha, (SMALLEST, 1.0)),
                direction: direction(section),
            })
        }
        Kind::Cusum => {
            let usual = CusumParameters::default();
            Parameters::Cusum(CusumParameters {
                slack: number(section, "slack", usual.slack, (0.0, 100.0)),
                threshold: number(section, "threshold", usual.threshold, (SMALLEST, 1e6)),
                standard: standard(section),
                direction: direction(section),
            })
        }
        Kind::Ewma => {
            let usual = EwmaParameters::default();
            Parameters::Ewma(EwmaParameters {
                weight: number(section, "weight", usual.weight, (1e-6, 1.0)),
                threshold: number(section, "threshold", usual.threshold, (SMALLEST, 1e6)),
                standard: standard(section),
                direction: direction(section),
            })
        }
        Kind::Kswin => {
            let usual = KswinParameters::default();
            let parameters = KswinParameters {
                alpha: chance(section, "alpha", usual.alpha),
                window_size: whole(section, "window_size", usual.window_size, (4, LARGEST_WINDOW)),
                stat_size: whole(section, "stat_size", usual.stat_size, (2, LARGEST_WINDOW / 2)),
            };
            if parameters.stat_size > parameters.window_size / 2 {
                let message =
                    format!("must not be above half of `window_size`, which is {}", parameters.window_size);
                section.add(section.mistake("stat_size", message));
            }
            Parameters::Kswin(parameters)
        }
        Kind::Ddm => {
            let usual = DdmParameters::default();
            let parameters = DdmParameters {
                warm_start: whole(section, "warm_start", usual.warm_start, (1, 1_000_000)),
                warning_threshold: number(
                    section,
                    "warning_threshold",
                    usual.warning_threshold,
                    (SMALLEST, 100.0),
                ),
                drift_threshold: number(section, "drift_threshold", usual.drift_threshold, (SMALLEST, 100.0)),
            };
            not_above(
                section,
                ("warning_threshold", parameters.warning_threshold),
                ("drift_threshold", parameters.drift_threshold),
            );
            Parameters::Ddm(parameters)
        }
        Kind::Eddm => {
            let usual = EddmParameters::default();
            let parameters = EddmParameters {
                warm_start: whole(section, "warm_start", usual.warm_start, (1, 1_000_000)),
                alpha: number(section, "alpha", usual.alpha, (SMALLEST, 1.0)),
                beta: number(section, "beta", usual.beta, (SMALLEST, 1.0)),
            };
            not_above(section, ("beta", parameters.beta), ("alpha", parameters.alpha));
            Parameters::Eddm(parameters)
        }
        Kind::HddmA => {
            let usual = HddmAParameters::default();
            let (drift_confidence, warning_confidence) = confidences(section);
            let two_sided = section.flag("two_sided", usual.two_sided);
            Parameters::HddmA(HddmAParameters { drift_confidence, warning_confidence, two_sided })
        }
        Kind::HddmW => {
            let usual = HddmWParameters::default();
            let (drift_confidence, warning_confidence) = confidences(section);
            let lambda = chance(section, "lambda", usual.lambda);
            let two_sided = section.flag("two_sided", usual.two_sided);
            Parameters::HddmW(HddmWParameters { drift_confidence, warning_confidence, lambda, two_sided })
        }
    }
}

fn number(section: &Section<'_>, key: &'static str, usual: f64, (least, most): (f64, f64)) -> f64 {
    if !section.has(key) {
        section.note_default(key, &usual.to_string());
    }
    section.float(key, least..=most).unwrap_or(usual)
}

/// A number above 0 and below 1.
fn chance(section: &Section<'_>, key: &'static str, usual: f64) -> f64 {
    number(section, key, usual, (SMALLEST, 1.0 - 1e-9))
}

fn whole(section: &Section<'_>, key: &'static str, usual: u32, (least, most): (i64, i64)) -> u32 {
    u32::try_from(section.integer(key, i64::from(usual), least..=most)).unwrap_or(usual)
}

fn direction(section: &Section<'_>) -> Direction {
    section.choice("direction", Direction::default(), &Direction::ALL)
}

fn confidences(section: &Section<'_>) -> (f64, f64) {
    let usual = HddmAParameters::default();
    let drift = chance(section, "drift_confidence", usual.drift_confidence);
    let warning = chance(section, "warning_confidence", usual.warning_confidence);
    not_above(section, ("drift_confidence", drift), ("warning_confidence", warning));
    (drift, warning)
}

/// `mean` and `deviation`, or `estimate_from`.
fn standard(section: &Section<'_>) -> Standard {
    let mean = section.float("mean", -LARGEST..=LARGEST);
    let deviation = section.float("deviation", SMALLEST..=LARGEST);
    if section.has("mean") != section.has("deviation") {
        let (there, missing) = if section.has("mean") { ("mean", "deviation") } else { ("deviation", "mean") };
        let mistake = section.mistake(there, format!("is nothing without `{missing}`"));
        section.add(
            mistake.hint(format!(
                "set `{missing}`, or remove `{there}`: both are estimated from the first values then"
            )),
        );
    }
    if section.has("mean") && section.has("estimate_from") {
        let mistake = section.mistake("estimate_from", "is not used with `mean` and `deviation`");
        section.add(mistake.hint("remove it, or remove the two"));
    }
    let values = whole(section, "estimate_from", 100, (10, 1_000_000));
    match mean.zip(deviation) {
        Some((mean, deviation)) => Standard::Known { mean, deviation },
        None => Standard::Estimated { values },
    }
}

fn not_above(section: &Section<'_>, (lower, low): (&'static str, f64), (upper, high): (&'static str, f64)) {
    if low > high {
        section.add(section.mistake(lower, format!("must not be above `{upper}`: {low} > {high}")));
    }
}
