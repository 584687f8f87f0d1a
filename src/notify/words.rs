//! What people are told, in words: the parts that mails, chats and pagers share. Names that come from data are made plain
//! here, before they reach any header, markup or terminal.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::alert::{
    AlertStatus, AlertView, AlertsEvent, DriftedColumn, EXPLAINED_COLUMNS, EpisodeWindow, RuleKind, SEGMENT_NAMES,
    SendReason, WindowEvidence, series_words, summary_of, times, worst_and_last,
};
use crate::escape::plain;
use crate::record::number_of;
use crate::retrain::RetrainingEvent;

/// An event that people read.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// About alerts.
    Alerts(AlertsEvent),
    /// About a retraining.
    Retraining(Box<RetrainingEvent>),
}

impl Told {
    /// Reads the body of an event; `None` when it is not one that driftd writes.
    #[must_use]
    pub fn read(body: &serde_json::Value) -> Option<Self> {
        let data = body.get("data")?.clone();
        if body.get("type")?.as_str()? == crate::alert::EventKind::RetrainingRequested.as_str() {
            return serde_json::from_value(data).ok().map(|request| Self::Retraining(Box::new(request)));
        }
        serde_json::from_value(data).ok().map(Self::Alerts)
    }

    /// As people read it: alerts about columns of one series become one, its columns ranked; those of segments that only
    /// follow the whole are a line of its alert.
    #[must_use]
    pub fn for_people(self) -> Self {
        match self {
            Self::Alerts(event) => {
                let alerts = merge_columns(&apart(&event.alerts));
                Self::Alerts(AlertsEvent { alerts, ..event })
            }
            Self::Retraining(request) => Self::Retraining(request),
        }
    }

    /// Whether somebody only tries whether messages arrive.
    #[must_use]
    pub fn is_test(&self) -> bool {
        match self {
            Self::Alerts(event) => event.test,
            Self::Retraining(request) => request.test,
        }
    }

    /// One line of less than 80 characters: how bad, and what.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Alerts(event) => alerts_title(event),
            Self::Retraining(request) => {
                let tag = if request.test { "[test] [retraining] " } else { "[retraining] " };
                let room = TITLE - tag.len();
                format!("{tag}{}", short_model(&request.monitor, &request.version, &request.segment, room))
            }
        }
    }
}

/// The alerts but those of segments that follow a whole which is told, too.
pub(super) fn apart(alerts: &[AlertView]) -> Vec<AlertView> {
    let told = |id: Uuid| alerts.iter().any(|alert| alert.id == id);
    alerts.iter().filter(|alert| !alert.follows.is_some_and(told)).cloned().collect()
}

/// Alerts that stand alike and are about columns of one series, as one; the others as they are.
fn merge_columns(alerts: &[AlertView]) -> Vec<AlertView> {
    let is_column = |alert: &AlertView| alert.labels.contains_key("column");
    let alike = |left: &AlertView, right: &AlertView| {
        let of = |alert: &AlertView| {
            (alert.status, alert.kind, alert.monitor.clone(), alert.version.clone(), alert.segment.clone())
        };
        is_column(left) && is_column(right) && of(left) == of(right)
    };
    let mut merged: Vec<AlertView> = Vec::new();
    for alert in alerts {
        match merged.iter_mut().find(|known| alike(known, alert)) {
            Some(known) => merge(known, alert),
            None => merged.push(alert.clone()),
        }
    }
    for alert in merged.iter_mut().filter(|alert| alert.evidence.moved().count() > 1 && is_column(alert)) {
        let evidence = &mut alert.evidence;
        evidence.drifted.sort_by(DriftedColumn::rank);
        evidence.warned.sort_by(DriftedColumn::rank);
        let columns = evidence.drifted.iter_mut().chain(&mut evidence.warned);
        for column in columns.skip(EXPLAINED_COLUMNS) {
            column.why.clear();
        }
        let whose = series_words(&alert.monitor, &alert.version, &alert.segment);
        evidence.summary = summary_of(alert.kind, &whose, None, evidence);
    }
    merged
}

