//! The API, `/api/v1`: JSON, and Arrow where tables are large. The description at `/api/v1/openapi.json` is made from the
//! handlers themselves.

mod alerts;
mod baselines;
mod callbacks;
mod challenger;
mod deliveries;
mod detections;
mod false_alarms;
mod monitors;
mod retraining;
mod status;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use serde::Deserialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa::{IntoParams, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use alerts::new_silence;

use super::SharedBackend;
use super::backend::PageRequest;
use super::extract::page_request;
use super::guard::Routes;
use super::problem::Problem;

/// Entries of a list in one answer at most.
const MOST: usize = 1_000;
/// Rows of a table in one answer at most.
const MOST_ROWS: usize = 10_000;

/// Pagination.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// Page cursor: `next` of the previous response.
    cursor: Option<String>,
    /// Maximum number of entries.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

impl Listing {
    fn page(self) -> Result<PageRequest, Problem> {
        page_request(self.cursor, self.limit, MOST)
    }
}

/// Operator comment.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Comment {
    /// Operator comment.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\u0000]*$")]
    comment: String,
}

/// Letters of a comment at most.
const MOST_LETTERS: usize = 1_000;

/// A comment without control characters; one with a NUL was refused before.
///
/// # Errors
/// When it is longer than people read.
pub(in crate::http) fn comment(text: &str) -> Result<String, Problem> {
    if text.chars().count() > MOST_LETTERS {
        let detail = format!("`comment` has more than {MOST_LETTERS} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(text.chars().filter(|letter| !letter.is_control()).collect())
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "driftd",
        description = "Drift monitoring: monitors, windows, findings, baselines, alerts, deliveries and retraining requests.\n\n\
                       Lists are paginated: pass `next` of a response as `cursor` of the next request. Responses have an \
                       `ETag`; with `If-None-Match` an unchanged response is 304. Windows, findings and \
                       distributions are also available as Arrow IPC streams, with `Accept: application/vnd.apache.arrow.stream`. \
                       Errors use RFC 9457, `application/problem+json`.\n\n\
                       Times are RFC 3339 in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    tags(
        (name = "monitors", description = "Monitors, windows, findings, distributions"),
        (name = "baselines", description = "Baselines of monitors"),
        (name = "alerts", description = "Alerts and silences"),
        (name = "deliveries", description = "Messages to receivers, with delivery attempts"),
        (name = "retraining", description = "Requests to training systems"),
        (name = "daemon", description = "Status, configuration and audit log of the daemon")
    )
)]
struct Description;

/// The routes, and the description of all of them.
pub(super) fn routes() -> (Routes, OpenApi) {
    let mut described = Description::openapi();
    let mut plain = |routes: OpenApiRouter<SharedBackend>| {
        let (routes, description) = routes.split_for_parts();
        described.merge(description);
        routes
    };
    let viewer = plain(
        OpenApiRouter::new()
            .routes(routes!(monitors::list))
            .routes(routes!(monitors::one))
            .routes(routes!(monitors::windows))
            .routes(routes!(monitors::window))
            .routes(routes!(monitors::distributions))
            .routes(routes!(monitors::column))
            .routes(routes!(monitors::findings))
            .routes(routes!(challenger::show))
            .routes(routes!(detections::show))
            .routes(routes!(false_alarms::show))
            .routes(routes!(baselines::list))
            .routes(routes!(baselines::diff))
            .routes(routes!(baselines::one))
            .routes(routes!(baselines::distributions))
            .routes(routes!(alerts::list))
            .routes(routes!(alerts::one))
            .routes(routes!(alerts::silences))
            .routes(routes!(deliveries::list))
            .routes(routes!(deliveries::one))
            .routes(routes!(retraining::list))
            .routes(routes!(retraining::one))
            .routes(routes!(status::status))
            .routes(routes!(status::configuration))
            .routes(routes!(status::audit))
            .routes(routes!(status::measures)),
    );
    let operator = plain(
        OpenApiRouter::new()
            .routes(routes!(monitors::records))
            .routes(routes!(alerts::acknowledge))
            .routes(routes!(alerts::resolve))
            .routes(routes!(alerts::silence))
            .routes(routes!(alerts::end_silence))
            .routes(routes!(deliveries::again))
            .routes(routes!(retraining::approve))
            .routes(routes!(retraining::cancel)),
    );
    let admin = plain(
        OpenApiRouter::new()
            .routes(routes!(baselines::promote))
            .routes(routes!(baselines::activate))
            .routes(routes!(false_alarms::accept))
            .routes(routes!(false_alarms::dismiss))
            .routes(routes!(false_alarms::withdraw)),
    );
    let signed =
        plain(OpenApiRouter::new().routes(routes!(callbacks::progress)).routes(routes!(callbacks::mlflow)));
    let components = described.components.get_or_insert_with(Default::default);
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let optional = [SecurityRequirement::new("token", Vec::<String>::new()), SecurityRequirement::default()];
    described.security = Some(optional.to_vec());
    // Written once: it is large, and may be asked for again and again.
    let description = Bytes::from(described.to_json().unwrap_or_default());
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], description.clone()) };
    let viewer = viewer.route("/api/v1/openapi.json", axum::routing::get(answer));
    (Routes { signed, viewer, operator, admin, ..Routes::default() }, described)
}

/// The description of the API.
#[must_use]
pub fn openapi() -> OpenApi {
    routes().1
}
