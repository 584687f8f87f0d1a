//! Messages that could not be delivered, or were not tried.

use driftd::alert::{ChangeKind, Labels, Routing};
use driftd::closing::CheckScope;
use driftd::record::TimeSpan;
use driftd::store::{AttemptOutcome, Resend};
use uuid::Uuid;

use super::{Desk, at_once};

#[test]
fn what_was_given_up_is_told_through_others_and_can_be_sent_again() {
    let Some(desk) = Desk::new("dead deliveries") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &["pager"], &[], at_once());
    desk.settle();
    let claimed =
        runtime.block_on(desk.store.claim_notifications("pager", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    let dead = desk.store.record_attempt(&claimed, AttemptOutcome::Dead, "gone", "HTTP 410");
    runtime.block_on(dead).unwrap();
    runtime.block_on(desk.store.disable_receiver("pager", "old", "HTTP 410")).unwrap();
    assert!(runtime.block_on(desk.store.is_disabled("pager", "old")).unwrap());

    let routing =
        Routing { operators: vec!["pager".into(), "mail".into()], timing: at_once(), ..Routing::default() };
    let labels = Labels::new();
    let scope = CheckScope { monitor: "", labels: &labels, receivers: &[], routing: &routing };
    let receivers = ["pager".to_owned(), "mail".to_owned()];
    runtime.block_on(desk.store.check_deliveries(scope, &receivers, TimeSpan::ZERO)).unwrap();
    assert_eq!(desk.settle(), ["mail new_alerts 1"], "the one that is the trouble is not told of it");
    let body = &desk.bodies("pending")[0];
    let summary = body["data"]["alerts"][0]["evidence"]["summary"].as_str().unwrap();
    assert!(summary.contains("its address is gone"), "{summary}");

    assert!(!runtime.block_on(desk.store.is_disabled("pager", "new")).unwrap(), "configured anew, it is on again");
    let which = Resend::Receiver("pager".to_owned());
    assert_eq!(runtime.block_on(desk.store.replay_deliveries(&which, "ada")).unwrap(), 1);
    let again =
        runtime.block_on(desk.store.claim_notifications("pager", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    assert_eq!((again.id, again.attempt), (claimed.id, 1), "under the same id");
    let sent = desk.store.record_attempt(&again, AttemptOutcome::Sent { reference: None }, "delivered", "");
    runtime.block_on(sent).unwrap();
    // Two looks without trouble, and the alert about it is over.
    desk.run("update notification set finished_at = finished_at - interval '2 hours'");
    for _ in 0..2 {
        runtime.block_on(desk.store.check_deliveries(scope, &receivers, TimeSpan::ZERO)).unwrap();
    }
    assert_eq!(desk.settle(), ["mail resolved 1"]);
}

#[test]
fn a_message_is_not_given_up_untried_after_days_without_a_daemon() {
    let Some(desk) = Desk::new("untried") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &["mail"], &[], at_once());
    desk.settle();
    desk.run("update notification set created_at = now() - interval '6 days', waiting_since = now() - interval '6 days'");
    let (labels, routing) = (Labels::new(), Routing::default());
    let scope = CheckScope { monitor: "", labels: &labels, receivers: &[], routing: &routing };
    let look = |receiver: &str| {
        runtime.block_on(desk.store.check_deliveries(scope, &[receiver.to_owned()], TimeSpan::ZERO)).unwrap();
    };
    look("mail");
    assert_eq!(desk.number("select count(*) from notification where status = 'pending'"), 1);
    // Nobody delivers to a receiver that is no longer configured.
    look("chat");
    assert_eq!(desk.number("select count(*) from notification where status = 'dead'"), 1);
    // What is asked for again is tried again, however old it is.
    let id = runtime.block_on(async {
        sqlx::query_scalar::<_, Uuid>("select id from notification").fetch_one(&desk.world.pool).await.unwrap()
    });
    let which = Resend::Message(id.to_string());
    assert_eq!(runtime.block_on(desk.store.replay_deliveries(&which, "ada")).unwrap(), 1);
    look("chat");
    let claimed =
        runtime.block_on(desk.store.claim_notifications("mail", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    assert_eq!((claimed.id, claimed.failures, claimed.trying_for), (id, 0, TimeSpan::ZERO));
    // A lease is given back, or kept by the daemon that still sends; not by one that was overtaken.
    assert!(runtime.block_on(desk.store.renew_lease(&claimed, TimeSpan::minutes(1))).unwrap());
    assert!(runtime.block_on(desk.store.claim_notifications("mail", 5, TimeSpan::seconds(1))).unwrap().is_empty());
    runtime.block_on(desk.store.release_lease(&claimed)).unwrap();
    let again =
        runtime.block_on(desk.store.claim_notifications("mail", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    assert_eq!((again.attempt, again.failures), (2, 0));
    assert!(!runtime.block_on(desk.store.renew_lease(&claimed, TimeSpan::minutes(1))).unwrap());
    let failed = AttemptOutcome::Retry { after: TimeSpan::ZERO };
    runtime.block_on(desk.store.record_attempt(&again, failed, "connect", "")).unwrap();
    let third =
        runtime.block_on(desk.store.claim_notifications("mail", 5, TimeSpan::seconds(1))).unwrap().remove(0);
    assert_eq!((third.attempt, third.failures), (3, 1));
}
