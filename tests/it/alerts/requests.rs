//! Retraining requests: approved, sent, answered, or not deliverable.

use driftd::alert::{ChangeKind, EventKind};
use driftd::closing::Notification;
use driftd::record::TimeSpan;
use driftd::retrain::{RequestState, Step};
use driftd::store::{AttemptOutcome, Moved};
use driftd::view::RequestDetail;
use serde_json::json;
use uuid::Uuid;

use super::{Desk, at_once};

#[test]
fn a_retraining_request_is_approved_sent_answered_and_brings_a_baseline() {
    let Some(desk) = Desk::new("retraining") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &[], &[], at_once());
    desk.run("insert into binning (id, columns) values ('00000000-0000-0000-0000-0000000000b1', '[]')");
    desk.run("insert into series (monitor, model_version, segment) values ('m', '1', '*')");
    desk.run("insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id) values ('m', '1', '*', now() - interval '1 hour', now(), '00000000-0000-0000-0000-0000000000b1')");
    desk.run("insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, body, state, receivers)
              select '00000000-0000-0000-0000-00000000002a', 'm', '1', '*', '00000000-0000-0000-0000-000000000001', id, ends_at, '{\"type\": \"drift.retraining.requested\", \"data\": {}}', 'proposed', '{trainer}' from model_window");
    let id = Uuid::from_u128(42);
    let step = |step, external_id| {
        let moved = Moved { step, actor: "ada", detail: "", external_id };
        runtime.block_on(desk.store.move_request(id, moved))
    };
    assert!(step(Step::Report(RequestState::Running), None).is_err(), "nobody approved it");
    assert_eq!(desk.number("select count(*) from notification"), 0);
    assert_eq!(step(Step::Approve, None).unwrap(), (RequestState::Requested, true));
    let claimed =
        runtime.block_on(desk.store.claim_notifications("trainer", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    let sent = AttemptOutcome::Sent { reference: Some("run-1".to_owned()) };
    runtime.block_on(desk.store.record_attempt(&claimed, sent, "delivered", "")).unwrap();
    let RequestDetail { request, history } =
        runtime.block_on(desk.store.retraining_request(&id.to_string())).unwrap();
    assert_eq!((request.state, request.external_id.as_deref()), (RequestState::Accepted, Some("run-1")));
    assert_eq!(history.iter().map(|change| change.state.as_str()).collect::<Vec<_>>(), ["requested", "accepted"]);
    assert_eq!(runtime.block_on(desk.store.requests_to_poll(TimeSpan::minutes(1))).unwrap().len(), 1);
    assert!(
        runtime.block_on(desk.store.requests_to_poll(TimeSpan::minutes(1))).unwrap().is_empty(),
        "asked a moment ago"
    );
    // No answer in time, and then one after all.
    desk.run("update retraining_request set expires_at = now() - interval '1 second'");
    assert_eq!(runtime.block_on(desk.store.expire_requests()).unwrap(), 1);
    assert_eq!(step(Step::Report(RequestState::Succeeded), None).unwrap(), (RequestState::Succeeded, true));
    assert_eq!(step(Step::Report(RequestState::Succeeded), None).unwrap(), (RequestState::Succeeded, false));
    assert_eq!(desk.number("select count(*) from audit where action = 'retraining.approve'"), 1);
}

#[test]
fn undeliverable_requests_fail_and_tests_of_receivers_belong_to_none() {
    let Some(desk) = Desk::new("undeliverable") else { return };
    let runtime = &desk.world.runtime;
    let notification = Notification {
        id: Uuid::from_u128(5),
        subject: Uuid::from_u128(6),
        receiver: "trainer".to_owned(),
        kind: EventKind::RetrainingRequested,
        body: json!({ "type": "drift.retraining.requested", "data": {} }),
    };
    runtime.block_on(desk.store.enqueue(&notification)).unwrap();
    let claimed =
        runtime.block_on(desk.store.claim_notifications("trainer", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    runtime.block_on(desk.store.record_attempt(&claimed, AttemptOutcome::Dead, "refused", "HTTP 404")).unwrap();
    assert_eq!(desk.number("select count(*) from notification where status = 'dead'"), 1);
}
