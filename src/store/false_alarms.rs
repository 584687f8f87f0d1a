//! What the account of false alarms is made of: judged windows, alerts that fired, and what carried them.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{Store, StoreError, count, event_time, failed, named_if_any, timestamp};
use crate::account::{Alarm, Alarms, Carried, Observed};
use crate::alert::{AlertRule, Judged, Severity};
use crate::closing::Shadow;
use crate::judge::{RECORDS, Subject};
use crate::measure::Measure;
use crate::record::{EventTime, TimeSpan};

/// Which alerts and windows of a monitor are in its account.
#[derive(Clone, Copy, Debug)]
pub struct AccountScope<'a> {
    /// The monitor.
    pub monitor: &'a str,
    /// Series that are left out, because their alerts send nothing.
    pub shadow: Option<&'a Shadow>,
    /// Windows and alerts that start at or after this time of events; all when none.
    pub since: Option<EventTime>,
}

impl AccountScope<'_> {
    /// The version and the segment that are left out.
    fn left_out(&self) -> (Option<&str>, Option<&str>) {
        match self.shadow {
            None => (None, None),
            Some(Shadow::Version(version)) => (Some(version), None),
            Some(Shadow::Segment(segment)) => (None, Some(segment)),
        }
    }
}

const READ: &str = "read the account of false alarms";
/// Windows of an alert that are looked at: its first ones, which made it fire. Its evidence has the largest effects of all.
const WINDOWS: i64 = 50;

