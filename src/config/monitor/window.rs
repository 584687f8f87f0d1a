//! `[window]` of a monitor: how long windows are, how often they are judged, and which records they wait for.

use super::super::section::Section;
use super::source::LARGEST_SAMPLE;
use crate::record::{RecordLayout, TimeSpan};
use crate::window::{CalendarUnit, CountingSpec, MOST_PANES, Timing, WindowLength, WindowReach};

/// `length`: a duration, a unit of the calendar in `time_zone`, or a number of records; the first and the last with `every` for
/// windows that overlap. The length of panes, and how far windows reach back over them.
fn window_length(section: &Section<'_>) -> Option<(WindowLength, WindowReach)> {
    let text = section.text("length").unwrap_or_default();
    let unit = CalendarUnit::ALL.into_iter().find(|unit| unit.as_str() == text);
    let (named, rhythm) = (section.has("time_zone"), section.has("every"));
    let zone = section.time_zone("time_zone");
    let every = section.duration("every", "10m", ("1s", "366d"));
    if let Some(unit) = unit {
        section.value("length");
        if rhythm {
            let mistake = section.mistake("every", "is not used with a unit of the calendar");
            section.add(mistake.hint("length = \"24h\" for windows that overlap"));
        }
        return Some((WindowLength::Calendar(unit, zone), WindowReach::Pane));
    }
    if named {
        let mistake = section.mistake("time_zone", "is used only with a unit of the calendar");
        section.add(mistake.hint("length = \"hour\", \"day\", \"week\" or \"month\""));
    }
    let pane = WindowLength::from_micros(every.micros())?;
    if let Some(records) = text.strip_suffix("records").or_else(|| text.strip_suffix("record")) {
        section.value("length");
        if !rhythm {
            let mistake = section.mistake("every", "is missing: how often the last records are judged");
            section.add(mistake.hint("every = \"10m\""));
        }
        return match records.trim().replace('_', "").parse() {
            Ok(records) if records > 0 => Some((pane, WindowReach::Records(records))),
            _ => {
                let mistake = section.mistake("length", format!("`{text}` is no number of records"));
                section.add(mistake.hint("length = \"10000 records\""));
                None
            }
        };
    }
    let length = section.duration("length", "1h", ("1s", "366d"));
    if !rhythm || every == length {
        return Some((WindowLength::from_micros(length.micros())?, WindowReach::Pane));
    }
    let panes = length.micros() / every.micros().max(1);
    if panes < 1 || length.micros() % every.micros() != 0 {
        let mistake = section.mistake("every", "must divide `length`: windows are sums of whole panes of it");
        section.add(mistake.hint("length = \"24h\" and every = \"1h\""));
    } else if usize::try_from(panes).is_ok_and(|panes| panes > MOST_PANES) {
        let message = format!("gives windows of {panes} panes, and there may be {MOST_PANES}");
        section.add(section.mistake("every", message).hint("every = \"10m\" for windows of a day"));
    }
    Some((pane, WindowReach::Time(length)))
}

pub(super) fn window(
    section: &Section<'_>,
    layout: &RecordLayout,
) -> (Option<CountingSpec>, WindowReach, Timing, Option<usize>) {
    let (length, reach) = window_length(section).unzip();
    let timing = Timing {
        max_future_skew: layout.max_future_skew,
        out_of_orderness: section.duration("out_of_orderness", "30s", ("0s", "30d")),
        idle_after: section.duration("idle_after", "1m", ("1s", "30d")),
        max_close_delay: section.duration("max_close_delay", "10m", ("1s", "30d")),
        amend_every: TimeSpan::ZERO,
    };
    let sample = section
        .has("sample")
        .then(|| usize::try_from(section.integer("sample", 0, 0..=LARGEST_SAMPLE)).unwrap_or(0));
    section.value("sample");
    let amend = section.duration("amend", "0s", ("0s", "366d"));
    let amend_every = section.duration("amend_every", "10m", ("1s", "30d"));
    if section.has("amend_every") && !section.has("amend") {
        let mistake = section.mistake("amend_every", "is not used without `amend`");
        section.add(mistake.hint("amend = \"2d\""));
    }
    let max_open_windows = u32::try_from(section.integer("max_open", 64, 2..=100_000)).unwrap_or(64);
    section.finish();
    let timing = Timing { amend_every, ..timing };
    let counting = length.map(|length| CountingSpec {
        length,
        segments: layout.segments.iter().map(|(name, _)| name.clone()).collect(),
        sample_size: 0,
        max_open_windows,
        max_series: 1_000,
        amend,
    });
    (counting, reach.unwrap_or_default(), timing, sample)
}
