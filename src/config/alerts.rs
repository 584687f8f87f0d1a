//! `[labels]`, `[alert]`, `[[alert.rules]]` and `[retrain]` of a monitor: what alerts, and when a new model is asked for.

use crate::record::TimeSpan;
use std::collections::BTreeMap;

use super::monitor::MonitorReferences;
use super::receivers::{Receiver, check_names};
use super::routing::is_label;
use super::section::Section;
use super::suggestion::suggest;
use crate::alert::{AlertPolicy, AlertRule, Labels, RuleKind, Scope, Severity};
use crate::judge::{JudgeSpec, WindowRule};
use crate::measure::Measure;
use crate::retrain::RetrainPolicy;
use crate::window::Calendar;

/// Labels that driftd sets itself.
const OWN_LABELS: [&str; 9] =
    ["alertname", "kind", "monitor", "version", "segment", "severity", "column", "receiver", "alert_id"];

pub(super) fn labels(section: &Section<'_>) -> Labels {
    let mut labels = Labels::new();
    for (name, value) in section.texts() {
        if OWN_LABELS.contains(&name.as_str()) {
            section.add(section.mistake(&name, format!("`{name}` is a label that driftd sets itself")));
        } else if is_label(&name) {
            labels.insert(name, value);
        } else {
            let message = format!("`{name}` is not the name of a label: letters, digits and `_`");
            section.add(section.mistake(&name, message));
        }
    }
    labels
}

const SEVERITIES: [(&str, Severity); 2] = [("warn", Severity::Warn), ("critical", Severity::Critical)];

/// What stands at `[alert]` and holds for rules that do not say otherwise.
#[derive(Clone, Copy)]
struct Usual {
    severity: Severity,
    policy: AlertPolicy,
    resolve_below: f64,
}

/// What `[alert]` says.
pub(super) struct Alerting {
    pub(super) rules: Vec<AlertRule>,
    pub(super) receivers: Vec<String>,
    /// See [`super::Monitor::gone_after`].
    pub(super) gone_after: TimeSpan,
}

pub(super) fn alerts(section: &Section<'_>, judge: &JudgeSpec, context: &MonitorReferences<'_>) -> Alerting {
    let window = judge.rule;
    let columns: Vec<String> = judge.columns.iter().map(|rules| rules.name.clone()).collect();
    let usual =
        usual(section, Usual { severity: Severity::Critical, policy: AlertPolicy::default(), resolve_below: 0.8 });
    let receivers = check_names(section, "receivers", context.receivers);
    let gone_after = section.duration("gone_after", "6h", ("1m", "3650d"));
    let mut rules: Vec<AlertRule> = Vec::new();
    for section in section.sections("rules") {
        if let Some(rule) = rule(&section, usual, window, &columns) {
            if rule.kind == RuleKind::Volume && judge.rows.is_none() {
                let mistake = section.mistake("kind", "is \"volume\", and the number of records is not judged");
                section.add(mistake.hint("rows = [\"row_count\"] under [judge.measures], or no such line"));
            }
            if rules.iter().any(|known| known.name == rule.name) {
                section.add(section.mistake("name", format!("duplicate rule name `{}`", rule.name)));
            }
            rules.push(rule);
        }
        section.finish();
    }
    section.finish();
    if !section.has("rules") {
        rules = AlertRule::defaults(usual.severity, usual.policy, usual.resolve_below, window);
        rules.retain(|rule| rule.kind != RuleKind::Volume || judge.rows.is_some());
    }
    Alerting { rules, receivers, gone_after }
}

fn usual(section: &Section<'_>, before: Usual) -> Usual {
    let (windows, of) = persistence(section, (before.policy.windows, before.policy.of));
    let number = |key, default: u32, range| {
        u32::try_from(section.integer(key, i64::from(default), range)).unwrap_or(default)
    };
    Usual {
        severity: section.choice("severity", before.severity, &SEVERITIES),
        policy: AlertPolicy {
            windows,
            of,
            resolve_after: number("resolve_after", before.policy.resolve_after, 1..=100),
            flap_windows: number("flapping", before.policy.flap_windows, 0..=100),
        },
        resolve_below: section.float("resolve_below", 0.01..=1.0).unwrap_or(before.resolve_below),
    }
}

