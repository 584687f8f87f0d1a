//! The program as a child process, and the servers it talks to.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{Authority, private, skipped};

/// The program as a child process; killed when dropped.
pub struct Daemon {
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Daemon {
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// SIGTERM, and the exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let status = self.wait(30);
        status.code()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for it to end by itself; none when it does not.
    pub fn ended_within(&mut self, patience: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log has a text. Otherwise panics with the logs of all daemons of its world.
    pub fn wait_for_log(&self, text: &str, seconds: u64) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no `{text}` within {seconds} s\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The logs of all daemons of its world.
    fn logs(&self) -> String {
        let beside = fs::read_dir(self.log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let mut logs: Vec<PathBuf> = beside.filter(|path| path.extension() == self.log.extension()).collect();
        logs.sort();
        let text = |path: &PathBuf| format!("--- {}\n{}", path.display(), fs::read_to_string(path).unwrap());
        logs.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    /// Whether it is stopped, as by SIGSTOP.
    pub fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, seconds: u64) -> std::process::ExitStatus {
        let ended = self.ended_within(Duration::from_secs(seconds));
        ended.unwrap_or_else(|| panic!("the daemon did not end within {seconds} s\n{}", self.log()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What came, and whether it is refused with a 500 from now on.
struct Inbox {
    verifier: standardwebhooks::Webhook,
    /// Id and event of each, or what is wrong with it: a signature is right for some minutes only.
    received: Mutex<Vec<Result<(String, Value), String>>>,
    failing: AtomicBool,
}

/// A receiver of webhooks.
pub struct Webhooks {
    pub address: std::net::SocketAddr,
    pub secret: String,
    inbox: Arc<Inbox>,
}

impl Webhooks {
    pub(super) fn start(runtime: &Runtime) -> Self {
        let secret =
            format!("whsec_{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [9u8; 24]));
        let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
        let inbox = Arc::new(Inbox { verifier, received: Mutex::default(), failing: AtomicBool::new(false) });
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&inbox));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, secret, inbox }
    }

    /// Whether it answers everything with a 500 and forgets it.
    pub fn fail(&self, failing: bool) {
        self.inbox.failing.store(failing, Ordering::SeqCst);
    }

    /// What came: id and event. Signatures are verified with the reference implementation.
    pub fn received(&self) -> Vec<(String, Value)> {
        let received = self.inbox.received.lock().unwrap();
        received.iter().map(|event| event.clone().expect("a signed event")).collect()
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: String) -> StatusCode {
    if inbox.failing.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let event = || {
        inbox.verifier.verify(body.as_bytes(), &headers).map_err(|error| format!("{error}: {body}"))?;
        let id = headers["webhook-id"].to_str().map_err(|error| error.to_string())?;
        Ok((id.to_owned(), serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?))
    };
    inbox.received.lock().unwrap().push(event());
    StatusCode::NO_CONTENT
}

/// A real SMTP server that demands STARTTLS and AUTH.
pub struct Smtp {
    server: Child,
    pub port: u16,
    pub mails: PathBuf,
    pub authority: PathBuf,
    pub password: PathBuf,
}

impl Smtp {
    /// `None` when aiosmtpd is not installed.
    pub fn start(folder: &Path) -> Option<Self> {
        let available = Command::new("/usr/bin/python3").args(["-c", "import aiosmtpd"]).output();
        if !available.is_ok_and(|output| output.status.success()) {
            skipped("the mail server: python3-aiosmtpd is not installed");
            return None;
        }
        let mails = folder.join("smtp");
        fs::create_dir_all(&mails).unwrap();
        let authority = Authority::new(folder);
        let (certificate, key) = authority.sign("localhost");
        let password = folder.join("smtp.password");
        fs::write(&password, "correct horse").unwrap();
        private(&password);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/smtp.py");
        let mut server = Command::new("/usr/bin/python3")
            .arg(script)
            .args([&mails, &certificate, &key])
            .args(["driftd", "correct horse"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self {
            server,
            port: line.trim().parse().unwrap(),
            mails,
            authority: authority.certificate(),
            password,
        })
    }

    /// The mails that came, unfolded.
    pub fn received(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.mails).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "eml"));
        files.sort();
        files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("\r\n ", " "))
            .collect()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ended_already = self.server.kill();
        let _reaped = self.server.wait();
    }
}
