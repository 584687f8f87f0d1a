//! Hours of the day that moved around the clock.

use super::{Cause, Reason};
use crate::measure::{chi_square, total_variation};

const DAY: usize = 24;

/// A shift of hours, from counts of the hours 0 to 23 on both sides: given when turning the clock makes the sides alike.
#[expect(clippy::cast_possible_wrap, reason = "hours")]
pub(super) fn shifted(before: &[u64; DAY], after: &[u64; DAY]) -> Option<Reason> {
    let used = before.iter().filter(|count| **count > 0).count();
    if used < DAY / 2 {
        return None;
    }
    let turned = |by: usize| {
        let mut clock = *before;
        clock.rotate_right(by);
        clock
    };
    let plain = total_variation(before, after)?;
    if chi_square(before, after, false)?.p_value > 1e-6 {
        return None;
    }
    let (by, distance) = (1..DAY)
        .filter_map(|by| Some((by, total_variation(&turned(by), after)?)))
        .min_by(|left, right| left.1.total_cmp(&right.1))?;
    let alike = chi_square(&turned(by), after, false)?.p_value > 1e-3 || distance < 0.1 * plain;
    (alike && distance < 0.5 * plain).then(|| {
        let hours = if by <= DAY / 2 { by as i64 } else { by as i64 - DAY as i64 };
        Reason::new(
            Cause::TimeZone,
            format!(
                "hours seem to be shifted by {hours:+}, as by another time zone: turned back, {:.1} % of the values differ instead of {:.1} %",
                distance * 100.0,
                plain * 100.0
            ),
        )
    })
}

/// Counts of hours, when all values are whole hours of a day.
pub(super) fn clock(values: impl Iterator<Item = (Option<f64>, u64)>) -> Option<[u64; DAY]> {
    let mut counts = [0; DAY];
    for (value, times) in values {
        let hour: f64 = value?;
        if hour.fract() != 0.0 || !(0.0..24.0).contains(&hour) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
        if let Some(count) = counts.get_mut(hour as usize) {
            *count += times;
        }
    }
    Some(counts)
}
