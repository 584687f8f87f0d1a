//! Times without a record in a replayed log.

use crate::record::EventTime;
use crate::replay::Replayed;
use crate::window::WHOLE;

/// A sentence about the times in which no record was counted, between the first and the last window of the whole: there a
/// daemon would have alerted about silence, or the log is not complete. None when there were none.
pub(super) fn gaps(replayed: &Replayed) -> Option<String> {
    let whole = replayed.windows.iter().filter(|window| window.key.segment == WHOLE);
    let gaps = between(whole.map(|window| (window.key.start, window.end)).collect());
    let (from, to) = gaps.iter().max_by_key(|(from, to)| to.micros() - from.micros())?;
    Some(match gaps.len() {
        1 => format!("no record was counted from {from} to {to}"),
        many => format!("there are {many} times in which no record was counted, the longest from {from} to {to}"),
    })
}

/// The times that no window covers, from the first window to the last. Windows of several versions may overlap.
fn between(mut windows: Vec<(EventTime, EventTime)>) -> Vec<(EventTime, EventTime)> {
    windows.sort_unstable();
    let mut gaps = Vec::new();
    let mut covered: Option<EventTime> = None;
    for (start, end) in windows {
        if let Some(before) = covered.filter(|before| start > *before) {
            gaps.push((before, start));
        }
        covered = covered.max(Some(end));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_window_covers_are_found_whatever_order_and_overlap_windows_have() {
        let at = |hour: i64| EventTime::from_micros(hour * 3_600_000_000).unwrap();
        let windows = |hours: &[i64]| hours.iter().map(|hour| (at(*hour), at(hour + 1))).collect::<Vec<_>>();
        assert_eq!(between(windows(&[])), []);
        assert_eq!(between(windows(&[3, 1, 2, 2])), []);
        assert_eq!(between(windows(&[9, 1, 2, 5, 1])), [(at(3), at(5)), (at(6), at(9))]);
    }
}
