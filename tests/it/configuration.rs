//! Mistakes are reported all at once and exactly so.

mod ages;
mod examples;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use driftd::config;
use driftd::record::TimeSpan;
use serde_json::{Value, json};

use crate::support::{Config, check, edit};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_mistake_is_reported_at_once_with_file_line_caret_and_hint() {
    let (text, code) = check(&file("tests/it/bad/mistakes"));
    assert_eq!(code, Some(78));
    insta::assert_snapshot!("mistakes", text);
    assert!(!text.contains("hunter2"), "secrets are not repeated");
}

#[test]
fn mistakes_in_who_is_told_of_what_are_all_reported_too() {
    let (text, code) = check(&file("tests/it/bad/telling"));
    assert_eq!(code, Some(78));
    insta::assert_snapshot!("telling", text);
}

#[test]
fn a_template_that_cannot_be_rendered_is_a_mistake_of_its_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[kafka]\nbrokers = \"b\"\n[postgres]\nurl = \"postgres://h/d\"\n[receivers.ntfy]\ntype = \"template\"\n\
                url = \"http://ntfy\"\nbody = \"{{ data.no.such }}\"\n";
    fs::write(folder.path().join("driftd.toml"), text).unwrap();
    let (said, code) = check(folder.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("`receivers.ntfy.body`: the template cannot be rendered"), "{said}");
    assert!(said.contains("driftd.toml:8:8"), "{said}");
}

#[test]
fn what_the_daemon_would_refuse_at_its_start_is_refused_by_check_in_one_round() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[kafka]\nbrokers = \"a:9092,b:99999\"\ngroup = \"\"\n\
                [kafka.properties]\n\"fetch.max.bytes\" = \"5x\"\n\"no.such.property\" = \"K3Y\"\n\
                [kafka.security]\nca_file = \"/nonexistent/ca.pem\"\n\
                [postgres]\nurl = \"postgres://h:port/d\"\n\
                [[http.tokens]]\nname = \"a\"\nrole = \"viewer\"\ntoken = \"0123456789abcdefghij\"\n\
                [[http.tokens]]\nname = \"b\"\nrole = \"admin\"\ntoken = \"0123456789abcdefghij\"\n\
                [receivers.hook]\ntype = \"webhook\"\nurl = \"https://169.254.169.254/x\"\nsecret = \"no key\"\n\
                [receivers.mail]\ntype = \"email\"\nfrom = \"a@\"\nto = [\"b@c.example\"]\ndirectory = \"/tmp\"\n\
                [[routes]]\nreceivers = [\"hook\"]\nmatchers = [\"severty=critical\", \"monitr=m\"]\n";
    fs::write(folder.path().join("driftd.toml"), text).unwrap();
    let monitors = folder.path().join("monitors.d");
    fs::create_dir(&monitors).unwrap();
    for file in ["one.toml", "two.toml"] {
        Config::monitor("m", "t").numeric("x").numeric("x").write(monitors.join(file));
    }
    let (said, code) = check(folder.path());
    assert_eq!(code, Some(78), "{said}");
    for wanted in [
        "`kafka.brokers`: `b:99999` is not a host and a port",
        "`kafka.group`: is empty",
        "`kafka.properties.fetch.max.bytes`: rejected by librdkafka: must be a number",
        "`kafka.properties.no.such.property`: rejected by librdkafka",
        "`kafka.security.ca_file`: cannot read",
        "`postgres.url`: is not a database URL",
        "`http.tokens[1].token`: is the same as the token of `a`",
        "`receivers.hook.secret`:",
        "`receivers.hook.url`: `169.254.169.254` is an address that is never connected to",
        "`receivers.mail.from`: `a@` is not a mail address: expected name@example.org",
        "`name`: duplicate monitor name `m`",
        "`severty=\"critical\"`: no alert has a label `severty`",
        "`monitr=\"m\"`: no alert has a label `monitr`",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(said.matches("duplicate column name `x`").count(), 2, "{said}");
    assert!(!said.contains("K3Y") && !said.contains("0123456789"), "no value of a secret: {said}");
}

