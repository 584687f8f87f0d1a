//! What a running daemon delivers: killed 200 times in between, to a real Alertmanager, to people who act on the command
//! line, and from a training system that answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driftd::alert::{
    AlertChange, ChangeKind, ChangeReason, Evidence, GroupKey, GroupTiming, Labels, RuleKind, Severity, Transition,
};
use driftd::closing::ChangedAlert;
use driftd::record::{EventTime, TimeSpan};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sending::wait_until_told;
use crate::support::{
    TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, free_port, number, private, services, skipped,
};

/// Kills between decision, sending and recording.
const KILLS: u128 = 200;

/// A change of an alert after one window.
pub(super) fn transition(id: u128, kind: ChangeKind) -> Transition {
    Transition {
        rule: "drift".to_owned(),
        column: None,
        change: AlertChange {
            id: Uuid::from_u128(id),
            kind,
            reason: ChangeReason::Persisted,
            severity: Severity::Critical,
            since: EventTime::default(),
            windows: 1,
            judged: 1,
        },
    }
}

/// An alert that fires and is told to a receiver at once.
pub(super) fn fired(id: u128, receiver: &str) -> ChangedAlert {
    let labels = [("monitor", "bike-demand"), ("kind", "drift"), ("alertname", "drift"), ("severity", "critical")];
    let mut labels: Labels =
        labels.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    labels.insert("number".to_owned(), id.to_string());
    ChangedAlert {
        transition: transition(id, ChangeKind::Firing),
        kind: RuleKind::Drift,
        groups: vec![GroupKey {
            route: "test".to_owned(),
            receiver: receiver.to_owned(),
            labels: labels.clone(),
            timing: GroupTiming {
                wait: TimeSpan::ZERO,
                interval: TimeSpan::ZERO,
                repeat: TimeSpan::ZERO,
                send_resolved: true,
                unacknowledged_for: None,
            },
            mute: vec![],
        }],
        labels,
        evidence: Some(Evidence { summary: format!("number {id}"), ..Evidence::default() }),
    }
}

#[test]
fn killed_anywhere_between_decision_and_record_every_alert_is_told_under_one_id() {
    let Some(services) = services("killed while telling") else { return };
    let world = World::new(&services);
    let store = world.store();
    // Retries after a lost answer come soon; a lease that nobody holds any more is the test's only wait.
    let points = [
        "groups.before_commit:1",
        "groups.after_commit:1",
        "dispatch.before_send:1",
        "dispatch.after_send:1",
        "dispatch.after_record:1",
    ];
    for (id, point) in (1..=KILLS).zip(points.iter().cycle()) {
        world.runtime.block_on(store.inject_alerts("bike-demand", "1", &[fired(id, "webhook")], "test")).unwrap();
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(30);
        assert!(status.code().is_none(), "{point}: it died of the fault: {status}\n{}", daemon.log());
        // What the dead one had leased is free again.
        let free = sqlx::query(
            "update notification set leased_until = now() - interval '1 second' where leased_until is not null",
        );
        world.runtime.block_on(free.execute(&world.pool)).unwrap();
    }
    let daemon = world.start_daemon("a", None);
    wait_until_told(&world, 60);
    assert_eq!(daemon.stop(), Some(0));
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, event) in world.webhooks.received() {
        for alert in event["data"]["alerts"].as_array().unwrap() {
            told.entry(alert["id"].as_str().unwrap().to_owned()).or_default().insert(id.clone());
        }
    }
    assert_eq!(told.len() as u128, KILLS, "every alert was told");
    assert!(told.values().all(|ids| ids.len() == 1), "each under one id");
    let decided =
        world.runtime.block_on(number(&world.pool, "select count(*) from notification where status = 'sent'"));
    assert_eq!(decided.unwrap() as u128, KILLS, "and nothing was decided twice");
}

struct Alertmanager {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    /// Debian's, in a folder of its own; none when it is not installed.
    fn start() -> Option<Self> {
        if Command::new("prometheus-alertmanager").arg("--version").output().is_err() {
            skipped("alertmanager: prometheus-alertmanager is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
        let port = free_port();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, port, _folder: folder })
    }

