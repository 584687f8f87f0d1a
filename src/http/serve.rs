//! Connections: how many, how slow, how long, over TLS or not.

use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::paced::{PACE, Paced};
use super::places::{Peer, Places, Seat};

/// The head of a request has to come within this time, and so has a TLS handshake.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection ends after this time, however it is used; the request under way then is answered within the other one.
const CONNECTION: Duration = Duration::from_mins(10);
const LAST_ANSWER: Duration = Duration::from_secs(45);
/// A connection in one of the places kept for probes and metrics is over after this time.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// Requests under way are given this long when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Where the certificate of the listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the {what} of the listener in `{}`: {source}", .file.display())]
    File {
        /// What it is to hold.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("cannot read the certificate of the listener in `{}`: there is none in it", .0.display())]
    NoCertificate(PathBuf),
    /// The certificate is not one, or not that of the key.
    #[error("cannot read the certificate of the listener in `{}`: {source}", .file.display())]
    Unfit {
        /// The file of the certificate.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// There is no version of TLS to speak.
    #[error(transparent)]
    Versions(rustls::Error),
}

/// Reads a certificate and its key.
///
/// # Errors
/// When they cannot be read or do not belong together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let unread = |what, file: &PathBuf| {
        let file = file.clone();
        move |source| TlsError::File { what, file, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(unread("certificate", &files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unread("key", &files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Unfit { file: files.certificate.clone(), source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In all.
    pub all: usize,
    /// Of one peer.
    pub each: usize,
}

/// Serves until told to stop. Who comes when all places are taken gets one of those kept for probes and metrics.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let places = Arc::new(Places::new(limits.all, limits.each));
    let conversations = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, or a connection that is gone: waiting a moment helps against both.
                tracing::debug!(%error, "cannot accept a connection; retrying");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let place = places.take(Peer::of(address.ip()));
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        conversations.spawn(async move {
            // Answers are small and waited for.
            let _best_effort = stream.set_nodelay(true);
            let seat = Arc::clone(&place.seat);
            let info = ConnectionInfo { address: address.ip(), kept: place.kept };
            let conversation = async {
                match tls {
                    None => converse(Paced::new(stream, Arc::clone(&seat), PACE), router, &seat, info, stop).await,
                    Some(tls) => match tokio::time::timeout(HEAD_WITHIN, tls.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            converse(Paced::new(stream, Arc::clone(&seat), PACE), router, &seat, info, stop).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                        Err(_) => tracing::debug!("TLS handshake timed out"),
                    },
                }
            };
            tokio::select! {
                () = conversation => {}
                () = place.seat.evicted() => tracing::debug!(peer = %address.ip(), "connection closed to make room for another"),
            }
        });
    }
    conversations.close();
    let _given_up = tokio::time::timeout(DRAIN, conversations.wait()).await;
}

/// Who a request comes from, and over which kind of place.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionInfo {
    /// The other side's address.
    pub address: IpAddr,
    /// Whether all ordinary places were taken, and probes and metrics alone are answered.
    pub kept: bool,
}

/// The router, told who asks.
struct Connected {
    router: TowerToHyperService<Router>,
    seat: Arc<Seat>,
    info: ConnectionInfo,
}

impl hyper::service::Service<Request<Incoming>> for Connected {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.seat.asked();
        request.extensions_mut().insert(self.info);
        let answer = self.router.call(request);
        let seat = Arc::clone(&self.seat);
        Box::pin(async move {
            let answer = answer.await;
            seat.answered();
            answer
        })
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    seat: &Arc<Seat>,
    info: ConnectionInfo,
    stop: CancellationToken,
) {
    let service = Connected { router: TowerToHyperService::new(router), seat: Arc::clone(seat), info };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(if info.kept { PROBE_WITHIN } else { HEAD_WITHIN })
        .keep_alive(!info.kept)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // The request under way is answered, and then no more.
    let mut leaving = false;
    let mut ends = std::pin::pin!(tokio::time::sleep(if info.kept { PROBE_WITHIN } else { CONNECTION }));
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "connection failed");
                }
                return;
            }
            () = stop.cancelled(), if !leaving => leaving = true,
            () = ends.as_mut() => {
                if leaving || info.kept {
                    return;
                }
                leaving = true;
                ends.as_mut().reset(tokio::time::Instant::now() + LAST_ANSWER);
            }
        }
        connection.as_mut().graceful_shutdown();
    }
}