#[test]
fn a_table_of_the_wrong_type_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    Config::daemon().write(folder.path().join("driftd.toml"));
    let monitors = folder.path().join("monitors.d");
    fs::create_dir(&monitors).unwrap();
    Config::monitor("m", "t").numeric("x").set("judge.measures", ["psy"]).write(monitors.join("m.toml"));
    let (said, code) = check(folder.path());
    assert_eq!(code, Some(78), "{said}");
    assert_eq!(said.matches("`judge.measures`: must be a table").count(), 1, "{said}");
}

#[test]
fn what_is_surely_not_meant_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    Config::daemon().set("postgres.url", "postgres://db.example/d").set("postgres.tls", "disable").write(&path);
    let monitors = folder.path().join("monitors.d");
    fs::create_dir(&monitors).unwrap();
    Config::monitor("m", "t").numeric("x").write(monitors.join("m.toml"));
    let (said, code) = check(folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("travel unencrypted to db.example"), "{said}");
    assert!(said.contains("alerts of monitor `m` have no receivers"), "{said}");
    // Over a socket there is nothing to encrypt.
    edit(&path, |daemon| daemon.set("postgres.url", "postgres://%2Frun%2Fpostgresql/d"));
    assert!(!check(folder.path()).0.contains("unencrypted"));
}

#[test]
fn syntax_errors_are_shown_with_their_place() {
    let (text, code) = check(&file("tests/it/bad/syntax"));
    assert_eq!(code, Some(78));
    insta::assert_snapshot!("syntax", text);
}

#[test]
fn what_is_missing_is_named() {
    let (text, code) = check(&file("tests/it/bad/missing"));
    assert_eq!(code, Some(78));
    insta::assert_snapshot!("missing", text);
    let (text, code) = check(Path::new("/nonexistent"));
    assert_eq!(code, Some(78));
    assert!(text.contains("configuration file not found: ") && text.contains("hint:"), "{text}");
}

/// What is laid over the file: variables, and keys of `--set`.
fn overrides(environment: &[(&str, &str)], set: &[(&str, &str)]) -> config::Overrides {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    config::Overrides {
        environment: environment.iter().map(owned).collect(),
        set: set.iter().map(owned).collect(),
    }
}

#[test]
fn single_values_of_every_type_are_laid_over_the_file() {
    let over = overrides(
        &[
            ("DRIFTD_KAFKA__BROKERS", "other:9092"),
            ("DRIFTD_KAFKA__START", "earliest"),
            ("DRIFTD_KAFKA__GROUP", "from-the-environment"),
            ("DRIFTD_CHECKPOINT__INTERVAL", "7s"),
            ("DRIFTD_POSTGRES__MAX_CONNECTIONS", "17"),
            ("DRIFTD_HTTP__ALLOW_PLAIN_HTTP", "true"),
            ("DRIFTD_ALERTING__GROUP_BY", "model"),
            ("DRIFTD_POSTGRES__PASSWORD", "swordfish"),
            ("DRIFTD_HTTP__TOKENS", "x"),
        ],
        &[("kafka.group", "from-the-command-line"), ("log.level", "debug")],
    );
    let settings = config::load_here(&file("config/driftd.toml"), &over).unwrap();
    let daemon = &settings.daemon;
    assert_eq!(
        (daemon.kafka.brokers.as_str(), daemon.kafka.group.as_str()),
        ("other:9092", "from-the-command-line")
    );
    assert_eq!((daemon.kafka.start, daemon.postgres.max_connections), (driftd::kafka::StartAt::Earliest, 17));
    assert_eq!((daemon.checkpoint.interval, daemon.log.level.as_str()), (TimeSpan::seconds(7), "debug"));
    let value = |key: &str| {
        let found = settings.configured.iter().find(|value| value.key == key).unwrap();
        (found.value.as_str(), found.origin.as_str())
    };
    assert_eq!(value("kafka.group"), ("\"from-the-command-line\"", "--set kafka.group"));
    assert_eq!(value("http.allow_plain_http"), ("true", "environment variable DRIFTD_HTTP__ALLOW_PLAIN_HTTP"));
    // Lists and secrets are not, and that is said.
    for variable in ["DRIFTD_ALERTING__GROUP_BY", "DRIFTD_POSTGRES__PASSWORD", "DRIFTD_HTTP__TOKENS"] {
        let ignored = format!("the environment variable `{variable}` sets no key and is ignored");
        assert!(settings.warnings.iter().any(|warning| warning.starts_with(&ignored)), "{:?}", settings.warnings);
    }
    assert!(!format!("{settings:?}").contains("x\", \"swordfish"), "never shown");
}

