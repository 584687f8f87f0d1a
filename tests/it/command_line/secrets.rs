//! Commands and secrets: which are needed, where they are found, and that none is shown.

use std::fs;

use serde_json::json;

use super::{beside_the_unit, driftd};
use crate::support::{Config, private};

#[test]
fn a_command_that_needs_no_secret_never_fails_for_one() {
    let (folder, config) = beside_the_unit();
    let logs = folder.path().join("logs.jsonl");
    let row = |minute: u32| {
        let time = u64::from(minute) * 60_000 + 1_700_000_000_000;
        format!("{{\"ts\":{time},\"x\":{},\"took\":{}}}\n", minute % 7, minute % 5)
    };
    fs::write(&logs, (0..600).map(row).collect::<String>()).unwrap();
    for arguments in [
        vec!["check"],
        vec!["config", "show"],
        vec!["measures"],
        vec!["replay", "--monitor", "credit", logs.to_str().unwrap()],
    ] {
        let (code, text) = driftd(&config, &arguments, &[]);
        assert!(matches!(code, Some(0 | 3)), "{arguments:?}: {code:?} {text}");
    }
    let (_, text) = driftd(&config, &["check"], &[]);
    for wanted in [
        "not read here: `postgres.password`: credential `postgres-password` is passed by systemd",
        "not read here: `kafka.security.password`",
        "not read here: `receivers.owner.smtp.password`: environment variable `DRIFTD_TEST_UNSET_SMTP` is not set",
        "not read here: `http.tokens[0].token`",
        "1 monitor, 2 receivers: valid",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
}

#[test]
fn a_command_that_needs_a_secret_says_which_for_what_and_how_to_provide_it() {
    let (_folder, config) = beside_the_unit();
    for (arguments, key, purpose, hint) in [
        (vec!["status"], "`postgres.password`", "to connect to PostgreSQL", "--server"),
        (vec!["alerts", "list"], "`postgres.password`", "to connect to PostgreSQL", "CREDENTIALS_DIRECTORY"),
        (vec!["migrate"], "`postgres.password`", "to connect to PostgreSQL", "sudo -u driftd"),
        (vec!["drill"], "`postgres.password`", "to connect to PostgreSQL", "LoadCredential=postgres-password"),
        (vec!["tail", "-e"], "`kafka.security.password`", "to connect to Kafka", "kafka-password"),
        (vec!["notify", "test", "hook"], "`receivers.hook.secret`", "to send to it", "hook-secret"),
        (
            vec!["notify", "test", "owner"],
            "`receivers.owner.smtp.password`",
            "to send to it",
            "DRIFTD_TEST_UNSET_SMTP",
        ),
    ] {
        let (code, text) = driftd(&config, &arguments, &[]);
        assert_eq!(code, Some(78), "{arguments:?}: {text}");
        for wanted in [key, purpose, hint] {
            assert!(text.contains(wanted), "{arguments:?}: {wanted} in\n{text}");
        }
        assert_eq!(text.matches("-->").count(), 1, "no other secret is asked for: {text}");
    }
    // The daemon needs all of them, and says so at once.
    let (code, text) = driftd(&config, &["run"], &[]);
    assert_eq!(code, Some(78), "{text}");
    for key in [
        "postgres.password",
        "kafka.security.password",
        "http.tokens[0].token",
        "receivers.owner.smtp.password",
        "receivers.hook.secret",
    ] {
        assert!(text.contains(&format!("`{key}`")), "{key} in\n{text}");
    }
    // What can be tried without them is tried, and what cannot be tried is no success.
    let (code, text) = driftd(&config, &["check", "--online"], &[]);
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("failed  postgres: a secret needed to connect to PostgreSQL cannot be read here"),
        "{text}"
    );
}

#[test]
fn credentials_are_found_where_the_unit_loads_them_from_and_mistakes_in_them_are_mistakes() {
    let (folder, config) = beside_the_unit();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for name in ["kafka-password", "postgres-password", "my-token", "hook-secret"] {
        let file = secrets.join(name);
        fs::write(&file, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
        private(&file);
    }
    let (code, text) = driftd(&config, &["check"], &[("DRIFTD_TEST_UNSET_SMTP", "x")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("not read here"), "{text}");
    // systemd's own folder is the only one where it says which it is.
    let elsewhere = tempfile::tempdir().unwrap();
    let given = [("CREDENTIALS_DIRECTORY", elsewhere.path().to_str().unwrap()), ("DRIFTD_TEST_UNSET_SMTP", "x")];
    let (code, text) = driftd(&config, &["check"], &given);
    assert_eq!(code, Some(78), "a credential that the unit does not pass is a mistake: {text}");
    assert!(text.contains("LoadCredential=postgres-password"), "{text}");
    // One that everybody can read is refused wherever it is found.
    let file = secrets.join("postgres-password");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (code, text) = driftd(&config, &["check"], &[("DRIFTD_TEST_UNSET_SMTP", "x")]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("can be read by everybody") && text.contains("chmod o-rwx"), "{text}");
}

/// A receiver that answers with what it was sent.
#[test]
fn what_a_receiver_echoes_is_not_shown_with_its_secret() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 16_384];
            let length = stream.read(&mut request).unwrap();
            let head = String::from_utf8_lossy(&request[..length]);
            let body = format!("you sent\r\n{}\u{1b}[31m", head.split("\r\n\r\n").next().unwrap());
            write!(stream, "HTTP/1.1 500 Oh\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let url = format!("http://{address}/hooks/K3Y0123456789abc");
    Config::daemon()
        .set("receivers.echo", json!({ "type": "cloudevents", "url": url, "token": "swordfish-T0KEN" }))
        .write(&path);
    for format in [&["notify", "test", "echo"][..], &["--json", "notify", "test", "echo"]] {
        let (code, said) = driftd(&path, format, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("you sent") && said.contains("Bearer [secret]"), "{said}");
        assert!(!said.contains("swordfish") && !said.contains("K3Y0123456789abc"), "{said}");
        assert!(!said.contains('\u{1b}') && said.contains("u{1b}[31m"), "{said}");
    }
}
