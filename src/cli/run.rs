//! `driftd run`

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{CliError, Context, runtime};
use crate::app::{App, ReloadRequest};
use crate::config;
use crate::telemetry::{finish_traces, start_logging};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    context.only_here("`run`", "it is the daemon")?;
    let settings = config::load_with(&context.config, &context.overrides)?;
    let log = &settings.daemon.log;
    start_logging(log.format, &log.level)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let app = App::build(settings).await?;
        let stop = CancellationToken::new();
        let (reload, requests) = mpsc::channel(1);
        tokio::spawn(listen(stop.clone(), reload));
        app.run(stop, requests).await?;
        Ok(())
    });
    finish_traces();
    // A consumer that hangs on a dead broker must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}

/// SIGTERM and SIGINT stop, a second one at once; SIGHUP reloads.
async fn listen(stop: CancellationToken, reload: mpsc::Sender<ReloadRequest>) {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::error!("cannot install signal handlers");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                // Beside this loop: a reload may wait for a checkpoint, and a signal to stop must not.
                tokio::spawn(take_configuration(reload.clone()));
                continue;
            }
        }
        if stop.is_cancelled() {
            tracing::warn!("second signal received; exiting without a final checkpoint");
            std::process::exit(1);
        }
        tracing::info!("signal received; shutting down");
        stop.cancel();
    }
}

async fn take_configuration(reload: mpsc::Sender<ReloadRequest>) {
    notify_reloading();
    let (reply, answer) = oneshot::channel();
    if reload.send(reply).await.is_ok() {
        // The outcome is logged where it is known.
        let _logged = answer.await;
    }
    let _no_manager = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

fn notify_reloading() {
    // Without the clock newer systemd versions take the reload for a failure.
    if let Ok(clock) = sd_notify::NotifyState::monotonic_usec_now() {
        let _no_manager = sd_notify::notify(&[sd_notify::NotifyState::Reloading, clock]);
    }
}
