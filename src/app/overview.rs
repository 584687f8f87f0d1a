//! How monitors stand, from what is stored and what runs.

use super::monitors::RunningMonitor;
use crate::alert::RowState;
use crate::record::{grouped, number_of, quantity};
use crate::view::{
    BaselineSummary, Learning, MonitorState, MonitorStatus, MonitorView, OpenAlerts, Status, WindowStatus,
};

/// A monitor as it is shown.
pub(super) fn view(
    name: &str,
    stored: Option<&MonitorStatus>,
    running: Option<&RunningMonitor>,
    baselines: Vec<BaselineSummary>,
    status: &Status,
) -> MonitorView {
    let alerts: Vec<_> = status.alerts.iter().filter(|alert| alert.monitor == name).collect();
    let count = |state: RowState| alerts.iter().filter(|alert| alert.state == state).count();
    let last_window = stored.and_then(|monitor| monitor.last_window.clone());
    let open_windows = stored.map_or(0, |monitor| monitor.open_windows);
    let learning = stored.and_then(|monitor| monitor.learning);
    let state = match running {
        Some(_) => MonitorState::of(&alerts, last_window.as_ref(), open_windows, learning.is_some()),
        None => MonitorState::NotConfigured,
    };
    let lag = running.map(|running| {
        let own = status.partitions.iter().filter(|partition| running.topics.matches(&partition.topic));
        own.filter_map(|partition| partition.lag).sum()
    });
    let firing = count(RowState::Firing) + count(RowState::Acknowledged);
    let summary = match stored.and_then(nothing_counted) {
        Some(text) if last_window.is_none() && open_windows == 0 => text,
        _ => summary(state, last_window.as_ref(), firing, running, learning),
    };
    MonitorView {
        name: name.to_owned(),
        configured: running.is_some(),
        state,
        summary,
        alerts: OpenAlerts {
            pending: count(RowState::Pending),
            firing: count(RowState::Firing),
            acknowledged: count(RowState::Acknowledged),
        },
        records: stored.map(|monitor| monitor.records.clone()).unwrap_or_default(),
        reading: stored.map(|monitor| monitor.reading.clone()).unwrap_or_default(),
        open_windows,
        last_window,
        baseline: baselines.into_iter().find(|baseline| baseline.active),
        lag,
        learning,
        segments_without_baseline: stored
            .map(|monitor| monitor.segments_without_baseline.clone())
            .unwrap_or_default(),
        labels: running.map(|running| running.monitor.rules.labels.clone()).unwrap_or_default(),
    }
}

/// A summary of filtered, rejected and late records, when none was accepted.
fn nothing_counted(stored: &MonitorStatus) -> Option<String> {
    let of = |outcome: &str| -> u64 {
        stored.records.iter().filter(|records| records.outcome == outcome).map(|records| records.count).sum()
    };
    let (filtered, rejected, late) = (of("filtered"), of("rejected"), of("late"));
    if of("accepted") > 0 || filtered + rejected + late == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if filtered > 0 {
        let seen: Vec<String> = stored
            .reading
            .filters
            .iter()
            .map(|filter| format!("`{}` is {}", filter.path, filter.values.join(", ")))
            .collect();
        let seen = if seen.is_empty() { String::new() } else { format!(": {}", seen.join("; ")) };
        parts.push(format!("{} filtered by `where`{seen}", quantity(filtered, "was", "were")));
    }
    if rejected > 0 {
        parts.push(format!("{} rejected", quantity(rejected, "was", "were")));
    }
    if late > 0 {
        parts.push(format!("{} late", grouped(late)));
    }
    Some(format!("No records counted yet; {}.", parts.join(", ")))
}

fn summary(
    state: MonitorState,
    last: Option<&WindowStatus>,
    firing: usize,
    running: Option<&RunningMonitor>,
    learning: Option<Learning>,
) -> String {
    let rows = last.map(|window| window.rows);
    let alerts = match firing {
        0 => String::new(),
        1 => "; one alert fires".to_owned(),
        more => format!("; {more} alerts fire"),
    };
    let least = running.map_or(0, |running| running.monitor.rules.judge.min_records);
    let stands = match state {
        MonitorState::Ok => "No drift in the last window".to_owned(),
        MonitorState::Warn => "Warning in the last window".to_owned(),
        MonitorState::Drift => "Drift".to_owned(),
        MonitorState::Trouble => "Some records or columns cannot be read".to_owned(),
        MonitorState::NoData if rows.is_none() => "No records received yet".to_owned(),
        MonitorState::NoData => "No more records".to_owned(),
        MonitorState::NoBaseline => match last.and_then(WindowStatus::why_no_reference) {
            Some(reasons) => format!("The last window was not judged, because it has no reference: {reasons}"),
            None => "No baseline: windows are counted, but not judged".to_owned(),
        },
        MonitorState::Learning => match learning {
            Some(learning) => format!("Windows are counted, but not judged yet; {}", learning.words()),
            None => "Windows are counted, but not judged yet: a baseline is being learned".to_owned(),
        },
        MonitorState::TooFew => {
            format!("The last window has {}, a verdict needs {least}", number_of(rows.unwrap_or(0), "record"))
        }
        MonitorState::Waiting => "Records are counted; no closed window yet".to_owned(),
        MonitorState::Undefined => "The last window could not be compared with its baseline".to_owned(),
        MonitorState::NotConfigured => "Not configured on this daemon: not counted here".to_owned(),
    };
    format!("{stands}{alerts}.")
}