    /// What `amtool` reads: names and versions of alerts in a state.
    fn alerts(&self, state: &str) -> Result<Vec<Value>, String> {
        let output = Command::new("amtool")
            .arg(format!("--alertmanager.url=http://127.0.0.1:{}", self.port))
            .args(["alert", "query", "--output=json", state])
            .output()
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_real_alertmanager_shows_our_alerts_and_their_end() {
    let Some(services) = services("alertmanager") else { return };
    let Some(alertmanager) = Alertmanager::start() else { return };
    let world = World::new(&services);
    let store = world.store();
    let urls = [format!("http://127.0.0.1:{}", alertmanager.port)];
    world.configure("a", |daemon| {
        daemon.set("receivers.alertmanager", json!({ "type": "alertmanager", "urls": urls }))
    });
    world.wait_for("Alertmanager to answer", 30, async |_| alertmanager.alerts("--active"));
    let daemon = world.start_daemon("a", None);
    let change = fired(1, "alertmanager");
    world
        .runtime
        .block_on(store.inject_alerts("bike-demand", "1", std::slice::from_ref(&change), "test"))
        .unwrap();
    let shown = world.wait_for("the alert to be shown", 90, async |_| {
        let alerts = alertmanager.alerts("--active")?;
        if alerts.is_empty() { Err("no alert".to_owned()) } else { Ok(alerts) }
    });
    assert_eq!(shown[0]["labels"]["alertname"], "drift");
    assert_eq!(shown[0]["labels"]["alert_id"], Uuid::from_u128(1).to_string());
    assert_eq!(shown[0]["annotations"]["summary"], "number 1.");
    let mut over = change;
    over.transition.change.kind = ChangeKind::Resolved;
    (over.groups, over.evidence) = (vec![], None);
    world.runtime.block_on(store.inject_alerts("bike-demand", "1", &[over], "test")).unwrap();
    world.wait_for("the alert to be over", 90, async |_| {
        let alerts = alertmanager.alerts("--active")?;
        if alerts.is_empty() { Ok(()) } else { Err(format!("{alerts:?}")) }
    });
    let sent = world.runtime.block_on(number(&world.pool, "select count(*) from notification"));
    assert_eq!(sent.unwrap(), 0, "a state is posted, not sent");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn people_act_on_the_command_line_and_a_training_system_answers() {
    let Some(services) = services("acting") else { return };
    let world = World::new(&services);
    let secret_file = world.folder.path().join("callback.secret");
    fs::write(&secret_file, &world.webhooks.secret).unwrap();
    private(&secret_file);
    let secret = json!({ "file": secret_file });
    world.configure("a", |daemon| daemon.set("http.callback_secret", &secret).set("http.mlflow_secret", &secret));
    world.configure_monitor(|monitor| {
        monitor
            .set("mlflow.model", "bikes")
            .set("labels.owner", "ada")
            .set("retrain.promote", "auto")
            .set("retrain.promote_windows", 1)
            .set("retrain.approval", true)
    });
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let daemon = world.start_daemon("a", None);
    let produce = |part: &[String]| {
        for (index, record) in part.iter().enumerate() {
            world.produce((index % TOPIC_PARTITIONS as usize) as i32, record.as_bytes());
        }
        world.flush();
    };
    produce(&live[..4_000]);
    world.wait_for("a request to be proposed", 60, async |pool| {
        let proposed = number(pool, "select count(*) from retraining_request where state = 'proposed'").await?;
        if proposed == 1 { Ok(()) } else { Err(format!("{proposed}")) }
    });

    // An alert that fires is listed, shown, and acknowledged once.
    let listed: Value = serde_json::from_str(&world.driftd(&["alerts", "list", "--json"])).unwrap();
    let firing = listed.as_array().unwrap().iter().find(|alert| alert["state"] == "firing").unwrap();
    let id = &firing["id"].as_str().unwrap()[..8];
    assert_eq!(firing["labels"]["owner"], "ada");
    assert!(world.driftd(&["alerts", "ack", id, "--comment", "on it"]).starts_with("acknowledged: "));
    let shown = world.driftd(&["alerts", "show", id]);
    for part in ["acknowledged by", "on it", "messages", "to webhook: sent", "Why "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let silenced = world.driftd(&["alerts", "silence", id, "--for", "1h", "--comment", "seen"]);
    assert!(silenced.contains("monitor=\"bike-demand\""), "{silenced}");
    let silence = silenced.split(' ').nth(1).unwrap();
    assert!(world.driftd(&["silences", "list"]).contains("seen"));
    world.driftd(&["silences", "expire", silence]);

    // Nothing was asked before somebody approved; then the training system answers, signed.
    assert!(world.retraining_messages().is_empty());
    let listed = world.driftd(&["retraining", "list"]);
    let request = listed.split(' ').next().unwrap().to_owned();
    assert!(world.driftd(&["retraining", "show", &request]).contains("Training range"));
    world.driftd(&["retraining", "approve", &request, "--comment", "go"]);
    world.wait_for("the request to be accepted", 30, async |pool| {
        let accepted = number(pool, "select count(*) from retraining_request where state = 'accepted'").await?;
        if accepted == 1 { Ok(()) } else { Err(format!("{accepted}")) }
    });
    let messages = world.retraining_messages();
    assert_eq!(messages.len(), 1);
    let data = &messages[0].1["data"];
    assert!(data["training"]["records"].as_u64().unwrap() > 300, "{data}");
    assert!(data["training"]["offsets"].as_array().unwrap().len() > 1, "{data}");
    let url = data["callback_url"].as_str().unwrap();
    let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap());
    let id = data["request_id"].as_str().unwrap();
    let sent = |path: &str, message: &str, body: &Value, secret: &str| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let body = body.to_string();
        let signature = driftd::notify::sign(&secret.to_owned().into(), message, now, &body).unwrap();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message.to_owned()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature),
        ];
        world.post("a", path, &headers, &body)
    };
    let secret = world.webhooks.secret.as_str();
    let state = |state: &str| json!({ "request": id, "state": state });
    let report = |message: &str, told: &str| sent(&path, message, &state(told), secret).0;
    let wrong = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(sent(&path, "1", &state("running"), wrong).0, 401);
    assert_eq!(report("2", "cancelled"), 409);
    assert_eq!(report("3", "dancing"), 400);
    // It says what it is about where it is signed: it is of no use for another request, nor without a name of its own.
    let (status, why) = sent(&path, "4", &json!({ "state": "running" }), secret);
    assert!(status == 400 && why.contains("missing field `request`"), "{why}");
    let other = json!({ "request": "00000000-0000-0000-0000-000000000001", "state": "running" });
    let (status, why) = sent(&path, "5", &other, secret);
    assert!(status == 400 && why.contains("but the URL names request"), "{why}");
    let (status, why) =
        sent("/api/v1/retraining/00000000-0000-0000-0000-000000000001", "6", &state("running"), secret);
    assert!(status == 400 && why.contains("is signed for request"), "{why}");
    assert_eq!(report("", "running"), 400);
    assert_eq!(report("msg", "running"), 200);
    let (status, why) = sent(&path, "msg", &state("failed"), secret);
    assert!(status == 409 && why.contains("already received"), "{why}");
    assert_eq!(report("msg", "running"), 409, "the same again");
    assert_eq!(report("2", "running"), 200, "what was refused was not taken");
    let succeeded = json!({ "request": id, "state": "succeeded", "detail": "model 4" });
    assert_eq!(sent(&path, "7", &succeeded, secret).0, 200);
    assert_eq!(report("8", "running"), 200, "late, and nothing new");
    assert!(world.driftd(&["retraining", "list", "--all"]).contains("succeeded"));

