//! Requests to the listeners of a world's daemons, written by hand: also such as no client would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::World;

impl World {
    /// Status and answer of a GET; 0 when nobody answers.
    pub fn get(&self, daemon: &str, path: &str) -> (u16, String) {
        self.ask(daemon, &format!("GET {path}"), "", "")
    }

    /// Status and answer of a POST; 0 when nobody answers.
    pub fn post(&self, daemon: &str, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.ask(daemon, &format!("POST {path}"), &headers, body)
    }

    fn ask(&self, daemon: &str, request: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.raw(
            daemon,
            &format!(
                "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            ),
        )
    }

    /// Status and answer of a request as it is written; 0 when nobody answers.
    pub fn raw(&self, daemon: &str, request: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.ports[daemon])) else {
            return (0, String::new());
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _cut_short = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer)
    }
}
