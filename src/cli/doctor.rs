//! `driftd doctor`

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::{CliError, as_json, check, runtime, say, say_json, settings};
use crate::app::{AppError, build_receivers, store_options};
use crate::config::Settings;
use crate::store::Store;
use crate::view::DeliveryFilter;

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle's file.
    #[arg(long, short, value_name = "FILE", default_value = "driftd-doctor.json")]
    output: PathBuf,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    ok: bool,
    detail: String,
}

impl Check {
    fn of(what: impl Into<String>, outcome: Result<String, String>) -> Self {
        let (ok, detail) = match outcome {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Self { what: what.into(), ok, detail }
    }
}

/// Tries everything, and writes what somebody who helps needs to know: no secrets, no records.
pub(super) fn run(path: &Path, arguments: &Arguments) -> Result<(), CliError> {
    let settings = settings(path)?;
    let runtime = runtime()?;
    let bundle = runtime.block_on(gather(&settings))?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let text = serde_json::to_string_pretty(&bundle).map_err(|error| CliError::Failed(error.to_string()))?;
    std::fs::write(&arguments.output, text)
        .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", arguments.output.display())))?;
    if as_json() {
        return say_json(&bundle);
    }
    let mut failed = 0;
    for check in bundle.get("checks").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| check.get(key).and_then(Value::as_str).unwrap_or_default();
        let ok = check.get("ok").and_then(Value::as_bool).unwrap_or(false);
        failed += usize::from(!ok);
        let detail = text("detail");
        let colon = if detail.is_empty() { "" } else { ": " };
        say(format!("{:<7} {}{colon}{detail}", if ok { "ok" } else { "failed" }, text("what")));
    }
    say(format!(
        "written to {}: configuration without secrets, checks, status, deliveries given up, audit log",
        arguments.output.display()
    ));
    if failed > 0 {
        return Err(CliError::Findings(format!("{failed} checks failed")));
    }
    Ok(())
}

async fn gather(settings: &Settings) -> Result<Value, CliError> {
    let store = Store::connect_lazily(&store_options(&settings.daemon))?;
    let mut checks = vec![Check::of("postgres", check::database(settings).await)];
    checks.push(Check::of("schema", schema(&store).await));
    checks.extend(check::kafka(settings).await.into_iter().map(|(what, outcome)| Check::of(what, outcome)));
    let receivers = build_receivers(&settings.receivers, None).map_err(AppError::Receivers)?;
    for (name, receiver) in &receivers {
        let outcome = receiver.receiver.probe().await.map(|()| String::new());
        checks.push(Check::of(format!("receiver `{name}`"), outcome));
    }
    let or_error = |outcome: Result<Value, String>| outcome.unwrap_or_else(|error| json!({ "error": error }));
    let dead = DeliveryFilter { receiver: None, status: Some("dead".to_owned()) };
    Ok(json!({
        "driftd": env!("CARGO_PKG_VERSION"),
        "at": jiff::Timestamp::now().to_string(),
        "system": system(),
        "warnings": settings.warnings,
        "checks": checks,
        "configuration": settings.configured,
        "status": or_error(value(store.status().await)),
        "open_alerts": or_error(value(store.alerts(&crate::view::AlertFilter::default(), 100).await)),
        "deliveries_given_up": or_error(value(store.deliveries(&dead, None, 100).await)),
        "audit": or_error(value(store.audit(None, None, 100).await)),
    }))
}

fn value<T: Serialize, E: std::fmt::Display>(outcome: Result<T, E>) -> Result<Value, String> {
    outcome
        .map_err(|error| error.to_string())
        .and_then(|value| serde_json::to_value(value).map_err(|error| error.to_string()))
}

async fn schema(store: &Store) -> Result<String, String> {
    let (version, applied) = store.schema_version().await.map_err(|error| error.to_string())?;
    if version == applied {
        Ok(format!("version {version}"))
    } else {
        Err(format!("version {applied}, this driftd has {version}\nhint: driftd migrate"))
    }
}

/// The machine, as far as it matters.
fn system() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": read("/proc/meminfo").lines().take(3).collect::<Vec<_>>(),
    })
}
