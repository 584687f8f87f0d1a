//! Who may do what: bearer tokens with roles, sessions of browsers made from them, and protection against other sites.
//!
//! Without tokens everybody who reaches the listener may do everything: that is for loopback addresses alone, and even there the
//! `Host` of a request has to be one of ours, so that a page elsewhere cannot point its own name at it (DNS rebinding).

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use cookie::Cookie;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;
use super::session::{BrowserSession, SESSION_SECONDS};

/// The name of the session's cookie; over TLS with the prefix that keeps other hosts and plain HTTP from setting it.
const COOKIE: &str = "driftd_session";
const SECURE_COOKIE: &str = "__Host-driftd_session";

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
    pub session: Option<BrowserSession>,
}

impl Caller {
    /// # Errors
    /// With 403 when the caller's role does not allow what takes this one.
    pub fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let (needed, own) = (role.as_str(), self.role.as_str());
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("this requires the role {needed}; {} has the role {own}", self.name),
        ))
    }
}

impl Access {
    /// Who makes a request, by its token or its session. Whether the session was ended is in the database.
    ///
    /// # Errors
    /// With 401 when there is neither, or neither is known.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            return Ok(Caller { name: "local".to_owned(), role: Role::Admin, session: None });
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(value) = text(header::AUTHORIZATION) {
            let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let found = token.and_then(|(_, token)| self.by_token(token.trim()));
            return found
                .map(|token| Caller { name: token.name.clone(), role: token.role, session: None })
                .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "invalid token"));
        }
        let session = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .find(|cookie| cookie.name() == self.cookie_name())
            .and_then(|cookie| BrowserSession::verified(cookie.value(), &self.tokens));
        let caller = |(token, session): (&Token, BrowserSession)| Caller {
            name: token.name.clone(),
            role: token.role,
            session: Some(session),
        };
        session.map(caller).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "a token is required\nhint: send `Authorization: Bearer TOKEN`, or log in at /login",
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

    /// The cookie of a new session of a token.
    #[must_use]
    pub fn begin_session(&self, token: &Token) -> Cookie<'static> {
        self.cookie(BrowserSession::begin().signed(token), SESSION_SECONDS)
    }

    /// The cookie that makes a browser forget its session.
    #[must_use]
    pub fn forget_session(&self) -> Cookie<'static> {
        self.cookie(String::new(), 0)
    }

    fn cookie(&self, value: String, seconds: u64) -> Cookie<'static> {
        let seconds = cookie::time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
        Cookie::build((self.cookie_name(), value))
            .http_only(true)
            .secure(self.secure)
            .same_site(cookie::SameSite::Lax)
            .path("/")
            .max_age(seconds)
            .build()
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { SECURE_COOKIE } else { COOKIE }
    }

    /// # Errors
    /// With 421 when there are no tokens and the request names a host that is not this machine.
    pub fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.tokens.is_empty() {
            return Ok(());
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let named = host.parse::<Authority>().ok();
        let name = named.as_ref().map_or("", Authority::host);
        let is_address =
            name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let external = self.external_url.as_deref().and_then(authority);
        if is_address || name.eq_ignore_ascii_case("localhost") || (named.is_some() && external == named) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this listener accepts only localhost and `http.external_url` as host\nhint: set `http.external_url` to the external address",
        ))
    }

    /// Changes come from our own pages or from programs, never from pages of others. Browsers say where a request comes
    /// from; `strict` asks for that.
    ///
    /// # Errors
    /// With 403 when another site is behind it.
    pub fn check_origin(&self, headers: &HeaderMap, strict: bool) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let site = text("sec-fetch-site");
        let own = match text("origin").map(authority) {
            _ if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) => false,
            Some(None) => false,
            Some(origin) => {
                origin == text("host").and_then(|host| host.parse().ok())
                    || origin == self.external_url.as_deref().and_then(authority)
            }
            None => !strict || site.is_some(),
        };
        if own {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site request rejected: changes are accepted from pages of driftd only",
        ))
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<Authority> {
    let url: Uri = url.parse().ok()?;
    url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    url.into_parts().authority
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
            ],
            external_url: Some("https://drift.example.org/".into()),
            secure: true,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn callers_are_known_by_token_or_session() {
        let access = access();
        let caller = |pairs: &[(&'static str, &str)]| access.caller(&headers(pairs)).map(|caller| caller.name);
        assert_eq!(caller(&[("authorization", "Bearer viewer-token-of-grafana")]).unwrap(), "grafana");
        assert_eq!(caller(&[("authorization", "bearer  operator-token-of-call ")]).unwrap(), "on-call");
        let cookie = access.begin_session(&access.tokens[1]);
        let sent = format!("a=b; {}={}", cookie.name(), cookie.value());
        assert_eq!(caller(&[("cookie", &sent)]).unwrap(), "on-call");
        let plain = format!("driftd_session={}", cookie.value());
        for stranger in [
            &[][..],
            &[("authorization", "Bearer wrong")],
            &[("authorization", "Basic dXNlcjpwYXNz")],
            &[("authorization", "Bearer wrong"), ("cookie", sent.as_str())],
            // Not over TLS.
            &[("cookie", plain.as_str())],
        ] {
            assert_eq!(caller(stranger).unwrap_err().status, 401, "{stranger:?}");
        }
        let viewer = access.caller(&headers(&[("authorization", "Bearer viewer-token-of-grafana")])).unwrap();
        assert!(viewer.needs(Role::Viewer).is_ok());
        assert_eq!(viewer.needs(Role::Operator).unwrap_err().status, 403);
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let mut access = access();
        let told = access.begin_session(&access.tokens[0]).to_string();
        for part in
            ["__Host-driftd_session=", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=43200"]
        {
            assert!(told.contains(part), "{told} lacks {part}");
        }
        access.secure = false;
        let told = access.forget_session().to_string();
        assert!(
            told.starts_with("driftd_session=;") && !told.contains("Secure") && told.contains("Max-Age=0"),
            "{told}"
        );
    }

    #[test]
    fn changes_come_from_our_own_pages_only() {
        let access = access();
        let own = |strict: bool, pairs: &[(&'static str, &str)]| {
            let mut all = vec![("host", "drift.example.org")];
            all.extend_from_slice(pairs);
            access.check_origin(&headers(&all), strict).is_ok()
        };
        assert!(own(true, &[("origin", "https://drift.example.org")]));
        assert!(own(true, &[("sec-fetch-site", "same-origin")]));
        assert!(!own(true, &[]), "a cookie alone proves nothing");
        assert!(own(false, &[]), "a program with a token");
        for strict in [true, false] {
            for foreign in [
                "https://evil.example",
                "https://drift.example.org.evil.example",
                "https://evil.example/drift.example.org",
                "null",
                "",
                "drift.example.org",
                "ftp://drift.example.org",
            ] {
                assert!(!own(strict, &[("origin", foreign)]), "{foreign:?}");
            }
            let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://drift.example.org")];
            assert!(!own(strict, &cross));
        }
    }

    #[test]
    fn without_tokens_only_requests_for_this_machine_are_answered() {
        let open = Access { external_url: Some("https://drift.example.org".into()), ..Access::default() };
        let status = |access: &Access, host: &str| {
            access.check_host(&headers(&[("host", host)])).map_or_else(|problem| problem.status, |()| 200)
        };
        for host in ["localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464", "drift.example.org"] {
            assert_eq!(status(&open, host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "a b",
            "localhost@evil.example",
        ] {
            assert_eq!(status(&open, host), 421, "{host}");
            assert_eq!(status(&access(), host), 200, "with tokens {host}");
        }
        let unnamed = Access::default();
        assert_eq!(status(&unnamed, ""), 421);
    }
}
