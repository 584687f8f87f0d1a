//! What happens while a message is being sent: kills, stops, receivers that do not answer; and what it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftd::alert::ChangeKind;
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use crate::deliveries::fired;
use crate::support::{World, number, services};

/// A server that takes connections and answers each request of HTTP with a status, or says nothing, ever.
struct Stubborn {
    port: u16,
    taken: Arc<AtomicUsize>,
    status: Arc<Mutex<Option<u16>>>,
}

impl Stubborn {
    fn start(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, taken: Arc::default(), status: Arc::new(Mutex::new(status)) };
        let (taken, status) = (Arc::clone(&server.taken), Arc::clone(&server.status));
        std::thread::spawn(move || {
            let mut silent: Vec<TcpStream> = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
                match *status.lock().unwrap() {
                    None => silent.push(stream),
                    Some(status) => {
                        let mut head = vec![0; 65_536];
                        let _read = stream.read(&mut head);
                        let _gone = write!(
                            stream,
                            "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        );
                    }
                }
            }
        });
        server
    }

    fn wait_until_taken(&self, connections: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.taken.load(Ordering::SeqCst) < connections {
            assert!(Instant::now() < deadline, "nobody connected");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Mails of both daemons go to this port, without TLS.
fn redirect_mail(world: &World, port: u16) {
    let server = json!({ "host": "127.0.0.1", "port": port, "tls": "none" });
    for name in ["a", "b"] {
        world.configure(name, |daemon| daemon.mail("owner").set("receivers.owner.smtp", &server));
    }
}

/// The webhook of both daemons leads to this port, and may take its time.
fn redirect_webhook(world: &World, port: u16) {
    let url = format!("http://127.0.0.1:{port}/");
    for name in ["a", "b"] {
        world.configure(name, |daemon| {
            daemon.set("receivers.webhook.url", &url).set("receivers.webhook.timeout", "60s")
        });
    }
}

fn tell(world: &World, id: u128, receiver: &str) {
    let store = world.store();
    world.runtime.block_on(store.inject_alerts("bike-demand", "1", &[fired(id, receiver)], "test")).unwrap();
}

fn free_leases(world: &World) {
    let free = sqlx::query(
        "update notification set leased_until = now() - interval '1 second' where leased_until is not null",
    );
    world.runtime.block_on(free.execute(&world.pool)).unwrap();
}

#[test]
fn kills_while_a_message_is_sent_use_up_none_of_its_attempts() {
    let Some(services) = services("kills while sending") else { return };
    let world = World::new(&services);
    let hook = Stubborn::start(Some(500));
    redirect_webhook(&world, hook.port);
    tell(&world, 1, "webhook");
    for kill in 1..=12 {
        let point = if kill % 2 == 0 { "dispatch.before_send:1" } else { "dispatch.after_send:1" };
        let status = world.start_daemon("a", Some(point)).wait(30);
        assert!(status.code().is_none(), "kill {kill}: it died of the fault: {status}");
        free_leases(&world);
    }
    let daemon = world.start_daemon("a", None);
    let state = world.wait_for("a failure to be recorded", 30, async |pool| {
        let state: (String, i32, i32, bool) = sqlx::query_as(
            "select status, attempts, failures, next_attempt_at < now() + interval '7 seconds' from notification",
        )
        .fetch_one(pool)
        .await
        .map_err(|error| error.to_string())?;
        if state.2 > 0 { Ok(state) } else { Err(format!("{state:?}")) }
    });
    assert_eq!(state, ("pending".to_owned(), 13, 1, true), "the first failure is followed by the first delay");
    *hook.status.lock().unwrap() = Some(204);
    world.wait_for("the message to arrive", 30, async |pool| {
        let sent = number(pool, "select count(*) from notification where status = 'sent'").await?;
        if sent == 1 { Ok(()) } else { Err("not sent".to_owned()) }
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_slow_send_keeps_its_message_and_a_killed_one_frees_it_soon() {
    let Some(services) = services("leases") else { return };
    let (mail, hook) = (Stubborn::start(None), Stubborn::start(None));
    let world = World::new(&services);
    redirect_mail(&world, mail.port);
    redirect_webhook(&world, hook.port);
    tell(&world, 1, "owner");
    tell(&world, 2, "webhook");
    let first = world.start_daemon("a", None);
    mail.wait_until_taken(1);
    hook.wait_until_taken(1);
    // Longer than a lease: another daemon is there, and leaves the messages alone.
    let second = world.start_daemon("b", None);
    std::thread::sleep(Duration::from_secs(18));
    let attempts = async |pool: &_| number(pool, "select max(attempts)::bigint from notification").await;
    assert_eq!(world.runtime.block_on(attempts(&world.pool)), Ok(1), "a living send keeps its own");
    first.kill();
    let killed = Instant::now();
    world.wait_for("the other daemon to take both", 25, async |pool| {
        let taken = number(pool, "select count(*) from notification where attempts = 2").await?;
        if taken == 2 { Ok(()) } else { Err(format!("{taken} of 2 after {:?}", killed.elapsed())) }
    });
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn a_stop_does_not_wait_for_receivers_that_hang() {
    let Some(services) = services("stopping while receivers hang") else { return };
    let hanging = [(); 4].map(|()| Stubborn::start(None));
    let [mail, hook, alertmanager, training] = &hanging;
    let world = World::new(&services);
    redirect_mail(&world, mail.port);
    redirect_webhook(&world, hook.port);
    let (alertmanager, airflow) =
        (format!("http://127.0.0.1:{}", alertmanager.port), format!("http://127.0.0.1:{}", training.port));
    let token = json!({ "file": world.folder.path().join("webhook.secret") });
    world.configure("a", |daemon| {
        daemon
            .set("receivers.alertmanager.type", "alertmanager")
            .set("receivers.alertmanager.urls", [alertmanager])
            .set("receivers.alertmanager.timeout", "60s")
            .set("receivers.airflow.type", "airflow")
            .set("receivers.airflow.url", airflow)
            .set("receivers.airflow.dag", "x")
            .set("receivers.airflow.token", token)
            .set("receivers.airflow.timeout", "60s")
    });
    for (id, receiver) in (1..).zip(["owner", "webhook", "alertmanager"]) {
        tell(&world, id, receiver);
    }
    // A run that is asked about.
    let asked = sqlx::query(
        "with w as (insert into binning (id, columns) values (gen_random_uuid(), '[]') returning id),
              s as (insert into series (monitor, model_version, segment) values ('bike-demand', '7', '*')
                    on conflict do nothing),
              a as (insert into alert (id, monitor, model_version, segment, state, severity, since)
                    values (gen_random_uuid(), 'bike-demand', '7', '*', 'firing', 'warn', now()) returning id)
         select w.id, a.id from w, a",
    );
    let (binning, alert): (Uuid, Uuid) = {
        let row = world.runtime.block_on(asked.fetch_one(&world.pool)).unwrap();
        (row.get(0), row.get(1))
    };
    world.runtime.block_on(async {
        let window: i64 = sqlx::query_scalar(
            "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id)
             values ('bike-demand', '7', '*', '2020-01-01', '2020-01-02', $1) returning id",
        )
        .bind(binning)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        sqlx::query(
            "insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, state,
                                             body, receivers, answer_within, expires_at, external_id)
             values (gen_random_uuid(), 'bike-demand', '7', '*', $1, $2, now(), 'accepted', '{}', '{airflow}',
                     86400000000, now() + interval '1 day', 'run-1')",
        )
        .bind(alert)
        .bind(window)
        .execute(&world.pool)
        .await
        .unwrap();
    });
    let daemon = world.start_daemon("a", None);
    for server in &hanging {
        server.wait_until_taken(1);
    }
    let told = Instant::now();
    assert_eq!(daemon.stop(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    let free =
        "select count(*) from notification where status = 'pending' and leased_until is null and failures = 0";
    assert_eq!(world.runtime.block_on(number(&world.pool, free)), Ok(2), "both can be sent again at once");
}

/// The group, the alert and its status of each message, by its id.
type Told = BTreeMap<String, (Value, Value, Value)>;

/// What mails are called, and what they answer to.
fn mails(world: &World) -> BTreeSet<String> {
    let folder = world.folder.path().join("mails");
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(entry.unwrap().path()).unwrap();
    let mails = std::fs::read_dir(folder).into_iter().flatten().map(read);
    mails
        .map(|mail| {
            let named = ["Message-ID:", "In-Reply-To:", "References:"];
            let lines = mail.lines().filter(|line| named.iter().any(|name| line.starts_with(name)));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

#[test]
fn a_database_set_back_in_time_sends_old_messages_under_the_same_ids() {
    let Some(services) = services("a database set back") else { return };
    let mut world = World::new(&services);
    world.store();
    world.back_up();
    let mut runs: Vec<(Told, BTreeSet<String>)> = Vec::new();
    let mut seen = 0;
    for run in 0..2 {
        if run > 0 {
            world.restore();
        }
        let store = world.store();
        let daemon = world.start_daemon("a", None);
        for receiver in ["webhook", "owner"] {
            let change = fired(1, receiver);
            world
                .runtime
                .block_on(store.inject_alerts("bike-demand", "1", std::slice::from_ref(&change), "test"))
                .unwrap();
            wait_until_told(&world, 30);
            let mut over = change;
            over.transition.change.kind = ChangeKind::Resolved;
            (over.groups, over.evidence) = (vec![], None);
            world.runtime.block_on(store.inject_alerts("bike-demand", "1", &[over], "test")).unwrap();
            wait_until_told(&world, 30);
        }
        assert_eq!(daemon.stop(), Some(0));
        world.runtime.block_on(store.close());
        drop(store);
        let received = world.webhooks.received();
        let told = received[seen..].iter().map(|(id, event)| {
            let alert = &event["data"]["alerts"][0];
            (id.clone(), (event["data"]["group_id"].clone(), alert["id"].clone(), alert["status"].clone()))
        });
        runs.push((told.collect(), mails(&world)));
        seen = received.len();
    }
    let [first, second] = runs.as_slice() else { panic!("two runs") };
    assert_eq!((first.0.len(), first.1.len()), (2, 2), "it fired and was resolved: {first:?}");
    assert_eq!(first, second, "the same messages have the same ids, threads and alerts");
}

/// Waits until every group that is due was looked at and every message sent.
pub(super) fn wait_until_told(world: &World, seconds: u64) {
    world.wait_for("everything to be told", seconds, async |pool| {
        let left = number(
            pool,
            "select (select count(*) from notification where status = 'pending')
                  + (select count(*) from alert_group where due_at <= now())",
        )
        .await?;
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    });
}
