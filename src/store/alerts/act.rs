//! What people do to alerts, through the same machine as windows.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{AlertRow, By, Owner, later_change, read_alert, store_states, write_changes};
use crate::alert::{ChangeReason, RowState, RuleKind, SeriesAlerts, Transition};
use crate::closing::ChangedAlert;
use crate::store::audit::record;
use crate::store::{Store, StoreError, damaged, failed};

/// What a person does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertAction {
    /// Is at it.
    Acknowledge,
    /// Says that it is over.
    Resolve,
    /// Ends it because its monitor is no longer configured: what the daemon does, in its own name.
    Remove,
}

impl AlertAction {
    /// The name in the audit log; none for what nobody did.
    fn audited(self) -> Option<&'static str> {
        match self {
            Self::Acknowledge => Some("alert.acknowledge"),
            Self::Resolve => Some("alert.resolve"),
            Self::Remove => None,
        }
    }
}

/// Why an alert cannot be acknowledged or resolved.
fn refused(id: Uuid, action: AlertAction, alert: &AlertRow) -> String {
    match (action, alert.state, &alert.view.acknowledged_by) {
        (AlertAction::Remove, state, _) => format!("alert {id} is {} and cannot be ended", state.as_str()),
        (AlertAction::Acknowledge, RowState::Acknowledged, Some(who)) => {
            format!("alert {id} is already acknowledged by {}", crate::escape::plain(who))
        }
        (AlertAction::Resolve, RowState::Resolved | RowState::Cleared, _) => {
            format!("alert {id} is already resolved")
        }
        (_, RowState::Firing | RowState::Acknowledged, _) => {
            format!("alert {id} no longer has a state: its rule or series was removed")
        }
        (AlertAction::Acknowledge, state, _) => {
            format!("alert {id} is {}: only a firing alert can be acknowledged", state.as_str())
        }
        (AlertAction::Resolve, state, _) => {
            format!("alert {id} is {}: only a firing or acknowledged alert can be resolved", state.as_str())
        }
    }
}

impl Store {
    /// Acknowledges or resolves an alert, in the name of somebody.
    ///
    /// # Errors
    /// When there is no such alert, it does not fire, or the database is away.
    pub async fn act_on_alert(
        &self,
        id: Uuid,
        action: AlertAction,
        actor: &str,
        comment: &str,
    ) -> Result<AlertRow, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin changing an alert"))?;
        let alert = read_alert(&mut transaction, id).await?;
        let view = &alert.view;
        let operational = view.kind == RuleKind::Operational;
        let states: Option<Value> = if operational {
            sqlx::query_scalar("select alerts from operational_state where scope = $1 for no key update")
                .bind(&view.monitor)
                .fetch_optional(&mut transaction)
                .await
        } else {
            sqlx::query_scalar(
                "select alerts from series where monitor = $1 and model_version = $2 and segment = $3
                 for no key update",
            )
            .bind(&view.monitor)
            .bind(&view.version)
            .bind(&view.segment)
            .fetch_optional(&mut transaction)
            .await
        }
        .map_err(failed("lock an alert"))?;
        let mut states: SeriesAlerts = match states {
            Some(states) => damaged("the state of an alert", serde_json::from_value(states))?,
            None => SeriesAlerts::default(),
        };
        let (rule, column) = (view.rule.as_str(), alert.column.as_deref());
        let is_this = states
            .state(rule, column)
            .and_then(|state| state.episode.as_ref())
            .is_some_and(|episode| episode.id == id);
        let change = match action {
            _ if !is_this => None,
            AlertAction::Acknowledge => states.acknowledge(rule, column),
            AlertAction::Resolve => states.end(rule, column, ChangeReason::ByPerson),
            AlertAction::Remove => states.end(rule, column, ChangeReason::RuleRemoved),
        };
        let Some(change) = change else {
            return Err(StoreError::Refused(refused(id, action, &alert)));
        };
        let owner = Owner { monitor: &view.monitor, version: &view.version, segment: &view.segment };
        if operational {
            sqlx::query("update operational_state set alerts = $2 where scope = $1")
                .bind(&view.monitor)
                .bind(Json(&states))
                .execute(&mut transaction)
                .await
                .map_err(failed("store the state of an alert"))?;
        } else {
            store_states(&mut transaction, owner, &states, None).await?;
        }
        let transition = Transition { rule: rule.to_owned(), column: column.map(str::to_owned), change };
        let changed = later_change(transition, view.clone());
        write_changes(
            &mut transaction,
            owner,
            &[changed],
            By { actor, detail: comment, window: None, revision: 0 },
        )
        .await?;
        let before = alert.state;
        let alert = read_alert(&mut transaction, id).await?;
        if let Some(named) = action.audited() {
            let detail = serde_json::json!({ "before": before, "after": alert.state, "comment": comment });
            record(&mut transaction, actor, named, &id.to_string(), detail).await?;
        }
        transaction.commit().await.map_err(failed("commit the change of an alert"))?;
        Ok(alert)
    }

    /// The monitors with alerts that are not over which neither this daemon nor another that runs has configured.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn removed_monitors(&self, configured: &[&str]) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "select distinct monitor from alert
             where state in ('pending', 'firing', 'acknowledged') and monitor <> '' and monitor <> all($1)
               and not exists (select from daemon_configuration d
                               where d.monitor = alert.monitor and d.seen_at > now() - interval '30 seconds')
             order by monitor",
        )
        .bind(configured)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("look for monitors that were removed"))
    }

    /// Ends the alerts of a monitor that was removed: no window will. How many there were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_alerts_of(&self, monitor: &str) -> Result<usize, StoreError> {
        let open: Vec<Uuid> = sqlx::query_scalar(
            "select id from alert where monitor = $1 and state in ('pending', 'firing', 'acknowledged') order by id",
        )
        .bind(monitor)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read the alerts of a monitor that was removed"))?;
        let mut ended = 0;
        for id in open {
            match self.act_on_alert(id, AlertAction::Remove, "driftd", "its monitor is no longer configured").await
            {
                Ok(_) => ended += 1,
                // Another daemon was faster.
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Writes changes of alerts that no window and no look made: a drill.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn inject_alerts(
        &self,
        monitor: &str,
        version: &str,
        changes: &[ChangedAlert],
        actor: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a drill"))?;
        let owner = Owner { monitor, version, segment: crate::window::WHOLE };
        write_changes(&mut transaction, owner, changes, By { actor, detail: "drill", window: None, revision: 0 })
            .await?;
        transaction.commit().await.map_err(failed("commit a drill"))
    }
}
