//! What closing leaves behind: the window, its findings, the alert, the outbox.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::read::Merged;
use super::{Closing, DueWindow, OpenWindow};
use crate::closing::{ClosingWindow, Decision, Notification, RetrainingRequest};
use crate::judge::Judgement;
use crate::reference::ReferenceChoice;
use crate::retrain::RetrainDecision;
use crate::store::alerts::{By, Owner, refresh_alerts, write_changes};
use crate::store::outbox::put_notification;
use crate::store::session::Session;
use crate::store::{StoreError, bigint, damaged, failed, timestamp};
use crate::view::{letter_of, summaries};

/// The pane that closes, and those before it that belong to the window.
pub(super) struct Pane<'a> {
    pub(super) merged: &'a Merged,
    /// Their ids.
    pub(super) before: &'a [i64],
    pub(super) revision: i32,
}

pub(super) async fn write_window(
    connection: &mut Session,
    due: &DueWindow,
    pane: &Pane<'_>,
    (with, baseline, choice): (Closing<'_>, Option<Uuid>, &ReferenceChoice),
    closing: &ClosingWindow,
    decision: &Decision,
) -> Result<(), StoreError> {
    let DueWindow { window, missing } = due;
    let Pane { merged, before, revision } = pane;
    let reaches_back = !before.is_empty();
    let (columns, scores, verdicts) = scores(&decision.judgement);
    sqlx::query(
        "with merged as (delete from window_delta where window_id = $1)
         update model_window set status = 'closed', closed_at = coalesce(closed_at, now()), rows = $2, counts = $3, sample = $4,
                ranges = $5, complete = $6, missing = $7, verdict = $8, retrain_decision = $9, teaches = $10,
                columns = $11, scores = $12, verdicts = $13, configuration = $14, drifts_for = $15, binning_id = $16,
                baseline_id = $17, reference = $18, judged_from = $19, judged_rows = $20, judged_panes = $21,
                revision = $22, revised_at = case when $22 > 0 then now() end, amend_due = null
         where id = $1",
    )
    .bind(window.id)
    .bind(bigint(merged.counts.rows()))
    .bind(damaged("counts", merged.counts.to_ipc())?)
    .bind(damaged("sample", merged.sample.clone().to_ipc())?)
    .bind(Json(&merged.ranges))
    .bind(missing.is_empty())
    .bind(Json(missing))
    .bind(decision.judgement.verdict.as_str())
    .bind(decision.retrain.map(RetrainDecision::as_str))
    .bind(decision.teaches)
    .bind(columns)
    .bind(scores)
    .bind(verdicts)
    .bind(with.configuration)
    .bind(&decision.drifts_for)
    .bind(merged.counts.binnings().id())
    .bind(baseline)
    .bind(Json(choice))
    .bind(reaches_back.then(|| timestamp(closing.span.from)))
    .bind(reaches_back.then(|| bigint(closing.counts.rows())))
    .bind(reaches_back.then_some(*before))
    .bind(revision)
    .execute(connection)
    .await
    .map_err(failed("close a window"))?;
    Ok(())
}

/// How each column stands: its name, its score as a multiple of the limit of drift, the letter of its verdict.
/// In the order of the monitor's columns.
#[expect(clippy::cast_possible_truncation, reason = "scores for charts")]
fn scores(judgement: &Judgement) -> (Vec<&str>, Vec<f32>, String) {
    let scored = judgement.findings.chunk_by(|left, right| left.subject == right.subject).filter_map(|findings| {
        let column = findings.first()?.subject.column()?;
        let judged = judgement.columns.iter().find(|judged| judged.column == column)?;
        Some((column, judged.strength as f32, letter_of(judged.verdict)))
    });
    let (mut columns, mut scores, mut verdicts) = <(Vec<_>, Vec<_>, String)>::default();
    for (column, score, verdict) in scored {
        columns.push(column);
        scores.push(score);
        verdicts.push(verdict);
    }
    (columns, scores, verdicts)
}

/// Where each column lies.
pub(super) async fn write_summaries(
    connection: &mut Session,
    window: i64,
    closing: &ClosingWindow,
) -> Result<(), StoreError> {
    let rows: Vec<Value> = summaries(&closing.counts, &closing.sample)
        .into_iter()
        .map(|summary| {
            let (categories, shares): (Vec<String>, Vec<f32>) = summary.categories.into_iter().unzip();
            serde_json::json!({
                "column_name": summary.column, "present": summary.present, "nulls": summary.nulls,
                "invalid": summary.invalid, "below": summary.below, "above": summary.above, "unseen": summary.unseen,
                "mean": summary.mean, "quantiles": summary.quantiles, "categories": categories, "shares": shares,
            })
        })
        .collect();
    sqlx::query(
        "insert into column_summary (window_id, column_name, present, nulls, invalid, below, above, unseen, mean,
                                     quantiles, categories, shares)
         select $1, * from jsonb_to_recordset($2) as r(column_name text, present bigint, nulls bigint, invalid bigint,
                    below bigint, above bigint, unseen bigint, mean float8, quantiles float8[], categories text[],
                    shares real[])",
    )
    .bind(window)
    .bind(Value::from(rows))
    .execute(connection)
    .await
    .map_err(failed("store where columns lie"))?;
    Ok(())
}

