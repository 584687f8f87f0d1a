//! The topic of a world: made, written to, given more partitions.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, Producer as _};

use super::{TOPIC_PARTITIONS, World};

impl World {
    pub fn produce(&self, partition: i32, payload: &[u8]) {
        self.send(partition, Some(payload));
    }

    /// Writes records to the partitions in turns, beginning with one of them, and waits until the broker has them.
    pub fn produce_in_turns(&self, first: usize, records: &[String]) {
        for (index, record) in records.iter().enumerate() {
            self.produce(((first + index) % TOPIC_PARTITIONS as usize) as i32, record.as_bytes());
        }
        self.flush();
    }

    /// Writes records to one partition, in order, and waits until the broker has them; the other partitions are quiet.
    pub fn produce_in_order(&self, records: &[String]) {
        for record in records {
            self.produce(0, record.as_bytes());
        }
        self.flush();
    }

    /// A message, without a value when there is no payload.
    pub fn send(&self, partition: i32, payload: Option<&[u8]>) {
        let mut record = BaseRecord::<(), [u8]>::to(&self.topic).partition(partition);
        record.payload = payload;
        while let Err((_, again)) = self.producer.send(record) {
            self.producer.poll(Duration::from_millis(20));
            record = again;
        }
        self.producer.poll(Duration::ZERO);
    }

    pub fn flush(&self) {
        // On a busy machine a broker may take its time.
        self.producer.flush(Duration::from_mins(2)).unwrap();
    }

    /// Gives the topic more partitions, and waits until the producer knows them.
    pub fn grow_topic(&self, partitions: i32) {
        self.runtime.block_on(async {
            let admin: AdminClient<DefaultClientContext> =
                ClientConfig::new().set("bootstrap.servers", &self.kafka).create().unwrap();
            let wanted = NewPartitions::new(&self.topic, partitions as usize);
            for outcome in admin.create_partitions(&[wanted], &AdminOptions::new()).await.unwrap() {
                outcome.unwrap();
            }
        });
        // On a busy machine a broker may take its time.
        let deadline = Instant::now() + Duration::from_mins(5);
        let known = || {
            let metadata = self.producer.client().fetch_metadata(Some(&self.topic), Duration::from_secs(5));
            let grown = |topic: &rdkafka::metadata::MetadataTopic| topic.partitions().len() == partitions as usize;
            metadata.is_ok_and(|metadata| metadata.topics().iter().any(grown))
        };
        while !known() {
            assert!(Instant::now() < deadline, "the topic did not grow to {partitions} partitions");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Creates topics of so many partitions.
pub(super) async fn create(kafka: &str, topics: &[(&str, i32)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka).create().unwrap();
    let topics: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
        .collect();
    for outcome in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
        outcome.unwrap();
    }
}