#[test]
fn a_mistake_in_what_is_laid_over_the_file_names_its_place_and_no_line_of_the_file() {
    let told = |over: &config::Overrides| {
        config::load_here(&file("config/driftd.toml"), over).map(|_| ()).unwrap_err().to_string()
    };
    for (key, value, words) in [
        ("kafka.group", "", "empty"),
        ("http.listen", "nowhere", "nowhere"),
        ("log.format", "jsn", "did you mean `json`?"),
        ("log.level", "inof", "did you mean `info`?"),
        ("postgres.max_connections", "many", "must be a whole number, not `many`"),
        ("postgres.max_connections", "0", "must lie between"),
        ("http.allow_plain_http", "maybe", "must be true or false, not `maybe`"),
        ("checkpoint.interval", "5", "is not a duration: `5`"),
    ] {
        let variable = format!("DRIFTD_{}", key.to_uppercase().replace('.', "__"));
        let by_variable = told(&overrides(&[(&variable, value)], &[]));
        assert!(by_variable.contains(&format!("environment variable {variable}")), "{by_variable}");
        let by_option = told(&overrides(&[], &[(key, value)]));
        assert!(by_option.contains(&format!("--set {key}")), "{by_option}");
        for told in [by_variable, by_option] {
            assert!(told.contains(words) && !told.contains("driftd.toml:"), "{told}");
        }
    }
    for (key, hint) in [
        ("kafka.gruop", "did you mean `kafka.group`?"),
        ("receivers.pager.routing_key", "nothing below names"),
        ("", "allowed are"),
    ] {
        let told = told(&overrides(&[], &[(key, "x")]));
        assert!(told.contains("is not a key that can be set here") && told.contains(hint), "{told}");
    }
}

#[test]
fn a_level_that_is_none_is_a_mistake_and_no_filter_that_silences_everything() {
    let level = |level: &str| {
        let over = overrides(&[("DRIFTD_LOG__LEVEL", level)], &[]);
        config::load_here(&file("config/driftd.toml"), &over).map(|settings| settings.daemon.log.level)
    };
    for good in
        ["info", "WARN", "off", "info,driftd::kafka=debug", "warn, driftd::store=trace", "driftd[request]=debug"]
    {
        assert_eq!(level(good).unwrap(), good);
    }
    for bad in ["inof", "driftd", "info,driftd::kafka=debgu", "info,driftd=chatty", "info,", ""] {
        assert!(level(bad).unwrap_err().to_string().contains("is not a log level"), "{bad}");
    }
}

#[test]
fn a_secret_that_everybody_can_read_is_refused_and_one_in_the_open_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "x").unwrap();
    let path = folder.path().join("driftd.toml");
    Config::daemon().set("postgres.password", json!({ "file": secret })).write(&path);
    let error = config::load(&path).unwrap_err().to_string();
    assert!(error.contains("can be read by everybody") && error.contains("chmod o-rwx"), "{error}");
    crate::support::private(&secret);
    assert!(config::load(&path).unwrap().daemon.postgres.password.is_some());
    edit(&path, |daemon| daemon.set("postgres.password", "swordfish"));
    let settings = config::load(&path).unwrap();
    assert!(settings.warnings.iter().any(|warning| warning.contains("written in plain text")));
    assert!(!format!("{settings:?}").contains("swordfish"), "settings never show a secret");
}

