//! Commands as people run them beside the daemon: without its secrets, by its defaults, over its API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Options, TRAINING_ROWS, World, bike_records, number, private, services};

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
        "1 monitor, 2 receivers: ok",
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
        assert!(text.contains("--server: ") && text.contains("hint:"), "{text}");
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
    let world = World::new(services, &Options::default());
    let tokens = "[[http.tokens]]\nname = \"alice\"\nrole = \"admin\"\ntoken = \"alices-token-for-tests\"\n\
                  [[http.tokens]]\nname = \"victor\"\nrole = \"viewer\"\ntoken = \"victors-token-for-tests\"\n[log]";
    world.edit("a.toml", "[log]", tokens);
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
    assert!(text.contains("a token is needed") && text.contains("DRIFTD_TOKEN_FILE"), "{text}");
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
        (vec!["alerts", "show", "00000000"], "there is no alert `00000000`"),
        (vec!["baseline", "show", "bike-demand", "7"], "has no baseline version 7"),
        (vec!["explain", "bike-demand/last/tmep"], "has no column `tmep`"),
        (vec!["explain", "bike-demnad/last/temp"], "there is no monitor `bike-demnad`"),
        (vec!["alerts", "list", "--monitor", "bike-demnad"], "there is no monitor `bike-demnad`"),
        (vec!["baseline", "list", "bike-demnad"], "there is no monitor `bike-demnad`"),
    ] {
        for (code, text) in
            [over(&alice, &arguments), driftd(&world.folder.path().join("a.toml"), &arguments, &[])]
        {
            assert_eq!(code, Some(1), "{arguments:?}: {text}");
            assert!(text.contains(wanted), "{arguments:?}: {text}");
        }
    }
    let (code, text) = over(&alice, &["silences", "expire", &silence]);
    assert!(code == Some(0) && text.contains("is over"), "{text}");
    let (code, text) = over(&alice, &["baseline", "activate", "bike-demand", "1"]);
    assert!(code == Some(0) && text.contains("version 1"), "{text}");
    let (code, text) =
        over(&alice, &["alerts", "resolve", &alert[..8], "--judged", "false-alarm", "--comment", "a holiday"]);
    assert!(code == Some(0) && text.contains("resolved: "), "{text}");
    let shown = world.driftd(&["alerts", "show", &alert[..8]]);
    assert!(shown.contains("by alice"), "{shown}");
    let log = fs::read_to_string(world.folder.path().join("a.log")).unwrap();
    assert!(!log.contains("token-for-tests"), "no token in the log");
    assert_eq!(daemon.stop(), Some(0));
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
fn the_backlog_after_the_learnt_windows_is_judged_and_learning_shows_its_progress() {
    let Some(services) = services("learning from a backlog") else { return };
    let world = World::new(&services, &Options::default());
    let text = fs::read_to_string(world.monitor_file()).unwrap();
    fs::write(world.monitor_file(), format!("{text}[baseline]\nlearn = 6\n")).unwrap();
    let (_, text) = driftd(&world.folder.path().join("a.toml"), &["migrate"], &[]);
    assert!(text.contains("up to date"), "{text}");
    let status = world.driftd(&["status"]);
    assert!(status.contains("learning: 0 of 6 windows, about 180d of event time to go"), "{status}");
    assert!(status.contains("none yet"), "{status}");

    // Three windows, to their ends, are there before the daemon starts.
    let live = &bike_records()[TRAINING_ROWS..];
    for (number, record) in (0..).zip(&live[..2_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(2_000, 60);
    let closed = world.runtime.block_on(number(
        &world.pool,
        "select count(*) from model_window where status = 'closed' and segment = '*'",
    ));
    let closed = closed.unwrap();
    let words = format!("learning: {closed} of 6 windows");
    let status = world.driftd(&["status"]);
    assert_eq!(closed, 3);
    assert!(status.contains(&words), "{status}");
    let page = world.get("a", "/monitors/bike-demand").1;
    assert!(page.contains(&words), "{page}");
    assert!(world.get("a", "/").1.contains("learning"), "the fleet says it, too");
    world.wait_for("the gauges", 20, async |_| {
        let metrics = world.get("a", "/metrics").1;
        let there = metrics.contains(&format!("driftd_learning_windows{{monitor=\"bike-demand\"}} {closed}"))
            && metrics.contains("driftd_learning_windows_wanted{monitor=\"bike-demand\"} 6");
        if there { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(daemon.stop(), Some(0));

    // The rest of the backlog is read at once, by a daemon that finds it all.
    for (number, record) in (0..).zip(&live[2_000..]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(live.len() as u64, 90);
    let windows = world.windows();
    let mut whole: Vec<(i64, &str)> = windows
        .iter()
        .filter(|((segment, _), _)| segment == "*")
        .map(|((_, start), (_, verdict))| (*start, verdict.as_str()))
        .collect();
    whole.sort_unstable();
    let (learnt, after) = whole.split_at(6);
    assert!(learnt.iter().all(|(_, verdict)| *verdict == "no_baseline"), "{whole:?}");
    assert!(after.len() >= 8, "{whole:?}");
    assert!(
        after.iter().all(|(_, verdict)| *verdict != "no_baseline"),
        "every window after them is judged: {whole:?}"
    );
    crate::support::assert_windows_are_true(&world, live);
    let status = world.driftd(&["status"]);
    assert!(status.contains("learned from the first 6 windows") && !status.contains("learning:"), "{status}");
    world.wait_for("the gauges", 20, async |_| {
        let metrics = world.get("a", "/metrics").1;
        let over = metrics.contains("driftd_learning_windows_wanted{monitor=\"bike-demand\"} 0");
        if over { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn segments_that_the_baseline_does_not_have_are_named_with_what_to_do() {
    let Some(services) = services("new segments") else { return };
    let world = World::new(&services, &Options::default());
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    // Half of the training data is not there: nothing of days without work.
    let text = fs::read_to_string(world.monitor_file()).unwrap();
    fs::write(world.monitor_file(), text.replace("min_records = 300", "min_records = 100")).unwrap();
    let worked: Vec<String> =
        training.iter().filter(|record| record.contains("\"workingday\":\"1\"")).cloned().collect();
    assert!(worked.len() > 1_000 && worked.len() < training.len());
    world.build_baseline(&worked);
    let daemon = world.start_daemon("a", None);
    for (number, record) in (0..).zip(&live[..4_000]) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(4_000, 60);
    let status = world.driftd(&["status"]);
    assert!(status.contains("segment workingday=0: no baseline since 20"), "{status}");
    assert!(
        status.contains("hint: make a baseline from windows") && !status.contains("segment workingday=1"),
        "{status}"
    );
    let page = world.get("a", "/monitors/bike-demand").1;
    assert!(page.contains("segment workingday=0: no baseline since") && page.contains("What to do"), "{page}");
    let server = format!("http://127.0.0.1:{}", world.ports["a"]);
    let (_, text) = driftd(Path::new("/nonexistent"), &["--server", &server, "status"], &[]);
    assert!(text.contains("segment workingday=0: no baseline since"), "{text}");
    // One alert, once three looks have shown it.
    world.wait_for("an alert about it", 150, async |pool| {
        let alerts: Vec<String> = sqlx::query_scalar(
            "select evidence->>'summary' from alert where rule = 'segment_without_baseline' and state = 'firing'",
        )
        .fetch_all(pool)
        .await
        .map_err(|error| error.to_string())?;
        match alerts.as_slice() {
            [one] if one.contains("segment workingday=0: no baseline since") => Ok(()),
            others => Err(format!("{others:?}")),
        }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn training_data_without_a_latency_makes_a_baseline_and_nothing_else_may_be_missing() {
    let Some(services) = services("a baseline without a latency") else { return };
    let world = World::new(&services, &Options::default());
    let text = fs::read_to_string(world.monitor_file()).unwrap();
    let latency =
        "[[columns]]\nname = \"took\"\npath = \"meta.took_ms\"\ntype = \"numeric\"\nrole = \"latency\"\n";
    fs::write(world.monitor_file(), format!("{text}{latency}")).unwrap();
    let config = world.folder.path().join("a.toml");
    let training: Vec<String> = bike_records()[..TRAINING_ROWS].to_vec();
    let parquet = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/bike_hour.parquet");
    let lines = world.folder.path().join("training.jsonl");
    fs::write(&lines, training.join("\n")).unwrap();
    let csv = world.folder.path().join("training.csv");
    let names = ["temp", "hum", "windspeed", "cnt", "hr", "weathersit", "workingday"];
    let row = |record: &String| {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        let text = |name: &str| record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned);
        names.map(text).join(",")
    };
    let rows: Vec<String> = training.iter().map(row).collect();
    fs::write(&csv, format!("{}\n{}\n", names.join(","), rows.join("\n"))).unwrap();
    for file in [&parquet, &lines, &csv] {
        let (code, text) = driftd(
            &config,
            &["baseline", "build", "--monitor", "bike-demand", "--from", file.to_str().unwrap()],
            &[],
        );
        assert_eq!(code, Some(0), "{}: {text}", file.display());
        assert!(text.contains("column `took` has no value in this data: it is left out"), "{text}");
    }
    let shown = world.driftd(&["baseline", "show", "bike-demand"]);
    assert!(shown.contains("no value: not compared"), "{shown}");
    // It is counted in windows, and no drift is seen in it.
    let daemon = world.start_daemon("a", None);
    let with_latency = |record: &String| record.replacen('{', "{\"meta\":{\"took_ms\":12},", 1);
    for (number, record) in (0..).zip(training.iter().map(with_latency)) {
        world.produce(number % crate::support::TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    world.wait_until_done(training.len() as u64, 60);
    let verdicts: Vec<String> = world
        .runtime
        .block_on(
            sqlx::query_scalar("select distinct verdict from finding where column_name = 'took'")
                .fetch_all(&world.pool),
        )
        .unwrap();
    assert!(verdicts.iter().any(|verdict| verdict == "no_baseline"), "{verdicts:?}");
    let judged = verdicts.iter().any(|verdict| ["ok", "warn", "critical"].contains(&verdict.as_str()));
    assert!(!judged, "not compared, which is not drift: {verdicts:?}");
    assert_eq!(daemon.stop(), Some(0));
    // A feature that is missing is a mistake, with what there is.
    let text = fs::read_to_string(world.monitor_file()).unwrap();
    fs::write(world.monitor_file(), text.replace("name = \"temp\"", "name = \"tempp\"")).unwrap();
    let (code, text) =
        driftd(&config, &["baseline", "build", "--monitor", "bike-demand", "--from", csv.to_str().unwrap()], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("`tempp`") && text.contains("temp, hum"), "{text}");
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

/// A receiver that sends back what it was sent, to whoever tries it out.
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
    let text = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\n[postgres]\nurl = \"postgres://127.0.0.1:1/d\"\n\
         [receivers.echo]\ntype = \"cloudevents\"\nurl = \"http://{address}/hooks/K3Y0123456789abc\"\ntoken = \"swordfish-T0KEN\"\n"
    );
    fs::write(&path, text).unwrap();
    for format in [&["notify", "test", "echo"][..], &["--json", "notify", "test", "echo"]] {
        let (code, said) = driftd(&path, format, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("you sent") && said.contains("Bearer [secret]"), "{said}");
        assert!(!said.contains("swordfish") && !said.contains("K3Y0123456789abc"), "{said}");
        assert!(!said.contains('\u{1b}') && said.contains("u{1b}[31m"), "{said}");
    }
}

#[test]
fn flat_training_data_has_segments_by_name_too() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = folder.path().join("m.toml");
    fs::write(
        &monitor,
        "name = \"m\"\n[source]\ntopics = [\"t\"]\ntime = \"ts\"\n[judge]\nmin_records = 10\n[[segments]]\nname = \"land\"\npath = \"features.country\"\n\
         [[columns]]\nname = \"country\"\npath = \"features.country\"\ntype = \"categorical\"\n\
         [[columns]]\nname = \"income\"\npath = \"features.income\"\ntype = \"numeric\"\n",
    )
    .unwrap();
    let rows: String = (0..200).map(|row| format!("{},{}\n", ["de", "fr"][row % 2], row)).collect();
    let data = folder.path().join("train.csv");
    fs::write(&data, format!("country,income\n{rows}")).unwrap();
    let log: String = (0..200)
        .map(|row| {
            format!(
                "{{\"ts\":{row},\"features\":{{\"country\":\"{}\",\"income\":{row}}}}}\n",
                ["de", "fr"][row % 2]
            )
        })
        .collect();
    let lines = folder.path().join("log.jsonl");
    fs::write(&lines, log).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
        .args(["replay", "--by-name", "--monitor"])
        .arg(&monitor)
        .arg("--baseline")
        .arg(&data)
        .arg(&lines)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("is not in the file"), "{text}");
    assert!(text.contains("200 records counted"), "{text}");
}
