//! Accounts and proposals of situations.

use uuid::Uuid;

use super::*;
use crate::alert::{AlertPolicy, AlertRule, Severity};
use crate::judge::{AcceptedLimits, ColumnRules, JudgeSpec, MeasureRule, Subject, WindowRule};
use crate::measure::{Measure, Thresholds};
use crate::record::ColumnType;

fn observed(days: i64, alarms: Alarms) -> Observed {
    Observed { windows: 24 * days.unsigned_abs(), time: TimeSpan::days(days), alarms }
}

fn alarms(real: u64, wrong: u64, not_judged: u64) -> Alarms {
    Alarms { real, wrong, not_judged }
}

fn standing(days: i64, of: Alarms) -> Standing {
    Account::new(observed(days, of), FalseAlarms::DEFAULT).standing
}

#[test]
fn a_budget_is_held_against_the_time_that_was_judged() {
    let account = Account::new(observed(60, alarms(3, 1, 0)), FalseAlarms::DEFAULT);
    assert!((account.allowed - 2.0).abs() < 1e-12);
    let rate = account.rate.unwrap();
    assert!((rate.lower - 0.0253 / 2.0).abs() < 1e-4 && (rate.upper - 5.5716 / 2.0).abs() < 1e-4, "{rate:?}");
    assert_eq!(account.standing, Standing::Kept);
    assert_eq!(account.sentence(), "Budget kept: 1 false alarm in 60 days; the budget allows 2.");
    let per_window = Account::new(observed(10, alarms(0, 0, 1)), FalseAlarms::PerWindow(0.01));
    assert!((per_window.allowed - 2.4).abs() < 1e-12);
    assert!((per_window.rate.unwrap().upper - 5.5716 / 240.0).abs() < 1e-4, "{per_window:?}");
}

#[test]
fn what_cannot_be_told_is_said_with_its_reason() {
    assert_eq!(standing(0, Alarms::default()), Standing::NoWindows);
    assert_eq!(Account::new(observed(0, Alarms::default()), FalseAlarms::DEFAULT).rate, None);
    assert_eq!(standing(3, Alarms::default()), Standing::TooShort);
    assert_eq!(standing(30, alarms(0, 0, 2)), Standing::NotJudged);
    assert_eq!(standing(30, alarms(0, 2, 0)), Standing::MayBeChance);
    let account = Account::new(observed(30, alarms(0, 1, 2)), FalseAlarms::DEFAULT);
    assert_eq!(
        account.sentence(),
        "Whether the budget is kept cannot be told: 1 to 3 false alarms in 30 days, because 2 alerts are not judged; the budget allows 1."
    );
}

#[test]
fn a_budget_is_exceeded_when_chance_does_not_explain_what_people_said() {
    // The lower bound of 4 is 1.09, that of 3 is 0.62.
    assert_eq!(standing(30, alarms(0, 4, 0)), Standing::Exceeded);
    assert_eq!(standing(30, alarms(0, 3, 9)), Standing::MayBeChance);
    // A false alarm on the first day of a budget of one a month is not chance, however short the time is.
    assert_eq!(standing(0, alarms(0, 1, 0)), Standing::NoWindows);
    let hours = Observed { windows: 12, time: TimeSpan::hours(12), alarms: alarms(0, 1, 0) };
    let account = Account::new(hours, FalseAlarms::DEFAULT);
    assert_eq!(account.standing, Standing::Exceeded);
    assert_eq!(
        account.sentence(),
        "Budget exceeded: 1 false alarm in 12 hours; the budget allows 0.01667. Chance does not explain the difference."
    );
}

#[test]
fn alerts_that_nobody_judged_never_exceed_a_budget() {
    assert_eq!(standing(30, alarms(0, 0, 50)), Standing::NotJudged);
    assert_eq!(standing(30, alarms(50, 0, 1)), Standing::Kept);
}

const LOCATION: Measure = Measure::LocationChange;
const GROUP: Measure = Measure::GroupChange;

