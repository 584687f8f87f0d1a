//! `driftd doctor`

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::{CliError, Context, as_json, check, runtime, say, say_json, say_lines};
use crate::app::{status, store_options};
use crate::config::Monitor;
use crate::config::Settings;
use crate::record::number_of;
use crate::store::{Store, StoreError};
use crate::view::{AlertFilter, DeliveryFilter, DeliveryStatus};

/// Output.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// File of the support bundle.
    #[arg(long, short, value_name = "FILE", default_value = "driftd-doctor.json")]
    output: PathBuf,
}

/// Tries everything, and writes what somebody who helps needs to know: no secrets, and of records only examples of values
/// that could not be read.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    context.only_here("`doctor`", "it tests the connections from this machine")?;
    let settings = context.settings()?;
    let runtime = runtime()?;
    let bundle = runtime.block_on(gather(&settings))?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let text = serde_json::to_string_pretty(&bundle).map_err(|error| CliError::Failed(error.to_string()))?;
    let checks: Vec<&Value> = bundle.get("checks").and_then(Value::as_array).into_iter().flatten().collect();
    let is_ok = |check: &&&Value| check.get("ok").and_then(Value::as_bool).unwrap_or(false);
    let failed = checks.len() - checks.iter().filter(is_ok).count();
    if as_json() {
        say_json(&bundle)?;
    } else {
        for check in &checks {
            let text = |key: &str| check.get(key).and_then(Value::as_str).unwrap_or_default();
            let detail = text("detail");
            let colon = if detail.is_empty() { "" } else { ": " };
            say_lines(format!(
                "{:<7} {}{colon}{detail}",
                if is_ok(&check) { "ok" } else { "failed" },
                text("what")
            ));
        }
    }
    let output = &arguments.output;
    std::fs::write(output, text).map_err(|error| {
        CliError::Failed(format!(
            "cannot write {}: {error}\nhint: set a writable path with --output",
            output.display()
        ))
    })?;
    if !as_json() {
        say(format!(
            "written to {}: configuration without secrets, checks, status, failed deliveries, audit log",
            output.display()
        ));
    }
    match failed {
        0 => Ok(()),
        number => Err(CliError::Findings(format!("{} failed", number_of(number, "check")))),
    }
}

async fn gather(settings: &Settings) -> Result<Value, CliError> {
    // Without the database's password the rest is tried all the same.
    let store =
        store_options(settings).map_err(CliError::from).and_then(|options| Ok(Store::connect_lazily(&options)?));
    let mut checks = vec![check::database(settings).await];
    checks.extend(check::kafka(settings).await);
    checks.extend(check::receivers(settings).await);
    let monitors: Vec<&Monitor> = settings.monitors.iter().collect();
    let dead = DeliveryFilter { receiver: None, status: Some(DeliveryStatus::Dead) };
    Ok(json!({
        "driftd": env!("CARGO_PKG_VERSION"),
        "at": jiff::Timestamp::now().to_string(),
        "system": system(),
        "warnings": settings.warnings,
        "checks": checks,
        "secrets_not_read": settings.unread.iter().map(|unread| &unread.mistake.key).collect::<Vec<_>>(),
        "configuration": settings.configured,
        "status": known(&store, async |store| status(store, &monitors).await).await,
        "open_alerts": known(&store, async |store| store.alerts(&AlertFilter::default(), 100).await).await,
        "deliveries_given_up": known(&store, async |store| store.deliveries(&dead, None, 100).await).await,
        "audit": known(&store, async |store| store.audit(None, None, 100).await).await,
    }))
}

/// Something that the database knows, or why it cannot be asked.
async fn known<T: Serialize>(
    store: &Result<Store, CliError>,
    ask: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> Value {
    let error = |error: &dyn std::fmt::Display| json!({ "error": error.to_string() });
    match store {
        Ok(store) => match ask(store).await {
            Ok(known) => serde_json::to_value(known).unwrap_or_else(|unserialised| error(&unserialised)),
            Err(unknown) => error(&unknown),
        },
        Err(away) => error(away),
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
