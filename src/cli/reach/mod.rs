//! Where commands find what they show and change: the database, or the API of a running daemon. Both answer with the same
//! views, so each command prints in one way.

mod client;
mod database;
mod server;

use uuid::Uuid;

pub(super) use client::ServerOptions;
pub(super) use database::Database;
use server::Server;

use super::{CliError, Context};
use crate::account::LimitsStep;
use crate::alert::Matcher;
use crate::config::Settings;
use crate::report::ColumnReport;
use crate::retrain::RequestState;
use crate::view::{
    AlertDetail, AlertFilter, AlertRow, BaselineDetail, BaselineSummary, ChallengerView, ConfiguredValue,
    DetectionsView, DistributionRow, FalseAlarmsView, Judged, RequestDetail, RequestRow, SilenceRow, Status,
    WindowRow,
};

/// The database with the configuration, or a daemon's API.
pub(super) enum Reach {
    /// PostgreSQL, as `driftd.toml` says.
    Database(Box<Database>),
    /// A running daemon.
    Server(Server),
}

/// What people do to an alert.
#[derive(Clone, Copy)]
pub(super) enum AlertStep {
    Acknowledge,
    Resolve(Option<Judged>),
}

/// What people do to a retraining request.
#[derive(Clone, Copy)]
pub(super) enum RequestStep {
    Approve,
    Cancel,
}

/// A baseline with what is in it: the columns of the whole, bin by bin.
pub(super) struct StoredBaseline {
    pub(super) detail: BaselineDetail,
    pub(super) distributions: Vec<DistributionRow>,
}

/// A column of a window with its comparison; none where nothing can be compared.
pub(super) struct Compared {
    pub(super) window: WindowRow,
    pub(super) baseline: Option<String>,
    pub(super) report: Option<ColumnReport>,
}

/// Does something with the database, or with the daemon that `--server` names.
pub(super) fn with_reach<T>(
    context: &Context,
    work: impl AsyncFnOnce(&Reach) -> Result<T, CliError>,
) -> Result<T, CliError> {
    super::runtime()?.block_on(async {
        let reach = match &context.server {
            Some(server) => Reach::Server(Server::new(server)?),
            None => Reach::Database(Box::new(Database::open(context)?)),
        };
        work(&reach).await
    })
}

/// Calls the same method on whichever it is.
macro_rules! either {
    ($self:ident, $($call:tt)*) => {
        match $self {
            Reach::Database(there) => there.$($call)*.await,
            Reach::Server(there) => there.$($call)*.await,
        }
    };
}

impl Reach {
    /// The configuration, where it was read.
    pub(super) fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Database(database) => Some(&database.settings),
            Self::Server(_) => None,
        }
    }

    pub(super) async fn status(&self) -> Result<Status, CliError> {
        either!(self, status())
    }

    /// Refuses the name of a monitor that is neither configured nor stored: of one that is mistyped nothing is found, which must
    /// not look as if nothing were wrong.
    pub(super) async fn check_monitor(&self, name: &str) -> Result<(), CliError> {
        either!(self, check_monitor(name))
    }

    pub(super) async fn configuration(&self) -> Result<Vec<ConfiguredValue>, CliError> {
        either!(self, configuration())
    }

    pub(super) async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>, CliError> {
        either!(self, alerts(filter))
    }

    /// The alert whose id begins so.
    pub(super) async fn alert(&self, prefix: &str) -> Result<AlertDetail, CliError> {
        either!(self, alert(prefix))
    }

    pub(super) async fn change_alert(
        &self,
        prefix: &str,
        step: AlertStep,
        comment: &str,
    ) -> Result<AlertRow, CliError> {
        either!(self, change_alert(prefix, step, comment))
    }

    /// Sends the message again whose id begins so. How many will be sent.
    pub(super) async fn send_again(&self, prefix: &str) -> Result<u64, CliError> {
        either!(self, send_again(prefix))
    }

    pub(super) async fn silences(&self, all: bool) -> Result<Vec<SilenceRow>, CliError> {
        either!(self, silences(all))
    }

    /// Makes a silence for a duration such as `2h`.
    pub(super) async fn silence(
        &self,
        matchers: &[Matcher],
        duration: &str,
        comment: &str,
    ) -> Result<Uuid, CliError> {
        either!(self, silence(matchers, duration, comment))
    }

    pub(super) async fn end_silence(&self, prefix: &str) -> Result<Uuid, CliError> {
        either!(self, end_silence(prefix))
    }

    pub(super) async fn requests(&self, all: bool) -> Result<Vec<RequestRow>, CliError> {
        either!(self, requests(all))
    }

    pub(super) async fn request(&self, prefix: &str) -> Result<RequestDetail, CliError> {
        either!(self, request(prefix))
    }

    pub(super) async fn change_request(
        &self,
        prefix: &str,
        step: RequestStep,
        comment: &str,
    ) -> Result<(Uuid, RequestState), CliError> {
        either!(self, change_request(prefix, step, comment))
    }

    /// The baselines of a monitor, oldest first.
    pub(super) async fn baselines(&self, monitor: &str) -> Result<Vec<BaselineSummary>, CliError> {
        either!(self, baselines(monitor))
    }

    pub(super) async fn baseline(&self, monitor: &str, version: i32) -> Result<StoredBaseline, CliError> {
        either!(self, baseline(monitor, version))
    }

    pub(super) async fn activate(&self, monitor: &str, version: i32) -> Result<(), CliError> {
        either!(self, activate(monitor, version))
    }

    /// Champion and challenger of a monitor.
    pub(super) async fn challenger(&self, monitor: &str) -> Result<ChallengerView, CliError> {
        either!(self, challenger(monitor))
    }

    /// The detectors of a monitor and the newest detections.
    pub(super) async fn detections(&self, monitor: &str) -> Result<DetectionsView, CliError> {
        either!(self, detections(monitor))
    }

    /// False alarms of a monitor, proposals of wider limits, and accepted limits.
    pub(super) async fn false_alarms(&self, monitor: &str) -> Result<FalseAlarmsView, CliError> {
        either!(self, false_alarms(monitor))
    }

    pub(super) async fn change_limits(
        &self,
        monitor: &str,
        id: Uuid,
        step: LimitsStep,
        comment: &str,
    ) -> Result<(), CliError> {
        either!(self, change_limits(monitor, id, step, comment))
    }

    /// The newest closed window of the whole of a monitor.
    pub(super) async fn last_window(&self, monitor: &str) -> Result<Option<WindowRow>, CliError> {
        either!(self, last_window(monitor))
    }

    pub(super) async fn column(&self, monitor: &str, window: i64, column: &str) -> Result<Compared, CliError> {
        either!(self, column(monitor, window, column))
    }
}
