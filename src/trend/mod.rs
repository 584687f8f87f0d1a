//! Slow drift, and the onset of drift: what a sequence of windows says that none of them says alone.
//!
//! * [`SlowDrift`]: evidence that grows from window to window while a column stays or moves away from its reference, and may be looked at
//!   after each of them.
//! * [`Lasting`]: the lasting changes of a column that evidence has shown, until it is back, and evidence for further ones.
//! * [`onset()`]: the window in which a change began, with its uncertainty.
//!
//! Both compare one statistic of a column at a time: a mean of scores, or a share on the scale `asin(sqrt(share))`. The
//! [`ReferenceLevel`] of the statistic says how much windows vary by nature. The reference has to stay the same: beside one that moves
//! along (the last windows, the same hour of the last weeks) each window is compared with other records, and what they say does not
//! add up.
//!
//! docs/slow-drift.md has the formulas, the simulations and the limits.

mod evidence;
mod lasting;
mod level;
mod onset;
mod residual;
mod slow_drift;
mod stored;
#[cfg(test)]
mod tests;

pub use lasting::{Lasting, LastingChange};
pub use level::{Reading, ReferenceLevel};
pub use onset::{Onset, Shape, onset};
pub use slow_drift::{Direction, Evidence, Followed, SlowDrift};
pub use stored::StateError;
