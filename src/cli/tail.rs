//! `driftd tail`

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::survey::{CheckResult, RecordResult, Survey};
use super::{CliError, Context, as_json, say, say_error, say_json_line, say_with_hints};
use crate::app::{AppError, TopicMatcher, source_options};
use crate::config::Monitor;
use crate::escape::plain;
use crate::kafka::{Tap, TapFrom, Tapped};
use crate::record::{Absence, Decoded, DecodedBatch, TimeSpan, nearest, number_of, plural};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Monitor whose configuration decodes the messages: its name in the configuration, or its file. Required if there is more
    /// than one monitor.
    #[arg(long, value_name = "MONITOR")]
    monitor: Option<String>,
    /// Start this many messages before the end of each partition. Continues with new messages until -n, --for, --exit or
    /// --idle ends it.
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    last: u32,
    /// Start at the oldest message.
    #[arg(long, conflicts_with = "last")]
    beginning: bool,
    /// Stop after this many shown messages.
    #[arg(long, short = 'n', value_name = "MESSAGES", alias = "limit")]
    count: Option<u64>,
    /// Stop at the log end as of start, as kcat -e does.
    #[arg(long, short = 'e')]
    exit: bool,
    /// Stop after this duration: 30s, 5m.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    at_most: Option<Duration>,
    /// Show only rejected and filtered messages.
    #[arg(long)]
    rejected: bool,
    /// Stop when no message was shown for this duration (10s, or seconds) after the log end as of start.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle: Option<Duration>,
}

/// How long brokers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A duration as it is written everywhere; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, CliError> {
    let seconds = text.parse::<u32>().ok().map(|seconds| TimeSpan::seconds(i64::from(seconds)));
    let span = seconds.or_else(|| TimeSpan::parse(text)).filter(|span| !span.is_zero());
    let wrong = || CliError::Usage("write 30s, 5m, or a number of seconds".to_owned());
    span.map(TimeSpan::to_std).ok_or_else(wrong)
}

/// When to end, looked at between messages.
struct Until {
    began: Instant,
    shown: u64,
    seen: u64,
    last_shown: Instant,
}

impl Until {
    /// Why it ends now, if it does; otherwise how long to wait for a message at most.
    fn next(&self, arguments: &Arguments) -> ControlFlow<String, Duration> {
        let now = Instant::now();
        if arguments.count.is_some_and(|count| self.shown >= count) {
            let shown = plural(self.shown, "message was", "messages were");
            return ControlFlow::Break(format!("{} {shown} shown", self.shown));
        }
        let mut wait = Duration::from_secs(1);
        for (limit, since, why) in [
            (arguments.at_most, self.began, "--for elapsed"),
            (arguments.idle, self.last_shown, "no message shown for the duration of --idle"),
        ] {
            let Some(limit) = limit else { continue };
            let left = limit.saturating_sub(now.duration_since(since));
            if left.is_zero() {
                return ControlFlow::Break(why.to_owned());
            }
            wait = wait.min(left);
        }
        ControlFlow::Continue(wait)
    }
}

/// Reads beside the daemon: no group is joined, no position moves.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context.only_here("`tail`", "it reads Kafka directly")?;
    let settings = context.settings()?;
    let monitor = super::monitor::monitor_of(&settings, arguments.monitor.as_deref())?;
    // Some ways to authenticate fetch tokens.
    let runtime = super::runtime()?;
    let _inside = runtime.enter();
    let options = source_options(&settings)?;
    let topics = TopicMatcher::new(&monitor.topics);
    let from = if arguments.beginning { TapFrom::Beginning } else { TapFrom::Last(i64::from(arguments.last)) };
    let mut tap = Tap::open(&options, |topic| topics.matches(topic), from, PATIENCE).map_err(AppError::from)?;
    let mut survey = Survey::new(&monitor, settings.daemon.limits.max_message_bytes);
    if from == TapFrom::Last(0) && !arguments.exit {
        say_error("waiting for new messages; --last 10 or --beginning shows existing messages");
    }
    let now = Instant::now();
    let mut until = Until { began: now, shown: 0, seen: 0, last_shown: now };
    let why = loop {
        let wait = match until.next(arguments) {
            ControlFlow::Continue(wait) => wait,
            ControlFlow::Break(why) => break why,
        };
        // Looked at before each message: one at the end may be all that there is.
        if arguments.exit && tap.is_at_end() {
            break "end of the log reached".to_owned();
        }
        let Some(message) = tap.next(wait).map_err(AppError::from)? else { continue };
        until.seen += 1;
        if arguments.idle.is_some() && !tap.is_at_end() {
            // What was there at the beginning is still being gone through.
            until.last_shown = Instant::now();
        }
        for taken in survey.take(&message) {
            if arguments.rejected && taken.batch.is_some() {
                continue;
            }
            until.shown += 1;
            until.last_shown = Instant::now();
            let understood = understood(&monitor, &message, &taken);
            if as_json() {
                say_json_line(&understood);
            } else {
                tell(&understood);
            }
        }
    };
    say_error(&format!("ended: {why}; {} read, {} shown", number_of(until.seen, "message"), until.shown));
    sum_up(&survey);
    Ok(())
}

