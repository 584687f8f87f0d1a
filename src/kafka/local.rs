//! A broker inside the process, for the demo: librdkafka's own mock. It speaks the real protocol over real
//! sockets, but keeps only the last 5 MiB of a partition.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::{KafkaError, failed};

/// A running broker; it ends when dropped.
pub struct LocalBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl LocalBroker {
    /// Starts one with these topics: name and number of partitions.
    ///
    /// # Errors
    /// When librdkafka cannot start it.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, KafkaError> {
        let cluster = MockCluster::new(1).map_err(failed("start a broker in the process"))?;
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).map_err(failed(format!("create topic `{topic}`")))?;
        }
        Ok(Self { cluster })
    }

    /// Its address.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