#[test]
fn a_listener_that_others_reach_needs_tokens_and_is_told_to_encrypt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let load = |daemon: &Config| {
        daemon.write(&path);
        config::load(&path)
    };
    let open = Config::daemon().set("http.listen", "0.0.0.0:9464");
    let refused = load(&open).unwrap_err().to_string();
    assert!(
        refused.contains("is not a loopback address, and every client that can connect has full access"),
        "{refused}"
    );
    let with_token = open.token("me", "admin", "0123456789abcdefghij");
    let refused = load(&with_token).unwrap_err().to_string();
    assert!(refused.contains("tokens would travel unencrypted to 0.0.0.0:9464"), "{refused}");
    let settings = load(&with_token.clone().set("http.allow_plain_http", true)).unwrap();
    assert!(!format!("{settings:?}").contains("0123456789abcdefghij"), "settings never show a secret");
    let file = folder.path().join("tls.pem");
    fs::write(&file, "x").unwrap();
    crate::support::private(&file);
    let with_tls = with_token.set("http.tls", json!({ "cert_file": file, "key_file": file }));
    load(&with_tls).unwrap();
    let elsewhere = with_tls.set("http.external_url", "http://drift.example.org");
    let refused = load(&elsewhere).unwrap_err().to_string();
    assert!(refused.contains("tokens would travel unencrypted to drift.example.org"), "{refused}");
}

#[test]
fn a_secret_travels_unencrypted_to_another_machine_only_where_the_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let load = |daemon: &Config| {
        daemon.write(&path);
        config::load(&path)
    };
    let receiver = |kind: &str, url: &str, more: &Value| {
        Config::daemon().set("receivers.x", more).set("receivers.x.type", kind).set("receivers.x.url", url)
    };
    let secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let check = |host: &str, at: &dyn Fn(&str) -> Config| {
        let elsewhere = at(host);
        let refused = load(&elsewhere).unwrap_err().to_string();
        assert!(
            refused.contains("would travel unencrypted to") && refused.contains("allow_plain_http"),
            "{elsewhere}: {refused}"
        );
        let allowed = elsewhere.set("receivers.x.allow_plain_http", true);
        load(&allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        for local in ["127.0.0.1", "localhost", "[::1]"] {
            let here = at(local);
            load(&here).unwrap_or_else(|error| panic!("{here}: {error}"));
        }
    };
    for (kind, host, path, more) in [
        ("cloudevents", "events.example.org", "/", json!({ "token": "abc" })),
        ("cloudevents", "10.0.0.7", "/", json!({ "username": "u", "password": "abc" })),
        ("template", "events.example.org", "/", json!({ "body": "{}", "token": "abc" })),
        ("slack", "chat.example.org", "/T0/B0", json!({})),
        ("teams", "chat.example.org", "/T0/B0", json!({})),
        ("pagerduty", "pager.example.org", "/", json!({ "routing_key": "abc" })),
        ("opsgenie", "pager.example.org", "/", json!({ "api_key": "abc" })),
        ("webhook", "hooks.example.org", "/", json!({ "secret": secret, "token": "abc" })),
        ("argo", "argo", ":12000/", json!({ "token": "abc" })),
    ] {
        check(host, &|host| receiver(kind, &format!("http://{host}{path}"), &more));
    }
    check("b", &|host| {
        let urls = ["https://a:1".to_owned(), format!("http://{host}:2")];
        let settings = json!({ "type": "alertmanager", "urls": urls, "username": "u", "password": "abc" });
        Config::daemon().set("receivers.x", settings)
    });
    // Nothing secret is sent: a signature is none.
    load(&receiver("webhook", "http://hooks.example.org/", &json!({ "secret": secret }))).unwrap();
    load(&receiver("argo", "http://argo:12000/retrain", &json!({}))).unwrap();
    let endpoint = |url: &str| {
        Config::daemon()
            .set("kafka.security.protocol", "sasl_ssl")
            .set("kafka.security.mechanism", "OAUTHBEARER")
            .set("kafka.security.token_endpoint.url", url)
            .set("kafka.security.token_endpoint.client_id", "c")
            .set("kafka.security.token_endpoint.client_secret", "abc")
    };
    let elsewhere = endpoint("http://login.example.org/token");
    let refused = load(&elsewhere).unwrap_err().to_string();
    assert!(refused.contains("the client's secret would travel unencrypted to login.example.org"), "{refused}");
    load(&elsewhere.set("kafka.security.token_endpoint.allow_plain_http", true)).unwrap();
    load(&endpoint("https://login.example.org/token")).unwrap();
}

