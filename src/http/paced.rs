//! A connection whose other side has to read: who takes nothing of an answer, or hardly anything, is let go.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::places::Seat;

/// How fast the other side has to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// An answer that cannot be written has to go on within this time.
    pub within: Duration,
    /// A client that reads gets more time at this rate, in bytes per second.
    pub rate: u32,
}

/// Ten seconds, and 16 KiB a second.
pub(super) const PACE: Pace = Pace { within: Duration::from_secs(10), rate: 16 * 1024 };

/// A stream with a limit on how long writing may stand still.
pub(super) struct Paced<S> {
    inner: S,
    seat: Arc<Seat>,
    pace: Pace,
    /// Until when the other side has to have read what waits; none while nothing waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, seat: Arc<Seat>, pace: Pace) -> Self {
        Self { inner, seat, pace, deadline: None }
    }

    /// What a write came to: `wanted` bytes were there.
    fn pace(
        &mut self,
        outcome: Poll<Result<usize>>,
        wanted: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        let Pace { within, rate } = self.pace;
        match outcome {
            Poll::Ready(Ok(written)) => {
                self.seat.progressed();
                if written >= wanted {
                    self.deadline = None;
                } else if let Some(deadline) = &mut self.deadline {
                    let earned = Duration::from_secs(1) * u32::try_from(written).unwrap_or(u32::MAX) / rate;
                    let until = (deadline.deadline() + earned).min(Instant::now() + within);
                    deadline.as_mut().reset(until);
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + within)));
                match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the other side does not read")))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.pace(outcome, bytes.len(), context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(context, parts);
        this.pace(outcome, parts.iter().map(|part| part.len()).sum(), context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // What TLS keeps back is written here.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(context).map_ok(|()| 0);
        this.pace(outcome, 0, context).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_shutdown(context).map_ok(|()| 0);
        this.pace(outcome, 0, context).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const FAST: Pace = Pace { within: Duration::from_millis(300), rate: 64 * 1_024 };

    async fn write(stream: DuplexStream, bytes: usize) -> (std::result::Result<(), ErrorKind>, Duration) {
        let started = Instant::now();
        let outcome = Paced::new(stream, Arc::new(Seat::new()), FAST).write_all(&vec![b'x'; bytes]).await;
        (outcome.map_err(|error| error.kind()), started.elapsed())
    }

    #[tokio::test]
    async fn who_reads_nothing_or_hardly_anything_is_let_go_and_who_reads_is_not() {
        let (ours, _theirs) = tokio::io::duplex(1_024);
        let (outcome, took) = write(ours, 2_048).await;
        assert_eq!(outcome, Err(ErrorKind::TimedOut), "nothing is read");
        assert!(took >= FAST.within && took < FAST.within * 3, "{took:?}");
        // A byte in 20 ms is read for ever.
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let trickle = tokio::spawn(async move {
            let mut byte = [0; 1];
            while theirs.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let (outcome, took) = write(ours, 1 << 20).await;
        assert_eq!(outcome, Err(ErrorKind::TimedOut));
        assert!(took < FAST.within * 4, "{took:?}");
        trickle.abort();
        // Four times the least rate, for longer than anybody may stand still.
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        tokio::spawn(async move {
            let mut part = vec![0; 16 * 1_024];
            while theirs.read_exact(&mut part).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let (outcome, took) = write(ours, 20 * 16 * 1_024).await;
        assert!(outcome.is_ok() && took > FAST.within * 2, "{outcome:?} {took:?}");
    }
}