    // MLflow's registry says that there is a new version.
    let mlflow =
        "{\"entity\":\"model_version\",\"action\":\"created\",\"data\":{\"name\":\"bikes\",\"version\":\"4\"}}";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &world.webhooks.secret);
    let signature = driftd::notify::sign(&key.into(), "d1", now, mlflow).unwrap();
    let headers = [
        ("x-mlflow-delivery-id", "d1".to_owned()),
        ("x-mlflow-timestamp", now.to_string()),
        ("x-mlflow-signature", signature),
    ];
    assert_eq!(world.post("a", "/api/v1/mlflow", &headers, mlflow).0, 200);
    assert_eq!(world.post("a", "/api/v1/mlflow", &headers, mlflow).0, 409, "it counts once");
    assert_eq!(world.post("a", "/api/v1/mlflow", &[], mlflow).0, 401);
    let proposals = world.runtime.block_on(number(&world.pool, "select count(*) from baseline_proposal"));
    assert_eq!(proposals.unwrap(), 2, "one for the success, one for the registered version");

    // The new version's first window makes the next baseline, which is active.
    produce(&live[4_000..6_000]);
    world.wait_for("a baseline from the first window", 60, async |pool| {
        let version: Option<i32> = sqlx::query_scalar("select version from baseline where active")
            .fetch_optional(pool)
            .await
            .map_err(|error| error.to_string())?;
        if version == Some(2) { Ok(()) } else { Err(format!("{version:?}")) }
    });

    // A drill and a test reach everybody and say what they are.
    let drill = world.driftd(&["drill", "--timeout", "30"]);
    assert_eq!(drill.matches("arrived after").count(), 4, "{drill}");
    let test = world.driftd(&["notify", "test", "webhook"]);
    assert!(test.contains("delivered in") && test.contains("webhook-signature"), "{test}");
    assert!(!test.contains(&world.webhooks.secret));
    std::thread::sleep(Duration::from_millis(50));
    let tests = world.webhooks.received().iter().filter(|(_, event)| event["data"]["test"] == true).count();
    assert_eq!(tests, 3, "drill, its end, and the test");
    assert_eq!(daemon.stop(), Some(0));
}
