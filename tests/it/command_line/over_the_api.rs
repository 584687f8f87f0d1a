//! Commands that ask a daemon over its API instead of the database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{driftd, said};
use crate::support::{TRAINING_ROWS, World, bike_records, private, services};

#[test]
fn over_the_api_no_configuration_is_needed_and_what_is_wrong_is_said() {
    let nothing = Path::new("/nonexistent/driftd.toml");
    let closed = "http://127.0.0.1:1";
    let (code, text) = driftd(nothing, &["--server", closed, "status"], &[]);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("cannot reach the daemon at http://127.0.0.1:1/") && text.contains("hint:"), "{text}");
    for arguments in [
        vec!["tail"],
        vec!["drill"],
        vec!["migrate"],
        vec!["doctor"],
        vec!["check"],
        vec!["run"],
        vec!["reload", "--pid", "1"],
        vec!["notify", "test", "x"],
        vec!["alerts", "replay", "--receiver", "x"],
    ] {
        let mut all = vec!["--server", closed];
        all.extend(&arguments);
        let (code, text) = driftd(nothing, &all, &[]);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains("not support --server: ") && text.contains("hint:"), "{text}");
    }
    for address in ["127.0.0.1:9464", "ftp://127.0.0.1", "http://me:secret@127.0.0.1:1"] {
        let (code, text) = driftd(nothing, &["--server", address, "status"], &[]);
        assert_eq!(code, Some(2), "{address}: {text}");
        assert!(text.contains("hint:"), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "0123456789abcdefghij\n").unwrap();
    let (code, text) =
        driftd(nothing, &["--server", closed, "--token-file", token.to_str().unwrap(), "status"], &[]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("everybody can read it") && !text.contains("0123456789"), "{text}");
    private(&token);
    let (code, _) = driftd(nothing, &["--server", closed, "--token-file", token.to_str().unwrap(), "status"], &[]);
    assert_eq!(code, Some(69));
    // The environment names a server, too; a configuration on the command line counts more.
    let (code, text) = said(
        &Command::new(env!("CARGO_BIN_EXE_driftd")).arg("status").env("DRIFTD_SERVER", closed).output().unwrap(),
    );
    assert_eq!(code, Some(69), "{text}");
    let (code, text) = driftd(nothing, &["status"], &[("DRIFTD_SERVER", closed)]);
    assert_eq!(code, Some(78), "{text}");
}

/// A small world whose daemon has tokens.
fn world_with_tokens(services: &crate::support::Services) -> (World, PathBuf, PathBuf) {
    let world = World::new(services);
    world.configure("a", |daemon| {
        let with_admin = daemon.token("alice", "admin", "alices-token-for-tests");
        with_admin.token("victor", "viewer", "victors-token-for-tests")
    });
    let write = |name: &str, token: &str| {
        let file = world.folder.path().join(name);
        fs::write(&file, token).unwrap();
        private(&file);
        file
    };
    let alice = write("alice", "alices-token-for-tests\n");
    let victor = write("victor", "victors-token-for-tests\n");
    (world, alice, victor)
}