fn spec() -> JudgeSpec {
    JudgeSpec {
        rows: Some(MeasureRule {
            measure: Measure::RowCount,
            limits: Some(Measure::RowCount.default_thresholds()),
        }),
        ..JudgeSpec::new(
            ["x", "y"].map(|name| ColumnRules::of_type(name, ColumnType::Numeric)).to_vec(),
            100,
            FalseAlarms::DEFAULT,
        )
    }
}

fn rules(severity: Severity, window: WindowRule) -> Vec<AlertRule> {
    AlertRule::defaults(severity, AlertPolicy::default(), 0.8, window)
}

fn column(name: &str) -> Subject {
    Subject::Column(name.to_owned())
}

fn carried(subject: Subject, measure: Measure, largest: f64) -> Carried {
    Carried { subject, measure, largest, holds: largest }
}

fn alarm(number: u128, judged: Option<Judged>, carried: Vec<Carried>) -> Alarm {
    Alarm { id: Uuid::from_u128(number), judged, rule: "drift".to_owned(), carried }
}

fn wrong(number: u128, carried: Vec<Carried>) -> Alarm {
    alarm(number, Some(Judged::FalseAlarm), carried)
}

fn real(number: u128, carried: Vec<Carried>) -> Alarm {
    alarm(number, Some(Judged::Real), carried)
}

fn proposed(alarms: &[Alarm]) -> Vec<Proposal> {
    let rules = rules(Severity::Critical, WindowRule::Columns(1));
    proposals(ProposalBasis { monitor: "m", judge: &spec(), rules: &rules }, alarms)
}

#[test]
fn a_wider_limit_lies_a_tenth_above_what_alarmed_falsely() {
    let found = proposed(&[
        wrong(1, vec![carried(column("x"), LOCATION, 0.25)]),
        wrong(2, vec![carried(column("x"), LOCATION, 0.31)]),
        alarm(3, None, vec![carried(column("x"), LOCATION, 0.22)]),
        real(4, vec![carried(column("x"), LOCATION, 0.9)]),
    ]);
    let [proposal] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(proposal.wider, Ok(Thresholds { warn: 0.18, critical: 0.35 }));
    assert_eq!((proposal.today, proposal.largest), (Thresholds { warn: 0.1, critical: 0.2 }, 0.31));
    assert_eq!(proposal.rests_on, [1, 2].map(Uuid::from_u128));
    let expected = Outcome { prevents: 2, prevents_together: 2, misses: 0, not_judged: 1 };
    assert_eq!(proposal.outcome, expected);
}

#[test]
fn what_was_real_stays_found_or_nothing_is_proposed() {
    let wider = |of_real: f64| {
        let found = proposed(&[
            wrong(1, vec![carried(column("x"), LOCATION, 0.3)]),
            real(2, vec![carried(column("x"), LOCATION, of_real)]),
        ]);
        assert_eq!((found.len(), found[0].outcome.misses), (1, 0), "{found:?}");
        found[0].wider
    };
    assert_eq!(wider(0.32), Ok(Thresholds { warn: 0.16, critical: 0.32 }), "up to the effect of the real one");
    let tight = wider(0.30004).unwrap();
    assert!(tight.critical > 0.3 && tight.critical <= 0.30004, "{tight:?}");
    assert_eq!(wider(0.3), Err(Obstacle::RealAlert { alert: Uuid::from_u128(2), effect: 0.3 }));
    assert!(wider(0.21).is_err());
}

#[test]
fn what_two_measures_carried_is_prevented_by_both_limits_together() {
    let both = vec![carried(column("x"), LOCATION, 0.3), carried(column("x"), GROUP, 0.5)];
    let found = proposed(&[wrong(1, both)]);
    assert_eq!(found.len(), 2, "{found:?}");
    for proposal in &found {
        assert_eq!((proposal.outcome.prevents, proposal.outcome.prevents_together), (0, 1), "{proposal:?}");
    }
    assert_ne!(found[0].id, found[1].id);
}