/// Takes the alert of another column of the series in.
fn merge(known: &mut AlertView, alert: &AlertView) {
    known.severity = known.severity.max(alert.severity);
    known.since = known.since.clone().min(alert.since.clone());
    known.windows = known.windows.max(alert.windows);
    known.judged_windows = known.judged_windows.max(alert.judged_windows);
    let (evidence, other) = (&mut known.evidence, &alert.evidence);
    evidence.drifted.extend(other.drifted.iter().cloned());
    evidence.warned.extend(other.warned.iter().cloned());
    evidence.more += other.more;
    evidence.more_warned += other.more_warned;
    // The rule of each column judges that column alone; the window has more of them.
    evidence.columns = None;
    let stronger = |left: &Option<EpisodeWindow>, right: &Option<EpisodeWindow>| match (left, right) {
        (Some(left), Some(right)) => right.strength > left.strength,
        (None, right) => right.is_some(),
        _ => false,
    };
    if stronger(&evidence.worst, &other.worst) {
        evidence.worst.clone_from(&other.worst);
        evidence.window.clone_from(&other.window);
    }
    if stronger(&evidence.last, &other.last) {
        evidence.last.clone_from(&other.last);
    }
    let earlier = |window: &Option<EpisodeWindow>| window.as_ref().map(|window| window.start.clone());
    if earlier(&other.first).is_some_and(|start| earlier(&evidence.first).is_none_or(|known| start < known)) {
        evidence.first.clone_from(&other.first);
    }
    if let Some(other) = &alert.segments {
        let segments = known.segments.get_or_insert_default();
        segments.judged = segments.judged.max(other.judged);
        segments.following = segments.following.max(other.following);
        segments.apart = segments.apart.max(other.apart);
        segments.names.extend(other.names.iter().cloned());
        segments.names.sort();
        segments.names.dedup();
        segments.names.truncate(SEGMENT_NAMES);
    }
}

/// Monitor, and version and segment where they say something.
pub(super) fn model(monitor: &str, version: &str, segment: &str) -> String {
    series_words(&plain(monitor), &plain(version), &plain(segment))
}

/// Characters of a title at most: mail programs, phones and pagers cut longer ones, and then at the end.
const TITLE: usize = 78;

