//! Alerts that are told as one: segments that follow their whole, columns of one series.

use uuid::Uuid;

use crate::alert::{
    AlertView, DriftedColumn, EXPLAINED_COLUMNS, EpisodeWindow, SEGMENT_NAMES, series_words, summary_of,
};

/// The alerts but those of segments that follow a whole which is told, too.
pub(in crate::notify) fn apart(alerts: &[AlertView]) -> Vec<AlertView> {
    let told = |id: Uuid| alerts.iter().any(|alert| alert.id == id);
    alerts.iter().filter(|alert| !alert.follows.is_some_and(told)).cloned().collect()
}

/// Alerts that stand alike and are about columns of one series, as one; the others as they are.
pub(super) fn merge_columns(alerts: &[AlertView]) -> Vec<AlertView> {
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
            column.onset = None;
        }
        let whose = series_words(&alert.monitor, &alert.version, &alert.segment);
        evidence.summary = summary_of(alert.kind, &whose, None, evidence);
    }
    merged
}

/// Takes the alert of another column of the series in.
fn merge(known: &mut AlertView, alert: &AlertView) {
    known.severity = known.severity.max(alert.severity);
    known.since = known.since.min(alert.since);
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
    let earlier = |window: &Option<EpisodeWindow>| window.as_ref().map(|window| window.start);
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
        segments.apart_names.extend(other.apart_names.iter().cloned());
        segments.apart_names.sort();
        segments.apart_names.dedup();
        segments.apart_names.truncate(SEGMENT_NAMES);
    }
}
