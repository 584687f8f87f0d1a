//! What is over: alerts, requests, messages, the audit log, and what nothing refers to any more.

use crate::record::TimeSpan;
use crate::store::session::Session;

/// A function that deletes rows older than an age (`$1`, in seconds), at most so many (`$2`); how many there were.
macro_rules! deletion {
    ($(#[$doc:meta])* $name:ident, $statement:literal) => {
        $(#[$doc])*
        pub(super) async fn $name(connection: &mut Session, age: TimeSpan, limit: i64) -> Result<u64, sqlx::Error> {
            let done = sqlx::query($statement).bind(age.as_seconds()).bind(limit).execute(connection).await?;
            Ok(done.rows_affected())
        }
    };
}

deletion!(
    /// As old as a window that is deleted: whether a version is new is told by its older windows.
    proposals,
    "delete from baseline_proposal where id = any(array(
         select id from baseline_proposal where created_at < now() - make_interval(secs => $1)
         order by created_at limit $2 for update skip locked))"
);

deletion!(
    /// An alert that is not over asks for a retraining once: its request stays until then.
    requests,
    "delete from retraining_request where id = any(array(
         select r.id from retraining_request r
         where (r.dry_run or r.state in ('succeeded', 'failed', 'expired', 'cancelled'))
           and r.updated_at < now() - make_interval(secs => $1)
           and exists (select from alert a where a.id = r.alert_id and a.state in ('resolved', 'cleared'))
         order by r.updated_at limit $2 for update of r skip locked))"
);

deletion!(
    /// After its requests.
    alerts,
    "delete from alert where id = any(array(
         select a.id from alert a
         where a.state in ('resolved', 'cleared') and a.updated_at < now() - make_interval(secs => $1)
           and not exists (select from retraining_request r where r.alert_id = a.id)
         order by a.updated_at limit $2 for update of a skip locked))"
);

deletion!(
    messages,
    "delete from notification where id = any(array(
         select id from notification
         where status <> 'pending' and finished_at < now() - make_interval(secs => $1)
         order by finished_at limit $2 for update skip locked))"
);

deletion!(
    audit,
    "delete from audit where id = any(array(
         select id from audit where at < now() - make_interval(secs => $1)
         order by at limit $2 for update skip locked))"
);

deletion!(
    silences,
    "delete from silence where id = any(array(
         select id from silence where ends_at < now() - make_interval(secs => $1)
         order by ends_at limit $2 for update skip locked))"
);

deletion!(
    gaps,
    "delete from retention_gap where id = any(array(
         select id from retention_gap where noticed_at < now() - make_interval(secs => $1)
         order by noticed_at limit $2 for update skip locked))"
);

deletion!(
    backfills,
    "delete from backfill where id = any(array(
         select id from backfill where finished_at < now() - make_interval(secs => $1)
         order by finished_at limit $2 for update skip locked))"
);

deletion!(
    /// One that comes back is admitted anew. A checkpoint that opens its first window at this moment fails once, and is repeated.
    series,
    "delete from series where (monitor, model_version, segment) in (
         select s.monitor, s.model_version, s.segment from series s
         where s.admitted_at < now() - make_interval(secs => $1)
           and not s.alerts @? '$.states.* ? (@.phase != \"inactive\")'
           and not exists (select from model_window w
                           where w.monitor = s.monitor and w.model_version = s.model_version and w.segment = s.segment)
           and not exists (select from alert a
                           where a.monitor = s.monitor and a.model_version = s.model_version and a.segment = s.segment
                             and a.state in ('pending', 'firing', 'acknowledged'))
         limit $2 for update of s skip locked)"
);

deletion!(
    pairs,
    "delete from challenge_pair where (challenge_id, starts_at) in (
         select challenge_id, starts_at from challenge_pair where compared_at < now() - make_interval(secs => $1)
         order by compared_at limit $2 for update skip locked)"
);

deletion!(
    /// After its pairs.
    challenges,
    "delete from challenge where id = any(array(
         select c.id from challenge c
         where c.updated_at < now() - make_interval(secs => $1)
           and not exists (select from challenge_pair p where p.challenge_id = c.id)
         order by c.updated_at limit $2 for update of c skip locked))"
);

deletion!(
    detections,
    "delete from detection where id = any(array(
         select id from detection where detected_at < now() - make_interval(secs => $1)
         order by detected_at limit $2 for update skip locked))"
);

deletion!(
    /// A detector of a partition or series that has records again begins anew.
    detector_states,
    "delete from detector_state where (monitor, detector, topic, partition, model_version, segment) in (
         select monitor, detector, topic, partition, model_version, segment from detector_state
         where updated_at < now() - make_interval(secs => $1)
         order by updated_at limit $2 for update skip locked)"
);

deletion!(
    detector_notices,
    "delete from detector_notice where (monitor, detector) in (
         select monitor, detector from detector_notice where notified_at < now() - make_interval(secs => $1)
         order by notified_at limit $2 for update skip locked)"
);
