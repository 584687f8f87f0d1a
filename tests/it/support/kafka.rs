//! A Kafka broker of a test's own, with listeners that demand TLS and a log-in.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Authority, free_port, skipped};

/// Who may log in, with which password.
pub const USER: (&str, &str) = ("driftd", "correct horse battery");

pub struct SecuredKafka {
    process: Child,
    /// Without TLS and log-in: for the test itself.
    pub plain: String,
    /// TLS, and a log-in by SASL.
    pub sasl: String,
    /// TLS, and a client certificate.
    pub mutual: String,
}

impl SecuredKafka {
    /// Its certificate is for `localhost`, signed by the authority; none (and a word about it) without Kafka's jars.
    pub fn start(test: &str, folder: &Path, authority: &Authority) -> Option<Self> {
        let Some(classes) = std::env::var("DRIFTD_TEST_KAFKA_CLASSES").ok().filter(|path| !path.is_empty()) else {
            skipped(&format!("{test}: DRIFTD_TEST_KAFKA_CLASSES is not set; `make test` sets it"));
            return None;
        };
        let (certificate, key) = authority.sign("localhost");
        let both = [fs::read(key).unwrap(), fs::read(certificate).unwrap()].concat();
        fs::write(folder.join("broker.pem"), both).unwrap();
        let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
        let [plain, sasl, mutual, controller] = ports[..] else { unreachable!("there are four") };
        let (name, password) = USER;
        let authority = authority.certificate().display().to_string();
        let file = folder.join("broker.properties");
        let path = |name: &str| folder.join(name).display().to_string();
        fs::write(
            &file,
            format!(
                "process.roles=broker,controller\n\
                 node.id=1\n\
                 listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{sasl},SSL://localhost:{mutual},CONTROLLER://127.0.0.1:{controller}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{sasl},SSL://localhost:{mutual}\n\
                 controller.listener.names=CONTROLLER\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL\n\
                 controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
                 log.dirs={logs}\n\
                 offsets.topic.replication.factor=1\n\
                 offsets.topic.num.partitions=4\n\
                 group.initial.rebalance.delay.ms=0\n\
                 group.min.session.timeout.ms=1000\n\
                 ssl.keystore.type=PEM\n\
                 ssl.keystore.location={store}\n\
                 ssl.truststore.type=PEM\n\
                 ssl.truststore.location={authority}\n\
                 listener.name.ssl.ssl.client.auth=required\n\
                 sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
                 listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{name}=\"{password}\";\n\
                 listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
                 listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
                 listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n",
                logs = path("kafka-logs"),
                store = path("broker.pem"),
            ),
        )
        .unwrap();
        let java = |memory: &str, class: &str| {
            let mut command = Command::new("java");
            command.arg(memory).args(["-cp", &classes, class]);
            command
        };
        let users = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .map(|mechanism| format!("{mechanism}=[name={name},password={password}]"));
        let formatted = java("-Xmx256m", "kafka.tools.StorageTool")
            .args(["format", "--standalone", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"])
            .arg(&file)
            .args(["--add-scram", &users[0], "--add-scram", &users[1]])
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{formatted:?}");
        let log = folder.join("broker.log");
        let process = java("-Xmx384m", "kafka.Kafka")
            .arg(&file)
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let broker = Self {
            process,
            plain: format!("127.0.0.1:{plain}"),
            sasl: format!("localhost:{sasl}"),
            mutual: format!("localhost:{mutual}"),
        };
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(&broker.plain).is_err() {
            assert!(Instant::now() < deadline, "Kafka did not start\n{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(broker)
    }
}

impl Drop for SecuredKafka {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}