/// A name in at most so many characters: its beginning and its end, since names of one family differ in either.
fn fit(text: &str, room: usize) -> String {
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
fn short_model(monitor: &str, version: &str, segment: &str, room: usize) -> String {
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

fn alerts_title(event: &AlertsEvent) -> String {
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
        SendReason::Digest => "held back: ",
        _ => "",
    };
    let test = if event.test { "[test] " } else { "" };
    let over = event.alerts.iter().filter(|alert| open && alert.status == AlertStatus::Resolved).count();
    let more = event.alerts.len() + event.more - over - 1;
    let mut suffix = if more > 0 { format!(" and {more} more") } else { String::new() };
    if over > 0 {
        let _infallible = write!(suffix, "; {over} over");
    }
    let head = format!("{test}[{tag}] {prefix}");
    let room = TITLE.saturating_sub(head.chars().count() + suffix.chars().count());
    format!("{head}{}{suffix}", headline(first, room))
}

/// What an alert says in one line of at most so many characters, names cut before what is said of them.
pub(super) fn headline(alert: &AlertView, room: usize) -> String {
    let evidence = &alert.evidence;
    let (drifted, warned) = evidence.counts();
    let of = evidence.columns.map_or(String::new(), |columns| format!(" of {columns}"));
    let columns = |number: usize| if number == 1 && of.is_empty() { "column" } else { "columns" };
    let over = alert.status == AlertStatus::Resolved;
    let said = match (alert.kind, over) {
        (RuleKind::Operational, _) => return cut(&plain(&evidence.summary), room),
        (RuleKind::Drift, true) => format!(": drift {}", ended(alert)),
        (RuleKind::DataQuality, true) => format!(": missing or broken values {}", ended(alert)),
        (_, false) if drifted + warned == 0 => return cut(&plain(&evidence.summary), room),
        (RuleKind::DataQuality, false) => {
            let broken = drifted + warned;
            format!(": {broken}{of} {} missing or broken", columns(broken))
        }
        (RuleKind::Drift, false) if drifted > 0 => format!(": {drifted}{of} {} drifted", columns(drifted)),
        (RuleKind::Drift, false) => format!(": {warned}{of} {} warned", columns(warned)),
    };
    let used = said.chars().count();
    // At least so much for the model; what is left names the column that moved most.
    let whose = short_model(&alert.monitor, &alert.version, &alert.segment, room.saturating_sub(used));
    let mut line = format!("{whose}{said}");
    let mut add = |text: &str, least: usize| {
        let left = room.saturating_sub(line.chars().count());
        let fits = text.chars().count() <= left;
        if fits {
            line.push_str(text);
        } else if least > 0 && left >= least {
            line.push_str(&fit(text, left));
        }
        fits
    };
    if let Some(first) = evidence.moved().next().filter(|_| !over) {
        add(&format!(", {}", plain(&first.column)), 12);
        if first.strength >= 1.0 {
            let far = format!(" {}x", times(first.strength));
            if add(&far, 0) {
                add(" limit", 0);
            }
        }
    }
    if let Some(segments) = alert.segments.as_ref().filter(|_| !over) {
        add(&format!(", {}", segments.words()), 0);
    }
    cut(&line, room)
}

/// How an alert ended, in a word or two.
fn ended(alert: &AlertView) -> &'static str {
    match alert.reason.as_str() {
        "no_more_records" => "not known: no records",
        "rule_removed" => "no longer watched",
        _ => "over",
    }
}

/// What an alert is about.
pub(super) fn subject(alert: &AlertView) -> String {
    let what = match alert.kind {
        RuleKind::Drift => "drift",
        RuleKind::DataQuality => "missing or broken values",
        RuleKind::Operational => return plain(&alert.evidence.summary),
    };
    format!("{what} of {}", model(&alert.monitor, &alert.version, &alert.segment))
}

/// One sentence: what is wrong, or how it ended.
pub(super) fn sentence(alert: &AlertView) -> String {
    match alert.status {
        AlertStatus::Resolved => {
            let since = if alert.kind == RuleKind::Operational { &alert.fired_at } else { &alert.since };
            let worst = alert.evidence.worst.as_ref();
            let worst = worst.map_or(String::new(), |worst| {
                format!(" It was worst {}: {}.", time(&worst.start), plain(&worst.words()))
            });
            let subject = capital(&subject(alert));
            let end = match alert.reason.as_str() {
                "no_more_records" | "rule_removed" | "by_person" => {
                    format!("{subject}: {}", plain(&alert.end_words()))
                }
                _ if alert.kind == RuleKind::DataQuality => format!("{subject} are over"),
                _ => format!("{subject} is over"),
            };
            format!("{end}; it had begun {}.{worst}", time(since))
        }
        AlertStatus::Acknowledged => {
            let who = alert.acknowledged_by.as_deref().unwrap_or("a person");
            let summary = capital(&plain(&alert.evidence.summary));
            format!("{summary}. Acknowledged by {}{}.", plain(who), plain(&alert.said()))
        }
        AlertStatus::Firing => format!("{}.", capital(&plain(&alert.evidence.summary))),
    }
}

