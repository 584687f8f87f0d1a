//! The style sheet, the script and the icon; their addresses change with their content, so that browsers may keep them.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::http::SharedBackend;
use crate::http::problem::Problem;

const SCRIPT: &str = include_str!("page.js");
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#1b1f24\"/>\
                    <path d=\"M2 11h2V8h2V5h2v3h2v3h2\" fill=\"none\" stroke=\"#a9b4c0\" stroke-width=\"1.5\"/>\
                    <path d=\"M6 12h2V9h2V4h2v5h2\" fill=\"none\" stroke=\"#fb923c\" stroke-width=\"1.5\"/></svg>";

static STYLE: LazyLock<String> =
    LazyLock::new(|| [crate::report::STYLE, crate::chart::STYLE, include_str!("page.css")].concat());
static ADDRESSES: LazyLock<[String; 3]> = LazyLock::new(|| {
    let address = |name: &str, kind: &str, content: &str| {
        format!("/assets/{name}-{:016x}.{kind}", xxhash_rust::xxh3::xxh3_64(content.as_bytes()))
    };
    [address("page", "css", &STYLE), address("page", "js", SCRIPT), address("icon", "svg", ICON)]
});

pub(super) fn style() -> &'static str {
    let [style, ..] = &*ADDRESSES;
    style
}

pub(super) fn script() -> &'static str {
    let [_, script, _] = &*ADDRESSES;
    script
}

pub(super) fn icon() -> &'static str {
    let [.., icon] = &*ADDRESSES;
    icon
}

pub(super) fn router() -> Router<SharedBackend> {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(Path(name): Path<String>) -> Response {
    let address = format!("/assets/{name}");
    let (kind, content): (&'static str, &'static str) = match address.as_str() {
        known if known == style() => ("text/css; charset=utf-8", &STYLE),
        known if known == script() => ("text/javascript; charset=utf-8", SCRIPT),
        known if known == icon() => ("image/svg+xml", ICON),
        _ => return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, content).into_response()
}
