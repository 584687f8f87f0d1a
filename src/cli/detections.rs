//! `driftd detections`

use super::{CliError, Context, say, tell, with_reach};
use crate::escape::plain;
use crate::judge::why::number;
use crate::record::{grouped, number_of};
use crate::view::{DetectionRow, DetectionsView};

/// Detections that are listed; all of the answer are in the JSON.
const LISTED: usize = 30;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor with `[[detectors]]`.
    #[arg(long, value_name = "MONITOR")]
    monitor: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    with_reach(context, async |reach| {
        let view = reach.detections(&arguments.monitor).await?;
        tell(&view, || show(&view))
    })
}

fn show(view: &DetectionsView) {
    if view.detectors.is_empty() && view.detections.is_empty() {
        say(format!("monitor {} has no detectors", plain(&view.monitor)));
        return;
    }
    for detector in &view.detectors {
        let skipped = match detector.skipped {
            0 => String::new(),
            skipped => format!(", {} skipped", grouped(skipped)),
        };
        let states = if detector.on == "records" { "partition" } else { "series" };
        let states = if states == "series" {
            format!("{} series", detector.states)
        } else {
            number_of(detector.states, states)
        };
        say(format!(
            "{}: {}, {}; {} in {states}{skipped}",
            plain(&detector.name),
            detector.kind.title(),
            plain(&detector.input),
            number_of(detector.values, "value"),
        ));
    }
    if view.detections.is_empty() {
        say("no drift was detected");
        return;
    }
    say("");
    let wide = view.detections.iter().take(LISTED).map(|row| plain(&row.detector).chars().count()).max();
    let wide = wide.unwrap_or(8).clamp(8, 40);
    say(format!("{:<20}  {:<wide$}  {:>10}  {:>10}  found in", "event time", "detector", "before", "after"));
    for row in view.detections.iter().take(LISTED) {
        say(line(row, wide));
    }
    if view.detections.len() > LISTED {
        say(format!("... and {} more (--json lists the newest 200)", view.detections.len() - LISTED));
    }
}

fn line(row: &DetectionRow, wide: usize) -> String {
    format!(
        "{:<20}  {:<wide$}  {:>10}  {:>10}  {}",
        row.at.to_the_second(),
        plain(&row.detector),
        number(row.before),
        number(row.after),
        plain(&row.place()),
    )
}
