//! Configuration: files are parsed with their places kept, the environment is laid over a fixed list of keys,
//! and every mistake is reported at once. What leaves this module is checked and has no serde in it.

mod daemon;
mod layer;
mod monitor;
mod problem;
mod receivers;
mod secret;
mod section;

pub use daemon::{
    CheckpointSettings, DaemonSettings, HttpSettings, KafkaSecurity, KafkaSettings, LimitSettings, LogFormat,
    LogSettings, PostgresSettings, PostgresTls, SaslSettings, StartAt, TokenEndpoint, TokenSettings,
};
pub use layer::ENVIRONMENT_KEYS;
pub use monitor::{Monitor, Topics};
pub use problem::{ConfigError, Problem};
pub use receivers::{EmailSettings, EmailTransport, Receiver, SmtpSettings, SmtpTls, WebhookSettings};

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use layer::Layer;
use problem::{File, Problems};
use section::Section;

/// Where the daemon looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/driftd/driftd.toml";

/// Everything configured.
#[derive(Debug)]
pub struct Settings {
    /// The daemon itself.
    pub daemon: DaemonSettings,
    /// Who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// What is watched.
    pub monitors: Vec<Monitor>,
    /// Legal, but worth a word.
    pub warnings: Vec<String>,
    /// The file it came from.
    pub path: PathBuf,
}

/// Reads `driftd.toml` and, beside it, `monitors.d/*.toml` in the order of their names.
///
/// # Errors
/// With every mistake found in any of them.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    load_with(
        path,
        &std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    )
}

/// Like [`load`], with the given environment.
///
/// # Errors
/// With every mistake found.
#[expect(clippy::implicit_hasher, reason = "the environment comes as the standard map")]
pub fn load_with(path: &Path, environment: &HashMap<String, String>) -> Result<Settings, ConfigError> {
    let problems = Problems::default();
    let mut warnings = Vec::new();
    let layer = Layer::new(environment);
    let main = read(path, &problems).and_then(|file| {
        with_table(&file, &problems, |table| {
            let root = Section::root(&file, table, &problems, Some(&layer));
            let daemon = daemon::read(&root, &mut warnings);
            let receivers = receivers::read(&root, &mut warnings);
            root.finish();
            (daemon, receivers)
        })
    });
    let directory = path.parent().unwrap_or(Path::new(".")).join("monitors.d");
    let declared = main.as_ref().map(|(_, (_, declared))| declared.as_slice());
    let monitors = read_monitors(&directory, declared, &problems, &mut warnings);
    let settings = match main {
        Some((Some(daemon), (receivers, _))) => {
            Some(Settings { daemon, receivers, monitors, warnings, path: path.to_owned() })
        }
        _ => None,
    };
    problems.into_result(settings)
}

/// Reads one monitor file by itself: for building baselines without a daemon's configuration. Names of
/// receivers are not checked.
///
/// # Errors
/// With every mistake found.
pub fn load_monitor(path: &Path) -> Result<Monitor, ConfigError> {
    let problems = Problems::default();
    let monitor = read(path, &problems)
        .and_then(|file| {
            with_table(&file, &problems, |table| {
                monitor::read(&Section::root(&file, table, &problems, None), None)
            })
        })
        .flatten();
    problems.into_result(monitor)
}

fn read_monitors(
    directory: &Path,
    receivers: Option<&[String]>,
    problems: &Problems,
    warnings: &mut Vec<String>,
) -> Vec<Monitor> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            problems.add(Problem::elsewhere(
                directory.display().to_string(),
                "",
                format!("cannot list the monitors: {error}"),
            ));
            Vec::new()
        }
    };
    files.sort();
    if files.is_empty() && problems.is_empty() {
        warnings
            .push(format!("no monitor is configured\nhint: put one file a monitor into {}", directory.display()));
    }
    let mut monitors: Vec<Monitor> = Vec::new();
    for path in files {
        let Some(file) = read(&path, problems) else { continue };
        with_table(&file, problems, |table| {
            let root = Section::root(&file, table, problems, None);
            let Some(monitor) = monitor::read(&root, receivers) else { return };
            match monitors.iter().find(|other| other.name == monitor.name) {
                Some(other) => root.add(
                    root.problem("name", format!("`{}` is the name of another monitor, too", monitor.name))
                        .hint(format!("the other one is in {}", other.file)),
                ),
                None => monitors.push(monitor),
            }
        });
    }
    monitors
}

fn read(path: &Path, problems: &Problems) -> Option<File> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(File { name: path.display().to_string(), text }),
        Err(error) => {
            problems.add(
                Problem::elsewhere(path.display().to_string(), "", format!("cannot read the file: {error}"))
                    .hint("`--config FILE` names another one"),
            );
            None
        }
    }
}

/// Parses a file and hands its table on; syntax errors are noted with their places.
fn with_table<T>(
    file: &File,
    problems: &Problems,
    use_table: impl FnOnce(&toml::Spanned<DeTable<'_>>) -> T,
) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    if errors.is_empty() {
        return Some(use_table(&table));
    }
    for error in errors {
        problems.add(Problem::at(
            file,
            error.span().unwrap_or(0..0),
            "",
            format!("not valid TOML: {}", error.message()),
        ));
    }
    None
}
