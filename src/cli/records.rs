//! `driftd records`

use super::explain::window_id;
use super::{CliError, Context, as_json, say, say_json, with_store};
use crate::escape::plain;
use crate::record::{number_of, plural};
use crate::view::{SampledRecords, sampled_records};

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Window MONITOR/WINDOW, with its ID or `last`; or finding MONITOR/WINDOW/COLUMN, for the records that caused it.
    what: String,
    /// Maximum number of records.
    #[arg(long, short = 'n', value_name = "MESSAGES", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context
        .only_here("`records`", "it reads the database; the API has records at /monitors/M/windows/W/records")?;
    with_store(context, async |store, settings| {
        let parts: Vec<&str> = arguments.what.splitn(3, '/').collect();
        let (monitor, window, column) = match parts.as_slice() {
            [monitor, window] => (*monitor, *window, None),
            [monitor, window, column] => (*monitor, *window, Some(*column)),
            _ => {
                return Err(CliError::Failed(format!(
                    "`{}` is neither MONITOR/WINDOW nor MONITOR/WINDOW/COLUMN\nhint: MONITOR/last is the newest closed window",
                    arguments.what
                )));
            }
        };
        let id = window_id(monitor, window, async || Ok(store.last_window(monitor).await?)).await?;
        let kept = settings.retention_of(monitor);
        let pair = store.window_counts(monitor, id).await.map_err(|error| CliError::of_window(error, &kept))?;
        if let Some(column) = column.filter(|column| pair.window.column(column).is_none()) {
            return Err(CliError::Failed(format!("window {id} of `{monitor}` has no column `{column}`")));
        }
        let mut sample = store.window_sample(monitor, id).await?;
        let baseline = pair.reference.and_then(|reference| reference.counts);
        let limit = usize::try_from(arguments.count).unwrap_or(usize::MAX);
        let of = (&mut sample, &pair.offsets);
        let mut found = sampled_records(pair.row, &pair.window, baseline.as_ref(), of, column, limit);
        let own = settings.monitors.iter().find(|known| known.name == monitor);
        if own.is_some_and(|known| known.counting.sample_size > 0) {
            found.explain_missing_sample(&kept, pair.closed_for);
        }
        if as_json() {
            return say_json(&found);
        }
        show(monitor, &found);
        Ok(())
    })
}

fn show(monitor: &str, found: &SampledRecords) {
    let window = &found.window;
    say(format!(
        "{monitor}, window {} to {}: {} of {} {} in its sample",
        window.start,
        window.end,
        found.sample,
        number_of(window.rows, "record"),
        plural(found.sample, "is", "are")
    ));
    if let Some(why) = &found.deleted {
        say(format!("note: {why}"));
        return;
    }
    if found.sample == 0 {
        say("hint: the section [sample] of a monitor's file keeps a sample of the records of each window");
        return;
    }
    if found.column.is_some() && found.records.is_empty() {
        say("no value that became more frequent accounts for the score, or the column is not in the sample");
    }
    for group in &found.grown {
        say(format!(
            "{}: {:.1} % to {:.1} %, {} of the sample",
            plain(&group.holds),
            group.before * 100.0,
            group.after * 100.0,
            number_of(group.sampled, "record")
        ));
    }
    for remark in &found.remarks {
        say(format!("note: {}", plain(remark)));
    }
    if !found.left_out.is_empty() {
        say(format!("not in the sample: {}", plain(&found.left_out.join(", "))));
    }
    for record in &found.records {
        let topic = record.topic.as_deref().map_or(String::new(), |topic| format!("{topic} "));
        let values = serde_json::to_string(&record.values).unwrap_or_default();
        say(format!("{}{}@{} {} {}", plain(&topic), record.partition, record.offset, record.time, plain(&values)));
    }
}
