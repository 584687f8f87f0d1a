//! Configuration: files are parsed with their places kept, the environment and options are laid over their single values,
//! and every mistake is reported at once. What leaves this module is checked and has no serde in it.

mod alerts;
mod daemon;
mod layer;
mod mistake;
mod monitor;
mod path;
mod receivers;
mod restart;
mod retention;
mod routing;
mod secret;
mod section;
mod shared;
mod single_value;
mod suggestion;

pub use daemon::{
    CheckpointSettings, DaemonSettings, HttpSettings, KafkaSecurity, KafkaSettings, LimitSettings, LogSettings,
    PostgresSettings, SaslSettings, TokenEndpoint, TokenSettings,
};
pub use layer::Overrides;
pub use mistake::{ConfigError, Mistake, Unread, UnreadError};
pub use monitor::{Monitor, RegisteredModel, Topics};
pub use receivers::{Channel, Receiver};
pub use shared::{Parts, common_parts};

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use layer::Layer;
use mistake::{ConfigFile, Mistakes};
use monitor::MonitorReferences;
use section::Section;

use crate::alert::{OperationalLimits, Routing, Vocabulary, VocabularyError};
use crate::challenge::challenger_labels;
use crate::detection::detection_labels;
use crate::record::TimeSpan;
use crate::retention::WindowRetention;
use crate::view::ConfiguredValue;

/// Where the daemon looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/driftd/driftd.toml";

/// Everything configured.
#[derive(Debug)]
pub struct Settings {
    /// The daemon itself.
    pub daemon: DaemonSettings,
    /// Who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// How alerts are told.
    pub routing: Arc<Routing>,
    /// From where on the daemon's own work is a problem.
    pub operations: OperationalLimits,
    /// What is watched.
    pub monitors: Vec<Monitor>,
    /// Every key that is known, with its value and where it was set.
    pub configured: Vec<ConfiguredValue>,
    /// Legal, but worth a word.
    pub warnings: Vec<String>,
    /// Secrets that are configured and could not be read here; empty for a daemon.
    pub unread: Vec<Unread>,
    /// The file it came from.
    pub path: PathBuf,
    /// What was laid over it, and is again when it is read anew.
    pub overrides: Overrides,
}

impl Settings {
    /// How long the parts of a monitor's windows are kept; as for all monitors when it is not configured.
    #[must_use]
    pub fn retention_of(&self, monitor: &str) -> WindowRetention {
        let own = self.monitors.iter().find(|known| known.name == monitor);
        let own = own.map_or_else(Default::default, |monitor| monitor.retention);
        self.daemon.retention.of_monitor(&own)
    }

    /// Makes sure that the secrets below a key were read: what `postgres`, `kafka` or `receivers.NAME` is used with.
    ///
    /// # Errors
    /// With those that were not; `purpose` says what they are needed for: "to connect to PostgreSQL".
    pub fn need(&self, key: &str, purpose: &'static str) -> Result<(), UnreadError> {
        let below = |unread: &&Unread| {
            unread
                .mistake
                .key
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let unread: Vec<Unread> = self.unread.iter().filter(below).cloned().collect();
        if unread.is_empty() { Ok(()) } else { Err(UnreadError { purpose, unread }) }
    }
}

/// Reads `driftd.toml`, with the environment laid over it, and `monitors.d/*.toml` of the same folder in the order of their
/// names, for a daemon: with all secrets.
///
/// # Errors
/// With every mistake found in any of them, secrets that cannot be read among them.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    load_with(path, &Overrides::of_process(Vec::new()))
}

/// Like [`load`], with the given values laid over the file.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, overrides: &Overrides) -> Result<Settings, ConfigError> {
    read_all(path, overrides, true)
}

/// Reads the same for a command beside the daemon: secrets that cannot be read here are noted in [`Settings::unread`].
///
/// # Errors
/// With every mistake found.
pub fn load_here(path: &Path, overrides: &Overrides) -> Result<Settings, ConfigError> {
    read_all(path, overrides, false)
}

