mod evidence;
mod life;
mod message;
mod model;
mod rules;
mod segments;
mod telling;

use super::*;
use crate::record::EventTime;

fn at(micros: i64) -> EventTime {
    EventTime::from_micros(micros).unwrap()
}
