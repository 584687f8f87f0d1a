//! Commands as people run them beside the daemon: without its secrets, by its defaults, over its API.

mod baselines;
mod over_the_api;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::support::{Config, World, bike_records, edit, number, services};

fn driftd(config: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    said(&command(config, arguments, environment).output().unwrap())
}

fn command(config: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftd"));
    for inherited in
        ["CREDENTIALS_DIRECTORY", "DRIFTD_SERVER", "DRIFTD_TOKEN", "DRIFTD_TOKEN_FILE", "DRIFTD_CONFIG"]
    {
        command.env_remove(inherited);
    }
    command.arg("--config").arg(config).args(arguments).envs(environment.iter().copied());
    command
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// A configuration whose secrets the unit alone can read.
fn beside_the_unit() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let credential = |name: &str| json!({ "credential": name });
    Config::daemon()
        .set("kafka.security.protocol", "sasl_plaintext")
        .set("kafka.security.mechanism", "PLAIN")
        .set("kafka.security.username", "u")
        .set("kafka.security.password", credential("kafka-password"))
        .set("postgres.url", "postgres://u@127.0.0.1:1/d")
        .set("postgres.password", credential("postgres-password"))
        .token("me", "admin", credential("my-token"))
        .mail("owner")
        .set("receivers.owner.smtp.host", "127.0.0.1")
        .set("receivers.owner.smtp.username", "u")
        .set("receivers.owner.smtp.password", json!({ "env": "DRIFTD_TEST_UNSET_SMTP" }))
        .set("receivers.hook.type", "webhook")
        .set("receivers.hook.url", "http://127.0.0.1:1/")
        .set("receivers.hook.secret", credential("hook-secret"))
        .write(&path);
    fs::create_dir(folder.path().join("monitors.d")).unwrap();
    Config::monitor("credit", "t")
        .set("source.time", "ts")
        .set("window.length", "1h")
        .numeric("x")
        .numeric("took")
        .set("columns.took.role", "latency")
        .set("baseline.learn", 2)
        .set("judge.min_records", 20)
        .set("alert.receivers", ["owner"])
        .set("labels.owner", "team-a")
        .write(folder.path().join("monitors.d/credit.toml"));
    (folder, path)
}

#[test]
fn a_monitor_is_named_or_its_file_is_in_every_command() {
    let (folder, config) = beside_the_unit();
    let file = folder.path().join("monitors.d/credit.toml");
    let logs = folder.path().join("logs.jsonl");
    fs::write(&logs, "{\"ts\":1700000000000,\"x\":1}\n".repeat(600)).unwrap();
    for monitor in ["credit", file.to_str().unwrap()] {
        for arguments in [
            vec!["replay", "--monitor", monitor, logs.to_str().unwrap()],
            vec!["baseline", "build", "--monitor", monitor, "--from", logs.to_str().unwrap()],
            vec!["tail", "--monitor", monitor, "-e"],
            vec!["drill", "--monitor", monitor],
            vec!["alerts", "list", "--monitor", monitor],
            vec!["baseline", "list", monitor],
        ] {
            let (_, text) = driftd(&config, &arguments, &[]);
            // As far as the secrets: the monitor was found.
            let known = text.contains("cannot be read here") || text.contains("credit");
            assert!(
                known && !text.contains("is not a monitor") && !text.contains("file not found"),
                "{arguments:?}: {text}"
            );
        }
    }
    let (code, text) = driftd(&config, &["replay", "--monitor", "credti", logs.to_str().unwrap()], &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("`credti` is not a monitor") && text.contains("did you mean `credit`?"), "{text}");
    let (_, text) = driftd(&config, &["tail", "--monitor", "./none.toml"], &[]);
    assert!(text.contains("./none.toml"), "{text}");
}

#[test]
fn routes_and_inhibition_with_labels_that_no_alert_has_are_warned_about_and_double_equals_refused() {
    let (_folder, config) = beside_the_unit();
    edit(&config, |daemon| {
        daemon
            .set("alerting.group_by", ["monitor", "verison"])
            .push("routes", json!({ "name": "pager", "matchers": ["severty = critical"], "receivers": ["owner"] }))
            .push(
                "routes",
                json!({ "matchers": ["severity = warning", "owner = team-a"], "receivers": ["owner"] }),
            )
            .push(
                "inhibit",
                json!({ "source": ["alertname = no-data"], "target": ["monitor =~ fraud.*"], "equal": ["modle"] }),
            )
    });
    let (code, said) = driftd(&config, &["check"], &[]);
    assert_eq!(code, Some(0), "{said}");
    for wanted in [
        "`alerting.group_by`: no alert has a label `verison`",
        "did you mean `version`?",
        "`routes[0].matchers`: `severty=\"critical\"`: no alert has a label `severty`",
        "did you mean `severity`?",
        "`routes[1].matchers`: `severity=\"warning\"`: no `severity` is `warning`",
        "`inhibit[0].source`: `alertname=\"no-data\"`",
        "did you mean `no_data`?",
        "`inhibit[0].target`: `monitor=~\"fraud.*\"`",
        "`inhibit[0].equal`: no alert has a label `modle`",
    ] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
    assert!(!said.contains("`owner`="), "a label of a monitor is known: {said}");
    edit(&config, |daemon| daemon.set("routes.pager.matchers", ["severity == critical"]));
    let (code, said) = driftd(&config, &["check"], &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("`==` is not a comparison; allowed are `=`, `!=`, `=~` and `!~`"), "{said}");
}