/// One line about the segments of an alert of the whole; none when none drifts.
pub(super) fn segments_line(alert: &AlertView) -> Option<String> {
    let segments = alert.segments.as_ref()?;
    let words = segments.words();
    if words.is_empty() {
        return None;
    }
    let names: Vec<String> = segments.names.iter().take(6).map(|name| plain(name)).collect();
    let more = (segments.following as usize).saturating_sub(names.len());
    let list = match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({})", names.join(", ")),
        (false, more) => format!(" ({} and {more} more)", names.join(", ")),
    };
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    Some(format!("{}{list}.", first.into_iter().chain(letters).collect::<String>()))
}

fn capital(text: &str) -> String {
    // Only words; the name of a model stays as it is written.
    for (word, instead) in [("drift of", "Drift of"), ("missing or", "Missing or"), ("values of", "Values of")] {
        if let Some(rest) = text.strip_prefix(word) {
            return format!("{instead}{rest}");
        }
    }
    text.to_owned()
}

/// The name of the fact that says where more is shown.
pub(super) const LOOK: &str = "More";

/// Names and values that people look for.
pub(super) fn facts(alert: &AlertView) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let evidence = &alert.evidence;
    for (name, named) in evidence.windows() {
        facts.push((name, format!("{} to {}: {}", time(&named.start), time(&named.end), plain(&named.words()))));
    }
    if let Some(evidence_window) = &evidence.window {
        if evidence.worst.is_none() || !evidence_window.complete || evidence_window.late_records > 0 {
            facts.push(("Window", window(evidence_window)));
        }
        let baseline = evidence.baseline_records.map_or(String::new(), |n| format!(", {n} in the baseline"));
        facts.push(("Records", format!("{} in the window{baseline}", evidence_window.records)));
    }
    if let Some(baseline) = evidence.baseline.as_deref().filter(|baseline| !baseline.is_empty()) {
        facts.push(("Baseline", plain(baseline)));
    }
    if alert.kind == RuleKind::Operational {
        facts.push(("Since", time(&alert.fired_at)));
    } else {
        facts.push(("Since", format!("{}, {}", time(&alert.since), alert.windows_words())));
    }
    if let Some(at) = &alert.resolved_at {
        facts.push(("Ended", time(at)));
    }
    if let Some(who) = &alert.acknowledged_by {
        facts.push(("Acknowledged by", plain(who)));
    }
    facts.push(("Alert", alert.id.to_string()));
    let look = alert.url.as_deref().map_or_else(|| format!("driftd alerts show {}", alert.id), plain);
    // A command that shows all there is sets an empty one.
    if !look.is_empty() {
        facts.push((LOOK, look));
    }
    facts
}

/// The facts of a retraining request.
pub(super) fn request_facts(request: &RetrainingEvent) -> Vec<(&'static str, String)> {
    let training = &request.training;
    vec![
        (
            "Windows",
            format!(
                "{} drifting, the last one {}",
                request.drifting_windows.max(u32::try_from(request.windows.len()).unwrap_or(u32::MAX)),
                request.windows.last().map(window).unwrap_or_default()
            ),
        ),
        (
            "Training range",
            format!(
                "{} to {}, {}",
                time(&training.from),
                time(&training.to),
                number_of(training.records, "record")
            ),
        ),
        ("Baseline", plain(&request.baseline)),
        ("Request", request.request_id.to_string()),
        ("Alert", request.alert_id.to_string()),
        (LOOK, format!("driftd retraining show {}", request.request_id)),
    ]
}

pub(super) fn window(window: &WindowEvidence) -> String {
    let incomplete = if window.complete { "" } else { ", incomplete: not every partition could be read" };
    let late = match window.late_records {
        0 => String::new(),
        late => format!(", {}", number_of(late, "late record")),
    };
    format!("{} to {}{late}{incomplete}", time(&window.start), time(&window.end))
}

/// RFC 3339 as people write it, to the second.
pub(super) fn time(text: &str) -> String {
    let text = plain(text).replacen('T', " ", 1);
    let text = text.trim_end_matches('Z');
    format!("{} UTC", text.split('.').next().unwrap_or(text))
}

