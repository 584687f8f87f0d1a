//! Named tasks under one token: the first that ends before it is told to stops all, and stopping is bounded.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// What keeps a task from going on, of whatever kind, with what lies behind it.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// Why tasks ended that nobody told to.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// There is nothing to run.
    #[error("there was no task")]
    NoTask,
    /// A task ended as if it had been told to.
    #[error("task {0} ended by itself")]
    Ended(&'static str),
    /// A task cannot go on.
    #[error("task {name}: {source}")]
    Failed {
        name: &'static str,
        /// Why.
        source: TaskError,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Died(#[source] JoinError),
    /// Tasks that were told to stop went on for this long.
    #[error("some tasks did not stop within {} s", .0.as_secs())]
    Stuck(Duration),
}

/// Runs tasks side by side.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<(&'static str, Result<(), TaskError>)>,
    stop: CancellationToken,
}

impl Supervisor {
    /// The token that tells tasks to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. It ends with `Ok` only after the token told it to.
    pub fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), TaskError>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for the token or the first task to end, stops the others, and waits for them no longer than `grace`.
    ///
    /// # Errors
    /// With the task that failed, or when some did not stop in time.
    pub async fn run(mut self, grace: Duration) -> Result<(), SupervisorError> {
        let mut failure = None;
        tokio::select! {
            () = self.stop.cancelled() => {}
            ended = self.tasks.join_next() => {
                // Tasks that end because they were told to may be seen before the token is.
                let told = self.stop.is_cancelled() && matches!(ended, Some(Ok((_, Ok(())))));
                failure = (!told).then(|| SupervisorError::of(ended));
            }
        }
        self.stop.cancel();
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::error!(task = name, %error, "task failed during shutdown");
                    failure.get_or_insert(SupervisorError::Failed { name, source: error });
                }
            }
        });
        if drained.await.is_err() {
            failure.get_or_insert(SupervisorError::Stuck(grace));
        }
        failure.map_or(Ok(()), Err)
    }
}

/// A task's name and how it ended, or that it panicked.
type Ended = Result<(&'static str, Result<(), TaskError>), JoinError>;

impl SupervisorError {
    fn of(ended: Option<Ended>) -> Self {
        match ended {
            None => Self::NoTask,
            Some(Ok((name, Ok(())))) => Self::Ended(name),
            Some(Ok((name, Err(source)))) => Self::Failed { name, source },
            Some(Err(error)) => Self::Died(error),
        }
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
        supervisor.start("broken", async { Err(std::io::Error::other("it broke").into()) });
        let failure = supervisor.run(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(failure.to_string(), "task broken: it broke");
        let cause = failure.source().unwrap();
        assert!(cause.is::<std::io::Error>(), "what lies behind it is kept");
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
        supervisor.run(Duration::from_secs(5)).await.unwrap();

        let mut supervisor = Supervisor::default();
        supervisor.token().cancel();
        supervisor.start("stubborn", std::future::pending());
        let failure = supervisor.run(Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(failure, SupervisorError::Stuck(_)), "{failure}");
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_a_failure() {
        let mut supervisor = Supervisor::default();
        supervisor.start("lazy", async { Ok(()) });
        let failure = supervisor.run(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(failure.to_string(), "task lazy ended by itself");
    }
}