fn read_all(path: &Path, overrides: &Overrides, strict: bool) -> Result<Settings, ConfigError> {
    let mistakes = Mistakes::default();
    let mut warnings = Vec::new();
    let layer = Layer::new(overrides);
    let main = read(path, "give another file with --config", &mistakes).and_then(|file| {
        with_table(&file, &mistakes, |table| {
            let root = Section::root(&file, table, &mistakes, Some(&layer));
            let daemon = daemon::read(&root, &mut warnings);
            let (receivers, declared) = receivers::read(&root, &mut warnings);
            let routing = routing::read(&root, &declared);
            let operations = routing::limits(&root.section("operations"));
            root.finish();
            warnings.extend(layer.unknown_variables());
            for (key, hint) in layer.unknown_keys() {
                mistakes.add(Mistake::elsewhere("--set", &key, "is not a key that can be set here").hint(hint));
            }
            (daemon, receivers, declared, routing, operations)
        })
    });
    let directory = path.parent().unwrap_or(Path::new(".")).join("monitors.d");
    let settings = match main {
        Some((daemon, receivers, declared, mut routing, operations)) => {
            // Receivers of alerts take those about the daemon, too, unless others are named for them.
            let mut takers: Vec<String> =
                routing.routes.iter().flat_map(|route| route.receivers.clone()).collect();
            let context = MonitorReferences {
                receivers: Some(&declared),
                calendars: Some(&routing.calendars),
                answering: Some(&receivers),
                callback_url: daemon.as_ref().and_then(|daemon| daemon.http.callback_url()),
                retention: daemon.as_ref().map(|daemon| daemon.retention),
            };
            let monitors = read_monitors(&directory, &context, &mistakes, &mut warnings);
            takers.extend(monitors.iter().flat_map(|monitor| monitor.rules.receivers.clone()));
            if routing.operators.is_empty() {
                takers.sort();
                takers.dedup();
                routing.operators = takers;
            }
            let routing = Arc::new(routing);
            for monitor in &monitors {
                warnings.extend(waits_in_vain(monitor, &receivers));
            }
            if let Some(daemon) = &daemon {
                own_listener(path, &receivers, &daemon.http, &mistakes);
            }
            not_for_alerts(&receivers, &routing, &monitors, &mut warnings);
            told_nobody(&routing, &monitors, &mut warnings);
            unknown_labels(&routing, &monitors, &mut warnings);
            daemon.map(|daemon| Settings {
                daemon,
                receivers,
                routing,
                operations,
                monitors,
                configured: mistakes.configured(),
                overrides: overrides.clone(),
                warnings: warnings.clone(),
                unread: mistakes.unread(),
                path: path.to_owned(),
            })
        }
        None => {
            read_monitors(&directory, &MonitorReferences::default(), &mistakes, &mut warnings);
            None
        }
    };
    mistakes.into_result(settings, strict, warnings)
}

/// Reads one monitor file by itself: for building baselines without a daemon's configuration. Names of
/// receivers are not checked.
///
/// # Errors
/// With every mistake found.
pub fn load_monitor(path: &Path) -> Result<Monitor, ConfigError> {
    let mistakes = Mistakes::default();
    let monitor = read(path, "give the file of a monitor, or its name in the configuration", &mistakes)
        .and_then(|file| {
            with_table(&file, &mistakes, |table| {
                monitor::read(&Section::root(&file, table, &mistakes, None), &MonitorReferences::default())
            })
        })
        .flatten();
    mistakes.into_result(monitor, true, Vec::new())
}

/// An answer on a retraining is waited for, and none can come.
fn waits_in_vain(monitor: &Monitor, receivers: &BTreeMap<String, Receiver>) -> Option<String> {
    let rules = &monitor.rules;
    let waits = rules.retrain.as_ref().is_some_and(|policy| policy.answer_within > TimeSpan::ZERO);
    let answers = alerts::can_answer(rules.callback_url.as_deref(), &rules.retrain_receivers, receivers);
    (waits && !answers).then(|| {
        format!(
            "{}: `retrain.answer_within` waits for answers that cannot come\nhint: configure `http.callback_secret`, or a receiver \
             that can be asked: airflow, kubeflow, prefect or dagster",
            monitor.file
        )
    })
}

/// Nobody is told through the daemon's own listener: a message there would only go round in a circle.
fn own_listener(path: &Path, receivers: &BTreeMap<String, Receiver>, http: &HttpSettings, mistakes: &Mistakes) {
    for (name, receiver) in receivers {
        let Some(Channel::Http(options)) = &receiver.channel else { continue };
        if options.leads_to(http.listen, http.external_url.as_deref()) {
            mistakes.add(Mistake::elsewhere(
                path.display().to_string(),
                &format!("receivers.{name}.url"),
                format!("leads to the daemon's own listener, {}", http.listen),
            ));
        }
    }
}

/// Legal, but surely not meant.
fn not_for_alerts(
    receivers: &BTreeMap<String, Receiver>,
    routing: &Routing,
    monitors: &[Monitor],
    warnings: &mut Vec<String>,
) {
    let takes = |name: &String| receivers.get(name).is_some_and(Receiver::is_training);
    let routed = routing.routes.iter().flat_map(|route| &route.receivers);
    let named = monitors.iter().flat_map(|monitor| &monitor.rules.receivers);
    for name in routed.chain(named).filter(|name| takes(name)) {
        warnings.push(format!(
            "receiver `{name}` is a training system: it receives retraining requests only, no alerts"
        ));
    }
    if routing.timing.repeat > TimeSpan::ZERO && routing.timing.repeat < routing.timing.interval {
        warnings.push(
            "`alerting.repeat_interval` is shorter than `alerting.group_interval`: news would wait longer than repetitions"
                .to_owned(),
        );
    }
}

