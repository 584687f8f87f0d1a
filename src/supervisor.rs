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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_task_to_fail_stops_the_others_and_is_named() {
        let mut supervisor = Supervisor::default();
        let token = supervisor.token();
        supervisor.start("steady", async move {
            token.cancelled().await;
            Ok(())
        });
        supervisor.start("broken", async { Err("it broke".to_owned()) });
        assert_eq!(supervisor.run(Duration::from_secs(5)).await, Err("task broken: it broke".to_owned()));
    }

    #[tokio::test]
    async fn stopping_is_clean_when_all_stop_and_bounded_when_one_does_not() {
        let mut supervisor = Supervisor::default();
        let token = supervisor.token();
        let told = token.clone();
        supervisor.start("steady", async move {
            told.cancelled().await;
            Ok(())
        });
        token.cancel();
        assert_eq!(supervisor.run(Duration::from_secs(5)).await, Ok(()));

        let mut supervisor = Supervisor::default();
        supervisor.token().cancel();
        supervisor.start("stubborn", std::future::pending());
        let outcome = supervisor.run(Duration::from_millis(20)).await;
        assert!(outcome.is_err_and(|error| error.contains("did not stop")));
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_a_failure() {
        let mut supervisor = Supervisor::default();
        supervisor.start("lazy", async { Ok(()) });
        assert_eq!(supervisor.run(Duration::from_secs(1)).await, Err("task lazy ended by itself".to_owned()));
    }
}
