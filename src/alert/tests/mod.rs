mod amended;
mod evidence;
mod grouping;
mod life;
mod message;
mod model;
mod rules;
mod segments;
mod signs;
mod telling;

use super::*;
use crate::record::EventTime;

fn at(micros: i64) -> EventTime {
    EventTime::from_micros(micros).unwrap()
}

/// In microseconds.
const SECOND: i64 = 1_000_000;