/// Monitors whose alerts are told to nobody: they are on pages alone.
fn told_nobody(routing: &Routing, monitors: &[Monitor], warnings: &mut Vec<String>) {
    if !routing.routes.is_empty() {
        return;
    }
    for monitor in monitors.iter().filter(|monitor| monitor.rules.receivers.is_empty()) {
        warnings.push(format!(
            "{}: alerts of monitor `{}` have no receivers\nhint: set `receivers` in `[alert]`, or add `[[routes]]` to \
             driftd.toml",
            monitor.file, monitor.name
        ));
    }
}

/// Routes and inhibition that name labels or values that no alert can have: they match nothing, or everything. No mistake,
/// as monitors come and go, but worth a word.
fn unknown_labels(routing: &Routing, monitors: &[Monitor], warnings: &mut Vec<String>) {
    let mut known = Vocabulary::default();
    for monitor in monitors {
        known.add_monitor(
            &monitor.name,
            monitor.rules.alerts.iter().map(|rule| rule.name.as_str()),
            &monitor.rules.labels,
        );
        if monitor.challenger.is_some() {
            known.add_labels(&challenger_labels());
        }
        for detector in &monitor.detectors {
            known.add_labels(&detection_labels(&detector.spec.name));
        }
    }
    let mut found = Vec::new();
    let mut note = |place: String, mistakes: Vec<VocabularyError>| {
        for warning in mistakes.into_iter().map(|mistake| format!("{place}: {mistake}")) {
            if !found.contains(&warning) {
                found.push(warning);
            }
        }
    };
    let labels = |labels: &[String]| labels.iter().filter_map(|label| known.check_label(label).err()).collect();
    note("`alerting.group_by`".to_owned(), labels(&routing.group_by));
    let routes = routing.routes.iter().filter(|route| route.timing.unacknowledged_for.is_none());
    for (number, route) in routes.enumerate() {
        note(format!("`routes[{number}].matchers`"), known.mistakes(&route.matchers).collect());
        note(format!("`routes[{number}].group_by`"), labels(&route.group_by));
    }
    for (number, rule) in routing.inhibit.iter().enumerate() {
        note(format!("`inhibit[{number}].source`"), known.mistakes(&rule.source).collect());
        note(format!("`inhibit[{number}].target`"), known.mistakes(&rule.target).collect());
        note(format!("`inhibit[{number}].equal`"), labels(&rule.equal));
    }
    warnings.extend(found);
}

fn read_monitors(
    directory: &Path,
    context: &MonitorReferences<'_>,
    mistakes: &Mistakes,
    warnings: &mut Vec<String>,
) -> Vec<Monitor> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            mistakes.add(Mistake::elsewhere(
                directory.display().to_string(),
                "",
                format!("cannot list the monitors: {error}"),
            ));
            Vec::new()
        }
    };
    files.sort();
    if files.is_empty() && mistakes.is_empty() {
        warnings.push(format!(
            "no monitor is configured\nhint: put one file per monitor into {}",
            directory.display()
        ));
    }
    let mut monitors: Vec<Monitor> = Vec::new();
    // Of the monitors with mistakes as well: all mistakes are said at once.
    let mut names: HashMap<String, String> = HashMap::new();
    for path in files {
        let Some(file) = read(&path, "driftd reads all files of this folder that end in `.toml`", mistakes) else {
            continue;
        };
        with_table(&file, mistakes, |table| {
            let root = Section::root(&file, table, mistakes, None);
            let monitor = monitor::read(&root, context);
            let Some(name) = root.text("name") else { return };
            match names.get(&name) {
                Some(other) => root.add(
                    root.mistake("name", format!("duplicate monitor name `{name}`"))
                        .hint(format!("also in {other}")),
                ),
                None => {
                    names.insert(name, file.name.clone());
                    monitors.extend(monitor);
                }
            }
        });
    }
    monitors
}

fn read(path: &Path, hint: &str, mistakes: &Mistakes) -> Option<ConfigFile> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(ConfigFile::new(path.display().to_string(), text)),
        Err(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => format!("configuration file not found: {}", path.display()),
                _ => format!("cannot read the file: {error}"),
            };
            mistakes.add(Mistake::elsewhere(path.display().to_string(), "", why).hint(hint));
            None
        }
    }
}

/// Parses a file and hands its table on; syntax errors are noted with their places.
fn with_table<T>(
    file: &ConfigFile,
    mistakes: &Mistakes,
    use_table: impl FnOnce(&toml::Spanned<DeTable<'_>>) -> T,
) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    if errors.is_empty() {
        return Some(use_table(&table));
    }
    for error in errors {
        mistakes.add(Mistake::at(
            file,
            error.span().unwrap_or(0..0),
            "",
            format!("not valid TOML: {}", error.message()),
        ));
    }
    None
}
