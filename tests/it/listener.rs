//! The listener under those who mean it harm: crowds that never read, guesses, sessions after their end, strangers, and a crash.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Config, Daemon, World, number, services, skipped};

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

fn get(world: &World, daemon: &str, path: &str, headers: &str) -> (u16, String) {
    world.raw(daemon, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"))
}

fn post(world: &World, daemon: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let origin = format!("origin: http://127.0.0.1:{}\r\n", world.ports[daemon]);
    let host = format!("127.0.0.1:{}", world.ports[daemon]);
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{origin}connection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    world.raw(daemon, &request)
}

/// Logs in, and the cookie, as it is sent back.
fn log_in(world: &World, daemon: &str, token: &str) -> String {
    let (status, answer) = post(world, daemon, "/login", "", &format!("token={token}&next=/"));
    assert_eq!(status, 303, "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    format!("cookie: {}\r\n", line.split(';').next().unwrap())
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
            let (status, answer) = get(&world, "a", path, "");
            assert!(matches!(status, 200 | 503) && !answer.contains("too many"), "{path}: {status} {answer}");
            assert!(asked.elapsed() < Duration::from_secs(5), "{path} took {:?}", asked.elapsed());
        }
        std::thread::sleep(Duration::from_millis(200));
        if began.elapsed() > Duration::from_secs(4) {
            // Connections that had waited for a second have given way.
            let (status, answer) = get(&world, "a", "/", "");
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
        let session = log_in(&world, "a", token);
        let another = log_in(&world, "a", token);
        assert!(session.starts_with("cookie: driftd_session="), "{session}");
        for daemon in ["a", "b"] {
            let (status, page) = get(&world, daemon, "/alerts", &session);
            assert!(status == 200 && page.contains(name), "{daemon}: {page}");
        }
        let (status, answer) = post(&world, "a", "/logout", &session, "");
        assert_eq!(status, 303, "{name}: {answer}");
        assert!(answer.contains("Max-Age=0"), "{answer}");
        for daemon in ["a", "b"] {
            assert_eq!(get(&world, daemon, "/alerts", &session).0, 303, "{name} on {daemon}");
            assert_eq!(get(&world, daemon, "/api/v1/monitors", &session).0, 401, "{name} on {daemon}");
            assert_eq!(get(&world, daemon, "/metrics", &session).0, 401, "{name} on {daemon}");
        }
        assert_eq!(post(&world, "a", "/logout", &session, "").0, 401, "there is nothing to end any more");
        assert_eq!(get(&world, "a", "/alerts", &another).0, 200, "another browser of the same person stays");
        world.runtime.block_on(async {
            let ended: i64 = sqlx::query_scalar("select count(*) from ended_session where ends_at > now()")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            assert!(ended > 0);
        });
        drop(session);
    }
    let session = log_in(&world, "a", VIEWER);
    assert_eq!(post(&world, "a", "/logout", &session, "").0, 303);
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
    let probe = |path: &str, headers: &str| {
        let (status, answer) = get(&world, "a", path, headers);
        (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    };
    let viewer = format!("authorization: Bearer {VIEWER}\r\n");
    let (status, told) = probe("/readyz", &viewer);
    assert!(status == 503 && told.contains("no partition has been assigned"), "{status} {told}");
    for stranger in ["", "authorization: Bearer wrong-wrong-wrong-wrong\r\n", "cookie: driftd_session=1.2.3.4\r\n"]
    {
        let (status, told) = probe("/readyz", stranger);
        assert_eq!(
            (status, told.as_str()),
            (503, "{\"ok\":false,\"problems\":[\"with a token it is said what is wrong\"]}")
        );
    }
    let guess = || {
        let asked = Instant::now();
        let (status, _) = post(
            &world,
            "a",
            "/login",
            "x-forwarded-for: 1.1.1.1, 10.9.8.7\r\n",
            "token=guessed-guessed-guessed&next=/",
        );
        assert_eq!(status, 401);
        asked.elapsed()
    };
    let took: Vec<f64> = (0..4).map(|_| guess().as_secs_f64()).collect();
    assert!(took[0] < 0.4 && took[1] > 0.45 && took[2] > 0.95 && took[3] > 1.9, "{took:?}");
    // Of somebody else behind the same proxy nothing is slower.
    let asked = Instant::now();
    let (status, _) =
        post(&world, "a", "/login", "x-forwarded-for: 10.9.8.8\r\n", &format!("token={VIEWER}&next=/"));
    assert!(status == 303 && asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    let asked = Instant::now();
    assert_eq!(get(&world, "a", "/api/v1/monitors", "authorization: Bearer guessed-guessed-guessed\r\n").0, 401);
    assert!(asked.elapsed() > Duration::from_millis(900));
    let log = daemon.log();
    let failed: Vec<&str> = log.lines().filter(|line| line.contains("a log-in failed")).collect();
    assert_eq!(failed.len(), 4, "{log}");
    assert!(
        failed[3].contains("peer=127.0.0.1") && failed[3].contains("10.9.8.7") && failed[3].contains("failures=4"),
        "{log}"
    );
    assert!(log.contains("a request has a token that is not known"), "{log}");
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
            "/api/v1/monitors/a\\u0000b/baselines".to_owned(),
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
        let (status, answer) = world.raw("a", &request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
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
