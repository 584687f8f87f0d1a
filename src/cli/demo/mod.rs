//! `driftd demo`: the real daemon on services of its own, fed with real data that really drifts.

mod data;
mod listener;
mod postgres;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rejudge::judged_again;
use super::{CliError, Context, baseline, runtime, say, say_lines};
use crate::app::{App, source_options, status, store_options};
use crate::config::{self, Monitor};
use crate::judge::Verdict;
use crate::kafka::{KafkaError, LocalBroker, Producer};
use crate::record::{EventTime, number_of, plural};
use crate::reference::ReferencePlan;
use crate::replay::ReplayedWindow;
use crate::store::Store;
use crate::telemetry::{LogFormat, start_logging};
use crate::view::{ClosedWindow, Status};
use listener::{ReceivedWebhook, WebhookListener};
use postgres::Cluster;

/// What the demo uses.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Use this database instead of a private PostgreSQL; its tables are kept.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Use these Kafka brokers instead of one in this process; the topics `bike-predictions` and `retraining` must exist.
    #[arg(long, value_name = "HOST:PORT,...")]
    brokers: Option<String>,
    /// Keep running after the replay, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Also show the log of the daemon.
    #[arg(long, short)]
    verbose: bool,
}

const TOPIC: &str = "bike-predictions";
const PARTITIONS: i32 = 4;
const MONITOR: &str = "bike-demand";
/// Records a second: well below what the broker inside the process can keep.
const PACE: f64 = 1_000.0;
/// A demo that takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(110);

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    start_logging(LogFormat::Text, if arguments.verbose { "info" } else { "off" })?;
    let directory = std::env::temp_dir().join(format!("driftd-demo-{}", std::process::id()));
    make_directory(&directory)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(play(context, arguments, &directory));
    runtime.shutdown_timeout(Duration::from_secs(3));
    outcome
}

/// PostgreSQL's socket has to be reachable for the user it runs as.
fn make_directory(directory: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed =
        |error: std::io::Error| CliError::Failed(format!("cannot create {}: {error}", directory.display()));
    std::fs::create_dir_all(directory.join("monitors.d")).map_err(failed)?;
    std::fs::create_dir_all(directory.join("mails")).map_err(failed)?;
    // Whatever the umask: the server's user has to get at its folder. Secrets have files of their own rights.
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).map_err(failed)
}

