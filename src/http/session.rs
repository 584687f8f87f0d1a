//! Sessions of browsers: made from a token, ended with it, known to every daemon that has the same tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use uuid::Uuid;

use super::access::Token;

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: u64 = 12 * 3_600;

/// A session of a browser: what it is called, and until when it lasts, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Random, and no secret: without the signature it opens nothing.
    pub id: String,
    /// When it ends.
    pub until: u64,
}

impl BrowserSession {
    /// A session that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { id: Uuid::new_v4().simple().to_string(), until: now() + SESSION_SECONDS }
    }

    /// What the browser keeps: the name of the token, when the session ends, its id, and a signature made with the token. So a
    /// session ends when its token is replaced or gets another role.
    #[must_use]
    pub fn signed(&self, token: &Token) -> String {
        let signature = BASE64.encode(self.mac(token).finalize().into_bytes());
        format!("{}.{}.{}.{signature}", BASE64.encode(&token.name), self.until, self.id)
    }

    /// The session that a browser sent back, and its token; none when it is over, was changed, or its token is not there.
    #[must_use]
    pub fn verified<'a>(text: &str, tokens: &'a [Token]) -> Option<(&'a Token, Self)> {
        Self::verified_at(text, tokens, now())
    }

    fn verified_at<'a>(text: &str, tokens: &'a [Token], now: u64) -> Option<(&'a Token, Self)> {
        let mut parts = text.splitn(4, '.');
        let (name, until, id) = (parts.next()?, parts.next()?.parse::<u64>().ok()?, parts.next()?.to_owned());
        let signature = BASE64.decode(parts.next()?).ok()?;
        let token = tokens.iter().find(|token| BASE64.encode(&token.name) == name)?;
        let session = Self { id, until };
        // In constant time.
        session.mac(token).verify_slice(&signature).ok().filter(|()| until > now)?;
        Some((token, session))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, token: &Token) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(token.secret.expose_secret().as_bytes()).expect("a key of any length");
        let Self { id, until } = self;
        mac.update(format!("driftd session\n{}\n{}\n{until}\n{id}", token.name, token.role.as_str()).as_bytes());
        mac
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::access::Role;

    fn tokens() -> Vec<Token> {
        let token = |name: &str, role, secret: &str| Token { name: name.into(), role, secret: secret.into() };
        vec![
            token("on-call", Role::Operator, "operator-token-of-call"),
            token("grafana", Role::Viewer, "viewer-token-of-grafana"),
        ]
    }

    #[test]
    fn a_session_is_its_tokens_ends_and_cannot_be_made_up() {
        let tokens = tokens();
        let session = BrowserSession::begin();
        let text = session.signed(&tokens[0]);
        let (owner, known) = BrowserSession::verified(&text, &tokens).unwrap();
        assert_eq!((owner.name.as_str(), known.id.len()), ("on-call", 32));
        assert_ne!(BrowserSession::begin().id, session.id, "each can be ended by itself");
        let other = text.replacen(&known.id, &"0".repeat(32), 1);
        assert!(BrowserSession::verified(&other, &tokens).is_none(), "the id is signed");
        let another = text.replacen(&BASE64.encode("on-call"), &BASE64.encode("grafana"), 1);
        assert!(BrowserSession::verified(&another, &tokens).is_none(), "and so is the name");
        assert!(BrowserSession::verified_at(&text, &tokens, now() + SESSION_SECONDS + 1).is_none(), "it ends");
        let mut rotated = tokens.clone();
        rotated[0].secret = "another-token-of-on-call".into();
        assert!(BrowserSession::verified(&text, &rotated).is_none(), "it ends with its token");
        let mut promoted = tokens.clone();
        promoted[0].role = Role::Admin;
        assert!(BrowserSession::verified(&text, &promoted).is_none(), "and with its role");
        let longer = text.replacen('.', ".9", 1);
        assert!(BrowserSession::verified(&longer, &tokens).is_none());
        let name = BASE64.encode("on-call");
        for nonsense in ["", "..", "a.b.c", "...", &format!("{name}.99999999999.0.AA"), &format!("{name}.1")] {
            assert!(BrowserSession::verified(nonsense, &tokens).is_none(), "{nonsense}");
        }
    }
}
