//! Commands as people run them beside the daemon: without its secrets, by its defaults, over its API.

mod baselines;
mod over_the_api;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Options, World, bike_records, number, services};

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

const MONITOR: &str = "name = \"credit\"\n[source]\ntopics = [\"t\"]\ntime = \"ts\"\n[window]\nlength = \"1h\"\n\
                       [[columns]]\nname = \"x\"\ntype = \"numeric\"\n[[columns]]\nname = \"took\"\ntype = \"numeric\"\nrole = \"latency\"\n\
                       [baseline]\nlearn = 2\n[judge]\nmin_records = 20\n[alert]\nreceivers = [\"owner\"]\n[labels]\nowner = \"team-a\"\n";

/// A configuration whose secrets the unit alone can read.
fn beside_the_unit() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let text = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[kafka.security]\nprotocol = \"sasl_plaintext\"\nmechanism = \"PLAIN\"\nusername = \"u\"\n\
                password = { credential = \"kafka-password\" }\n\
                [postgres]\nurl = \"postgres://u@127.0.0.1:1/d\"\npassword = { credential = \"postgres-password\" }\n\
                [[http.tokens]]\nname = \"me\"\nrole = \"admin\"\ntoken = { credential = \"my-token\" }\n\
                [receivers.owner]\ntype = \"email\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n\
                [receivers.owner.smtp]\nhost = \"127.0.0.1\"\nusername = \"u\"\npassword = { env = \"DRIFTD_TEST_UNSET_SMTP\" }\n\
                [receivers.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\nsecret = { credential = \"hook-secret\" }\n";
    fs::write(&path, text).unwrap();
    fs::create_dir(folder.path().join("monitors.d")).unwrap();
    fs::write(folder.path().join("monitors.d/credit.toml"), MONITOR).unwrap();
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
                known && !text.contains("is not a monitor") && !text.contains("cannot read the file"),
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
    let text = fs::read_to_string(&config).unwrap();
    let more = "[alerting]\ngroup_by = [\"monitor\", \"verison\"]\n\
                [[routes]]\nname = \"pager\"\nmatchers = [\"severty = critical\"]\nreceivers = [\"owner\"]\n\
                [[routes]]\nmatchers = [\"severity = warning\", \"owner = team-a\"]\nreceivers = [\"owner\"]\n\
                [[inhibit]]\nsource = [\"alertname = no-data\"]\ntarget = [\"monitor =~ fraud.*\"]\nequal = [\"modle\"]\n";
    fs::write(&config, format!("{text}{more}")).unwrap();
    let (code, said) = driftd(&config, &["check"], &[]);
    assert_eq!(code, Some(0), "{said}");
    for wanted in [
        "`alerting.group_by`: no alert has a label `verison`",
        "did you mean `version`?",
        "`pager`: `matchers`: `severty=\"critical\"`: no alert has a label `severty`",
        "did you mean `severity`?",
        "`route 2`: `matchers`: `severity=\"warning\"`: no `severity` is `warning`",
        "`inhibit[0].source`: `alertname=\"no-data\"`",
        "did you mean `no_data`?",
        "`inhibit[0].target`: `monitor=~\"fraud.*\"`",
        "`inhibit[0].equal`: no alert has a label `modle`",
    ] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
    assert!(!said.contains("`owner`="), "a label of a monitor is known: {said}");
    fs::write(&config, format!("{text}{}", more.replace("severty = critical", "severity == critical"))).unwrap();
    let (code, said) = driftd(&config, &["check"], &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("`==` is not a comparison; allowed are `=`, `!=`, `=~` and `!~`"), "{said}");
}

#[test]
fn a_drill_waits_for_the_groups_and_ends_with_an_outcome_for_each_receiver() {
    let Some(services) = services("drill") else { return };
    let world = World::new(&services, &Options::default());
    // As shipped, only shorter: the end is told an interval after the beginning, later than --timeout allows for a message.
    world.edit(
        "a.toml",
        "group_wait = \"0s\"\ngroup_interval = \"0s\"",
        "group_wait = \"1s\"\ngroup_interval = \"8s\"",
    );
    let text = fs::read_to_string(world.folder.path().join("a.toml")).unwrap();
    let routes = "[[routes]]\nname = \"all\"\nreceivers = [\"mute\"]\nsend_resolved = false\nescalate_to = [\"boss\"]\n\
                  [receivers.mute]\ntype = \"email\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\ndirectory = \"MAILS\"\n\
                  [receivers.boss]\ntype = \"email\"\nfrom = \"a@b.example\"\nto = [\"e@f.example\"]\ndirectory = \"MAILS\"\n";
    let mails = world.folder.path().join("more-mails");
    fs::write(
        world.folder.path().join("a.toml"),
        format!("{text}{}", routes.replace("MAILS", mails.to_str().unwrap())),
    )
    .unwrap();
    let config = world.folder.path().join("a.toml");
    world.store();
    // Without a daemon it ends, and says why.
    let (code, text) = driftd(&config, &["drill", "--timeout", "2"], &[]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("no daemon made one") && text.contains("3 of 3 messages did not arrive"), "{text}");

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
        "told only when nobody acknowledges in time",
        "ends are not told: `send_resolved = false`",
        "5 messages arrived, none is missing",
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
    assert!(text.contains("held back, silenced"), "{text}");
    let open = world
        .runtime
        .block_on(number(&world.pool, "select count(*) from alert where state in ('pending', 'firing')"));
    assert_eq!(open.unwrap(), 0, "no drill stays open");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn tail_ends_when_it_is_told_to_on_a_busy_topic_too() {
    let Some(services) = services("the ends of tail") else { return };
    let world = World::new(&services, &Options::default());
    let config = world.folder.path().join("a.toml");
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
    assert!(text.contains("ended: the end of the log was reached; 30 messages read, 30 shown"), "{text}");
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
        assert!(text.contains("ended: nothing was shown for the time of --idle"), "{text}");
        let text = ended(&["tail", "--for", "3s"], 25);
        assert!(text.contains("ended: the time of --for is over"), "{text}");
        let text = ended(&["tail", "--last", "2", "-e"], 25);
        assert!(text.contains("the end of the log was reached"), "{text}");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let (code, text) = driftd(&config, &["tail", "--for", "soon"], &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("write 30s, 5m, or a number of seconds"), "{text}");
}
