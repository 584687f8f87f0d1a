//! The columns of a monitor, and the measures and limits that judge them.

use std::collections::BTreeMap;

use super::super::mistake::Mistake;
use super::super::section::Section;
use super::super::suggestion::suggest;
use super::false_alarms::false_alarms;
use super::source::path;
use crate::judge::{ColumnRules, JudgeSpec, MeasureRule, WindowRule};
use crate::measure::{Measure, Thresholds};
use crate::record::{Column, ColumnRole, ColumnType, Derivation, FieldPath, ModelSchema};

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

/// A list of measures for columns of a type, or of any type.
fn measures(section: &Section<'_>, key: &'static str, of_type: Option<ColumnType>) -> Option<Vec<Measure>> {
    let names = section.strings(key)?;
    let is_allowed = |measure: Measure| match of_type {
        Some(column_type) => measure.applies_to(column_type),
        None => measure != Measure::RowCount,
    };
    let columns = of_type.map_or("columns".to_owned(), |column_type| format!("{} columns", column_type.as_str()));
    let known: Vec<&str> =
        Measure::ALL.into_iter().filter(|measure| is_allowed(*measure)).map(Measure::as_str).collect();
    let mut measures = Vec::new();
    for (name, span) in names {
        let at = |message: String| Mistake::at(section.file, span.clone(), &section.key(key), message);
        match Measure::from_name(&name) {
            Some(measure) if is_allowed(measure) => {
                if !measures.contains(&measure) {
                    measures.push(measure);
                }
            }
            Some(_) => section.add(suggest(at(format!("`{name}` is not defined for {columns}")), "", &known)),
            None => section.add(suggest(at(format!("`{name}` is not a measure")), &name, &known)),
        }
    }
    Some(measures)
}

/// What `[judge.measures]` says.
pub(super) struct MeasuresOfTypes {
    /// Measures that decide, where they are set for a type.
    pub(super) chosen: Vec<(ColumnType, Vec<Measure>)>,
    /// Measures that are only shown, where they are set.
    pub(super) shown: Option<Vec<Measure>>,
}

impl MeasuresOfTypes {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let of_type = |(key, column_type): &(&'static str, ColumnType)| {
            Some((*column_type, measures(section, key, Some(*column_type))?))
        };
        let chosen = MEASURED.iter().filter_map(of_type).collect();
        Self { chosen, shown: measures(section, "shown", None) }
    }
}

pub(super) fn thresholds(section: &Section<'_>) -> BTreeMap<Measure, Thresholds> {
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
        if measure == Measure::RowCount && read.warn.min(read.critical) <= 1.0 {
            let key = if read.critical <= 1.0 { "critical" } else { "warn" };
            limits.add(limits.mistake(key, "must be above 1: it is a factor, and 1 is no change"));
        }
        if read.warn > read.critical {
            limits.add(
                limits.mistake("warn", format!("must not be above `critical`: {} > {}", read.warn, read.critical)),
            );
        }
        limits.finish();
        found.insert(measure, read);
    }
    section.finish();
    found
}

