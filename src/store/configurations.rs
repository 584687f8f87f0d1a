//! What running daemons have configured, so that those of one database that differ are noticed: they count and judge the
//! same records differently, and a monitor that one of them does not have lacks the records of its partitions.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;
use sqlx::types::Json;

use super::session::Session;
use super::{Store, StoreError, failed};
use crate::record::listed;
use crate::view::RunningDaemon;

/// Daemons that a text names at most.
const NAMED: usize = 3;

/// What all monitors share stands in the place of a monitor of this name.
const ALL: &str = "";

/// What daemons have configured, by monitor.
type ConfiguredMonitors = BTreeMap<String, Vec<MonitorConfiguration>>;

/// What one daemon has configured of one monitor.
struct MonitorConfiguration {
    daemon: String,
    /// The version of driftd: two of them may write the same configuration down differently.
    program: String,
    /// Hashes by the name of the part.
    parts: BTreeMap<String, String>,
}

impl Store {
    /// Notes what a running daemon has configured: hashes of parts by monitor, `""` for what all monitors share. What it had
    /// before is forgotten. In which of them it differs from other daemons that said so lately, in words.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_configuration(
        &self,
        daemon: &str,
        configured: &[(String, BTreeMap<&'static str, String>)],
    ) -> Result<Vec<String>, StoreError> {
        let attempted = "note what is configured";
        let monitors: Vec<&str> = configured.iter().map(|(monitor, _)| monitor.as_str()).collect();
        let parts: Vec<Json<_>> = configured.iter().map(|(_, parts)| Json(parts)).collect();
        let mut transaction = self.pool.begin().await.map_err(failed(attempted))?;
        sqlx::query(
            "delete from daemon_configuration
             where daemon = $1 and monitor <> all($2) or seen_at < now() - interval '1 hour'",
        )
        .bind(daemon)
        .bind(&monitors)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        sqlx::query(
            "insert into daemon_configuration (daemon, monitor, program, parts, seen_at)
             select $1, monitor, $2, parts, now() from unnest($3::text[], $4::jsonb[]) as noted (monitor, parts)
             on conflict (daemon, monitor) do update set
                 program = excluded.program, parts = excluded.parts, seen_at = excluded.seen_at",
        )
        .bind(daemon)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(&monitors)
        .bind(parts)
        .execute(&mut transaction)
        .await
        .map_err(failed(attempted))?;
        transaction.commit().await.map_err(failed(attempted))?;
        Ok(self.running().await.map_err(failed(attempted))?.1)
    }

    /// The daemons that said lately that they run, and in what they differ, in words.
    pub(super) async fn running(&self) -> Result<(Vec<RunningDaemon>, Vec<String>), sqlx::Error> {
        let running = running(&mut self.pool.acquire().await?, None).await?;
        let daemons = running.get(ALL).into_iter().flatten();
        let daemons =
            daemons.map(|one| RunningDaemon { name: one.daemon.clone(), version: one.program.clone() }).collect();
        let differences = running.keys().flat_map(|monitor| about(&running, monitor)).collect();
        Ok((daemons, differences))
    }

    /// Forgets what a daemon has configured: it ends.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_configuration(&self, daemon: &str) -> Result<(), StoreError> {
        sqlx::query("delete from daemon_configuration where daemon = $1")
            .bind(daemon)
            .execute(&self.pool)
            .await
            .map_err(failed("forget what is configured"))?;
        Ok(())
    }
}

/// In what the running daemons differ about a monitor (`""` for what all monitors share), in words.
pub(super) async fn differences(connection: &mut Session, monitor: &str) -> Result<Vec<String>, sqlx::Error> {
    Ok(about(&running(connection, Some(monitor)).await?, monitor))
}

/// What daemons said lately that they have configured, by monitor: of all, or of one and of what all monitors share.
async fn running(connection: &mut Session, monitor: Option<&str>) -> Result<ConfiguredMonitors, sqlx::Error> {
    let said = "select daemon, monitor, program, parts from daemon_configuration
                where seen_at > now() - interval '30 seconds' and ($1::text is null or monitor in ('', $1))
                order by daemon";
    let mut running = ConfiguredMonitors::new();
    for row in sqlx::query(said).bind(monitor).fetch_all(connection).await? {
        running.entry(row.try_get("monitor")?).or_default().push(MonitorConfiguration {
            daemon: row.try_get("daemon")?,
            program: row.try_get("program")?,
            parts: row.try_get::<Json<_>, _>("parts")?.0,
        });
    }
    Ok(running)
}

