//! Who may do what: bearer tokens with roles, sessions of browsers made from them, and protection against other sites.
//!
//! Without tokens whoever reaches the listener may do everything: that is for loopback addresses alone, and even there the
//! `Host` of a request has to be one of ours, so that a page elsewhere cannot point its own name at it (DNS rebinding).

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, Method, StatusCode, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::problem::Problem;

/// The name of the session's cookie; over TLS with the prefix that keeps other hosts and plain HTTP from setting it.
const COOKIE: &str = "driftd_session";
const SECURE_COOKIE: &str = "__Host-driftd_session";
/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: u64 = 12 * 3_600;

/// What somebody may do; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Acknowledge, resolve, silence, send again, approve and cancel; look at sampled records.
    Operator,
    /// Make and activate baselines.
    Admin,
}

impl Role {
    /// The name in configuration and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A token somebody was given.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who has it: what the audit log says.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The token.
    pub secret: SecretString,
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The tokens; none on a listener that only this machine reaches.
    pub tokens: Vec<Token>,
    /// What people reach the listener by.
    pub external_url: Option<String>,
    /// Whether browsers reach the listener over TLS.
    pub secure: bool,
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// For the audit log.
    pub name: String,
    /// What is allowed.
    pub role: Role,
    /// The session of a browser, which may have been ended; none of programs.
    pub session: Option<Session>,
}

/// A session of a browser: what it is called, and until when it lasts, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Random, and no secret: without the signature it opens nothing.
    pub id: String,
    /// When it ends.
    pub until: u64,
}

/// What a request takes. Everybody who may look may look at everything but records: those are people's data.
fn needed(method: &Method, path: &str) -> Role {
    if path == "/logout" {
        // Whoever came in may go.
        Role::Viewer
    } else if is_safe(method) {
        if path.contains("/windows/") && path.ends_with("/records") { Role::Operator } else { Role::Viewer }
    } else if path.contains("/baselines") {
        Role::Admin
    } else {
        Role::Operator
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

impl Access {
    /// Whether anybody may ask for something.
    pub(super) fn is_public(&self, method: &Method, path: &str) -> bool {
        self.tokens.is_empty() || is_public(method, path)
    }
}

/// What anybody may ask for: probes, the form to log in, style sheets, and reports that carry signatures of their own.
fn is_public(method: &Method, path: &str) -> bool {
    let signed = *method == Method::POST
        && (path == "/api/v1/mlflow"
            || path
                .strip_prefix("/api/v1/retraining/")
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/')));
    matches!(path, "/healthz" | "/readyz" | "/login") || path.starts_with("/assets/") || signed
}

impl Access {
    /// Who makes a request; none when a stranger asks for what anybody may ask for.
    ///
    /// # Errors
    /// With 401 when a token is needed, with 403 when its role does not allow it or another site is behind it, with 421
    /// when the request names another host.
    pub fn decide(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        if self.tokens.is_empty() {
            self.check_host(headers)?;
        }
        if is_public(method, path) {
            // A form to log in is still a form.
            if path == "/login" && !is_safe(method) {
                self.check_origin(headers, true)?;
            }
            // Whoever says who he is is told more.
            return Ok(self.caller(headers).ok());
        }
        let caller = self.caller(headers)?;
        if !is_safe(method) {
            self.check_origin(headers, caller.session.is_some())?;
        }
        let needed = needed(method, path);
        if caller.role < needed {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this takes the role {}, and {} has the role {}",
                    needed.as_str(),
                    caller.name,
                    caller.role.as_str()
                ),
            ));
        }
        Ok(Some(caller))
    }

    /// The name of the session's cookie here.
    #[must_use]
    pub fn cookie(&self) -> &'static str {
        if self.secure { SECURE_COOKIE } else { COOKIE }
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            return Ok(Caller { name: "local".to_owned(), role: Role::Admin, session: None });
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(value) = text(header::AUTHORIZATION) {
            let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let found = token.and_then(|(_, token)| self.by_token(token.trim()));
            return found
                .map(|token| Caller { name: token.name.clone(), role: token.role, session: None })
                .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "this token is not known"));
        }
        let session = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(name, _)| *name == self.cookie())
            .and_then(|(_, value)| self.by_session(value, now()));
        let caller = |(token, session): (&Token, Session)| Caller {
            name: token.name.clone(),
            role: token.role,
            session: Some(session),
        };
        session.map(caller).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "a token is needed\nhint: send `Authorization: Bearer TOKEN`, or log in at /login",
            )
        })
    }

    /// The token with this text. All are looked at, each in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn by_token(&self, text: &str) -> Option<&Token> {
        let given = Sha256::digest(text.as_bytes());
        let mut found = None;
        for token in &self.tokens {
            let known = Sha256::digest(token.secret.expose_secret().as_bytes());
            if bool::from(given.as_slice().ct_eq(known.as_slice())) {
                found = Some(token);
            }
        }
        found
    }

    /// A new session of a token: its name, when it ends, an id, and a signature made with the token. So sessions end with their
    /// token, and every daemon with the same tokens knows them; those that were ended before are in the database.
    #[must_use]
    pub fn session(&self, token: &Token) -> String {
        let session = Session { id: Uuid::new_v4().simple().to_string(), until: now() + SESSION_SECONDS };
        let signed = signature(token, &session);
        format!("{}.{}.{}.{signed}", hex(token.name.as_bytes()), session.until, session.id)
    }

    fn by_session(&self, session: &str, now: u64) -> Option<(&Token, Session)> {
        let mut parts = session.splitn(4, '.');
        let (name, until, id) = (parts.next()?, parts.next()?.parse::<u64>().ok()?, parts.next()?.to_owned());
        let signed = parts.next()?;
        let token = self.tokens.iter().find(|token| hex(token.name.as_bytes()) == name)?;
        let session = Session { id, until };
        let right = signature(token, &session);
        (until > now && bool::from(right.as_bytes().ct_eq(signed.as_bytes()))).then_some((token, session))
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = without_port(host);
        let is_address =
            name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let external = self.external_url.as_deref().and_then(authority);
        if is_address || name.eq_ignore_ascii_case("localhost") || external.is_some_and(|own| own == host) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this listener goes by localhost and `http.external_url` only\nhint: set `http.external_url` to what it is reached by",
        ))
    }

    /// Changes come from our own pages or from programs, never from pages of others. Browsers say where a request comes
    /// from; `strict` asks for that.
    fn check_origin(&self, headers: &HeaderMap, strict: bool) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let refused = || {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "changes are taken from driftd's own pages only, not from other sites",
            ))
        };
        let site = text("sec-fetch-site");
        if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return refused();
        }
        match text("origin") {
            Some(origin) => {
                let from = authority(origin);
                let host = text("host");
                let external = self.external_url.as_deref().and_then(authority);
                if from.is_some() && (from == host || from == external) { Ok(()) } else { refused() }
            }
            None if strict && site.is_none() => refused(),
            None => Ok(()),
        }
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') =>
        {
            name
        }
        _ => host,
    }
}