#[test]
fn keys_that_everybody_can_read_are_refused_as_secret_files_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    fs::write(&key, "x").unwrap();
    let path = folder.path().join("driftd.toml");
    let load = |daemon: &Config| {
        daemon.write(&path);
        config::load(&path)
    };
    let with_key = [
        Config::daemon().set("http.tls", json!({ "cert_file": path, "key_file": key })),
        Config::daemon().set("kafka.security", json!({ "protocol": "ssl", "key_file": key })),
        Config::daemon().set(
            "kafka.security",
            json!({ "protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "token": { "file": key } }),
        ),
    ];
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    for daemon in &with_key {
        let refused = load(daemon).unwrap_err().to_string();
        assert!(
            refused.contains("can be read by everybody") && refused.contains("chmod o-rwx"),
            "{daemon}: {refused}"
        );
    }
    crate::support::private(&key);
    for daemon in &with_key {
        load(daemon).unwrap_or_else(|error| panic!("{daemon}: {error}"));
    }
}

#[test]
fn no_key_is_in_what_viewers_are_shown_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.toml");
    let text = "[kafka]\nbrokers = \"b\"\n[kafka.properties]\n\"sasl.oauthbearer.config\" = \"K3Y-1\"\n\"client.rack\" = \"eu-1a\"\n\
                \"ssl.certificate.pem\" = \"\"\"\nK3Y-2\n\"\"\"\n\
                [postgres]\nurl = \"postgres://driftd:K3Y-3@K3Y-4/K3Y-5@db.example.org/driftd\"\n\
                [receivers.one]\ntype = \"template\"\nurl = \"https://a.example.org/K3Y-6?k=K3Y-7\"\nbody = \"{\\\"api\\\": \\\"K3Y-8\\\"}\"\n\
                [receivers.two]\ntype = \"template\"\nurl = \"https://b.example.org/?K3Y-a\"\nbody = \"\"\"\n{\"api\": \"K3Y-9\"}\n\"\"\"\n\
                [receivers.three]\ntype = \"template\"\nurl = \"https://c.example.org/\"\nbody = '{\"k\": \"K3Y-b\"}'\n";
    fs::write(&path, text).unwrap();
    let settings = config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let shown: Vec<String> =
        settings.configured.iter().map(|value| format!("{} = {}", value.key, value.value)).collect();
    let all = shown.join("\n");
    assert!(!all.contains("K3Y"), "{all}");
    for wanted in [
        "kafka.properties.client.rack = \"eu-1a\"",
        "receivers.one.url = \"https://a.example.org/...\"",
        "db.example.org/driftd",
    ] {
        assert!(all.contains(wanted), "{wanted} in {all}");
    }
    let (code, output) = {
        let output = Command::new(env!("CARGO_BIN_EXE_driftd"))
            .arg("--config")
            .arg(&path)
            .args(["config", "show"])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(code == Some(0) && !output.contains("K3Y") && output.contains("eu-1a"), "{output}");
}

#[test]
fn a_column_that_is_there_twice_is_a_mistake_beside_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    let twice = "name = \"m\"\n[source]\ntopics = [\"t\"]\n[[columns]]\nname = \"age\"\n[[columns]]\nname = \"age\"\ntype = \"numeric\"\n";
    fs::write(&path, twice).unwrap();
    let told = config::load_monitor(&path).unwrap_err().to_string();
    assert!(told.contains("m.toml:4") && told.contains("m.toml:7"), "{told}");
    assert!(told.contains("`columns[0].type`: is missing") && told.contains("`columns[1].name`"), "{told}");
}
