//! The frame of a report in HTML: one file, no script, nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Outcome;

/// The style of reports, for inclusion into a page's style sheet.
pub const STYLE: &str = include_str!("report.css");

/// A whole document around its content.
#[must_use]
pub fn page(title: &str, content: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(crate::chart::STYLE)) }
            }
            body {
                main { (content) }
                footer { "driftd " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    // Names from files may have what acts instead of showing itself; no markup has.
    crate::escape::plain_lines(&document.into_string()).into_owned()
}

/// Content that scrolls by itself where the page is narrow; `label` says what it is.
#[must_use]
pub fn scrolling(label: &str, content: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (content) } }
}

/// A table that scrolls; `label` says what it is of.
pub(super) fn table(label: &str, content: &Markup) -> Markup {
    scrolling(label, &html! { table { (content) } })
}

/// A verdict as a badge: a word, not only a colour.
#[must_use]
pub fn badge(outcome: Outcome) -> Markup {
    html! { span class=(format!("badge {}", outcome.as_str())) { (outcome.words()) } }
}

/// The key to the colours of charts. `sampled`: heights of bars narrower than a bin come from a sample of records.
#[must_use]
pub fn key(sampled: bool) -> Markup {
    html! {
        p.key {
            span.swatch.base {} " baseline "
            span.swatch.win {} " window. "
            "Heights are shares of all rows" @if sampled { ", estimated from the window's sample of records" } "; null, invalid, unseen and out-of-range values stand apart on the right."
        }
    }
}
