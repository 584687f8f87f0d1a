//! A TCP proxy on loopback that cuts, delays and swallows, each direction by itself, also exactly at COMMIT.
//!
//! A connection of which bytes were swallowed stays silent for ever, as after a host that died or a firewall that forgot it:
//! there is no reset, and what is healed are the connections that come after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::wire::{CommitSpotter, KafkaAddress};

/// What happens to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Connections are reset, and new ones, too.
    Cut,
    /// Every chunk waits for this long, in both directions.
    Slow(Duration),
    SwallowRequests,
    SwallowAnswers,
    /// To every third COMMIT.
    Commit(AtCommit),
}

/// What happens to a COMMIT and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCommit {
    /// It never arrives; the connection is reset.
    CutBefore,
    /// It arrives; the connection is reset instead of the answer.
    CutAfter,
    /// It never arrives, nor does anything after it, and nobody says so.
    SilentBefore,
    /// It arrives; the answer does not, and nobody says so.
    SilentAfter,
}

/// How long the far side of a silent connection is kept: it does not notice either.
const SILENCE: Duration = Duration::from_secs(30);

/// Where connections lead.
#[derive(Clone, Debug)]
pub enum Upstream {
    Socket(PathBuf),
    Address(String),
}

/// What is spoken on them.
#[derive(Clone, Debug)]
pub enum Wire {
    Http,
    Postgres,
    Kafka(KafkaAddress),
}

/// What the proxy did so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections: AtomicU64,
    pub commits: AtomicU64,
    pub commits_struck: AtomicU64,
}

pub struct Proxy {
    pub port: u16,
    pub counters: Arc<Counters>,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// A proxy; the wire is made when its port is known.
    pub fn start(runtime: &Runtime, upstream: Upstream, wire: impl FnOnce(u16) -> Wire) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = wire(port);
        let (sender, mode) = watch::channel(Mode::Pass);
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        runtime.spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                if *mode.borrow() == Mode::Cut {
                    let _reset = client.set_zero_linger();
                    continue;
                }
                let (upstream, wire, mode, counters) =
                    (upstream.clone(), wire.clone(), mode.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    if let Some(server) = connect(&upstream).await {
                        Link { mode, counters, number, ..Link::new() }.serve(client, server, wire).await;
                    }
                });
            }
        });
        Self { port, counters, mode: sender }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Server = Box<dyn Stream>;

async fn connect(upstream: &Upstream) -> Option<Server> {
    match upstream {
        Upstream::Socket(path) => Some(Box::new(UnixStream::connect(path).await.ok()?)),
        Upstream::Address(address) => {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            Some(Box::new(stream))
        }
    }
}

/// One connection through the proxy.
struct Link {
    mode: watch::Receiver<Mode>,
    counters: Arc<Counters>,
    number: u64,
    requests_silent: AtomicBool,
    answers_silent: AtomicBool,
    cut_at_answer: AtomicBool,
    cut: CancellationToken,
}

impl Link {
    fn new() -> Self {
        Self {
            mode: watch::channel(Mode::Pass).1,
            counters: Arc::default(),
            number: 0,
            requests_silent: AtomicBool::new(false),
            answers_silent: AtomicBool::new(false),
            cut_at_answer: AtomicBool::new(false),
            cut: CancellationToken::new(),
        }
    }

    async fn serve(self, client: TcpStream, server: Server, wire: Wire) {
        let _delays_only = client.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = tokio::io::split(server);
        tokio::join!(
            self.requests(from_client, to_server, matches!(wire, Wire::Postgres)),
            self.answers(from_server, to_client, &wire)
        );
    }

    fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// The next bytes, or none when the connection is to end.
    async fn read(&self, from: &mut (impl AsyncRead + Unpin), chunk: &mut [u8]) -> Option<usize> {
        let mut mode = self.mode.clone();
        loop {
            if *mode.borrow_and_update() == Mode::Cut {
                self.cut.cancel();
            }
            tokio::select! {
                biased;
                () = self.cut.cancelled() => return None,
                changed = mode.changed() => if changed.is_err() { return None },
                read = from.read(chunk) => return match read {
                    Ok(number) if number > 0 => Some(number),
                    _ => None,
                },
            }
        }
    }

    async fn delay(&self) {
        if let Mode::Slow(delay) = self.mode() {
            tokio::time::sleep(delay).await;
        }
    }

    /// A side has ended: so does the other, later when it could not know.
    async fn end(&self) {
        let silent = self.requests_silent.load(Ordering::SeqCst) || self.answers_silent.load(Ordering::SeqCst);
        if silent && !self.cut.is_cancelled() {
            tokio::time::sleep(SILENCE).await;
        }
        self.cut.cancel();
    }

    async fn requests(&self, mut from: OwnedReadHalf, mut to: WriteHalf<Server>, spot_commits: bool) {
        let mut chunk = vec![0; 65_536];
        let mut spotter = CommitSpotter::default();
        while let Some(number) = self.read(&mut from, &mut chunk).await {
            self.delay().await;
            if self.mode() == Mode::SwallowRequests {
                self.requests_silent.store(true, Ordering::SeqCst);
            }
            if self.requests_silent.load(Ordering::SeqCst) {
                continue;
            }
            let forwarded = if spot_commits {
                self.forward_frames(&mut spotter, &chunk[..number], &mut to).await
            } else {
                to.write_all(&chunk[..number]).await.is_ok()
            };
            if !forwarded {
                break;
            }
        }
        if self.cut.is_cancelled() {
            let _reset = from.as_ref().set_zero_linger();
        }
        self.end().await;
    }

    /// Forwards whole messages of PostgreSQL's protocol, and deals with a COMMIT as the mode says.
    async fn forward_frames(&self, spotter: &mut CommitSpotter, bytes: &[u8], to: &mut WriteHalf<Server>) -> bool {
        spotter.push(bytes);
        while let Some((frame, is_commit)) = spotter.next_frame() {
            if is_commit {
                let serial = self.counters.commits.fetch_add(1, Ordering::Relaxed);
                if let Mode::Commit(how) = self.mode()
                    && (serial + self.number).is_multiple_of(3)
                {
                    self.counters.commits_struck.fetch_add(1, Ordering::Relaxed);
                    match how {
                        AtCommit::CutBefore => {
                            self.cut.cancel();
                            return false;
                        }
                        AtCommit::SilentBefore => {
                            self.requests_silent.store(true, Ordering::SeqCst);
                            return true;
                        }
                        AtCommit::CutAfter => self.cut_at_answer.store(true, Ordering::SeqCst),
                        AtCommit::SilentAfter => self.answers_silent.store(true, Ordering::SeqCst),
                    }
                }
            }
            if to.write_all(&frame).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn answers(&self, mut from: ReadHalf<Server>, mut to: OwnedWriteHalf, wire: &Wire) {
        let mut chunk = vec![0; 65_536];
        let mut held = Vec::new();
        while let Some(number) = self.read(&mut from, &mut chunk).await {
            self.delay().await;
            if self.cut_at_answer.load(Ordering::SeqCst) {
                self.cut.cancel();
                break;
            }
            if self.mode() == Mode::SwallowAnswers {
                self.answers_silent.store(true, Ordering::SeqCst);
            }
            if self.answers_silent.load(Ordering::SeqCst) {
                continue;
            }
            let written = if let Wire::Kafka(address) = wire {
                held.extend_from_slice(&chunk[..number]);
                to.write_all(&address.whole_answers(&mut held)).await
            } else {
                to.write_all(&chunk[..number]).await
            };
            if written.is_err() {
                break;
            }
        }
        if self.cut.is_cancelled() {
            let _reset = to.as_ref().set_zero_linger();
        }
        self.end().await;
    }
}
