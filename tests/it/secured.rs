//! Brokers that demand TLS and a log-in.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Authority, SecuredKafka, Services, USER, World, bike_records, private, services};

/// A token that nobody signed, as a broker without a validator of its own takes it.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |claims: Value| URL_SAFE_NO_PAD.encode(claims.to_string());
    let claims = json!({ "sub": USER.0, "iat": now - 1, "exp": now + 3_600 });
    format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))
}

/// Where the brokers are of the daemon, and how it comes in.
fn write(world: &World, brokers: &str, security: &Value) {
    world.configure("a", |daemon| {
        daemon
            .set("kafka.brokers", brokers)
            .set("kafka.security", security)
            .set("kafka.security.ca_file", world.folder.path().join("ca.pem"))
    });
}

/// Writes a secret, and how the configuration names it.
fn secret(world: &World, name: &str, value: &str) -> Value {
    let file = world.folder.path().join(name);
    fs::write(&file, value).unwrap();
    private(&file);
    json!({ "file": file })
}

fn check_online(world: &World) -> (Option<i32>, String) {
    world.attempt("a", &["check", "--online"])
}

#[test]
fn brokers_that_demand_tls_and_a_log_in_are_read_by_every_mechanism() {
    let Some(services) = services("TLS and SASL") else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let Some(broker) = SecuredKafka::start("TLS and SASL", folder.path(), &authority) else { return };
    let own = Services { kafka: broker.plain.clone(), ..services };
    let world = World::new(&own);
    fs::copy(authority.certificate(), world.folder.path().join("ca.pem")).unwrap();

    let (name, password) = USER;
    let password = secret(&world, "password", password);
    let log_in_with = |mechanism: &str, password: &Value| {
        json!({
            "protocol": "sasl_ssl",
            "mechanism": mechanism,
            "username": name,
            "password": password,
        })
    };
    let log_in = |mechanism: &str| log_in_with(mechanism, &password);
    let fresh = secret(&world, "token", &token());
    let tokens = world.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = tokens.local_addr().unwrap();
    let give = || async { Json(json!({ "access_token": token(), "token_type": "Bearer", "expires_in": 3_600 })) };
    let serve = async move { axum::serve(tokens, Router::new().route("/token", post(give))).await.unwrap() };
    world.runtime.spawn(serve);
    let client_secret = secret(&world, "client-secret", "of the client");
    let (certificate, key) = authority.sign("client");
    authority.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "client.key",
        "-out",
        "locked.key",
        "-passout",
        "pass:open sesame",
    ]);
    let locked = folder.path().join("locked.key");
    for key in [&key, &locked] {
        private(key);
    }
    let key_password = secret(&world, "key-password", "open sesame");
    let ways = [
        (&broker.sasl, log_in("PLAIN")),
        (&broker.sasl, log_in("SCRAM-SHA-256")),
        (&broker.sasl, log_in("SCRAM-SHA-512")),
        (&broker.sasl, json!({ "protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "token": fresh })),
        (
            &broker.sasl,
            json!({
                "protocol": "sasl_ssl",
                "mechanism": "OAUTHBEARER",
                "token_endpoint": {
                    "url": format!("http://{endpoint}/token"),
                    "client_id": "driftd",
                    "client_secret": client_secret,
                },
            }),
        ),
        (&broker.mutual, json!({ "protocol": "ssl", "cert_file": certificate, "key_file": key })),
        (
            &broker.mutual,
            json!({
                "protocol": "ssl",
                "cert_file": certificate,
                "key_file": locked,
                "key_password": key_password,
            }),
        ),
    ];
    let records = &bike_records()[..100];
    let mut counted = 0;
    for (brokers, security) in &ways {
        write(&world, brokers, security);
        let (code, text) = check_online(&world);
        assert_eq!(code, Some(0), "{security}\n{text}");
        let daemon = world.start_daemon("a", None);
        world.produce_in_turns(0, records);
        counted += records.len() as i64;
        world.wait_for_count(counted..=counted, 60);
        assert_eq!(daemon.stop(), Some(0), "{security}");
    }

    // What does not fit is refused, the message says what, and no secret is in it.
    let wrong = secret(&world, "wrong", "another password");
    let strangers = Authority::new(&{
        let other = world.folder.path().join("strangers");
        fs::create_dir(&other).unwrap();
        other
    });
    let refused = [
        (&broker.sasl, log_in_with("SCRAM-SHA-512", &wrong), "uthentication failed"),
        (&broker.mutual, json!({ "protocol": "ssl" }), "certificate"),
        // The certificate is for `localhost`.
        (&broker.sasl.replace("localhost", "127.0.0.1"), log_in("PLAIN"), "certificate"),
    ];
    for (brokers, security, said) in refused {
        write(&world, brokers, &security);
        let (code, text) = check_online(&world);
        assert_ne!(code, Some(0), "{security}\n{text}");
        assert!(text.contains(said), "{security}\n{text}");
        assert!(!text.contains("another password") && !text.contains(USER.1), "{text}");
    }
    fs::copy(strangers.certificate(), world.folder.path().join("ca.pem")).unwrap();
    write(&world, &broker.sasl, &log_in("PLAIN"));
    let (code, text) = check_online(&world);
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("certificate"), "{text}");
}