async fn play(context: &Context, arguments: &Arguments, directory: &Path) -> Result<(), CliError> {
    say(
        "driftd demo: a model predicts the demand for rental bikes. It was trained on January to June 2011; its predictions",
    );
    say_lines(
        "of 2011 and 2012 are replayed through Kafka. Each month is compared with the same month of the year before.\n",
    );

    // Declared in this order so that the services outlive what uses them.
    let cluster = match &arguments.database_url {
        Some(_) => None,
        None => Some(Cluster::start(&directory.join("postgres"))?),
    };
    let broker = match &arguments.brokers {
        Some(_) => None,
        None => Some(
            LocalBroker::start(&[(TOPIC, PARTITIONS), ("retraining", 1)]).map_err(crate::app::AppError::from)?,
        ),
    };
    let database = arguments.database_url.clone().or(cluster.as_ref().map(Cluster::url)).unwrap_or_default();
    let brokers = arguments.brokers.clone().or(broker.as_ref().map(LocalBroker::brokers)).unwrap_or_default();
    say(format!(
        "  database   {}",
        if cluster.is_some() { "a private PostgreSQL, on a Unix socket" } else { "as given" }
    ));
    say(format!(
        "  kafka      {}",
        if broker.is_some() { format!("a broker in this process, {brokers}") } else { brokers.clone() }
    ));

    let secret =
        format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(uuid::Uuid::new_v4().as_bytes()));
    let listener = WebhookListener::start(secret.clone().into()).await?;
    let path = write_files(
        directory,
        &secret,
        &[
            ("@BROKERS@", &brokers),
            ("@DATABASE@", &database),
            ("@LISTENER@", &listener.address.to_string()),
            ("@DIRECTORY@", &directory.display().to_string()),
        ],
    )?;
    let settings = config::load_with(&path, &context.overrides)?;

    let records = data::records()?;
    let training = records.get(..data::TRAINING_ROWS).unwrap_or(&records);
    let training_file = directory.join("training.jsonl");
    std::fs::write(&training_file, training.join("\n"))
        .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", training_file.display())))?;
    let store = Store::connect_lazily(&store_options(&settings)?)?;
    store.migrate().await?;
    let monitor = settings.monitors.first().cloned();
    let monitor = monitor.ok_or_else(|| CliError::Failed("the demo has no monitor".to_owned()))?;
    let (built, _) = baseline::from_file(&monitor, &training_file, false)?;
    let summary = baseline::store_baseline(&store, &monitor, &built, &training_file, true).await?;
    say(format!("  baseline   version {} from {} training records", summary.version, summary.rows));

    let producer = Producer::new(&source_options(&settings)?).map_err(crate::app::AppError::from)?;
    let app = App::build(settings).await?;
    let http = app.http_address();
    let stop = CancellationToken::new();
    let (_reload, requests) = mpsc::channel(1);
    let daemon = tokio::spawn(app.run(stop.clone(), requests));
    if let Some(address) = http {
        say(format!("  daemon     running, http://{address}/"));
    }
    say_lines(format!("  files      {}\n", directory.display()));

    let outcome = tokio::select! {
        outcome = watch(&store, &monitor, producer, &records, &listener, directory) => outcome,
        () = interrupted() => Err(CliError::Failed("interrupted".to_owned())),
    };
    if outcome.is_ok() {
        next_steps(directory, arguments.keep, http);
        if arguments.keep {
            interrupted().await;
        }
    }
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), daemon).await;
    store.close().await;
    outcome?;
    match ended {
        Ok(Ok(ended)) => ended.map_err(CliError::from),
        _ => Err(CliError::Failed("the daemon did not stop in time".to_owned())),
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn write_files(directory: &Path, secret: &str, values: &[(&str, &str)]) -> Result<PathBuf, CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| CliError::Failed(format!("cannot write the demo's files: {error}"));
    let mut text = include_str!("driftd.toml").to_owned();
    for (key, value) in values {
        text = text.replace(key, value);
    }
    let path = directory.join("driftd.toml");
    std::fs::write(&path, text).map_err(failed)?;
    std::fs::write(directory.join("monitors.d/bike-demand.toml"), include_str!("bike-demand.toml"))
        .map_err(failed)?;
    let secret_file = directory.join("webhook.secret");
    std::fs::write(&secret_file, secret).map_err(failed)?;
    std::fs::set_permissions(&secret_file, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(path)
}

/// Replays the log and shows what the daemon makes of it, until every record is in a closed window and every
/// notification delivered.
async fn watch(
    store: &Store,
    monitor: &Monitor,
    producer: Producer,
    records: &[String],
    listener: &WebhookListener,
    directory: &Path,
) -> Result<(), CliError> {
    let started = Instant::now();
    let records: Arc<Vec<String>> = Arc::new(records.to_vec());
    let total = records.len();
    let replay = tokio::task::spawn_blocking(move || replay(&producer, &records));
    say("A window of this monitor drifts when two of its columns do (`drifted_columns = 2`).");
    say("In 2011 there is no year before: these months are counted, and not judged.");
    say("month        records  verdict          columns with the largest effects");
    let mut shown = 0;
    let mut replay = Some(replay);
    loop {
        if replay.as_ref().is_some_and(tokio::task::JoinHandle::is_finished)
            && let Some(finished) = replay.take()
        {
            let replayed = finished.await.map_err(|error| CliError::Failed(error.to_string()))?;
            replayed.map_err(|error| CliError::Failed(error.to_string()))?;
        }
        let windows = store.closed_windows(MONITOR).await?;
        for window in windows.iter().skip(shown) {
            say(line(window));
        }
        shown = windows.len();
        let status = status(store, &[monitor]).await?;
        let counted: u64 = windows.iter().map(|window| window.window.rows).sum();
        let told = status.outbox.iter().all(|outbox| outbox.pending == 0) && store.due_groups(1).await?.is_empty();
        let open = status.monitors.iter().map(|monitor| monitor.open_windows).sum::<u64>();
        if counted >= total as u64 && open == 0 && told && replay.is_none() {
            show_outcome(store, &status, &listener.received(), directory, counted, started.elapsed()).await?;
            show_fixed(store, monitor).await?;
            return Ok(());
        }
        if started.elapsed() > DEADLINE {
            return Err(CliError::Failed(format!(
                "the demo is not done after {} s: {counted} of {total} records in closed windows, {} open",
                DEADLINE.as_secs(),
                number_of(open, "window")
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Produces the log in its order, spread over the partitions, at an even pace.
fn replay(producer: &Producer, records: &[String]) -> Result<(), KafkaError> {
    let started = Instant::now();
    for (index, record) in records.iter().enumerate() {
        let partition = i32::try_from(index).unwrap_or(0) % PARTITIONS;
        producer.enqueue(TOPIC, partition, record.as_bytes())?;
        if index % 50 == 0 {
            let due = Duration::from_secs_f64(f64::from(u32::try_from(index).unwrap_or(0)) / PACE);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    }
    producer.flush(Duration::from_secs(20))
}

fn line(window: &ClosedWindow) -> String {
    let columns: Vec<String> = window
        .moved
        .iter()
        .take(4)
        .map(|(column, _, measure, effect)| format!("{column} ({measure} {effect:.2})"))
        .collect();
    format!(
        "{:<11} {:>8}  {:<15}  {}",
        window.window.start.to_string().get(..7).unwrap_or_default(),
        window.window.rows,
        if window.window.verdict == Verdict::NoBaseline { "not judged" } else { window.window.verdict.words() },
        columns.join(", ")
    )
}

async fn show_outcome(
    store: &Store,
    status: &Status,
    received: &[ReceivedWebhook],
    directory: &Path,
    counted: u64,
    elapsed: Duration,
) -> Result<(), CliError> {
    let windows = store.closed_windows(MONITOR).await?;
    say_lines(format!(
        "\n{counted} records in {} windows, each counted exactly once, in {:.0} s.\n",
        windows.len(),
        elapsed.as_secs_f64()
    ));
    let mut mails: Vec<PathBuf> = std::fs::read_dir(directory.join("mails"))
        .map_err(|error| CliError::Failed(format!("cannot list the mails: {error}")))?
        .filter_map(|entry| {
            Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|kind| kind == "eml"))
        })
        .collect();
    mails.sort_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
    say(format!(
        "{} {} written to {}; the first:",
        mails.len(),
        plural(mails.len(), "mail was", "mails were"),
        directory.join("mails").display()
    ));
    if let Some(first) = mails.first() {
        show_mail(first)?;
    }
    say_lines("\nwebhooks received by the listener of the demo:");
    for webhook in received {
        let at = |path: &str| webhook.body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let window = match at("/data/alerts/0/evidence/window/start") {
            start if start.is_empty() => at("/data/reason"),
            start => format!("{}, window from {}", at("/data/alerts/0/rule"), start.get(..10).unwrap_or_default()),
        };
        say(format!(
            "  {:<28} {window}  id {}, signature {}",
            at("/type"),
            webhook.id.get(..8).unwrap_or_default(),
            if webhook.verified { "verified" } else { "WRONG" },
        ));
    }
    if let Some(request) =
        received.iter().find(|webhook| webhook.body.get("type") == Some(&"drift.retraining.requested".into()))
    {
        let evidence = request.body.pointer("/data/windows").and_then(Value::as_array).map_or(0, Vec::len);
        let offsets = request.body.pointer("/data/windows/0/offsets").and_then(Value::as_array);
        let offsets: Vec<String> = offsets.into_iter().flatten().map(offset_range).collect();
        say_lines(format!(
            "\nthe retraining request lists {}; offsets of the first one:\n  {}",
            number_of(evidence, "drifting window"),
            offsets.join("; ")
        ));
        say("  (also produced to the topic `retraining`)");
    }
    say_lines("\noutput of `driftd status`:");
    super::status::show(status);
    Ok(())
}

/// What the baseline of the training data, whose windows are known, would have said of the same months.
async fn show_fixed(store: &Store, monitor: &Monitor) -> Result<(), CliError> {
    let fixed = Monitor { references: ReferencePlan::default(), ..monitor.clone() };
    let from = SECOND_YEAR.parse().map_err(CliError::Failed)?;
    let windows = judged_again(store, &fixed, (from, EventTime::MAX), None).await?.windows;
    let drifting: Vec<&ReplayedWindow> =
        windows.iter().filter(|window| window.judgement.verdict.drifts()).collect();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for column in drifting.iter().filter_map(|window| window.judgement.columns.first()) {
        *first.entry(&column.column).or_default() += 1;
    }
    let first: Vec<String> = first.iter().map(|(column, months)| format!("{column} in {months}")).collect();
    say_lines(format!(
        "\nThe same months compared with the training data (`reference = \"fixed\"`, judged again as `driftd rejudge` does it): {} of {} \
         drift,\nmost of all by {}. Its windows say how much months differ by nature; one month of the year before does not.",
        drifting.len(),
        windows.len(),
        if first.is_empty() { "nothing".to_owned() } else { first.join(", ") },
    ));
    Ok(())
}

/// The first month that has one of the year before.
const SECOND_YEAR: &str = "2012-01-01T00:00:00Z";

/// A range of offsets of a request, which are stored as `[partition, first, end]`.
fn offset_range(range: &Value) -> String {
    let number = |path: &str| range.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    format!("partition {}: offsets {}-{}", number("/0/partition"), number("/1"), number("/2") - 1)
}

/// The headers people look at, and the plain text.
fn show_mail(path: &Path) -> Result<(), CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::Failed(format!("cannot read {}: {error}", path.display())))?;
    let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    say("  ----------------------------------------------------------------");
    for header in headers
        .lines()
        .filter(|line| ["Subject:", "From:", "To:", "Date:"].iter().any(|name| line.starts_with(name)))
    {
        say(format!("  {header}"));
    }
    // The plain part comes first and ends with the boundary of the next.
    let plain = body.split_once("\r\n\r\n").map_or(body, |(_, rest)| rest);
    say("");
    for line in unfold(plain).lines().take_while(|line| !line.starts_with("--")) {
        say(format!("  {line}"));
    }
    say("  ----------------------------------------------------------------");
    Ok(())
}

/// Undoes the quoted-printable encoding of plain ASCII text.
fn unfold(text: &str) -> String {
    text.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
}

fn next_steps(directory: &Path, keep: bool, http: Option<std::net::SocketAddr>) {
    say_lines("\nnext:");
    if keep {
        if let Some(address) = http {
            say(format!("  http://{address}/    # pages; API description: http://{address}/api/v1/openapi.json"));
        }
        say(format!("  driftd --config {}/driftd.toml alerts list --all", directory.display()));
        say(format!("  driftd --config {}/driftd.toml status", directory.display()));
    } else {
        say("  driftd demo --keep    # the same demo, kept running, with its pages");
    }
    say(format!("  less {}/mails/*.eml", directory.display()));
    say(format!("  less {}/monitors.d/bike-demand.toml    # the monitor", directory.display()));
    if keep {
        say_lines("\nrunning until Ctrl-C");
    } else {
        say("  config/driftd.toml, config/monitors.d/example.toml    # all keys with their effects");
    }
}