/// `for = 2` (in a row), `for = "3 of 5 windows"`.
fn persistence(section: &Section<'_>, before: (u32, u32)) -> (u32, u32) {
    let Some((value, _)) = section.value("for") else { return before };
    let text = match value {
        toml::de::DeValue::String(text) => text.to_string(),
        toml::de::DeValue::Integer(number) => number.as_str().to_owned(),
        _ => String::new(),
    };
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.starts_with("window")).collect();
    let read = match words.as_slice() {
        [number] => number.parse().ok().map(|number: u32| (number, number)),
        [number, "of", all] => number.parse().ok().zip(all.parse().ok()),
        _ => None,
    };
    match read {
        Some((windows, of)) if windows >= 1 && windows <= of && of <= 100 => (windows, of),
        _ => {
            section.add(
                section
                    .mistake(
                        "for",
                        "must be a number of windows in a row, or a number of the newest windows, at most 100",
                    )
                    .hint("write 2, or \"3 of 5 windows\""),
            );
            before
        }
    }
}

fn rule(section: &Section<'_>, usual_values: Usual, window: WindowRule, columns: &[String]) -> Option<AlertRule> {
    let name = section.required("name", "the name of the rule");
    if let Some(name) = &name
        && !name.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
    {
        section.add(section.mistake("name", "may have letters, digits, `-` and `_` only"));
    }
    let kind = section.choice(
        "kind",
        RuleKind::Drift,
        &[("drift", RuleKind::Drift), ("data_quality", RuleKind::DataQuality), ("volume", RuleKind::Volume)],
    );
    if kind == RuleKind::Volume {
        volume_rule(section);
    }
    let scope = section.choice("scope", Scope::Model, &[("model", Scope::Model), ("column", Scope::Column)]);
    let measures = section.strings("measures").map(|names| {
        let known: Vec<&str> = Measure::ALL.into_iter().map(Measure::as_str).collect();
        let read = |(name, span): (String, std::ops::Range<usize>)| {
            let measure = Measure::from_name(&name);
            if measure == Some(Measure::RowCount) && kind != RuleKind::Volume {
                let message = "`row_count` is of no column: a rule about it has kind = \"volume\"";
                let key = section.key("measures");
                section.add(super::mistake::Mistake::at(section.file, span, &key, message));
                return None;
            }
            if measure.is_none() {
                let message = format!("`{name}` is not a measure");
                let mistake = super::mistake::Mistake::at(section.file, span, &section.key("measures"), message);
                section.add(suggest(mistake, &name, &known));
            }
            measure
        };
        names.into_iter().filter_map(read).collect()
    });
    let only = section.strings("columns").map(|names| {
        let known: Vec<&str> = columns.iter().map(String::as_str).collect();
        for (name, span) in &names {
            if !columns.contains(name) {
                let message = format!("`{name}` is not a column of this monitor");
                let mistake =
                    super::mistake::Mistake::at(section.file, span.clone(), &section.key("columns"), message);
                section.add(suggest(mistake, name, &known));
            }
        }
        names.into_iter().map(|(name, _)| name).collect()
    });
    let drifted_columns = section.integer("drifted_columns", 1, 1..=2_000);
    let window = if section.has("drifted_columns") {
        WindowRule::Columns(usize::try_from(drifted_columns).unwrap_or(1))
    } else if kind == RuleKind::DataQuality {
        WindowRule::Columns(1)
    } else {
        window
    };
    let Usual { severity, policy, resolve_below } = usual(section, usual_values);
    let labels = labels(&section.section("labels"));
    Some(AlertRule {
        name: name?,
        kind,
        scope,
        measures: measures.unwrap_or_else(|| AlertRule::measures_of(kind)),
        columns: only,
        severity,
        window,
        resolve_below,
        policy,
        labels,
    })
}

