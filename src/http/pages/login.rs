//! Logging in with a token, where tokens are configured.

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::Shown;
use super::actions::{Filled, fields};
use super::layout::{Layout, page};
use crate::http::Shared;
use crate::http::access::{COOKIE, SESSION_SECONDS};
use crate::http::extract::Asked;

/// Where to go afterwards.
#[derive(Default, Deserialize)]
pub(super) struct Query {
    next: Option<String>,
}

/// The form.
#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// A place on this site; everything else is the first page.
fn own(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && is_plain { next } else { "/" }
}

pub(super) async fn show(State(backend): State<Shared>, Asked(query): Asked<Query>) -> Shown {
    if backend.access().tokens.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    Ok(form(query.next.as_deref().unwrap_or("/"), None))
}

fn form(next: &str, wrong: Option<&str>) -> Response {
    let content: Markup = html! {
        h1 { "Log in" }
        @if let Some(wrong) = wrong { p.status.drift role="alert" { (wrong) } }
        div.forms {
            form method="post" action="/login" {
                fieldset {
                    legend { "With your token" }
                    input type="hidden" name="next" value=(own(next));
                    label for="token" { "Token" }
                    input type="password" id="token" name="token" required autocomplete="current-password" autofocus;
                    button { "Log in" }
                    p.soft { "Whoever runs driftd gives out tokens: " code { "[[http.tokens]]" } " of its configuration." }
                }
            }
        }
    };
    page(&Layout::titled("Log in"), &content)
}

pub(super) async fn take(
    State(backend): State<Shared>,
    filled: Result<Form<Login>, axum::extract::rejection::FormRejection>,
) -> Shown {
    let filled: Filled<Login> = filled;
    let login = fields(filled)?;
    let access = backend.access();
    let Some(token) = access.by_token(login.token.trim()) else {
        tracing::info!("somebody tried to log in with a token that is not known");
        let mut again = form(&login.next, Some("This token is not known."));
        *again.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(again);
    };
    tracing::info!(name = %token.name, "logged in");
    let secure = if access.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={}; HttpOnly; SameSite=Lax; Path=/; Max-Age={SESSION_SECONDS}{secure}",
        access.session(token)
    );
    Ok(with_cookie(Redirect::to(own(&login.next)).into_response(), &cookie))
}

pub(super) async fn leave() -> Response {
    let cookie = format!("{COOKIE}=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    with_cookie(Redirect::to("/login").into_response(), &cookie)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn after_logging_in_one_stays_on_this_site() {
        for place in ["/", "/alerts/1?x=1", "/monitors/a%20b"] {
            assert_eq!(own(place), place);
        }
        for elsewhere in
            ["", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/a\r\nb"]
        {
            assert_eq!(own(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
