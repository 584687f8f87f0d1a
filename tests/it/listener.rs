//! The listener under those who mean it harm: crowds that never read, guesses, sessions after their end, strangers, and a crash.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Config, Daemon, World, number, services, skipped};

const VIEWER: &str = "victors-token-for-tests";
const OPERATOR: &str = "olgas-token-for-tests-x";

fn with_tokens(daemon: Config) -> Config {
    daemon.token("victor", "viewer", VIEWER).token("olga", "operator", OPERATOR)
}

/// Starts a daemon and waits for its listener.
fn started(world: &World, name: &'static str) -> Daemon {
    let daemon = world.start_daemon(name, None);
    // It listens before the schema is there.
    world.wait_for("the schema", 60, async |pool| {
        match number(pool, "select count(*) from pg_tables where tablename = 'window_length'").await? {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    });
    let deadline = Instant::now() + Duration::from_mins(1);
    while world.get(name, "/healthz").0 == 0 {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon
}

type Headers<'a> = &'a [(&'a str, &'a str)];

fn get(world: &World, daemon: &str, path: &str, headers: Headers<'_>) -> (u16, String) {
    let Answer { status, text, .. } = world.http(daemon).ask(Method::GET, path, headers, None);
    (status, text)
}

/// Posts a form as one of our own pages does.
fn post(world: &World, daemon: &str, path: &str, headers: Headers<'_>, form: &[(&str, &str)]) -> Answer {
    let http = world.http(daemon);
    let request = http.request(Method::POST, path).header("origin", &http.base).form(form);
    http.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

/// Logs in, and the cookie, as it is sent back.
fn log_in(world: &World, daemon: &str, token: &str) -> String {
    let answer = post(world, daemon, "/login", &[], &[("token", token), ("next", "/")]);
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn sockets_that_never_read_stop_neither_pages_nor_probes_and_are_let_go() {
    let Some(services) = services("sockets that never read") else { return };
    let world = World::new(&services);
    let daemon = started(&world, "a");
    // Each asks for a few megabytes, reads none of it, and has hardly room for what comes.
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(30);
    let began = Instant::now();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], world.ports["a"]));
    let deaf: Vec<TcpStream> = world.runtime.block_on(async {
        let mut deaf = Vec::new();
        for _ in 0..64 {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4_096).unwrap();
            let mut stream = socket.connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
            deaf.push(stream.into_std().unwrap());
        }
        deaf
    });
    // And a few hundred that ask nothing at all.
    let idle: Vec<TcpStream> =
        (0..300).filter_map(|_| TcpStream::connect(("127.0.0.1", world.ports["a"])).ok()).collect();
    while began.elapsed() < Duration::from_secs(30) {
        for path in ["/healthz", "/readyz", "/metrics"] {
            let asked = Instant::now();
            let (status, answer) = world.get("a", path);
            assert!(matches!(status, 200 | 503) && !answer.contains("too many"), "{path}: {status} {answer}");
            assert!(asked.elapsed() < Duration::from_secs(5), "{path} took {:?}", asked.elapsed());
        }
        std::thread::sleep(Duration::from_millis(200));
        if began.elapsed() > Duration::from_secs(4) {
            // Connections that had waited for a second have given way.
            let (status, answer) = world.get("a", "/");
            assert_eq!(status, 200, "{answer}");
            break;
        }
    }
    drop(idle);
    // Nobody needs their places, and still they do not keep them.
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut left = deaf.len();
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} sockets that never read are still there");
        std::thread::sleep(Duration::from_millis(500));
        left = deaf.iter().filter(|stream| is_open(stream)).count();
    }
    eprintln!("all sockets that never read were let go within {:.0} s", began.elapsed().as_secs_f64());
    assert_eq!(daemon.stop(), Some(0));
}

