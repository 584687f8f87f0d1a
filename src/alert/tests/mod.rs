mod life;
mod model;
mod rules;
mod telling;

use super::*;
use crate::record::EventTime;

fn at(micros: i64) -> EventTime {
    EventTime::from_micros(micros).unwrap()
}
