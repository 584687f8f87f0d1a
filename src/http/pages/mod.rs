//! The pages: rendered here, working without script, drawn with the charts that reports have.

mod actions;
mod alert;
mod alerts;
mod assets;
mod baselines;
mod boards;
mod challenger;
mod column;
mod deliveries;
mod fleet;
mod layout;
mod login;
mod monitor;
mod records;
mod retraining;
mod status;
mod words;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::html;

use super::guard::Routes;
use super::problem::Problem;
use layout::{PageLayout, page};
pub(super) use words::encoded;

/// A page, or a page that says what went wrong.
type PageResult = Result<Response, PageError>;

/// What went wrong, shown as a page.
struct PageError(Problem);

impl<T: Into<Problem>> From<T> for PageError {
    fn from(problem: T) -> Self {
        Self(problem.into())
    }
}

impl axum::response::IntoResponse for PageError {
    fn into_response(self) -> Response {
        problem_page(&self.0)
    }
}

/// The routes.
pub(super) fn routes() -> Routes {
    Routes {
        public: Router::new().route("/login", get(login::show).post(login::take)).merge(assets::router()),
        viewer: Router::new()
            .route("/", get(fleet::show))
            .route("/monitors/{monitor}", get(monitor::show))
            .route("/monitors/{monitor}/columns/{column}", get(column::show))
            .route("/monitors/{monitor}/challenger", get(challenger::show))
            .route("/monitors/{monitor}/baselines", get(baselines::show))
            .route("/monitors/{monitor}/baselines/diff", get(baselines::diff))
            .route("/alerts", get(alerts::show))
            .route("/alerts/{alert}", get(alert::show))
            .route("/retraining", get(retraining::list))
            .route("/retraining/{request}", get(retraining::show))
            .route("/deliveries", get(deliveries::list))
            .route("/deliveries/{delivery}", get(deliveries::show))
            .route("/status", get(status::show))
            // Everybody who came in may go.
            .route("/logout", post(login::leave)),
        operator: Router::new()
            .route("/monitors/{monitor}/windows/{window}/records", get(records::show))
            .route("/alerts/{alert}/acknowledge", post(actions::acknowledge))
            .route("/alerts/{alert}/resolve", post(actions::resolve))
            .route("/alerts/{alert}/silence", post(actions::silence))
            .route("/silences/{silence}/end", post(actions::end_silence))
            .route("/retraining/{request}/approve", post(actions::approve))
            .route("/retraining/{request}/cancel", post(actions::cancel))
            .route("/deliveries/{delivery}/replay", post(actions::send_again)),
        admin: Router::new()
            .route("/monitors/{monitor}/baselines", post(baselines::promote))
            .route("/monitors/{monitor}/baselines/{version}/activate", post(baselines::activate))
            .route("/monitors/{monitor}/limits", post(actions::accept_all_limits))
            .route("/monitors/{monitor}/limits/{limits}/accept", post(actions::accept_limits))
            .route("/monitors/{monitor}/limits/{limits}/dismiss", post(actions::dismiss_limits))
            .route("/monitors/{monitor}/limits/{limits}/withdraw", post(actions::withdraw_limits)),
        ..Routes::default()
    }
}

/// What went wrong, as a page.
pub(super) fn problem_page(problem: &Problem) -> Response {
    let content = html! {
        h1 { (problem.title) }
        p.status.undefined { (problem.detail) }
        @if let Some(hint) = &problem.hint { p { (hint) } }
        p { a href="/" { "All monitors" } }
    };
    (problem.code(), page(&PageLayout::titled(problem.title), &content)).into_response()
}