impl Store {
    /// The end of the newest window with a verdict; none before the first. Windows of backfills are left out here and below: they raise no
    /// alert.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn newest_judged(&self, scope: AccountScope<'_>) -> Result<Option<EventTime>, StoreError> {
        let (version, segment) = scope.left_out();
        let newest: Option<DateTime<Utc>> = sqlx::query_scalar(
            "select ends_at from model_window
             where monitor = $1 and status = 'closed' and backfill_id is null and verdict in ('ok', 'warn', 'critical')
               and ($2::text is null or model_version <> $2) and ($3::text is null or segment <> $3)
             order by starts_at desc limit 1",
        )
        .bind(scope.monitor)
        .bind(version)
        .bind(segment)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed(READ))?;
        Ok(newest.map(event_time))
    }

    /// What was counted, and the start of the first window.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn observed(&self, scope: AccountScope<'_>) -> Result<(Observed, Option<EventTime>), StoreError> {
        let (version, segment) = scope.left_out();
        let row = sqlx::query(
            "with judged as (
                 select starts_at, max(ends_at) as ends_at, count(*) as windows from model_window
                 where monitor = $1 and status = 'closed' and backfill_id is null and verdict in ('ok', 'warn', 'critical')
                   and ($2::text is null or model_version <> $2) and ($3::text is null or segment <> $3)
                   and starts_at >= coalesce($4, '-infinity')
                 group by starts_at),
             fired as (
                 select judged from alert
                 where monitor = $1 and kind <> 'operational' and fired_at is not null and not labels ? 'drill'
                   and ($2::text is null or model_version <> $2) and ($3::text is null or segment <> $3)
                   and since >= coalesce($4, '-infinity'))
             select coalesce(sum(windows), 0)::bigint as windows, min(starts_at) as first,
                    coalesce(sum(extract(epoch from ends_at - starts_at) * 1e6), 0)::bigint as micros,
                    (select count(*) from fired where judged = 'real') as real,
                    (select count(*) from fired where judged = 'false_alarm') as wrong,
                    (select count(*) from fired where judged is null) as not_judged
             from judged",
        )
        .bind(scope.monitor)
        .bind(version)
        .bind(segment)
        .bind(scope.since.map(timestamp))
        .fetch_one(&self.pool)
        .await
        .map_err(failed(READ))?;
        let read = || -> Result<_, sqlx::Error> {
            let first: Option<DateTime<Utc>> = row.try_get("first")?;
            let number = |column: &str| row.try_get(column).map(count);
            let alarms =
                Alarms { real: number("real")?, wrong: number("wrong")?, not_judged: number("not_judged")? };
            let time = TimeSpan::from_micros(row.try_get("micros")?);
            Ok((Observed { windows: number("windows")?, time, alarms }, first.map(event_time)))
        };
        read().map_err(failed(READ))
    }

    /// Alerts that fired, those that people judged before others and newer ones before older ones, with what carried each by its rule: of
    /// alerts whose rule is not known, what drifted. Newest first. What findings no longer say, the evidence of the alert does: of each column
    /// one measure.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn alarms(
        &self,
        scope: AccountScope<'_>,
        rules: &[AlertRule],
        limit: i64,
    ) -> Result<Vec<Alarm>, StoreError> {
        let (version, segment) = scope.left_out();
        let warns = |rule: &AlertRule| rule.severity == Severity::Warn;
        let rows = sqlx::query(
            "with fired as (
                 select a.id, a.rule, a.column_name, a.model_version, a.segment, a.since, a.judged, a.judged_windows,
                        coalesce(r.warns, false) as warns, coalesce(r.needed, 1) as needed
                 from alert a left join unnest($5::text[], $6::boolean[], $7::integer[]) as r(rule, warns, needed) on r.rule = a.rule
                 where a.monitor = $1 and a.kind <> 'operational' and a.fired_at is not null and not a.labels ? 'drill'
                   and ($2::text is null or a.model_version <> $2) and ($3::text is null or a.segment <> $3)
                   and a.since >= coalesce($4, '-infinity')
                 order by a.judged is null, a.since desc, a.id limit $8),
             carried as (
                 select a.id, f.column_name, f.measure, array_agg(f.effect order by f.effect desc) as effects
                 from fired a
                 cross join lateral (
                     select w.id, w.drifts_for from model_window w
                     where w.monitor = $1 and w.model_version = a.model_version and w.segment = a.segment
                       and w.starts_at >= a.since
                     -- Windows without a verdict lie between them.
                     order by w.starts_at limit least(2 * a.judged_windows::bigint + 20, $9)) w
                 join finding f on f.window_id = w.id
                 where a.id = any(w.drifts_for) and f.effect is not null
                   and (a.column_name is null or f.column_name = a.column_name)
                   and (f.verdict = 'critical' or f.verdict = 'warn' and a.warns)
                 group by a.id, f.column_name, f.measure),
             remembered as (
                 select a.id, case when c->>'column' = $10 then '' else c->>'column' end as column_name, c->>'measure' as measure,
                        max((c->'effect')::float8) as effect
                 from fired a join alert e on e.id = a.id
                 cross join lateral (
                     select * from jsonb_path_query(e.evidence, '$.drifted[*] ? (@.effect.type() == \"number\")')
                     union all
                     select * from jsonb_path_query(e.evidence, '$.warned[*] ? (@.effect.type() == \"number\")') where a.warns) m(c)
                 where c->>'column' is not null and c->>'measure' is not null
                 group by 1, 2, 3)
             select a.id, a.rule, a.judged, c.column_name as subject, c.measure, greatest(c.effects[1], c.effect) as largest,
                    coalesce(c.effects[a.needed], c.effects[cardinality(c.effects)], c.effect) as holds
             from fired a left join (carried full join remembered using (id, column_name, measure)) c on c.id = a.id
             order by a.since desc, a.id, c.column_name, c.measure",
        )
        .bind(scope.monitor)
        .bind(version)
        .bind(segment)
        .bind(scope.since.map(timestamp))
        .bind(rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>())
        .bind(rules.iter().map(warns).collect::<Vec<_>>())
        .bind(rules.iter().map(|rule| i32::try_from(rule.policy.windows).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(limit)
        .bind(WINDOWS)
        .bind(RECORDS)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(READ))?;
        let mut alarms: Vec<Alarm> = Vec::new();
        for row in &rows {
            add(&mut alarms, row, rules).map_err(failed(READ))?;
        }
        Ok(alarms)
    }
}

/// Adds what a row says to the last alert, or begins the next one.
fn add(alarms: &mut Vec<Alarm>, row: &PgRow, rules: &[AlertRule]) -> Result<(), sqlx::Error> {
    let id: Uuid = row.try_get("id")?;
    if alarms.last().is_none_or(|last| last.id != id) {
        alarms.push(Alarm {
            id,
            judged: named_if_any(row, "judged", Judged::from_name)?,
            rule: row.try_get("rule")?,
            carried: Vec::new(),
        });
    }
    let subject: Option<String> = row.try_get("subject")?;
    let (Some(subject), Some(alarm)) = (subject.map(Subject::from_stored), alarms.last_mut()) else {
        return Ok(());
    };
    let name: String = row.try_get("measure")?;
    let rule = rules.iter().find(|rule| rule.name == alarm.rule);
    // A measure that this version does not know has no limits here.
    let measure =
        Measure::from_name(&name).filter(|measure| rule.is_none_or(|rule| rule.looks_at(&subject, *measure)));
    if let Some(measure) = measure {
        alarm.carried.push(Carried {
            subject,
            measure,
            largest: row.try_get("largest")?,
            holds: row.try_get("holds")?,
        });
    }
    Ok(())
}