fn signature(token: &Token, session: &Session) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.secret.expose_secret().as_bytes()) else {
        return String::new();
    };
    let Session { id, until } = session;
    mac.update(format!("driftd session\n{}\n{}\n{until}\n{id}", token.name, token.role.as_str()).as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let token = |name: &str, role, secret: &str| Token { name: name.into(), role, secret: secret.into() };
        Access {
            tokens: vec![
                token("grafana", Role::Viewer, "viewer-token-of-grafana"),
                token("on-call", Role::Operator, "operator-token-of-call"),
                token("platform", Role::Admin, "admin-token-of-platform"),
            ],
            external_url: Some("https://drift.example.org/".into()),
            secure: true,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn status(access: &Access, method: &Method, path: &str, pairs: &[(&'static str, &str)]) -> u16 {
        match access.decide(method, path, &headers(pairs)) {
            Ok(_) => 200,
            Err(problem) => problem.status,
        }
    }

    #[test]
    fn each_role_may_do_what_it_is_for_and_no_more() {
        let access = access();
        let tokens = ["viewer-token-of-grafana", "operator-token-of-call", "admin-token-of-platform"];
        let cases = [
            (Method::GET, "/api/v1/monitors", [200, 200, 200]),
            (Method::GET, "/metrics", [200, 200, 200]),
            // Records are people's data.
            (Method::GET, "/api/v1/monitors/m/windows/3/records", [403, 200, 200]),
            (Method::HEAD, "/monitors/m/windows/3/records", [403, 200, 200]),
            (Method::GET, "/monitors/records", [200, 200, 200]),
            (Method::POST, "/api/v1/alerts/1/acknowledge", [403, 200, 200]),
            (Method::POST, "/logout", [200, 200, 200]),
            (Method::POST, "/api/v1/silences", [403, 200, 200]),
            (Method::DELETE, "/api/v1/silences/1", [403, 200, 200]),
            (Method::POST, "/api/v1/retraining/1/approve", [403, 200, 200]),
            (Method::POST, "/api/v1/monitors/m/baselines", [403, 403, 200]),
            (Method::POST, "/api/v1/monitors/m/baselines/2/activate", [403, 403, 200]),
        ];
        for (method, path, expected) in cases {
            for (token, expected) in tokens.iter().zip(expected) {
                let header = format!("Bearer {token}");
                let got = status(&access, &method, path, &[("authorization", &header)]);
                assert_eq!(got, expected, "{method} {path} with {token}");
            }
            assert_eq!(status(&access, &method, path, &[]), 401, "{method} {path} without a token");
            assert_eq!(status(&access, &method, path, &[("authorization", "Bearer wrong")]), 401);
            assert_eq!(status(&access, &method, path, &[("authorization", "Basic dXNlcjpwYXNz")]), 401);
        }
    }

    #[test]
    fn probes_assets_and_signed_reports_need_no_token() {
        let access = access();
        let public = [
            (Method::GET, "/healthz"),
            (Method::GET, "/readyz"),
            (Method::GET, "/login"),
            (Method::GET, "/assets/page.css"),
            (Method::POST, "/api/v1/mlflow"),
            (Method::POST, "/api/v1/retraining/0b6e"),
        ];
        for (method, path) in public {
            assert_eq!(status(&access, &method, path, &[]), 200, "{method} {path}");
            assert_eq!(
                status(&access, &method, path, &[("authorization", "Bearer wrong")]),
                200,
                "{method} {path}"
            );
        }
        let probe =
            |pairs: &[(&'static str, &str)]| access.decide(&Method::GET, "/readyz", &headers(pairs)).unwrap();
        assert_eq!(probe(&[]), None, "a stranger");
        assert_eq!(probe(&[("authorization", "Bearer wrong")]), None);
        let known = probe(&[("authorization", "Bearer viewer-token-of-grafana")]);
        assert_eq!(known.map(|caller| caller.name).as_deref(), Some("grafana"));
        for path in ["/api/v1/retraining/0b6e/approve", "/api/v1/retraining/", "/api/v1/retraining"] {
            assert_eq!(status(&access, &Method::POST, path, &[]), 401, "{path}");
        }
    }

    #[test]
    fn a_session_is_its_tokens_ends_and_cannot_be_made_up() {
        let access = access();
        let token = access.by_token("operator-token-of-call").unwrap();
        let session = access.session(token);
        let (owner, known) = access.by_session(&session, now()).unwrap();
        assert_eq!((owner.name.as_str(), known.id.len()), ("on-call", 32));
        assert_ne!(access.session(token), session, "each can be ended by itself");
        let other = session.replacen(&known.id, &"0".repeat(32), 1);
        assert!(access.by_session(&other, now()).is_none(), "the id is signed");
        assert!(access.by_session(&session, now() + SESSION_SECONDS + 1).is_none(), "it ends");
        let mut rotated = access.clone();
        rotated.tokens[1].secret = "another-token-of-on-call".into();
        assert!(rotated.by_session(&session, now()).is_none(), "it ends with its token");
        let mut promoted = access.clone();
        promoted.tokens[1].role = Role::Admin;
        assert!(promoted.by_session(&session, now()).is_none(), "and with its role");
        let longer = session.replacen('.', ".9", 1);
        assert!(access.by_session(&longer, now()).is_none());
        for nonsense in
            ["", "..", "a.b.c", "...", "6f6e2d63616c6c.99999999999.00", "6f6e2d63616c6c.99999999999.0.00"]
        {
            assert!(access.by_session(nonsense, now()).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn a_browser_changes_things_from_our_own_pages_only() {
        let access = access();
        let session = access.session(access.by_token("operator-token-of-call").unwrap());
        let cookie = format!("__Host-driftd_session={session}");
        let plain = format!("driftd_session={session}");
        assert_eq!(status(&access, &Method::GET, "/alerts", &[("cookie", cookie.as_str())]), 200);
        assert_eq!(status(&access, &Method::GET, "/alerts", &[("cookie", plain.as_str())]), 401, "not over TLS");
        let post = |pairs: &[(&'static str, &str)]| {
            let mut all = vec![("cookie", cookie.as_str()), ("host", "drift.example.org")];
            all.extend_from_slice(pairs);
            status(&access, &Method::POST, "/alerts/1/acknowledge", &all)
        };
        assert_eq!(post(&[("origin", "https://drift.example.org")]), 200);
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(post(&[("origin", "https://evil.example")]), 403);
        assert_eq!(post(&[("origin", "https://drift.example.org.evil.example")]), 403);
        assert_eq!(post(&[("origin", "null")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "cross-site"), ("origin", "https://drift.example.org")]), 403);
        assert_eq!(post(&[]), 403, "a cookie alone proves nothing");
        let login = |pairs: &[(&'static str, &str)]| status(&access, &Method::POST, "/login", pairs);
        assert_eq!(login(&[("origin", "https://evil.example"), ("host", "drift.example.org")]), 403);
    }

    #[test]
    fn without_tokens_only_requests_for_this_machine_are_answered() {
        let open = Access { external_url: Some("https://drift.example.org".into()), ..Access::default() };
        let get = |host: &str| status(&open, &Method::GET, "/api/v1/monitors", &[("host", host)]);
        for host in ["localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464", "drift.example.org"] {
            assert_eq!(get(host), 200, "{host}");
        }
        for host in ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "10.0.0.1", ""] {
            assert_eq!(get(host), 421, "{host}");
        }
        let cross = [("host", "localhost:9464"), ("origin", "https://evil.example")];
        assert_eq!(status(&open, &Method::POST, "/api/v1/silences", &cross), 403);
        assert_eq!(status(&open, &Method::POST, "/api/v1/silences", &[("host", "localhost:9464")]), 200, "curl");
    }
}
