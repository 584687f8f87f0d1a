//! `--monitor`: a monitor by its name in the configuration, or by its file, in every command alike.

use std::path::{Path, PathBuf};

use super::{CliError, Context};
use crate::config::{Monitor, Settings, load_monitor};

/// The file that somebody means, if they mean one: what looks like a path, or is there.
fn as_file(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let looks = text.contains('/') || path.extension().is_some_and(|extension| extension == "toml");
    looks.then(|| path.to_owned())
}

/// Whether a file is meant, and not the name of a configured monitor.
pub(super) fn is_file(text: &str) -> bool {
    as_file(text).is_some()
}

/// The monitor of a name or a file. The configuration is read for names alone.
pub(super) fn monitor(context: &Context, text: &str) -> Result<Monitor, CliError> {
    match as_file(text) {
        Some(file) => Ok(load_monitor(&file)?),
        None => configured(&context.settings()?, text).cloned(),
    }
}

/// The same where the configuration is at hand; without a name the only monitor that there is.
pub(super) fn monitor_of(settings: &Settings, text: Option<&str>) -> Result<Monitor, CliError> {
    match text {
        Some(text) => match as_file(text) {
            Some(file) => Ok(load_monitor(&file)?),
            None => configured(settings, text).cloned(),
        },
        None => the_only_one(settings).cloned(),
    }
}

/// The name of a monitor that is named, or whose file is.
pub(super) fn name_of(text: &str) -> Result<String, CliError> {
    match as_file(text) {
        Some(file) => Ok(load_monitor(&file)?.name),
        None => Ok(text.to_owned()),
    }
}

/// A monitor as it is configured: a file alone would not say who is told.
pub(super) fn configured_one<'a>(settings: &'a Settings, text: Option<&str>) -> Result<&'a Monitor, CliError> {
    match text {
        Some(text) => configured(settings, &name_of(text)?),
        None => the_only_one(settings),
    }
}

fn configured<'a>(settings: &'a Settings, name: &str) -> Result<&'a Monitor, CliError> {
    settings.monitors.iter().find(|monitor| monitor.name == name).ok_or_else(|| {
        let near = settings
            .monitors
            .iter()
            .map(|monitor| (strsim::jaro_winkler(name, &monitor.name), &monitor.name))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .filter(|(likeness, _)| *likeness > 0.8);
        let hint = near.map_or_else(
            || format!("{}; or give the file of a monitor: a path, or a name that ends in .toml", known(settings)),
            |(_, near)| format!("did you mean `{near}`?"),
        );
        CliError::Failed(format!("`{name}` is not a monitor of {}\nhint: {hint}", settings.path.display()))
    })
}

fn the_only_one(settings: &Settings) -> Result<&Monitor, CliError> {
    match settings.monitors.as_slice() {
        [monitor] => Ok(monitor),
        [] => Err(CliError::Failed(format!(
            "no monitor is configured\nhint: put one file per monitor into {}, or give a file with --monitor",
            settings.path.parent().unwrap_or(Path::new(".")).join("monitors.d").display()
        ))),
        _ => Err(CliError::Failed(format!("a monitor is required\nhint: --monitor NAME; {}", known(settings)))),
    }
}

fn known(settings: &Settings) -> String {
    let names: Vec<&str> = settings.monitors.iter().map(|monitor| monitor.name.as_str()).collect();
    if names.is_empty() { "none is configured".to_owned() } else { format!("monitors: {}", names.join(", ")) }
}
