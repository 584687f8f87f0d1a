//! Every protocol, mechanism and codec that is promised is compiled in.

use std::time::Duration;

use driftd::kafka::{OauthToken, Sasl, Security, Source, SourceOptions, StartAt};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::support::{TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, services};

fn options(security: Security) -> SourceOptions {
    SourceOptions {
        brokers: "127.0.0.1:1".to_owned(),
        group: "g".to_owned(),
        client_id: "c".to_owned(),
        start: StartAt::Latest,
        session_timeout: Duration::from_secs(10),
        security,
        properties: vec![],
        in_flight_bytes: 1 << 20,
    }
}

#[test]
fn every_protocol_and_mechanism_makes_a_client_and_a_dead_broker_does_not_hang_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (protocol, mechanism) in [
        ("plaintext", None),
        ("ssl", None),
        ("sasl_plaintext", Some("PLAIN")),
        ("sasl_ssl", Some("PLAIN")),
        ("sasl_ssl", Some("SCRAM-SHA-256")),
        ("sasl_ssl", Some("SCRAM-SHA-512")),
        ("sasl_ssl", Some("OAUTHBEARER")),
    ] {
        let sasl = mechanism.map(|mechanism| Sasl {
            mechanism,
            username: Some("u".to_owned()),
            password: Some("p".to_owned().into()),
            token: Some(std::sync::Arc::new(|| {
                Ok(OauthToken { value: "t".to_owned().into(), principal: "p".to_owned(), expires_at_ms: i64::MAX })
            })),
        });
        let security =
            Security { protocol, ca_file: None, cert_file: None, key_file: None, key_password: None, sasl };
        let source =
            Source::start(&options(security)).unwrap_or_else(|error| panic!("{protocol} {mechanism:?}: {error}"));
        assert!(
            runtime.block_on(source.close(Duration::from_secs(10))),
            "{protocol} {mechanism:?} does not close"
        );
    }
}

#[test]
fn messages_of_every_codec_are_counted() {
    let Some(services) = services("codecs") else { return };
    let world = World::new(&services);
    // By a pattern this time.
    let (prefix, _) = world.topic.split_at(world.topic.len() - 4);
    let pattern = format!("^{prefix}.*");
    world.configure_monitor(|monitor| monitor.remove("source.topics").set("source.pattern", pattern));
    let live = &bike_records()[TRAINING_ROWS..];
    let mut sent = 0;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &world.kafka)
            .set("compression.type", codec)
            .create()
            .unwrap();
        for record in &live[sent..sent + 200] {
            let partition = sent as i32 % TOPIC_PARTITIONS;
            producer
                .send(BaseRecord::<(), [u8]>::to(&world.topic).partition(partition).payload(record.as_bytes()))
                .unwrap();
            sent += 1;
        }
        producer.flush(Duration::from_secs(20)).unwrap();
    }
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(1_000, 60);
    assert_eq!(world.tally()["accepted"], 1_000);
    assert_eq!(daemon.stop(), Some(0));
}