/// Whether the other side still keeps a connection.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.write_all(b"G") {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn who_logs_out_is_out_in_every_role_on_every_daemon_and_for_good() {
    let Some(services) = services("logging out") else { return };
    let world = World::new(&services);
    for name in ["a", "b"] {
        world.configure(name, with_tokens);
    }
    let (a, b) = (started(&world, "a"), started(&world, "b"));
    for (token, name) in [(VIEWER, "victor"), (OPERATOR, "olga")] {
        let (session, another) = (log_in(&world, "a", token), log_in(&world, "a", token));
        assert!(session.starts_with("driftd_session="), "{session}");
        let (session, another) = ([("cookie", session.as_str())], [("cookie", another.as_str())]);
        for daemon in ["a", "b"] {
            let (status, page) = get(&world, daemon, "/alerts", &session);
            assert!(status == 200 && page.contains(name), "{daemon}: {page}");
        }
        let out = post(&world, "a", "/logout", &session, &[]);
        assert_eq!(out.status, 303, "{name}: {}", out.text);
        assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
        for daemon in ["a", "b"] {
            assert_eq!(get(&world, daemon, "/alerts", &session).0, 303, "{name} on {daemon}");
            assert_eq!(get(&world, daemon, "/api/v1/monitors", &session).0, 401, "{name} on {daemon}");
            assert_eq!(get(&world, daemon, "/metrics", &session).0, 401, "{name} on {daemon}");
        }
        assert_eq!(post(&world, "a", "/logout", &session, &[]).status, 401, "there is nothing to end any more");
        assert_eq!(get(&world, "a", "/alerts", &another).0, 200, "another browser of the same person stays");
        world.runtime.block_on(async {
            let ended: i64 = sqlx::query_scalar("select count(*) from ended_session where ends_at > now()")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            assert!(ended > 0);
        });
    }
    let session = log_in(&world, "a", VIEWER);
    let session = [("cookie", session.as_str())];
    assert_eq!(post(&world, "a", "/logout", &session, &[]).status, 303);
    assert_eq!(a.stop(), Some(0));
    let a = started(&world, "a");
    assert_eq!(get(&world, "a", "/api/v1/monitors", &session).0, 401, "after a restart");
    assert_eq!((a.stop(), b.stop()), (Some(0), Some(0)));
}

