//! What an alert waits for before it is told: the clocks of its groups.

use crate::record::TimeSpan;
use sqlx::Row as _;
use sqlx::types::Json;
use uuid::Uuid;

use crate::alert::{GroupTiming, Suppression};
use crate::store::{Store, StoreError, failed};

/// A group that an alert is in.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingGroup {
    /// Whom it tells.
    pub receiver: String,
    /// The route that made it.
    pub route: String,
    /// How its messages are spaced.
    pub timing: GroupTiming,
    /// When a daemon looks at it from now; negative when one should have; none when only news counts.
    pub due_in: Option<TimeSpan>,
    /// What keeps the alert from being told, as far as the last look knew.
    pub suppression: Option<Suppression>,
}

impl Store {
    /// The groups that an alert is in.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn waiting_groups(&self, alert: Uuid) -> Result<Vec<WaitingGroup>, StoreError> {
        let rows = sqlx::query(
            "select g.receiver, g.route, g.timing, m.suppression,
                    (extract(epoch from g.due_at - now()) * 1e6)::bigint as due_in
             from alert_group_member m join alert_group g on g.id = m.group_id
             where m.alert_id = $1 order by g.receiver, g.route",
        )
        .bind(alert)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read what an alert waits for"))?;
        rows.iter()
            .map(|row| {
                let suppression: Option<Json<Suppression>> = row.try_get("suppression")?;
                Ok(WaitingGroup {
                    receiver: row.try_get("receiver")?,
                    route: row.try_get("route")?,
                    timing: row.try_get::<Json<GroupTiming>, _>("timing")?.0,
                    due_in: row.try_get("due_in")?,
                    suppression: suppression.map(|Json(suppression)| suppression),
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed("read what an alert waits for"))
    }
}