/// One line about a column: measure, effect, limit, before and after.
pub(super) fn column_line(column: &DriftedColumn) -> String {
    let moved = plain(&column.movement.words());
    let moved = if moved.is_empty() { moved } else { format!("; {moved}") };
    let how = if column.strength > 0.0 { format!(", {}", worst_and_last(column)) } else { String::new() };
    format!(
        "{}: {} {} (limit {}{how}){moved}",
        plain(&column.column),
        column.measure.as_str(),
        number(column.effect),
        number(column.threshold),
    )
}

pub(super) use crate::judge::why::number;

/// What stands in messages that somebody sends to see whether they arrive.
pub(super) const TEST: &str = "This is a test: somebody tries whether messages arrive. Nothing is wrong.";

/// The whole event as plain text.
#[must_use]
pub fn text_of(told: &Told) -> String {
    let mut text = String::new();
    if told.is_test() {
        let _infallible = writeln!(text, "{TEST}\n");
    }
    match told {
        Told::Alerts(event) => {
            for (index, alert) in event.alerts.iter().enumerate() {
                if index > 0 {
                    text.push_str("\n----\n\n");
                }
                alert_text(&mut text, alert);
            }
            if event.more > 0 {
                let _infallible = writeln!(text, "\n... and {}", number_of(event.more, "more alert"));
            }
        }
        Told::Retraining(request) => {
            let _infallible = writeln!(
                text,
                "A retraining of {} is asked for: {}.",
                model(&request.monitor, &request.version, &request.segment),
                plain(&request.reason)
            );
            columns_text(&mut text, request.drifted.iter().chain(&request.warned), 0);
            text.push('\n');
            for (name, value) in request_facts(request) {
                let _infallible = writeln!(text, "{name}: {value}");
            }
        }
    }
    text
}

fn alert_text(text: &mut String, alert: &AlertView) {
    let _infallible = writeln!(text, "{}", sentence(alert));
    if let Some(line) = segments_line(alert) {
        let _infallible = writeln!(text, "{line}");
    }
    columns_text(text, alert.evidence.moved(), alert.evidence.left_out());
    text.push('\n');
    for (name, value) in facts(alert) {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    if alert.status != AlertStatus::Resolved && !alert.evidence.advice.is_empty() {
        let _infallible = writeln!(text, "\n{}", plain(&alert.evidence.advice));
    }
}

fn columns_text<'a>(text: &mut String, moved: impl Iterator<Item = &'a DriftedColumn>, more: usize) {
    let moved: Vec<&DriftedColumn> = moved.collect();
    if moved.is_empty() {
        return;
    }
    let wide = moved.iter().map(|column| plain(&column.column).chars().count()).max();
    let wide = wide.unwrap_or(6).clamp(6, 40);
    let _infallible = writeln!(
        text,
        "\n{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  {:>7}  {:>7}  moved",
        "column", "verdict", "measure", "effect", "limit", "worst", "last"
    );
    let times_of = |strength: f64| if strength > 0.0 { format!("{}x", times(strength)) } else { "-".to_owned() };
    for column in &moved {
        let _infallible = writeln!(
            text,
            "{:<wide$}  {:<8}  {:<20}  {:>8}  {:>8}  {:>7}  {:>7}  {}",
            plain(&column.column),
            column.verdict.as_str(),
            column.measure.as_str(),
            number(column.effect),
            number(column.threshold),
            times_of(column.strength),
            column.last.as_ref().map_or("-".to_owned(), |last| times_of(last.strength)),
            plain(&column.movement.words()),
        );
    }
    if more > 0 {
        let _infallible = writeln!(text, "... and {more} more");
    }
    let _infallible = writeln!(text, "(worst and last: multiples of the limit of drift)");
    for column in moved.iter().filter(|column| !column.why.is_empty()) {
        let _infallible = writeln!(text, "\nWhy {}:", plain(&column.column));
        for reason in &column.why {
            let _infallible = writeln!(text, "  - {}", plain(reason));
        }
    }
}
