//! Titles: how bad, and what, in one line that mail programs, phones and pagers show whole.

use std::fmt::Write as _;

use super::model;
use crate::alert::{AlertStatus, AlertView, AlertsEvent, RuleKind, SendReason, times};
use crate::escape::plain;

/// Characters of a title at most: mail programs, phones and pagers cut longer ones, and then at the end.
pub(super) const TITLE: usize = 78;

/// Characters of a column's name, with the comma before it, that a title shows at least, or none.
const LEAST_OF_A_COLUMN: usize = 12;

/// A name in at most so many characters: its beginning and its end, since names of one family differ in either.
pub(super) fn fit(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let end = room.saturating_sub(1) / 3;
    let begin = room.saturating_sub(1 + end);
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(length - end)).collect()
}

/// A text in at most so many characters, cut at its end.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// [`model`] in at most so many characters.
pub(super) fn short_model(monitor: &str, version: &str, segment: &str, room: usize) -> String {
    let full = model(monitor, version, segment);
    if full.chars().count() <= room {
        return full;
    }
    let (has_version, has_segment) = (!version.is_empty(), segment != crate::window::WHOLE);
    let joints = usize::from(has_version) * 2 + usize::from(has_segment) * 2;
    // Each name gets its share, and what a short one leaves goes to the next.
    let mut names = vec![(plain(monitor), 2)];
    names.extend(has_version.then(|| (plain(version), 1)));
    names.extend(has_segment.then(|| (plain(segment), 2)));
    names.sort_by_key(|(name, share)| name.chars().count() / share);
    let mut left = room.saturating_sub(joints);
    let mut shares: usize = names.iter().map(|(_, share)| share).sum();
    let mut short: Vec<(String, String)> = Vec::new();
    for (name, share) in names {
        let kept = fit(&name, left * share / shares.max(1));
        left = left.saturating_sub(kept.chars().count());
        shares -= share;
        short.push((name, kept));
    }
    let of = |name: String| {
        let place = short.iter().position(|(full, _)| *full == name);
        place.and_then(|place| short.get(place)).map_or(name, |(_, kept)| kept.clone())
    };
    let mut text = of(plain(monitor));
    if has_version {
        let _infallible = write!(text, " v{}", of(plain(version)));
    }
    if has_segment {
        let _infallible = write!(text, ", {}", of(plain(segment)));
    }
    cut(&text, room)
}

pub(super) fn alerts_title(event: &AlertsEvent) -> String {
    let open = event.alerts.iter().any(|alert| alert.status != AlertStatus::Resolved);
    let Some(first) = event.alerts.first() else {
        return if event.test { "[test] no alert".to_owned() } else { "no alert".to_owned() };
    };
    let tag = match (open, event.reason) {
        (false, _) => "resolved",
        (true, SendReason::Acknowledged) => "acknowledged",
        (true, _) => event.severity.as_str(),
    };
    let prefix = match event.reason {
        SendReason::Escalated => "not acknowledged: ",
        // Some are over; what is named is not.
        SendReason::Resolved if open => "still: ",
        SendReason::Repeated => "still: ",
        SendReason::Worsened => "worse: ",
        SendReason::Digest => "digest: ",
        _ => "",
    };
    let test = if event.test { "[test] " } else { "" };
    let over = event.alerts.iter().filter(|alert| open && alert.status == AlertStatus::Resolved).count();
    let more = event.alerts.len() + event.more - over - 1;
    let mut suffix = if more > 0 { format!(" and {more} more") } else { String::new() };
    if over > 0 {
        let _infallible = write!(suffix, "; {over} ended");
    }
    let head = format!("{test}[{tag}] {prefix}");
    let room = TITLE.saturating_sub(head.chars().count() + suffix.chars().count());
    format!("{head}{}{suffix}", headline(first, room))
}

/// What an alert says in one line of at most so many characters, names cut before what is said of them.
pub(in crate::notify) fn headline(alert: &AlertView, room: usize) -> String {
    let evidence = &alert.evidence;
    let (drifted, warned) = evidence.counts();
    let of = evidence.columns.map_or(String::new(), |columns| format!(" of {columns}"));
    let columns = |number: usize| if number == 1 && of.is_empty() { "column" } else { "columns" };
    let now = match evidence.moving_now() + evidence.more + evidence.more_warned {
        now if now >= drifted.max(1) => String::new(),
        0 => " (none now)".to_owned(),
        now => format!(" ({now} now)"),
    };
    let whole = model(&alert.monitor, &alert.version, &alert.segment).chars().count();
    let moved = |number: usize, how: &str| {
        let text = format!(": {number}{of} {} {how}", columns(number));
        // Whose columns they are says more than how many still do.
        let fits = whole + text.chars().count() + now.chars().count() <= room;
        if fits { format!("{text}{now}") } else { text }
    };
    let over = alert.status == AlertStatus::Resolved;
    let said = match (alert.kind, over) {
        (RuleKind::Operational, _) => return cut(&plain(&evidence.summary), room),
        (RuleKind::Drift, true) => format!(": drift {}", ended(alert)),
        (RuleKind::DataQuality, true) => format!(": missing or broken values {}", ended(alert)),
        (RuleKind::Volume, true) => format!(": unusual number of records {}", ended(alert)),
        (_, false) if drifted + warned == 0 => return cut(&plain(&evidence.summary), room),
        (RuleKind::DataQuality, false) => {
            let broken = drifted + warned;
            format!(": {broken}{of} {} missing or broken", columns(broken))
        }
        (RuleKind::Volume, false) => return cut(&plain(&evidence.summary), room),
        (RuleKind::Drift, false) if drifted > 0 => moved(drifted, "drifted"),
        (RuleKind::Drift, false) => moved(warned, "warned"),
    };
    let used = said.chars().count();
    // At least so much for the model; what is left names the column that moved most.
    let whose = short_model(&alert.monitor, &alert.version, &alert.segment, room.saturating_sub(used));
    let mut line = format!("{whose}{said}");
    let left = |line: &str| room.saturating_sub(line.chars().count());
    let far = |strength: f64| if strength >= 1.0 { format!(" {}x limit", times(strength)) } else { String::new() };
    if let Some(first) = evidence.moved().next().filter(|_| !over) {
        // What moves now is named before what has calmed down.
        let current =
            evidence.leading_now().and_then(|column| Some((&column.column, column.last.as_ref()?.strength)));
        let parts = [
            current.map(|(column, strength)| (format!(", now {}", plain(column)), far(strength))),
            Some((format!(", {}", plain(&first.column)), far(first.strength))),
        ];
        for (name, far) in parts.into_iter().flatten() {
            // The name gives way to the number, but not to the point where nobody knows it again.
            let least = name.chars().count().min(LEAST_OF_A_COLUMN);
            let kept = left(&line).saturating_sub(far.chars().count());
            if kept >= least {
                line.push_str(&fit(&name, kept));
                line.push_str(&far);
            } else if left(&line) >= least {
                line.push_str(&fit(&name, left(&line)));
            }
        }
    }
    if let Some(segments) = alert.segments.as_ref().filter(|_| !over) {
        let words = format!(", {}", segments.words());
        if words.chars().count() <= left(&line) {
            line.push_str(&words);
        }
    }
    cut(&line, room)
}

/// How an alert ended, in a word or two.
fn ended(alert: &AlertView) -> &'static str {
    match alert.reason.as_str() {
        "no_more_records" => "not known: no records",
        "rule_removed" => "no longer watched",
        "window_amended" | "withdrawn" => "withdrawn",
        _ => "ended",
    }
}