#[test]
fn the_database_and_the_api_answer_alike() {
    let Some(services) = services("the command line over the API") else { return };
    let (world, alice, victor) = world_with_tokens(&services);
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let daemon = world.start_daemon("a", None);
    for (number, record) in (0..).zip(&live[..6_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(6_000, 90);
    let server = format!("http://127.0.0.1:{}", world.ports["a"]);
    let nothing = Path::new("/nonexistent/driftd.toml");
    let over = |token: &Path, arguments: &[&str]| {
        let mut all = vec!["--server", &server, "--token-file", token.to_str().unwrap()];
        all.extend(arguments);
        driftd(nothing, &all, &[])
    };
    let alerts: serde_json::Value =
        serde_json::from_str(&world.driftd(&["--json", "alerts", "list", "--all"])).unwrap();
    let alert = alerts[0]["id"].as_str().unwrap().to_owned();
    let requests: serde_json::Value =
        serde_json::from_str(&world.driftd(&["--json", "retraining", "list", "--all"])).unwrap();
    let request = requests[0]["id"].as_str().unwrap()[..8].to_owned();
    for arguments in [
        vec!["alerts", "list"],
        vec!["alerts", "list", "--all", "--monitor", "bike-demand"],
        vec!["alerts", "show", &alert[..8]],
        vec!["silences", "list"],
        vec!["retraining", "list", "--all"],
        vec!["retraining", "show", &request],
        vec!["baseline", "list", "bike-demand"],
        vec!["baseline", "show", "bike-demand"],
        vec!["baseline", "show", "bike-demand", "1"],
        vec!["explain", &alert[..8]],
        vec!["explain", "bike-demand/last/temp"],
    ] {
        let (code, text) = over(&victor, &arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        assert_eq!(text, world.driftd(&arguments), "{arguments:?}");
        let mut as_json = vec!["--json"];
        as_json.extend(&arguments);
        let (_, text) = over(&victor, &as_json);
        let (theirs, ours): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&text).unwrap(), serde_json::from_str(&world.driftd(&as_json)).unwrap());
        // Where messages lead is the daemon's to say.
        assert_eq!(theirs, ours, "{arguments:?}");
    }
    let (code, text) = over(&victor, &["status"]);
    assert!(code == Some(0) && text.contains("monitor bike-demand") && text.contains("6000  accepted"), "{text}");
    let (code, text) = over(&victor, &["config", "show"]);
    assert!(code == Some(0) && text.contains("kafka.brokers") && !text.contains("token-for-tests"), "{text}");

    // What a viewer may not do, and what happens without a token and with a wrong one.
    let (code, text) = over(&victor, &["alerts", "ack", &alert[..8]]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("operator"), "{text}");
    let (code, text) = driftd(nothing, &["--server", &server, "status"], &[]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("a token is required") && text.contains("DRIFTD_TOKEN_FILE"), "{text}");
    let (code, text) =
        driftd(nothing, &["--server", &server, "status"], &[("DRIFTD_TOKEN", "another-token-for-tests")]);
    assert_eq!(code, Some(78), "{text}");
    assert!(!text.contains("another-token-for-tests"), "{text}");
    let (code, text) =
        driftd(nothing, &["--server", &server, "status"], &[("DRIFTD_TOKEN", "alices-token-for-tests")]);
    assert_eq!(code, Some(0), "{text}");

    // Changes, under the token's name.
    let (code, text) = over(
        &alice,
        &["alerts", "silence", "monitor=bike-demand", "severity=warn", "--for", "2h", "--comment", "known"],
    );
    assert!(code == Some(0) && text.contains("for 2h: monitor=\"bike-demand\", severity=\"warn\""), "{text}");
    let silences: serde_json::Value =
        serde_json::from_str(&world.driftd(&["--json", "silences", "list"])).unwrap();
    assert_eq!(silences[0]["author"], "alice");
    let silence = silences[0]["id"].as_str().unwrap()[..8].to_owned();
    for (arguments, wanted) in [
        (vec!["alerts", "silence", "severty=warn", "--comment", "x"], "did you mean `severity`?"),
        (vec!["alerts", "silence", "monitor=bike-demnad", "--comment", "x"], "did you mean `bike-demand`?"),
        (vec!["alerts", "silence", "severity==warn", "--comment", "x"], "is not a comparison"),
        (vec!["alerts", "silence", "severity=warning", "--comment", "x"], "did you mean `warn`?"),
        (vec!["alerts", "silence", "monitor=bike-demand", "--for", "0s", "--comment", "x"], "is not a duration"),
        (vec!["alerts", "show", "00000000"], "alert `00000000` not found"),
        (vec!["baseline", "show", "bike-demand", "7"], "has no baseline version 7"),
        (vec!["explain", "bike-demand/last/tmep"], "has no column `tmep`"),
        (vec!["explain", "bike-demnad/last/temp"], "monitor `bike-demnad` not found"),
        (vec!["alerts", "list", "--monitor", "bike-demnad"], "monitor `bike-demnad` not found"),
        (vec!["baseline", "list", "bike-demnad"], "monitor `bike-demnad` not found"),
    ] {
        for (code, text) in [over(&alice, &arguments), driftd(&world.daemon_file("a"), &arguments, &[])] {
            assert_eq!(code, Some(1), "{arguments:?}: {text}");
            assert!(text.contains(wanted), "{arguments:?}: {text}");
        }
    }
    let (code, text) = over(&alice, &["silences", "expire", &silence]);
    assert!(code == Some(0) && text.contains(" ended"), "{text}");
    let (code, text) = over(&alice, &["baseline", "activate", "bike-demand", "1"]);
    assert!(code == Some(0) && text.contains("version 1"), "{text}");
    let (code, text) =
        over(&alice, &["alerts", "resolve", &alert[..8], "--judged", "false-alarm", "--comment", "a holiday"]);
    assert!(code == Some(0) && text.contains("resolved: "), "{text}");
    let (code, text) = over(&alice, &["alerts", "resolve", &alert[..8], "--judged", "real"]);
    assert_eq!((code, text.trim()), (Some(0), &*format!("alert {}: recorded as a real problem", &alert[..8])));
    let shown = world.driftd(&["alerts", "show", &alert[..8]]);
    assert!(shown.contains("by alice"), "{shown}");
    let log = fs::read_to_string(world.folder.path().join("a.log")).unwrap();
    assert!(!log.contains("token-for-tests"), "no token in the log");
    assert_eq!(daemon.stop(), Some(0));
}