/// What all messages together say: paths never found, what filters see, rejections, times.
fn sum_up(survey: &Survey<'_>) {
    let found = survey.found();
    if as_json() {
        say_json_line(&json!({ "summary": found }));
        return;
    }
    say("");
    for CheckResult { what, ok, detail } in &found {
        say_with_hints(&format!("{:<7} {what}: {detail}", if *ok { "ok" } else { "look" }));
    }
}

/// What a monitor makes of a message.
fn understood(monitor: &Monitor, message: &Tapped, taken: &RecordResult) -> Value {
    let RecordResult { decoded, batch, why, paths } = taken;
    let mut told = Map::new();
    let mut add = |key: &str, value: Value| told.insert(key.to_owned(), value);
    add("topic", json!(message.partition.topic));
    add("partition", json!(message.partition.partition));
    add("offset", json!(message.offset));
    if let Some(why) = why {
        add("why", json!(why));
    }
    match decoded {
        Decoded::Row => add("outcome", json!("accepted")),
        Decoded::Filtered => add("outcome", json!("filtered")),
        Decoded::Rejected(reason) => {
            add("reason", json!(reason.as_str()));
            add("outcome", json!("rejected"))
        }
    };
    if let Some(batch) = batch {
        if let Some(time) = batch.times.first() {
            add("time", json!(time.to_string()));
            add("window", json!(monitor.counting.length.start_of(*time).to_string()));
            if !time.is_plausible() {
                let unit = monitor.layout.time_format.in_other_unit(*time);
                add("implausible", json!(format!("the time lies outside the years 1990 to 2100{unit}")));
            }
        }
        if let Some(code) = batch.versions.codes().first() {
            add("version", json!(batch.versions.name(*code)));
        }
        let segments: Vec<String> = monitor
            .layout
            .segments
            .iter()
            .zip(&batch.segments)
            .filter_map(|((name, _), labels)| Some(format!("{name}={}", labels.name(*labels.codes().first()?))))
            .collect();
        add("segments", json!(segments));
        let columns = monitor.schema.columns().iter().enumerate().map(|(index, column)| {
            let mut shown = Map::new();
            let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
            put("column", json!(column.name));
            put("type", json!(column.column_type.as_str()));
            put("value", value(batch, index));
            if batch.absences.get(index).and_then(|codes| codes.first()) == Some(&Absence::Missing) {
                let path = column.path.to_string();
                put("nearest", json!(nearest(&path, paths.iter().map(String::as_str))));
                put("path", json!(path));
            }
            if let Some(Some(wrong)) = batch.wrong.get(index) {
                put("wrong", json!(wrong));
            }
            Value::Object(shown)
        });
        add("columns", Value::Array(columns.collect()));
    } else if let Some(payload) = &message.payload {
        let text = String::from_utf8_lossy(payload);
        add("payload", json!(text.chars().take(500).collect::<String>()));
    }
    Value::Object(told)
}

/// The value of a column in the only row of a batch, or in which way it is absent.
fn value(batch: &DecodedBatch, index: usize) -> Value {
    let absence = batch.absences.get(index).and_then(|absences| absences.first()).copied();
    let array = batch.batch.columns().get(index);
    let null = array.is_none_or(|array| arrow::array::Array::is_null(array.as_ref(), 0));
    if null {
        let how = absence.map_or("absent", Absence::as_str);
        return json!({ "absent": how });
    }
    let shown =
        array.and_then(|array| arrow::util::display::array_value_to_string(array, 0).ok()).unwrap_or_default();
    let number = shown.parse::<f64>().ok().filter(|_| array.is_some_and(|array| array.data_type().is_numeric()));
    number.map_or_else(|| json!(shown), |number| json!(number))
}

fn tell(told: &Value) {
    let text = |key: &str| told.get(key).and_then(Value::as_str).map(plain).unwrap_or_default();
    let number = |key: &str| told.get(key).and_then(Value::as_i64).unwrap_or_default();
    let mut head =
        format!("{}/{} at {}: {}", text("topic"), number("partition"), number("offset"), text("outcome"));
    if told.get("reason").is_some() {
        head = format!("{head} ({})", text("reason"));
    }
    say(head);
    for key in ["why", "time", "implausible", "window", "version"] {
        if told.get(key).is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty())) {
            say(format!("  {key:<11} {}", text(key)));
        }
    }
    let segments: Vec<&str> =
        told.get("segments").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !segments.is_empty() {
        say(format!("  {:<11} {}", "segments", plain(&segments.join(", "))));
    }
    for column in told.get("columns").and_then(Value::as_array).into_iter().flatten() {
        let of = |key: &str| column.get(key).and_then(Value::as_str).map(plain).unwrap_or_default();
        let value = match column.get("value") {
            Some(Value::Object(absent)) => {
                let how = absent.get("absent").and_then(Value::as_str).unwrap_or_default();
                match (column.get("wrong").and_then(Value::as_str), column.get("path").and_then(Value::as_str)) {
                    (Some(wrong), _) => format!("({how}: {})", plain(wrong)),
                    (None, Some(path)) => {
                        let near = of("nearest");
                        let near = if near.is_empty() { near } else { format!("; similar path: `{near}`") };
                        format!("({how}: no `{}`{near})", plain(path))
                    }
                    (None, None) => format!("({how})"),
                }
            }
            Some(Value::String(text)) => format!("\"{}\"", plain(text)),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        say(format!("  {:<24} {:<12} {value}", of("column"), of("type")));
    }
    if told.get("payload").is_some() {
        say(format!("  {:<11} {}", "payload", text("payload")));
    }
}
