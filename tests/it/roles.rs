//! Which role each route takes: asked of the router itself, over all routes that there are.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use driftd::http::{Access, Role, Token, openapi, router};
use tower::ServiceExt as _;

#[path = "../../fuzz/src/nothing.rs"]
mod nothing;

/// Who may ask: without a token, or with the token of a role.
const CALLERS: [Option<Role>; 4] = [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)];

fn token(role: Role) -> Token {
    Token { name: role.as_str().into(), role, secret: format!("token-of-the-{}-here", role.as_str()).into() }
}

fn listener() -> Router {
    let tokens = [Role::Viewer, Role::Operator, Role::Admin].map(token).to_vec();
    router(Arc::new(nothing::Nothing(Arc::new(Access { tokens, ..Access::default() }))))
}

async fn status(router: &Router, method: &Method, path: &str, caller: Option<Role>) -> u16 {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(role) = caller {
        request = request.header("authorization", format!("Bearer token-of-the-{}-here", role.as_str()));
    }
    let request = request.header("content-type", "application/json").body(Body::from("{}")).unwrap();
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

/// A place where names are.
fn named(path: &str) -> String {
    path.replace("{monitor}", "m")
        .replace("{column}", "c")
        .replace("{window}", "3")
        .replace("{version}", "2")
        .replace("{name}", "x")
        .split('/')
        .map(|part| if part.starts_with('{') { "00000000-0000-0000-0000-000000000001" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// What the route takes: nothing, or a role.
fn expected(method: &Method, path: &str) -> Option<Role> {
    match (method.as_str(), path) {
        ("POST", "/api/v1/mlflow" | "/api/v1/retraining/{request}") => None,
        (_, path) if path.ends_with("/records") => Some(Role::Operator),
        ("GET", _) => Some(Role::Viewer),
        (_, path) if path.contains("/limits/") => Some(Role::Admin),
        (_, path) if path.contains("/baselines") => Some(Role::Admin),
        _ => Some(Role::Operator),
    }
}

#[tokio::test]
async fn every_operation_of_the_api_takes_its_role_and_nothing_less() {
    let router = listener();
    let description = serde_json::to_value(openapi()).unwrap();
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let method: Method = method.to_uppercase().parse().unwrap();
            let needed = expected(&method, path);
            for caller in CALLERS {
                let status = status(&router, &method, &named(path), caller).await;
                let what = format!("{method} {path} as {caller:?}: {status}");
                match caller {
                    _ if needed.is_none() => assert!(status != 401 || path.contains("retraining"), "{what}"),
                    None => assert_eq!(status, 401, "{what}"),
                    Some(role) if Some(role) < needed => assert_eq!(status, 403, "{what}"),
                    Some(_) => assert!(!matches!(status, 401 | 403 | 405), "{what}"),
                }
                asked += 1;
            }
        }
    }
    assert!(asked >= 4 * 30, "{asked} requests");
}

#[tokio::test]
async fn pages_take_roles_and_strangers_are_sent_to_log_in() {
    let router = listener();
    let get = Method::GET;
    for page in ["/", "/monitors/m", "/monitors/m/baselines", "/alerts", "/retraining", "/deliveries", "/status"] {
        assert_eq!(status(&router, &get, page, None).await, 303, "{page}");
        assert!(status(&router, &get, page, Some(Role::Viewer)).await != 403, "{page}");
    }
    let records = "/monitors/m/windows/3/records";
    for (method, path, least) in [
        (Method::GET, records, Role::Operator),
        (Method::HEAD, records, Role::Operator),
        (Method::POST, "/alerts/00000000-0000-0000-0000-000000000001/acknowledge", Role::Operator),
        (Method::POST, "/silences/00000000-0000-0000-0000-000000000001/end", Role::Operator),
        (Method::POST, "/retraining/00000000-0000-0000-0000-000000000001/approve", Role::Operator),
        (Method::POST, "/deliveries/00000000-0000-0000-0000-000000000001/replay", Role::Operator),
        (Method::POST, "/monitors/m/baselines", Role::Admin),
        (Method::POST, "/monitors/m/baselines/2/activate", Role::Admin),
        (Method::POST, "/monitors/m/limits", Role::Admin),
        (Method::POST, "/monitors/m/limits/00000000-0000-0000-0000-000000000001/accept", Role::Admin),
        (Method::POST, "/monitors/m/limits/00000000-0000-0000-0000-000000000001/dismiss", Role::Admin),
        (Method::POST, "/monitors/m/limits/00000000-0000-0000-0000-000000000001/withdraw", Role::Admin),
        (Method::POST, "/logout", Role::Viewer),
        (Method::GET, "/metrics", Role::Viewer),
    ] {
        for caller in CALLERS {
            let status = status(&router, &method, path, caller).await;
            let what = format!("{method} {path} as {caller:?}: {status}");
            match caller {
                None => assert!(matches!(status, 401 | 303), "{what}"),
                Some(role) if role < least => assert_eq!(status, 403, "{what}"),
                Some(_) => assert!(!matches!(status, 401 | 403 | 405), "{what}"),
            }
        }
    }
    for open in ["/healthz", "/readyz", "/login"] {
        assert_eq!(status(&router, &get, open, None).await, 200, "{open}");
    }
}