#[test]
fn guesses_become_slow_and_are_logged_with_their_peer_and_strangers_learn_nothing() {
    let Some(services) = services("guesses") else { return };
    let world = World::new(&services);
    // It is not ready, and why is nobody's business.
    world.configure("a", |daemon| with_tokens(daemon).set("kafka.brokers", "127.0.0.1:1"));
    let daemon = started(&world, "a");
    let probe = |headers: Headers<'_>| get(&world, "a", "/readyz", headers);
    let bearer = |token: &str| format!("Bearer {token}");
    let (status, told) = probe(&[("authorization", &bearer(VIEWER))]);
    assert!(status == 503 && told.contains("no partition has been assigned"), "{status} {told}");
    let strangers: [Headers<'_>; 3] =
        [&[], &[("authorization", "Bearer wrong-wrong-wrong-wrong")], &[("cookie", "driftd_session=1.2.3.4")]];
    for stranger in strangers {
        let (status, told) = probe(stranger);
        assert_eq!(
            (status, told.as_str()),
            (503, "{\"ok\":false,\"problems\":[\"with a token it is said what is wrong\"]}")
        );
    }
    let forwarded = |from: &str, token: &str| {
        post(&world, "a", "/login", &[("x-forwarded-for", from)], &[("token", token), ("next", "/")]).status
    };
    let guess = || {
        let asked = Instant::now();
        let status = forwarded("1.1.1.1, 10.9.8.7", "guessed-guessed-guessed");
        assert_eq!(status, 401);
        asked.elapsed()
    };
    let took: Vec<f64> = (0..4).map(|_| guess().as_secs_f64()).collect();
    assert!(took[0] < 0.4 && took[1] > 0.45 && took[2] > 0.95 && took[3] > 1.9, "{took:?}");
    // Of somebody else behind the same proxy nothing is slower.
    let asked = Instant::now();
    let status = forwarded("10.9.8.8", VIEWER);
    assert!(status == 303 && asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    let asked = Instant::now();
    assert_eq!(
        get(&world, "a", "/api/v1/monitors", &[("authorization", &bearer("guessed-guessed-guessed"))]).0,
        401
    );
    assert!(asked.elapsed() > Duration::from_millis(900));
    let log = daemon.log();
    let failed: Vec<&str> = log.lines().filter(|line| line.contains("log-in failed")).collect();
    assert_eq!(failed.len(), 4, "{log}");
    assert!(
        failed[3].contains("peer=127.0.0.1") && failed[3].contains("10.9.8.7") && failed[3].contains("failures=4"),
        "{log}"
    );
    assert!(log.contains("request with an invalid token"), "{log}");
    assert!(!log.contains("guessed-guessed"), "{log}");
    drop(daemon);
}

#[test]
fn a_text_with_a_nul_is_a_mistake_of_whoever_sends_it() {
    let Some(services) = services("NUL") else { return };
    let world = World::new(&services);
    let daemon = started(&world, "a");
    let nobody = "/api/v1/alerts/00000000-0000-0000-0000-000000000000";
    for (path, body) in [
        ("/api/v1/silences".to_owned(), json!({ "matchers": ["monitor=a\0b"], "duration": "1h", "comment": "x" })),
        ("/api/v1/silences".to_owned(), json!({ "matchers": ["monitor=~\0"], "duration": "1h", "comment": "x" })),
        ("/api/v1/silences".to_owned(), json!({ "matchers": ["monitor=a"], "duration": "1h", "comment": "a\0b" })),
        ("/api/v1/silences".to_owned(), json!({ "matchers": ["monitor=a"], "duration": "\0", "comment": "x" })),
        (format!("{nobody}/acknowledge"), json!({ "comment": "\0" })),
        (format!("{nobody}/resolve"), json!({ "comment": "\0" })),
        (
            "/api/v1/monitors/bike-demand/baselines".to_owned(),
            json!({ "from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z", "version": "\0" }),
        ),
        (
            "/api/v1/monitors/a%5Cu0000b/baselines".to_owned(),
            json!({ "from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z", "segment\0": 1 }),
        ),
    ] {
        let headers = [("content-type", "application/json".to_owned())];
        let (status, answer) = world.post("a", &path, &headers, &body.to_string());
        assert_eq!(status, 400, "{path} {body}: {answer}");
    }
    for path in [
        "/api/v1/alerts?monitor=%00",
        "/api/v1/deliveries?receiver=a%00b",
        "/api/v1/audit?subject=%00",
        "/api/v1/monitors/bike-demand/windows?version=%00",
        "/api/v1/monitors/bike-demand/windows?segment=%00",
        "/api/v1/monitors/bike-demand/findings?measure=%00",
        "/monitors/bike-demand?segment=%00",
        "/monitors/a%00b",
        "/alerts/%00",
        "/login?next=%00",
    ] {
        assert_eq!(world.get("a", path).0, 400, "{path}");
    }
    for (what, request) in [
        ("two hosts", "GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n"),
        ("two alike", "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n"),
        (
            "an address of its own",
            "GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        ),
    ] {
        let (status, answer) = world.raw("a", request.as_bytes());
        assert_eq!(status, 400, "{what}: {answer}");
    }
    let log = daemon.log();
    assert!(!log.contains("cannot answer a request"), "{log}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_crash_leaves_no_core_behind() {
    let folder = tempfile::tempdir().unwrap();
    let crash = |command: &str| {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -c unlimited && exec {command}")])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(700));
        let killed = Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        child.wait().unwrap()
    };
    let control = crash("sleep 60");
    if !control.core_dumped() {
        skipped("core files: this machine writes none");
        return;
    }
    // Waits for JSON lines on standard input, which never come.
    let fifo = folder.path().join("never");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let monitor = folder.path().join("m.toml");
    Config::monitor("m", "t").set("source.time", "ts").set("window.length", "1h").numeric("x").write(&monitor);
    let driftd = env!("CARGO_BIN_EXE_driftd");
    let status = crash(&format!(
        "{driftd} replay --monitor {} {} <> {}",
        monitor.display(),
        fifo.display(),
        fifo.display()
    ));
    assert_eq!(status.signal(), Some(6), "it was still at work");
    assert!(!status.core_dumped());
}
