//! Named tasks under one token: the first that ends before it is told to stops all, and stopping is bounded.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs tasks side by side.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<(&'static str, Result<(), String>)>,
    stop: CancellationToken,
}

impl Supervisor {
    /// The token that tells tasks to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. It ends with `Ok` only after the token told it to.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = Result<(), String>> + Send + 'static) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for the token or the first task to end, stops the others, and waits for them no longer than `grace`.
    ///
    /// # Errors
    /// With the name and words of the task that failed, or of those that did not stop in time.
    pub async fn run(mut self, grace: Duration) -> Result<(), String> {
        let mut failure = None;
        tokio::select! {
            () = self.stop.cancelled() => {}
            ended = self.tasks.join_next() => {
                // Tasks that end because they were told to may be seen before the token is.
                let told = self.stop.is_cancelled() && matches!(ended, Some(Ok((_, Ok(())))));
                failure = (!told).then(|| described(ended));
            }
        }
        self.stop.cancel();
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::error!(task = name, %error, "a task failed while stopping");
                    failure.get_or_insert(format!("task {name}: {error}"));
                }
            }
        });
        if drained.await.is_err() {
            failure.get_or_insert(format!("some tasks did not stop within {} s", grace.as_secs()));
        }
        failure.map_or(Ok(()), Err)
    }
}

/// A task's name and how it ended, or that it panicked.
type Ended = Result<(&'static str, Result<(), String>), tokio::task::JoinError>;

fn described(ended: Option<Ended>) -> String {
    match ended {
        None => "there was no task".to_owned(),
        Some(Ok((name, Ok(())))) => format!("task {name} ended by itself"),
        Some(Ok((name, Err(error)))) => format!("task {name}: {error}"),
        Some(Err(error)) => format!("a task died: {error}"),
    }
}
