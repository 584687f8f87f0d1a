//! `[retention]` of `driftd.toml` and of monitors: how long what is stored is kept.

use super::section::Section;
use crate::record::TimeSpan;
use crate::retention::{Kept, Retention, RetentionOverride, WindowRetention, contradiction};

/// The shortest and the longest that anything is kept.
const RANGE: (TimeSpan, TimeSpan) = (TimeSpan::hours(1), TimeSpan::days(36_500));

/// `[retention]` of `driftd.toml`.
pub(super) fn read(section: &Section<'_>) -> Retention {
    let usual = Retention::default();
    let windows = usual.windows;
    let found = Retention {
        windows: WindowRetention {
            samples: kept(section, "samples", windows.samples),
            counts: kept(section, "counts", windows.counts),
            findings: kept(section, "findings", windows.findings),
        },
        alerts: kept(section, "alerts", usual.alerts),
        messages: kept(section, "messages", usual.messages),
        audit: kept(section, "audit", usual.audit),
    };
    section.finish();
    check(section, &tiers(found.windows, found.alerts));
    found
}

/// `[retention]` of a monitor. `all` is what holds for all monitors; where it is not known, what the monitor does not name is
/// not compared.
pub(super) fn of_monitor(section: &Section<'_>, all: Option<&Retention>) -> RetentionOverride {
    let usual = all.copied().unwrap_or_default();
    let own = |key, default| {
        let found = kept(section, key, default);
        section.has(key).then_some(found)
    };
    let found = RetentionOverride {
        samples: own("samples", usual.windows.samples),
        counts: own("counts", usual.windows.counts),
        findings: own("findings", usual.windows.findings),
    };
    section.finish();
    let tiers = match all {
        Some(all) => tiers(all.of_monitor(&found), all.alerts).to_vec(),
        None => {
            let known = [("samples", found.samples), ("counts", found.counts), ("findings", found.findings)];
            known.into_iter().filter_map(|(key, kept)| Some((key, kept?))).collect()
        }
    };
    check(section, &tiers);
    found
}

/// In the order in which they are deleted.
fn tiers(windows: WindowRetention, alerts: Kept) -> [(&'static str, Kept); 4] {
    let WindowRetention { samples, counts, findings } = windows;
    [("samples", samples), ("counts", counts), ("findings", findings), ("alerts", alerts)]
}

/// How long something is kept: a duration, or `"forever"`.
fn kept(section: &Section<'_>, key: &'static str, default: Kept) -> Kept {
    let Some(value) = section.single(key) else {
        section.note_default(key, &format!("\"{}\"", written(default)));
        return default;
    };
    let hint = "write a number and a unit, \"14d\", or \"forever\"";
    let text = match value.text() {
        Ok(text) => text,
        Err(found) => {
            section.add(section.mistake(key, format!("must be a duration, not {found}")).hint(hint));
            return default;
        }
    };
    let found = Kept::parse(&text);
    if found.is_none() {
        section.add(section.mistake(key, format!("is neither a duration nor `forever`: `{text}`")).hint(hint));
    } else if found.and_then(Kept::age).is_some_and(|age| !(RANGE.0..=RANGE.1).contains(&age)) {
        section.add(section.mistake(key, "must lie between 1h and 36500d, or be \"forever\""));
    }
    found.unwrap_or(default)
}

/// As it is written in a file.
fn written(kept: Kept) -> String {
    match kept.age() {
        None => "forever".to_owned(),
        Some(age) if age.micros() % TimeSpan::days(1).micros() == 0 => {
            format!("{}d", age.micros() / TimeSpan::days(1).micros())
        }
        Some(age) => format!("{}s", age.micros() / TimeSpan::seconds(1).micros()),
    }
}

/// Notes tiers that contradict each other, at the key that the file has.
fn check(section: &Section<'_>, tiers: &[(&'static str, Kept)]) {
    let Some([(first, longer), (second, shorter)]) = contradiction(tiers) else { return };
    let (longer, shorter) = (written(longer), written(shorter));
    let why = "data is deleted in the order samples, counts, findings, alerts";
    let mistake = if section.has(first) || !section.has(second) {
        section.mistake(first, format!("{longer} is longer than `retention.{second}`, {shorter}")).hint(format!(
            "{why}: write at most \"{shorter}\" here, or at least \"{longer}\" for `retention.{second}`"
        ))
    } else {
        section.mistake(second, format!("{shorter} is shorter than `retention.{first}`, {longer}")).hint(format!(
            "{why}: write at least \"{longer}\" here, or at most \"{shorter}\" for `retention.{first}`"
        ))
    };
    section.add(mistake);
}
