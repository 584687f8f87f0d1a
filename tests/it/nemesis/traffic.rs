//! The producer, and the truth: what it wrote at which offset, and what may become of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;

use crate::support::{Dice, World};

/// Event times run with the wall clock, in phases of so many milliseconds; every third of them is drifted.
pub const PHASE: i64 = 20_000;
/// How far records that must be counted lie behind the newest, in milliseconds: well within `out_of_orderness`.
const JITTER: u64 = 1_500;
/// About the middle of the values that have not drifted.
pub const MIDDLE: f64 = 16.0;
/// Messages in a tick.
const TICK: Duration = Duration::from_millis(50);
const PER_TICK: u64 = 15;
/// Beyond this the producer itself was late, and a window may rightly have been closed by the clock.
const PUNCTUAL: i64 = 1_000;

/// What a message is.
#[derive(Clone, Debug)]
pub enum What {
    Record(Record),
    /// Of another model.
    Filtered,
    /// For this reason.
    Rejected(&'static str),
}

/// A record of the monitored model.
#[derive(Clone, Debug)]
pub struct Record {
    /// Milliseconds since 1970.
    pub time: i64,
    pub version: &'static str,
    pub country: &'static str,
    pub x: f64,
    pub c: &'static str,
    pub y: Y,
    /// It came in time: it must be counted. Others may be late.
    pub in_time: bool,
}

/// A value, or one of the ways to have none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Y {
    Number(f64),
    Null,
    Missing,
    Nan,
    Infinite,
    WrongType,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub payload: Option<Vec<u8>>,
    pub what: What,
}

/// Everything that was produced: partition to messages, of which the place is the offset.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub partitions: BTreeMap<i32, Vec<Message>>,
    /// The phase of the first record, from which phases are counted.
    pub first_phase: i64,
}

impl Truth {
    pub fn messages(&self) -> u64 {
        self.partitions.values().map(|messages| messages.len() as u64).sum()
    }

    pub fn records(&self) -> impl Iterator<Item = ((i32, i64), &Record)> {
        self.partitions.iter().flat_map(|(partition, messages)| {
            (0..).zip(messages).filter_map(|(offset, message)| match &message.what {
                What::Record(record) => Some(((*partition, offset), record)),
                _ => None,
            })
        })
    }

    /// Whether records of this time are drifted.
    pub fn drifts(&self, time: i64) -> bool {
        (time.div_euclid(PHASE) - self.first_phase).rem_euclid(3) == 1
    }

