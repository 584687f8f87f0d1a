//! Liveness, readiness, metrics.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::SharedBackend;
use super::access::Caller;
use super::guard::Routes;

/// What a probe says.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// Whether all is well.
    pub ok: bool,
    /// What is not.
    pub problems: Vec<String>,
    /// Whether the daemon only stands by: it has no partition to read, and takes over when others stop.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub standby: bool,
}

impl Probe {
    /// All is well when there is no problem.
    #[must_use]
    pub fn new(problems: Vec<String>) -> Self {
        Self { ok: problems.is_empty(), problems, standby: false }
    }
}

/// The routes.
pub(super) fn routes() -> Routes {
    Routes {
        probes: Router::new().route("/healthz", get(health)).route("/readyz", get(ready)),
        metrics: Router::new().route("/metrics", get(metrics)),
        ..Routes::default()
    }
}

async fn health(State(backend): State<SharedBackend>, caller: Option<Caller>) -> impl IntoResponse {
    answer(backend.health(), caller.is_some())
}

async fn ready(State(backend): State<SharedBackend>, caller: Option<Caller>) -> impl IntoResponse {
    answer(backend.ready(), caller.is_some())
}

/// Strangers are told whether, not why: names of hosts and databases are in it.
fn answer(mut probe: Probe, known: bool) -> impl IntoResponse {
    if !known && !probe.ok {
        probe.problems = vec!["with a token it is said what is wrong".to_owned()];
    }
    let status = if probe.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(probe))
}

/// In the format of OpenMetrics when the request accepts it, as that of Prometheus does, otherwise in Prometheus' own text format.
async fn metrics(State(backend): State<SharedBackend>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let text = backend.metrics();
    if accept.contains("application/openmetrics-text") {
        ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
    } else {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], classic(&text))
    }
}

/// OpenMetrics as Prometheus' text format of before: families of counters and of information are called as their samples
/// are, and there is no end mark.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut suffix = "";
    let lines: Vec<&str> = open.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let mut words = rest.splitn(3, ' ');
        let (Some(keyword), Some(family), Some(said)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        match keyword {
            "HELP" => {
                // What kind it is comes in the next line.
                let kind = lines.get(index + 1).and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
                suffix = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                text.push_str(&["# HELP ", family, suffix, " ", said, "\n"].concat());
            }
            "TYPE" => {
                let kind = if said == "info" { "gauge" } else { said };
                text.push_str(&["# TYPE ", family, suffix, " ", kind, "\n"].concat());
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn the_classic_format_calls_families_as_their_samples() {
        let open = "# HELP driftd_records Messages.\n# TYPE driftd_records counter\ndriftd_records_total{a=\"# x\"} 3\n\
                    # HELP driftd_build Version.\n# TYPE driftd_build info\ndriftd_build_info{version=\"1\"} 1\n\
                    # HELP driftd_up Up.\n# TYPE driftd_up gauge\n# UNIT driftd_up seconds\ndriftd_up 1\n# EOF\n";
        let expected = "# HELP driftd_records_total Messages.\n# TYPE driftd_records_total counter\n\
                        driftd_records_total{a=\"# x\"} 3\n\
                        # HELP driftd_build_info Version.\n# TYPE driftd_build_info gauge\ndriftd_build_info{version=\"1\"} 1\n\
                        # HELP driftd_up Up.\n# TYPE driftd_up gauge\ndriftd_up 1\n";
        assert_eq!(classic(open), expected);
    }
}
