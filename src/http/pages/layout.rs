//! What all pages have around them.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use crate::escape::plain_lines;
use crate::http::access::{Caller, Role};
use crate::report::scrolling;

/// Around a page's content.
#[derive(Clone, Debug, Default)]
pub(super) struct PageLayout {
    title: String,
    /// Which part of the site it belongs to.
    part: &'static str,
    caller: Option<Caller>,
    live: bool,
}

const PARTS: [(&str, &str); 5] = [
    ("/", "Monitors"),
    ("/alerts", "Alerts"),
    ("/retraining", "Retraining"),
    ("/deliveries", "Deliveries"),
    ("/status", "Status"),
];

impl PageLayout {
    pub(super) fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    pub(super) fn in_part(self, part: &'static str) -> Self {
        Self { part, ..self }
    }

    pub(super) fn seen_by(self, caller: &Caller) -> Self {
        Self { caller: Some(caller.clone()), ..self }
    }

    /// Where scripts run, the page follows what happens.
    pub(super) fn live(self) -> Self {
        Self { live: true, ..self }
    }
}

/// Whether somebody may change things, so that buttons are shown.
pub(super) fn may_operate(caller: &Caller) -> bool {
    caller.role >= Role::Operator
}

/// Whether somebody may make and activate baselines.
pub(super) fn may_administer(caller: &Caller) -> bool {
    caller.role >= Role::Admin
}

/// A whole page.
pub(super) fn page(layout: &PageLayout, content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (layout.title) " · driftd" }
                link rel="icon" href=(assets::icon()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::style());
                script src=(assets::script()) defer {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.site {
                    nav aria-label="Main" {
                        a.brand href="/" { "driftd" }
                        @for (address, name) in PARTS {
                            @if layout.part == address {
                                a href=(address) aria-current="page" { (name) }
                            } @else {
                                a href=(address) { (name) }
                            }
                        }
                    }
                    @if let Some(caller) = layout.caller.as_ref().filter(|caller| caller.name != "local") {
                        form.who method="post" action="/logout" {
                            span.soft { (caller.name) " · " (caller.role.as_str()) }
                            button.plain { "Log out" }
                        }
                    }
                }
                main id="content" data-live[layout.live] { (content) }
                footer { "driftd " (env!("CARGO_PKG_VERSION")) " · all times are UTC · " a href="/api/v1/openapi.json" { "API" } }
            }
        }
    };
    // No markup has what acts instead of showing itself; names from records may.
    let document = plain_lines(&document.into_string()).into_owned();
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], document).into_response()
}

/// The way to a page.
pub(super) fn trail(steps: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav.trail aria-label="Breadcrumb" {
            ol {
                @for (address, name) in steps { li { a href=(address) { (name) } } }
                li aria-current="page" { (here) }
            }
        }
    }
}

/// A table that scrolls by itself where it is too wide.
pub(super) fn table(label: &str, content: &Markup) -> Markup {
    scrolling(label, &html! { table.sortable { (content) } })
}
