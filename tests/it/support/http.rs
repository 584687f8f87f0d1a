//! Requests to the listeners of a world's daemons: by a client as others have it, and as no client would send them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Method, RequestBuilder, redirect};
use serde_json::Value;

use super::World;

/// A client of one listener, which follows no redirects and keeps no connections.
pub struct Http<'a> {
    pub world: &'a World,
    client: Client,
    /// Where the listener is, as `http://127.0.0.1:9464`.
    pub base: String,
}

/// What came back.
pub struct Answer {
    /// 0 when nobody answered.
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A client that takes certificates of these authorities, when there is TLS at all.
pub(super) fn client(authorities: impl IntoIterator<Item = Certificate>) -> Client {
    // It needs a provider of cryptography even without TLS; another test may have set it.
    let _set_already = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        // Daemons end and others begin at the same port.
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(20))
        .tls_certs_only(authorities)
        .build()
        .unwrap()
}

impl World {
    /// A client of a daemon's listener.
    pub fn http(&self, daemon: &str) -> Http<'_> {
        let base = format!("http://127.0.0.1:{}", self.ports[daemon]);
        Http { world: self, client: self.client.clone(), base }
    }

    /// A client of a daemon's listener of TLS, whose certificate an authority signed.
    pub fn https(&self, daemon: &str, authority: &Path) -> Http<'_> {
        let authority = Certificate::from_pem(&std::fs::read(authority).unwrap()).unwrap();
        let base = format!("https://localhost:{}", self.ports[daemon]);
        Http { world: self, client: client([authority]), base }
    }

    /// Status and text of a GET; 0 when nobody answers.
    pub fn get(&self, daemon: &str, path: &str) -> (u16, String) {
        self.http(daemon).get(path)
    }

    /// Status and text of a POST; 0 when nobody answers.
    pub fn post(&self, daemon: &str, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
        let http = self.http(daemon);
        let request = http.request(Method::POST, path).body(body.to_owned());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let Answer { status, text, .. } = http.send(request);
        (status, text)
    }

    /// Status and beginning of the answer to bytes as they are; 0 when nobody answers in HTTP.
    pub fn raw(&self, daemon: &str, request: &[u8]) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.ports[daemon])) else {
            return (0, String::new());
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that has heard enough may close before all is written.
        let _closed_early = stream.write_all(request);
        let mut answer = [0; 400];
        let length = stream.read(&mut answer).unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        (status.unwrap_or(0), answer)
    }
}

impl Http<'_> {
    /// A request to be completed and sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request, and waits for the answer, also where a runtime is waiting already.
    pub fn send(&self, request: RequestBuilder) -> Answer {
        let (told, answer) = mpsc::channel();
        self.world.runtime.spawn(async move {
            let answer = match request.send().await {
                Ok(answer) => {
                    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                    let bytes = answer.bytes().await.unwrap_or_default();
                    Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
                }
                Err(_) => Answer { status: 0, headers: HeaderMap::new(), text: String::new() },
            };
            told.send(answer).unwrap();
        });
        answer.recv().unwrap()
    }

    /// Sends a request with headers, and perhaps with JSON.
    pub fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.send(request)
    }

    /// Status and text of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let Answer { status, text, .. } = self.send(self.request(Method::GET, path));
        (status, text)
    }

    /// What a path of the API answers.
    pub fn json(&self, path: &str) -> Value {
        self.json_with(path, &[])
    }

    /// The same, asked with headers.
    pub fn json_with(&self, path: &str, headers: &[(&str, &str)]) -> Value {
        let Answer { status, text, .. } = self.ask(Method::GET, path, headers, None);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}