pub(super) async fn write_findings(
    connection: &mut Session,
    window: i64,
    decision: &Decision,
) -> Result<(), StoreError> {
    let findings = &decision.judgement.findings;
    let score = |field: fn(&crate::measure::Score) -> Option<f64>| -> Vec<Option<f64>> {
        findings.iter().map(|finding| finding.score.as_ref().and_then(field)).collect()
    };
    let size = |field: fn(&crate::measure::Score) -> u64| -> Vec<Option<i64>> {
        findings.iter().map(|finding| finding.score.as_ref().map(|score| bigint(field(score)))).collect()
    };
    sqlx::query(
        "insert into finding (window_id, column_name, measure, verdict, warn, critical, noise_floor, statistic,
                              p_value, effect, bound, n_baseline, n_window, significant, change)
         select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[],
                                  $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::bigint[], $13::bigint[],
                                  $14::boolean[], $15::jsonb[])",
    )
    .bind(window)
    .bind(findings.iter().map(|finding| finding.subject.as_stored()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.measure.as_str()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.verdict.as_str()).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.limits.map(|limits| limits.warn)).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.limits.map(|limits| limits.critical)).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.noise_floor).collect::<Vec<_>>())
    .bind(score(|score| Some(score.statistic)))
    .bind(score(|score| score.p_value))
    .bind(score(|score| Some(score.effect)))
    .bind(score(|score| score.bound))
    .bind(size(|score| score.n_baseline))
    .bind(size(|score| score.n_window))
    .bind(findings.iter().map(|finding| finding.score.map(|_| finding.significant)).collect::<Vec<_>>())
    .bind(findings.iter().map(|finding| finding.change.as_ref().map(Json)).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store findings"))?;
    Ok(())
}

pub(super) async fn write_alerts(
    connection: &mut Session,
    monitor: &str,
    window: &OpenWindow,
    (revision, decision): (i32, &Decision),
) -> Result<(), StoreError> {
    let owner = Owner { monitor, version: &window.key.version, segment: &window.key.segment };
    let by = By { actor: "driftd", detail: "", window: Some(window.id), revision };
    write_changes(connection, owner, &decision.changes, by).await?;
    refresh_alerts(connection, &decision.refreshed).await?;
    Ok(())
}

/// Stores a request and the messages that ask training systems.
pub(super) async fn write_request(
    connection: &mut Session,
    monitor: &str,
    window: &OpenWindow,
    request: &RetrainingRequest,
    notifications: &[Notification],
) -> Result<(), StoreError> {
    let state = if request.decision == RetrainDecision::Request { "requested" } else { "proposed" };
    sqlx::query(
        "with made as (
             insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, body,
                                             state, dry_run, receivers, answer_within, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                     case when $9 = 'requested' and $12 > 0 then now() + make_interval(secs => $12 / 1e6) end)
             on conflict do nothing returning id)
         insert into retraining_change (request_id, state, actor, detail) select id, $9, 'driftd', $13 from made",
    )
    .bind(request.id)
    .bind(monitor)
    .bind(&window.key.version)
    .bind(&window.key.segment)
    .bind(request.alert)
    .bind(window.id)
    .bind(timestamp(window.end))
    .bind(&request.body)
    .bind(state)
    .bind(request.decision == RetrainDecision::DryRun)
    .bind(&request.receivers)
    .bind(request.answer_within)
    .bind(request.decision.as_str())
    .execute(&mut *connection)
    .await
    .map_err(failed("store a retraining request"))?;
    for notification in notifications {
        put_notification(&mut *connection, notification).await?;
    }
    Ok(())
}
