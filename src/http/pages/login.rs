//! Logging in with a token, where tokens are configured.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::PageResult;
use super::layout::{PageLayout, page};
use crate::http::SharedBackend;
use crate::http::access::Caller;
use crate::http::attempts::{Attempts, Way, forwarded};
use crate::http::extract::{Form, Query};
use crate::http::places::Peer;
use crate::http::serve::ConnectionInfo;

/// Where to go afterwards.
#[derive(Default, Deserialize)]
pub(super) struct Params {
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

pub(super) async fn show(State(backend): State<SharedBackend>, Query(query): Query<Params>) -> PageResult {
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
                    p.soft { "The operator of this driftd gives out tokens: " code { "[[http.tokens]]" } " in its configuration." }
                }
            }
        }
    };
    page(&PageLayout::titled("Log in"), &content)
}

pub(super) async fn take(
    State(backend): State<SharedBackend>,
    Extension(attempts): Extension<Arc<Attempts>>,
    connection: Option<Extension<ConnectionInfo>>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> PageResult {
    let access = backend.access();
    // A form to log in is still a form.
    access.check_origin(&headers, true)?;
    let address = connection.map_or(std::net::Ipv4Addr::LOCALHOST.into(), |connection| connection.address);
    let forwarded = forwarded(&headers, address);
    let peer = Peer::of(forwarded.and_then(|behind| behind.parse().ok()).unwrap_or(address));
    // Before the token is looked at: who does not wait for the answer learns nothing either.
    tokio::time::sleep(attempts.delay(peer)).await;
    let Some(token) = access.by_token(login.token.trim()) else {
        if let Some(failures) = attempts.failed(Way::LogIn, peer) {
            tracing::warn!(peer = %address, forwarded, failures, "log-in failed: invalid token");
        }
        let mut again = form(&login.next, Some("Invalid token."));
        *again.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(again);
    };
    attempts.succeeded(peer);
    tracing::info!(name = %token.name, peer = %address, forwarded, "logged in");
    let cookie = access.begin_session(token).to_string();
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(own(&login.next))).into_response())
}

/// Ends the session on the server, then in the browser. One that could not be ended stays, and that is said.
pub(super) async fn leave(State(backend): State<SharedBackend>, caller: Caller) -> PageResult {
    if let Some(session) = &caller.session {
        backend.end_session(&session.id, session.until).await?;
        tracing::info!(name = %caller.name, "logged out");
    }
    let cookie = backend.access().forget_session().to_string();
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
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
