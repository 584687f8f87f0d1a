//! The verdict on a whole log, and the sentence that sums it up.

use super::{AlertReport, WindowReport};
use crate::record::number_of;
use crate::replay::{LogReading, Replayed};
use crate::report::Outcome;

/// Drift when an alert would have fired; undefined when nothing was judged, or what was read says too little.
pub(super) fn verdict(
    reading: &LogReading,
    replayed: &Replayed,
    windows: &[WindowReport],
    alerts: &[AlertReport],
) -> (Outcome, String) {
    let judged =
        windows.iter().filter(|window| matches!(window.verdict, Outcome::Ok | Outcome::Warn | Outcome::Drift));
    let judged = judged.count();
    let all = windows.len();
    if all == 0 {
        return (Outcome::Undefined, "There is no window: no record could be counted.".to_owned());
    }
    if judged == 0 {
        let most = windows.iter().map(|window| window.rows).max().unwrap_or(0);
        let why = if replayed.learning {
            "the log ended while the baseline was being learned".to_owned()
        } else if replayed.baseline.is_none() {
            "there is no baseline".to_owned()
        } else if windows.iter().all(|window| window.verdict == Outcome::NotEnoughData) {
            format!("each has fewer records than a verdict needs, the largest {most}")
        } else {
            "each has too few records or nothing to compare".to_owned()
        };
        return (Outcome::Undefined, format!("None of {} was judged: {why}.", number_of(all, "window")));
    }
    let drifting = windows.iter().filter(|window| window.verdict == Outcome::Drift).count();
    let warned = windows.iter().filter(|window| window.verdict == Outcome::Warn).count();
    // What could not be read cannot be said to be fine.
    let unread: Vec<String> = reading.unusable().into_iter().map(|column| format!("`{}`", column.name)).collect();
    let mostly_late = LogReading::mostly_late(&replayed.tally);
    let verdict = match (alerts.len(), warned + drifting) {
        (0, _) if !unread.is_empty() || reading.all_implausible() || mostly_late => Outcome::Undefined,
        (0, _) if !replayed.unlearned.is_empty() => Outcome::Undefined,
        (0, 0) => Outcome::Ok,
        (0, _) => Outcome::Warn,
        _ => Outcome::Drift,
    };
    let unread = match unread.len() {
        0 => String::new(),
        _ => format!(" {} could not be read: see the notes.", unread.join(", ")),
    };
    let unlearned: Vec<String> = replayed.unlearned.iter().map(|column| format!("`{}`", column.name)).collect();
    let unlearned = match unlearned.len() {
        0 => String::new(),
        _ => format!(" {} could not be learned and is not compared: see the notes.", unlearned.join(", ")),
    };
    let late = if mostly_late { " Most records were late and not counted: see the notes." } else { "" };
    let fired = match alerts.len() {
        0 => "No alert would have fired".to_owned(),
        count => format!("{} would have fired", number_of(count, "alert")),
    };
    let asked = alerts.iter().filter(|alert| alert.retraining).count();
    let retraining = match asked {
        0 => String::new(),
        count => format!("; {} would have been requested", number_of(count, "retraining")),
    };
    let unjudged = match all - judged {
        0 => String::new(),
        count => format!(", {count} of them not judged"),
    };
    (
        verdict,
        format!(
            "{fired}{retraining}: {} drifted and {} warned, of {}{unjudged}.{unread}{unlearned}{late}",
            number_of(drifting, "window"),
            warned,
            number_of(all, "window"),
        ),
    )
}
