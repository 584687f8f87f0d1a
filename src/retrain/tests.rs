use uuid::Uuid;

use super::*;
use crate::alert::{AlertState, Episode, Lessons, Phase, Severity};
use crate::record::EventTime;
use crate::record::TimeSpan;
use crate::window::{Calendar, Once};

fn at(micros: i64) -> EventTime {
    EventTime::from_micros(micros).unwrap()
}

fn firing() -> AlertState {
    AlertState {
        phase: Phase::Firing,
        episode: Some(Episode {
            id: Uuid::nil(),
            since: EventTime::default(),
            severity: Severity::Critical,
            drifting: 0,
            judged: 0,
            lessons: Lessons::default(),
        }),
        ..AlertState::default()
    }
}

fn situation(alert: &AlertState) -> Situation<'_> {
    Situation {
        alert,
        complete: true,
        window_end: at(1_000),
        drifting: true,
        windows: 2,
        records: 500,
        broken_data: false,
        requested_for_episode: false,
        requests: &[],
    }
}

#[test]
fn asks_once_an_episode_and_only_when_nothing_speaks_against_it() {
    let policy =
        RetrainPolicy { min_records: 100, cool_down: TimeSpan::from_micros(500), ..RetrainPolicy::default() };
    let (quiet, firing) = (AlertState::default(), firing());
    let cases = [
        (situation(&quiet), RetrainDecision::NotFiring),
        (situation(&firing), RetrainDecision::Request),
        (Situation { windows: 1, ..situation(&firing) }, RetrainDecision::NotYet),
        (Situation { drifting: false, ..situation(&firing) }, RetrainDecision::NotYet),
        (Situation { requested_for_episode: true, ..situation(&firing) }, RetrainDecision::AlreadyRequested),
        (Situation { complete: false, ..situation(&firing) }, RetrainDecision::IncompleteWindow),
        (Situation { broken_data: true, ..situation(&firing) }, RetrainDecision::BrokenData),
        (Situation { records: 99, ..situation(&firing) }, RetrainDecision::TooFewRecords),
        (Situation { requests: &[at(501)], ..situation(&firing) }, RetrainDecision::CoolingDown),
        (Situation { requests: &[at(500)], ..situation(&firing) }, RetrainDecision::Request),
    ];
    for (situation, expected) in cases {
        assert_eq!(decide(&policy, situation), expected, "{situation:?}");
    }
}

#[test]
fn budgets_quiet_hours_dry_runs_and_approval_hold_it_back() {
    let firing = firing();
    let policy = RetrainPolicy { cool_down: TimeSpan::ZERO, ..RetrainPolicy::default() };
    let day = 86_400_000_000;
    let requests = [at(1_000), at(2_000), at(3 * day)];
    let later = Situation { window_end: at(3 * day + 10), requests: &requests, ..situation(&firing) };
    for (policy, expected) in [
        (RetrainPolicy { per_day: Some(1), ..policy.clone() }, RetrainDecision::OverBudget),
        (RetrainPolicy { per_day: Some(2), ..policy.clone() }, RetrainDecision::Request),
        (RetrainPolicy { per_week: Some(3), ..policy.clone() }, RetrainDecision::OverBudget),
        (RetrainPolicy { dry_run: true, approval: true, ..policy.clone() }, RetrainDecision::DryRun),
        (RetrainPolicy { approval: true, ..policy.clone() }, RetrainDecision::Propose),
        (
            RetrainPolicy {
                quiet: vec![Calendar {
                    zone: jiff::tz::TimeZone::UTC,
                    weekly: vec![],
                    days: vec![],
                    once: vec![Once { from: at(3 * day), to: at(4 * day) }],
                }],
                ..policy
            },
            RetrainDecision::QuietHours,
        ),
    ] {
        assert_eq!(decide(&policy, later), expected, "{policy:?}");
    }
}

#[test]
fn reports_may_come_twice_late_and_out_of_order() {
    use RequestState as State;
    let take = |steps: &[Step]| {
        steps.iter().try_fold(State::Proposed, |state, step| match state.take(*step)? {
            StepOutcome::To(next) => Ok(next),
            StepOutcome::Nothing => Ok::<_, StepError>(state),
        })
    };
    let report = Step::Report;
    for (steps, expected) in [
        (
            vec![Step::Approve, Step::Delivered, report(State::Running), report(State::Succeeded)],
            Ok(State::Succeeded),
        ),
        // The answer overtakes the note that it was delivered; a repetition; a report that says less than is known.
        (
            vec![Step::Approve, report(State::Running), Step::Delivered, report(State::Accepted)],
            Ok(State::Running),
        ),
        (vec![Step::Approve, report(State::Failed), report(State::Succeeded)], Ok(State::Failed)),
        (vec![Step::Approve, Step::TimedOut, report(State::Running)], Ok(State::Expired)),
        (vec![Step::Approve, Step::TimedOut, report(State::Succeeded)], Ok(State::Succeeded)),
        (vec![Step::Approve, Step::Cancel, report(State::Succeeded)], Ok(State::Cancelled)),
        (vec![Step::Approve, Step::Undeliverable], Ok(State::Failed)),
        (vec![Step::TimedOut], Ok(State::Proposed)),
    ] {
        assert_eq!(take(&steps), expected, "{steps:?}");
    }
    for steps in [
        vec![report(State::Running)],
        vec![Step::Approve, Step::Approve],
        vec![Step::Cancel, Step::Cancel],
        vec![Step::Approve, report(State::Cancelled)],
    ] {
        assert!(take(&steps).is_err(), "{steps:?}");
    }
}