#[test]
fn a_drill_waits_for_the_groups_and_ends_with_an_outcome_for_each_receiver() {
    let Some(services) = services("drill") else { return };
    let world = World::new(&services);
    // As shipped, only shorter: the end is told an interval after the beginning, later than --timeout allows for a message.
    let mails = world.folder.path().join("more-mails");
    world.configure("a", |daemon| {
        daemon
            .set("alerting.group_wait", "1s")
            .set("alerting.group_interval", "8s")
            .push("routes", json!({ "name": "all", "receivers": ["mute"], "send_resolved": false }))
            .set("routes.all.escalate_to", ["boss"])
            .mail("mute")
            .set("receivers.mute.directory", &mails)
            .mail("boss")
            .set("receivers.boss.directory", &mails)
    });
    let config = world.daemon_file("a");
    world.store();
    // Without a daemon it ends, and says why.
    let (code, text) = driftd(&config, &["drill", "--timeout", "2"], &[]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("no daemon created one") && text.contains("3 of 3 messages did not arrive"), "{text}");

    let daemon = world.start_daemon("a", None);
    world.wait_for("the daemon", 30, async |pool| {
        let due = number(pool, "select count(*) from alert_group where due_at < now()").await?;
        if due == 0 { Ok(()) } else { Err(format!("{due} groups due")) }
    });
    let (code, text) = driftd(&config, &["drill", "--timeout", "5"], &[]);
    assert_eq!(code, Some(0), "{text}");
    for wanted in [
        "`group_wait` is 1 s",
        "`group_interval` is 8 s",
        "sent only if nobody acknowledges in time",
        "resolved messages are not sent: `send_resolved = false`",
        "5 messages arrived, none missing",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let (code, text) = driftd(&config, &["drill", "--timeout", "5", "--fired-only", "--json"], &[]);
    assert_eq!(code, Some(0), "{text}");
    for line in text.lines() {
        let _event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert!(text.contains("\"result\":\"arrived\"") && text.contains("\"missing\":0"), "{text}");
    // Silenced, nothing arrives, and that is said at once.
    world.driftd(&["alerts", "silence", "version=drill", "--comment", "quiet"]);
    let (code, text) = driftd(&config, &["drill", "--timeout", "5"], &[]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("suppressed, silenced"), "{text}");
    let open = world
        .runtime
        .block_on(number(&world.pool, "select count(*) from alert where state in ('pending', 'firing')"));
    assert_eq!(open.unwrap(), 0, "no drill stays open");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn tail_ends_when_it_is_told_to_on_a_busy_topic_too() {
    let Some(services) = services("the ends of tail") else { return };
    let world = World::new(&services);
    let config = world.daemon_file("a");
    let records = bike_records();
    for record in &records[..30] {
        world.produce(0, record.as_bytes());
    }
    world.flush();
    let ended = |arguments: &[&str], most: u64| {
        let began = std::time::Instant::now();
        let (code, text) = driftd(&config, arguments, &[]);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        assert!(began.elapsed() < Duration::from_secs(most), "{arguments:?}: {:?}", began.elapsed());
        text
    };
    let text = ended(&["tail", "--beginning", "-e"], 20);
    assert!(text.contains("ended: end of the log reached; 30 messages read, 30 shown"), "{text}");
    let text = ended(&["tail", "--last", "5", "-e"], 20);
    assert!(text.contains("5 messages read, 5 shown"), "{text}");
    let text = ended(&["tail", "-e"], 20);
    assert!(text.contains("0 messages read"), "nothing is there to be read: {text}");
    let text = ended(&["tail", "--beginning", "-n", "3"], 20);
    assert!(text.contains("ended: 3 messages were shown"), "{text}");
    // Now somebody produces all the time, and none of it is rejected.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                world.produce(0, records[31].as_bytes());
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let text = ended(&["tail", "--rejected", "--idle", "3"], 25);
        assert!(text.contains("ended: no message shown for the duration of --idle"), "{text}");
        let text = ended(&["tail", "--for", "3s"], 25);
        assert!(text.contains("ended: --for elapsed"), "{text}");
        let text = ended(&["tail", "--last", "2", "-e"], 25);
        assert!(text.contains("end of the log reached"), "{text}");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let (code, text) = driftd(&config, &["tail", "--for", "soon"], &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("write 30s, 5m, or a number of seconds"), "{text}");
}