fn about(running: &ConfiguredMonitors, monitor: &str) -> Vec<String> {
    let of = |monitor: &str| running.get(monitor).map_or(&[][..], Vec::as_slice);
    let configured = of(monitor);
    let has = |daemon: &String| configured.iter().any(|one| one.daemon == *daemon);
    let without: Vec<String> =
        of(ALL).iter().map(|one| &one.daemon).filter(|daemon| !has(daemon)).cloned().collect();
    in_words(monitor, configured, &without)
}

fn in_words(monitor: &str, configured: &[MonitorConfiguration], without: &[String]) -> Vec<String> {
    let of = if monitor.is_empty() { String::new() } else { format!("of monitor {monitor} ") };
    // Part and program, hash, daemons.
    let mut sides: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for one in configured {
        for (part, hash) in &one.parts {
            let sides = sides.entry((part, &one.program)).or_default();
            sides.entry(hash).or_default().push(&one.daemon);
        }
    }
    // Parts that the same daemons differ in are named together.
    let mut named: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for ((part, _), sides) in sides.iter().filter(|(_, sides)| sides.len() > 1) {
        let mut sides: Vec<String> = sides.values().map(|daemons| listed(daemons, NAMED)).collect();
        sides.sort();
        named.entry(sides.join(" | ")).or_default().insert(part);
    }
    let mut words: Vec<String> = named
        .into_iter()
        .map(|(sides, parts)| {
            let parts: Vec<&str> = parts.into_iter().collect();
            format!("the configurations {of}differ in {} between the daemons {sides}", parts.join("; "))
        })
        .collect();
    if !without.is_empty() && !configured.is_empty() {
        let some: Vec<&str> = configured.iter().map(|one| one.daemon.as_str()).collect();
        words.push(format!(
            "monitor {monitor} is configured for {} and not for {}, so the records of the partitions that those read are not counted for it",
            listed(&some, NAMED),
            listed(without, NAMED)
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(name: &str, program: &str, parts: &[(&str, &str)]) -> MonitorConfiguration {
        let parts = parts.iter().map(|(part, hash)| ((*part).to_owned(), (*hash).to_owned())).collect();
        MonitorConfiguration { daemon: name.to_owned(), program: program.to_owned(), parts }
    }

    #[test]
    fn daemons_that_differ_are_named_with_the_parts_and_versions_are_not_compared() {
        let same = [("columns", "1"), ("windows", "2")];
        assert!(in_words("m", &[], &[]).is_empty());
        assert!(in_words("m", &[daemon("a", "1", &same), daemon("b", "1", &same)], &[]).is_empty());
        let other = [("columns", "9"), ("windows", "8")];
        let all = [daemon("a", "1", &same), daemon("b", "1", &other), daemon("c", "1", &same)];
        assert_eq!(
            in_words("m", &all, &[]),
            ["the configurations of monitor m differ in columns; windows between the daemons a, c | b"]
        );
        assert_eq!(
            in_words("", &[daemon("a", "1", &[("routes", "1")]), daemon("b", "1", &[("routes", "2")])], &[]),
            ["the configurations differ in routes between the daemons a | b"]
        );
        let upgraded = [daemon("a", "1", &same), daemon("b", "2", &other)];
        assert!(in_words("m", &upgraded, &[]).is_empty(), "another version may write it down differently");
    }

    #[test]
    fn daemons_without_the_monitor_are_named_unless_nobody_has_it() {
        let names: Vec<String> = (1..=5).map(|number| format!("d{number}")).collect();
        assert_eq!(
            in_words("m", &[daemon("a", "1", &[])], &names),
            [
                "monitor m is configured for a and not for d1, d2, d3 and 2 more, so the records of the partitions that those read are not counted for it"
            ]
        );
        assert!(in_words("m", &[], &names).is_empty());
    }
}