    /// The log as it stands in Kafka is what was produced, message by message.
    pub fn assert_is_the_log(&self, world: &World) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &world.kafka)
            .set("group.id", "nobody")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in self.partitions.keys() {
            list.add_partition_offset(&world.topic, *partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut read: BTreeMap<i32, i64> = self.partitions.keys().map(|partition| (*partition, 0)).collect();
        let deadline = Instant::now() + Duration::from_mins(1);
        while read.iter().any(|(partition, next)| (self.partitions[partition].len() as i64) > *next) {
            assert!(Instant::now() < deadline, "the log ends before what was produced: {read:?}");
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
            let next = read.get_mut(&message.partition()).unwrap();
            assert_eq!(message.offset(), *next);
            let sent = &self.partitions[&message.partition()][*next as usize];
            assert_eq!(message.payload(), sent.payload.as_deref(), "partition {}@{next}", message.partition());
            *next += 1;
        }
        for (partition, messages) in &self.partitions {
            let (_, high) = consumer.fetch_watermarks(&world.topic, *partition, Duration::from_secs(10)).unwrap();
            assert_eq!(high, messages.len() as i64, "nobody else writes to partition {partition}");
        }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Records for a baseline: nothing drifts, nothing is late.
pub fn training(dice: &mut Dice) -> Vec<String> {
    let mut training = Vec::new();
    while training.len() < 6_000 {
        let record = record(dice, 1_700_000_000_000 + training.len() as i64, false);
        training.push(payload(&record, training.len() as u64, "nemesis"));
    }
    training
}

/// Produces until told to stop.
pub fn produce(world: &World, seed: u64, partitions: &AtomicI32, stop: &AtomicBool) -> Truth {
    let mut dice = Dice(seed);
    let begin = now();
    let mut truth = Truth { first_phase: begin.div_euclid(PHASE), ..Truth::default() };
    let mut silent: Option<(i32, i64)> = None;
    let mut id = 0;
    for tick in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let clock = begin + tick * TICK.as_millis() as i64;
        std::thread::sleep(Duration::from_millis(u64::try_from(clock - now()).unwrap_or(0)));
        let known = partitions.load(Ordering::SeqCst);
        for partition in 0..known {
            truth.partitions.entry(partition).or_default();
        }
        // Now and then a partition is silent for longer than it takes to count as idle.
        if silent.is_none_or(|(_, until)| clock > until) {
            silent = (dice.below(400) == 0).then(|| (dice.below(known as u64) as i32, clock + 9_000));
        }
        for _ in 0..PER_TICK {
            let partition = loop {
                let partition = dice.below(known as u64) as i32;
                if silent.is_none_or(|(quiet, _)| quiet != partition) {
                    break partition;
                }
            };
            id += 1;
            let message = message(&mut dice, &truth, clock, id);
            let times = if dice.below(200) == 0 { 2 } else { 1 };
            for _ in 0..times {
                world.send(partition, message.payload.as_deref());
                truth.partitions.entry(partition).or_default().push(message.clone());
            }
        }
    }
    world.flush();
    truth
}

/// One message of whatever kind.
fn message(dice: &mut Dice, truth: &Truth, clock: i64, id: u64) -> Message {
    let rejected =
        |payload: &[u8], reason| Message { payload: Some(payload.to_vec()), what: What::Rejected(reason) };
    let (time, may_be_in_time) = match dice.below(1_000) {
        // Beyond the bound by a little, by some windows, by more windows than are kept open.
        0..10 => (clock - 4_000 - dice.below(6_000) as i64, false),
        10..20 => (clock - 10_000 - dice.below(30_000) as i64, false),
        20..22 => (clock - 3_600_000, false),
        22..25 => {
            let record = record(dice, clock + 7_200_000, false);
            return rejected(payload(&record, id, "nemesis").as_bytes(), "future_timestamp");
        }
        25..28 => return rejected(b"{\"ts\":", "syntax"),
        28..30 => return rejected(b"\xff\xfe\x00garbage", "syntax"),
        30..32 => return rejected(b"[1,2,3]", "not_an_object"),
        32..34 => {
            let text =
                json!({ "ts": "no time", "id": id, "model": { "name": "nemesis", "version": "1" } }).to_string();
            return rejected(text.as_bytes(), "bad_timestamp");
        }
        34..36 => return Message { payload: None, what: What::Rejected("tombstone") },
        36..66 => {
            let record = record(dice, clock, false);
            return Message { payload: Some(payload(&record, id, "other").into_bytes()), what: What::Filtered };
        }
        _ => (clock - dice.below(JITTER) as i64, true),
    };
    let mut record = record(dice, time, truth.drifts(time));
    record.in_time = may_be_in_time && now() - clock < PUNCTUAL;
    Message { payload: Some(payload(&record, id, "nemesis").into_bytes()), what: What::Record(record) }
}

fn record(dice: &mut Dice, time: i64, drifted: bool) -> Record {
    let mut value = || (0..8).map(|_| dice.below(256)).sum::<u64>() as f64 / 64.0;
    let (x, y) = (value() + if drifted { 40.0 } else { 0.0 }, value());
    Record {
        time,
        version: ["1", "2"][dice.below(2) as usize],
        country: ["DE", "FR"][dice.below(2) as usize],
        x,
        c: ["a", "b", "c", "d"][(dice.below(4) * dice.below(4) / 3) as usize],
        y: match dice.below(50) {
            0 => Y::Null,
            1 => Y::Missing,
            2 => Y::Nan,
            3 => Y::Infinite,
            4 => Y::WrongType,
            _ => Y::Number(y),
        },
        in_time: false,
    }
}

fn payload(record: &Record, id: u64, model: &str) -> String {
    let Record { time, version, country, x, c, .. } = record;
    let y = match record.y {
        Y::Number(y) => format!(",\"y\":{y}"),
        Y::Null => ",\"y\":null".to_owned(),
        Y::Missing => String::new(),
        Y::Nan => ",\"y\":NaN".to_owned(),
        Y::Infinite => ",\"y\":-Infinity".to_owned(),
        Y::WrongType => ",\"y\":{\"deep\":1}".to_owned(),
    };
    format!(
        "{{\"ts\":{time},\"id\":{id},\"model\":{{\"name\":\"{model}\",\"version\":\"{version}\"}},\"country\":\"{country}\",\"x\":{x},\"c\":\"{c}\"{y}}}"
    )
}
