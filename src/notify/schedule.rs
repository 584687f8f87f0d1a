//! When to try again: the table of Standard Webhooks, with jitter, over three days.
use crate::record::TimeSpan;

/// Delays after the first, second, ... failure, in seconds.
const DELAYS: [i64; 10] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 50_400, 50_400, 50_400];

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// Again after so long.
    Retry(TimeSpan),
    /// That was the last attempt: the delivery fails.
    Fail,
}

/// From this age on the next failure is the last, whatever the receiver asks for: four days. It is longer
/// than the table takes, which it bounds when receivers ask for longer delays.
const LONGEST: TimeSpan = TimeSpan::days(4);

/// What follows from a failed attempt. `failures` were recorded before it, and the first attempt began `trying_for` ago: attempts that were cut off (a kill, a stop, a database that was away) count for nothing. What the
/// receiver asked for wins when it is longer. `jitter` lies between 0 and 1 and stretches the delay by up to a tenth.
#[must_use]
pub fn next_step(failures: i32, trying_for: TimeSpan, asked: Option<TimeSpan>, jitter: f64) -> AfterFailure {
    let index = usize::try_from(failures.max(0)).unwrap_or(usize::MAX);
    let Some(delay) = DELAYS.get(index).filter(|_| trying_for < LONGEST) else { return AfterFailure::Fail };
    let delay = TimeSpan::seconds(*delay);
    #[expect(clippy::cast_possible_truncation, reason = "a tenth of some hours")]
    let stretch = TimeSpan::from_micros((delay.as_seconds() * 1e5 * jitter.clamp(0.0, 1.0)) as i64);
    AfterFailure::Retry(delay.plus(stretch).max(asked.unwrap_or_default()))
}