pub(super) fn columns(
    root: &Section<'_>,
    thresholds_for_all: &BTreeMap<Measure, Thresholds>,
    measures_of_types: &MeasuresOfTypes,
) -> Option<(ModelSchema, Vec<ColumnRules>)> {
    let mut columns = Vec::new();
    let mut rules = Vec::new();
    let mut complete = true;
    // Of columns with mistakes as well: all mistakes are said at once.
    let mut names: Vec<String> = Vec::new();
    for section in root.sections("columns") {
        let name = section.required("name", "the name of the column");
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
            ColumnRole::Feature,
            &[("feature", ColumnRole::Feature), ("output", ColumnRole::Output), ("latency", ColumnRole::Latency)],
        );
        let column_type = section.optional_choice("type", &TYPES);
        if !section.has("type") {
            section.add(
                section.mistake("type", "is missing: `numeric`, `categorical`, `boolean`, `text` or `embedding`"),
            );
        }
        let sensitive = section.flag("sensitive", false);
        let own = thresholds(&section.section("thresholds"));
        if own.contains_key(&Measure::RowCount) {
            let mistake = section.mistake("thresholds", "names `row_count`, which is of no column");
            section.add(mistake.hint("set it under [judge.thresholds.row_count]"));
        }
        let chosen = column_type.and_then(|column_type| measures(&section, "measures", Some(column_type)));
        if column_type.is_none() {
            section.value("measures");
        }
        section.finish();
        if let Some(name) = &name
            && (names.contains(name) || columns.iter().any(|known: &Column| known.name == *name))
        {
            section.add(section.mistake("name", format!("duplicate column name `{name}`")));
            complete = false;
        }
        names.extend(name.clone());
        let (Some(name), Some(path), Some(column_type)) = (name, column_path, column_type) else {
            complete = false;
            continue;
        };
        let column = Column { name, path, role, column_type, derivation: Derivation::Value, sensitive };
        for column in column.expand() {
            rules.push(column_rules(&column, chosen.as_deref(), &own, thresholds_for_all, measures_of_types));
            columns.push(column);
        }
    }
    if !complete {
        return None;
    }
    match ModelSchema::new(columns) {
        Ok(schema) => Some((schema, rules)),
        Err(error) => {
            root.add(root.mistake("columns", error.to_string()));
            None
        }
    }
}

/// The rules of a column: by the measures chosen for it as far as they are for its type, else those chosen for its type.
pub(super) fn column_rules(
    column: &Column,
    chosen: Option<&[Measure]>,
    own: &BTreeMap<Measure, Thresholds>,
    thresholds_for_all: &BTreeMap<Measure, Thresholds>,
    measures: &MeasuresOfTypes,
) -> ColumnRules {
    let of_type =
        || measures.chosen.iter().find(|(kind, _)| *kind == column.column_type).map(|(_, list)| list.as_slice());
    let set = |measure: Measure| own.get(&measure).or_else(|| thresholds_for_all.get(&measure)).copied();
    ColumnRules::new(
        column.name.clone(),
        column.column_type,
        chosen.or_else(of_type),
        measures.shown.as_deref(),
        set,
    )
}

/// `rows`: whether the number of records is judged, and by which limits.
pub(super) fn rows(section: &Section<'_>, limits: &BTreeMap<Measure, Thresholds>) -> Option<MeasureRule> {
    let names = section.strings("rows").unwrap_or_else(|| vec![(Measure::RowCount.as_str().to_owned(), 0..0)]);
    let known = [Measure::RowCount.as_str()];
    let mut is_judged = false;
    for (name, span) in names {
        if name == Measure::RowCount.as_str() {
            is_judged = true;
        } else {
            let message = format!("`{name}` is not a measure of the number of records");
            section.add(suggest(Mistake::at(section.file, span, &section.key("rows"), message), &name, &known));
        }
    }
    let measure = Measure::RowCount;
    let thresholds = limits.get(&measure).copied().unwrap_or_else(|| measure.default_thresholds());
    is_judged.then_some(MeasureRule { measure, limits: Some(thresholds) })
}

pub(super) fn judge(section: &Section<'_>, columns: Vec<ColumnRules>, rows: Option<MeasureRule>) -> JudgeSpec {
    let min_records = u64::try_from(section.integer("min_records", 200, 1..=1_000_000_000)).unwrap_or(200);
    let false_alarms = false_alarms(section);
    let drifted_columns = section.integer("drifted_columns", 1, 1..=2_000);
    let drifted_share = section.float("drifted_share", 0.0..=1.0);
    if section.has("drifted_columns") && drifted_share.is_some() {
        section.add(section.mistake("drifted_share", "cannot be combined with `drifted_columns`"));
    }
    let rule = match drifted_share {
        Some(share) => WindowRule::Share(share),
        None => WindowRule::Columns(usize::try_from(drifted_columns).unwrap_or(1)),
    };
    let values_only = section.choice("absent", false, &[("count", false), ("leave_out", true)]);
    JudgeSpec { columns, min_records, false_alarms, values_only, rule, rows }
}