/// A rule about the number of records has one measure and no columns.
fn volume_rule(section: &Section<'_>) {
    for key in ["scope", "measures", "columns", "drifted_columns"] {
        if section.has(key) {
            section.add(section.mistake(key, "is not used with kind = \"volume\", which is about no column"));
        }
    }
}

pub(super) fn retrain(
    section: &Section<'_>,
    rules: &[AlertRule],
    context: &MonitorReferences<'_>,
) -> (Option<RetrainPolicy>, Vec<String>) {
    let usual = RetrainPolicy::default();
    let number = |key, default: u32, range| {
        u32::try_from(section.integer(key, i64::from(default), range)).unwrap_or(default)
    };
    let budget = |key| section.has(key).then(|| number(key, 1, 1..=1_000));
    let known: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let named = section.strings("rules").unwrap_or_default();
    for (name, span) in &named {
        if !known.contains(&name.as_str()) {
            let message = format!("`{name}` is not a rule of this monitor");
            let mistake = super::mistake::Mistake::at(section.file, span.clone(), &section.key("rules"), message);
            section.add(suggest(mistake, name, &known));
        }
    }
    let receivers = check_names(section, "receivers", context.receivers);
    let answers = context
        .answering
        .is_some_and(|answering| can_answer(context.callback_url.as_deref(), &receivers, answering));
    let policy = RetrainPolicy {
        rules: named.into_iter().map(|(name, _)| name).collect(),
        after_windows: number("after", usual.after_windows, 1..=10_000),
        min_records: u64::try_from(section.integer("min_records", 0, 0..=i64::MAX)).unwrap_or(0),
        cool_down: section.duration("cool_down", "1d", ("0s", "3650d")),
        per_day: budget("per_day"),
        per_week: budget("per_week"),
        quiet: named_calendars(section, "quiet", context),
        dry_run: section.flag("dry_run", usual.dry_run),
        approval: section.flag("approval", usual.approval),
        answer_within: answer_within(section, answers),
        promote: section.choice("promote", false, &[("propose", false), ("auto", true)]),
        promote_windows: number("promote_windows", usual.promote_windows, 1..=10_000),
    };
    for key in ["per_day", "per_week"] {
        section.value(key);
    }
    if section.is_there() && receivers.is_empty() {
        section.add(section.mistake("receivers", "needs at least one receiver"));
    }
    section.finish();
    (section.is_there().then_some(policy), receivers)
}

/// Whether an answer on a retraining can come: by a callback, or from a training system that can be asked.
pub(super) fn can_answer(
    callback_url: Option<&str>,
    asked: &[String],
    receivers: &BTreeMap<String, Receiver>,
) -> bool {
    callback_url.is_some() || asked.iter().any(|name| receivers.get(name).is_some_and(Receiver::can_be_asked))
}

/// As configured; otherwise a day when an answer can come, and 0 when none can.
fn answer_within(section: &Section<'_>, answers: bool) -> TimeSpan {
    if section.has("answer_within") {
        return section.duration("answer_within", "1d", ("1m", "366d"));
    }
    section.value("answer_within");
    if answers { ANSWER_WITHIN } else { TimeSpan::ZERO }
}

/// How long an answer is waited for when one can come.
const ANSWER_WITHIN: TimeSpan = TimeSpan::days(1);

/// The calendars of `driftd.toml` that a list of a monitor names.
pub(super) fn named_calendars(
    section: &Section<'_>,
    key: &'static str,
    context: &MonitorReferences<'_>,
) -> Vec<Calendar> {
    let names = section.strings(key).unwrap_or_default();
    let Some(calendars) = context.calendars else { return Vec::new() };
    let known: Vec<&str> = calendars.keys().map(String::as_str).collect();
    names
        .into_iter()
        .filter_map(|(name, span)| {
            let found = calendars.get(&name).cloned();
            if found.is_none() {
                let message = format!("`{name}` is not a calendar of driftd.toml");
                let mistake = super::mistake::Mistake::at(section.file, span, &section.key(key), message);
                section.add(suggest(mistake, &name, &known));
            }
            found
        })
        .collect()
}

/// Calendars by name.
pub(super) type Calendars = BTreeMap<String, Calendar>;
