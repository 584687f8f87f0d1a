//! Requests to the listener: method, path and query, headers and body, through the router itself. Lines are apart by line
//! breaks, as in HTTP; the body follows an empty line.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use driftd::http::{Access, router};
use driftd_fuzz::Nothing;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

thread_local! {
    static STATE: RefCell<(Runtime, Router)> = RefCell::new((
        Builder::new_current_thread().enable_time().build().expect("a runtime"),
        router(Arc::new(Nothing(Arc::new(Access::default())))),
    ));
}

/// The request that some bytes are.
fn request(data: &[u8]) -> Option<Request<Body>> {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (head, body) = (data.get(..end)?, data.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(uri).body(Body::from(body.to_vec())).ok()?;
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next()?).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(parts.next()?.trim_ascii()).ok()?);
    }
    Some(request)
}

fuzz_target!(|data: &[u8]| {
    let Some(request) = request(data) else { return };
    STATE.with_borrow_mut(|(runtime, router)| {
        runtime.block_on(async {
            let Ok(response) = router.clone().oneshot(request).await;
            assert!(response.status().as_u16() != 500, "no request makes an error of the server");
            let _body = to_bytes(response.into_body(), 10 << 20).await;
        });
    });
});
