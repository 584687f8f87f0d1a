//! Secrets taken out of what receivers answer: some echo the request, and answers are shown, logged and stored.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// What stands in place of a secret.
const INSTEAD: &str = "[secret]";

/// Shorter texts would be found in every answer.
const LEAST: usize = 4;

/// Parts of a URL that are long enough to be a key: `T024BE7LD`, but not `services`.
const LEAST_OF_URL: usize = 9;

/// What must not be seen in an answer: secrets, in every form in which they are sent or may come back.
#[derive(Default)]
pub(super) struct Secrets(Vec<SecretString>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Adds a secret: as it is, in base64, in JSON, and in URLs.
    pub(super) fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < LEAST {
            return;
        }
        let json = Value::from(secret).to_string();
        let bytes = secret.as_bytes();
        let encoded =
            [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(bytes));
        let forms = [
            secret.to_owned(),
            json.trim_matches('"').to_owned(),
            json.trim_matches('"').replace('/', "\\/"),
            percent(secret, |byte| format!("%{byte:02X}")),
            percent(secret, |byte| format!("%{byte:02x}")),
            percent(secret, |byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") }),
        ];
        for form in forms.into_iter().chain(encoded) {
            if !self.0.iter().any(|known| known.expose_secret() == form) {
                self.0.push(form.into());
            }
        }
        // A signing key is known by its base64 alone, too.
        if let Some(key) = secret.strip_prefix("whsec_") {
            self.add(key);
        }
        // The longest first: what is left of it afterwards is no secret.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.expose_secret().len()));
    }

    /// Adds a user's password, with the forms of `Basic` and of SMTP's `PLAIN`.
    pub(super) fn add_login(&mut self, user: &str, password: &str) {
        self.add(password);
        for pair in [format!("{user}:{password}"), format!("\0{user}\0{password}")] {
            self.0.push(STANDARD.encode(pair).into());
        }
        self.0.sort_by_key(|form| std::cmp::Reverse(form.expose_secret().len()));
    }

    /// Adds what is secret of a URL: its path and query as a whole, and their long parts.
    pub(super) fn add_url(&mut self, url: &str) {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let Some(start) = rest.find(['/', '?']) else { return };
        let secret = rest.get(start..).unwrap_or_default();
        if secret.len() >= LEAST_OF_URL {
            self.add(secret);
        }
        for part in secret.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= LEAST_OF_URL) {
            let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
            let has_letter = part.bytes().any(|byte| byte.is_ascii_alphabetic());
            // A key looks like one; words of a path are found in answers that are worth reading.
            if (has_digit && has_letter) || part.len() >= 20 {
                self.add(part);
            }
        }
    }

    /// A text without them.
    pub(super) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.expose_secret()) {
                text.replace(secret.expose_secret(), INSTEAD)
            } else {
                text
            }
        })
    }

    /// JSON without them, in names and in texts.
    pub(super) fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.redact(&text).into(),
            Value::Array(values) => values.into_iter().map(|value| self.redact_value(value)).collect(),
            Value::Object(values) => {
                values.into_iter().map(|(name, value)| (self.redact(&name), self.redact_value(value))).collect()
            }
            other => other,
        }
    }
}

/// A text as it is written in URLs.
fn percent(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => write(byte),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_in_which_it_comes_back() {
        let secret = "hunter2/\"correct horse\"+é";
        let mut secrets = Secrets::default();
        secrets.add(secret);
        secrets.add_login("driftd", "swordfish");
        let json = Value::from(secret).to_string();
        for echo in [
            secret.to_owned(),
            format!("{{\"token\":{json}}}"),
            json.replace('/', "\\/"),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            "hunter2%2F%22correct%20horse%22%2B%C3%A9".to_owned(),
            "hunter2%2f%22correct%20horse%22%2b%c3%a9".to_owned(),
            "hunter2%2F%22correct+horse%22%2B%C3%A9".to_owned(),
            "swordfish".to_owned(),
            STANDARD.encode("driftd:swordfish"),
            STANDARD.encode("\0driftd\0swordfish"),
        ] {
            let shown = secrets.redact(&format!("you sent {echo}, {echo}"));
            assert!(!shown.contains(&echo) && shown.contains(INSTEAD), "{echo}: {shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
        }
        let value = serde_json::json!({ "headers": [secret], "swordfish": 1, "n": 7 });
        let shown = secrets.redact_value(value).to_string();
        assert!(
            !shown.contains("hunter2") && !shown.contains("swordfish") && shown.contains("\"n\":7"),
            "{shown}"
        );
        assert_eq!(format!("{secrets:?}"), format!("Secrets({})", secrets.0.len()));
    }

    #[test]
    fn keys_in_urls_are_secrets_and_words_are_not() {
        let mut secrets = Secrets::default();
        secrets.add_url(
            "https://hooks.example.org/services/T024BE7LD/B0000001/xoxbAbCdEfGhIjKl1?token=abcdef0123456789",
        );
        let shown = secrets.redact("no service at /services/T024BE7LD/B0000001/xoxbAbCdEfGhIjKl1?token=abcdef0123456789 for xoxbAbCdEfGhIjKl1");
        assert_eq!(shown, "no service at [secret] for [secret]");
        assert_eq!(secrets.redact("token abcdef0123456789"), "token [secret]");
        let mut short = Secrets::default();
        short.add("abc");
        short.add_url("https://hooks.example.org/driftd");
        assert_eq!(short.redact("abc driftd"), "abc driftd");
    }
}