#[test]
fn what_is_wide_enough_today_is_not_proposed_again() {
    let alarms = [wrong(1, vec![carried(column("x"), LOCATION, 0.3)])];
    let wider = proposed(&alarms)[0].wider.unwrap();
    let accepted = AcceptedLimits { subject: column("x"), measure: LOCATION, limits: wider };
    let (judge, rules) = (spec(), rules(Severity::Critical, WindowRule::Columns(1)));
    let judge = judge.with_accepted(std::slice::from_ref(&accepted));
    assert_eq!(proposals(ProposalBasis { monitor: "m", judge: &judge, rules: &rules }, &alarms), []);
}

#[test]
fn a_rule_about_warnings_needs_wider_limits_of_warning() {
    let alarms = [wrong(1, vec![carried(column("x"), LOCATION, 0.15)])];
    let (judge, rules) = (spec(), rules(Severity::Warn, WindowRule::Columns(1)));
    let found = proposals(ProposalBasis { monitor: "m", judge: &judge, rules: &rules }, &alarms);
    assert_eq!(found[0].wider, Ok(Thresholds { warn: 0.17, critical: 0.33 }));
    assert_eq!(proposed(&alarms), [], "a rule about drift does not look at it");
}

#[test]
fn a_rule_that_needs_two_columns_is_quiet_without_one_of_them() {
    let alarms = [wrong(1, vec![carried(column("x"), LOCATION, 0.3), carried(column("y"), LOCATION, 0.4)])];
    let (judge, rules) = (spec(), rules(Severity::Critical, WindowRule::Columns(2)));
    let found = proposals(ProposalBasis { monitor: "m", judge: &judge, rules: &rules }, &alarms);
    assert!(found.iter().all(|proposal| proposal.outcome.prevents == 1), "{found:?}");
}

#[test]
fn the_number_of_records_has_limits_as_well() {
    let volume =
        Alarm { rule: "volume".to_owned(), ..wrong(1, vec![carried(Subject::Rows, Measure::RowCount, 5.0)]) };
    let found = proposed(&[volume]);
    assert_eq!(found[0].wider, Ok(Thresholds { warn: 2.8, critical: 5.5 }));
    assert_eq!(found[0].outcome.prevents, 1);
}

#[test]
fn nothing_is_proposed_for_what_decides_nothing_or_cannot_be_reached() {
    let unbounded = proposed(&[wrong(1, vec![carried(column("x"), LOCATION, 1e9)])]);
    assert_eq!(unbounded[0].wider, Err(Obstacle::BeyondMeasure));
    assert_eq!(proposed(&[wrong(1, vec![carried(column("x"), Measure::Psi, 3.0)])]), [], "only shown");
    assert_eq!(proposed(&[wrong(1, vec![carried(column("gone"), LOCATION, 3.0)])]), [], "not configured");
    let removed = Alarm { rule: "gone".to_owned(), ..wrong(1, vec![carried(column("x"), LOCATION, 3.0)]) };
    assert_eq!(proposed(&[removed]), [], "its rule is not configured");
    assert_eq!(proposed(&[real(1, vec![carried(column("x"), LOCATION, 3.0)])]), []);
}

#[test]
fn a_limit_of_zero_grows_from_that_of_the_measure() {
    let mut judge = spec();
    for rule in &mut judge.columns[0].measures {
        rule.limits = rule.limits.map(|_| Thresholds { warn: 0.0, critical: 0.0 });
    }
    let rules = rules(Severity::Critical, WindowRule::Columns(1));
    let alarms = [wrong(1, vec![carried(column("x"), LOCATION, 0.03)])];
    let found = proposals(ProposalBasis { monitor: "m", judge: &judge, rules: &rules }, &alarms);
    assert_eq!(found[0].wider, Ok(Thresholds { warn: 0.017, critical: 0.033 }));
}

#[test]
fn the_columns_that_carried_an_alert_are_named_once() {
    let both = vec![
        carried(column("x"), LOCATION, 0.3),
        carried(column("x"), GROUP, 0.5),
        carried(Subject::Rows, Measure::RowCount, 5.0),
    ];
    assert_eq!(carrying_columns(&wrong(1, both)), ["(records)", "x"]);
}
