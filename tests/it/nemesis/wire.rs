//! As much of two protocols as the proxy has to know: where PostgreSQL is told to commit, and which address Kafka's
//! brokers give themselves.

use std::collections::BTreeSet;

/// Finds COMMIT among the messages of a PostgreSQL client, as a simple query and as a prepared statement.
#[derive(Debug, Default)]
pub struct CommitSpotter {
    buffer: Vec<u8>,
    started: bool,
    statements: BTreeSet<Vec<u8>>,
    portals: BTreeSet<Vec<u8>>,
}

/// The code in the place of a version with which a client asks for TLS, GSSAPI or a cancellation.
const SPECIAL_REQUESTS: std::ops::RangeInclusive<u32> = 80_877_102..=80_877_104;

impl CommitSpotter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, and whether it makes the server commit.
    pub fn next_frame(&mut self) -> Option<(Vec<u8>, bool)> {
        // The first message has no type in front of its length.
        let type_bytes = usize::from(self.started);
        let length = u32::from_be_bytes(self.buffer.get(type_bytes..type_bytes + 4)?.try_into().ok()?) as usize;
        let end = type_bytes + length;
        if self.buffer.len() < end {
            return None;
        }
        let frame: Vec<u8> = self.buffer.drain(..end).collect();
        if !self.started {
            let version = u32::from_be_bytes(frame.get(4..8)?.try_into().ok()?);
            self.started = !SPECIAL_REQUESTS.contains(&version);
            return Some((frame, false));
        }
        let is_commit = self.is_commit(frame[0], &frame[5..]);
        Some((frame, is_commit))
    }

    fn is_commit(&mut self, kind: u8, body: &[u8]) -> bool {
        let (first, rest) = text(body);
        match kind {
            b'Q' => commits(first),
            b'P' => {
                remember(&mut self.statements, first, commits(text(rest).0));
                false
            }
            b'B' => {
                remember(&mut self.portals, first, self.statements.contains(text(rest).0));
                false
            }
            b'E' => self.portals.contains(first),
            _ => false,
        }
    }
}

fn remember(names: &mut BTreeSet<Vec<u8>>, name: &[u8], whether: bool) {
    if whether {
        names.insert(name.to_vec());
    } else {
        names.remove(name);
    }
}

/// The text up to the next NUL, and what follows it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn commits(query: &[u8]) -> bool {
    let query = String::from_utf8_lossy(query).to_ascii_uppercase();
    let word: String = query.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    word == "COMMIT" || word == "END"
}

/// The address that a broker names in its answers, and the proxy's in its place: host and port in the same number of bytes.
#[derive(Clone, Debug)]
pub struct KafkaAddress {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl KafkaAddress {
    /// From `host:port` to another port of this host.
    pub fn new(address: &str, port: u16) -> Self {
        let (host, old) = address.rsplit_once(':').unwrap();
        let bytes = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        Self { from: bytes(old.parse().unwrap()), to: bytes(port) }
    }

    /// Takes the whole answers out of what was read so far, with the address replaced.
    pub fn whole_answers(&self, held: &mut Vec<u8>) -> Vec<u8> {
        let mut whole = 0;
        while let Some(length) = held.get(whole..whole + 4) {
            let end = whole + 4 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if end > held.len() {
                break;
            }
            whole = end;
        }
        let mut answers: Vec<u8> = held.drain(..whole).collect();
        let mut at = 0;
        while let Some(found) = answers[at..].windows(self.from.len()).position(|bytes| bytes == self.from) {
            answers[at + found..at + found + self.to.len()].copy_from_slice(&self.to);
            at += found + self.to.len();
        }
        answers
    }
}

#[test]
fn commits_are_spotted_in_both_protocols_and_whatever_the_chunks() {
    let frame = |kind: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), &body].concat()
    };
    let start = |code: u32| [8u32.to_be_bytes(), code.to_be_bytes()].concat();
    let bytes = [
        start(80_877_103),
        start(196_608),
        frame(b'Q', &[b"BEGIN\0"]),
        frame(b'Q', &[b"commit;\0"]),
        frame(b'Q', &[b"select 'COMMIT'\0"]),
        frame(b'P', &[b"one\0COMMIT\0\0\0"]),
        frame(b'B', &[b"\0one\0\0\0\0\0\0\0"]),
        frame(b'E', &[b"\0\0\0\0\0"]),
        frame(b'P', &[b"\0select 1\0\0\0"]),
        frame(b'B', &[b"\0\0\0\0\0\0\0\0"]),
        frame(b'E', &[b"\0\0\0\0\0"]),
        frame(b'S', &[]),
    ]
    .concat();
    for size in [1, 3, 7, bytes.len()] {
        let mut spotter = CommitSpotter::default();
        let mut found = Vec::new();
        let mut passed = Vec::new();
        for chunk in bytes.chunks(size) {
            spotter.push(chunk);
            while let Some((frame, is_commit)) = spotter.next_frame() {
                passed.extend(frame);
                found.push(is_commit);
            }
        }
        assert_eq!(passed, bytes, "nothing is changed");
        let commits: Vec<usize> = (0..found.len()).filter(|index| found[*index]).collect();
        assert_eq!((found.len(), commits), (12, vec![3, 7]));
    }
}

#[test]
fn the_address_of_a_broker_is_replaced_in_whole_answers() {
    let address = KafkaAddress::new("127.0.0.1:9092", 40_000);
    let answer = |port: u32| {
        let body = [&b"..\x0a127.0.0.1"[..], &port.to_be_bytes(), b"127.0.0.1"].concat();
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    };
    let (one, other) = (answer(9_092), answer(9_093));
    let mut held = [&one[..], &other, &one[..5]].concat();
    assert_eq!(address.whole_answers(&mut held), [answer(40_000), answer(9_093)].concat());
    assert_eq!(held, one[..5]);
    held.extend_from_slice(&one[5..]);
    assert_eq!(address.whole_answers(&mut held), answer(40_000));
}
