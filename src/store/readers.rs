//! Who reads into this database: consumer groups by topic. Two groups that read one topic into one database count its
//! records twice as far as they can, and one group that reads into two databases leaves each with a part of them.

use uuid::Uuid;

use super::session::Session;
use super::{Store, StoreError, failed};

impl Store {
    /// The name of this database, for others to tell it from theirs.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn database_name(&self) -> Result<Uuid, StoreError> {
        sqlx::query_scalar("select name from installation")
            .fetch_one(&self.pool)
            .await
            .map_err(failed("read the name of the database"))
    }

    /// Notes that a consumer group reads topics into this database, and which other database was seen to read with the same
    /// group. The other groups that said lately that they read one of these topics.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_readers(
        &self,
        group: &str,
        topics: &[String],
        foreign: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let attempted = "note which topics are read";
        sqlx::query(
            "insert into topic_reader (topic, group_id, seen_at, foreign_database, foreign_at)
             select topic, $2, now(), $3, case when $3 is not null then now() end from unnest($1::text[]) as topic
             on conflict (topic, group_id) do update set
                 seen_at = now(),
                 foreign_database = coalesce(excluded.foreign_database, topic_reader.foreign_database),
                 foreign_at = coalesce(excluded.foreign_at, topic_reader.foreign_at)",
        )
        .bind(topics)
        .bind(group)
        .bind(foreign)
        .execute(&self.pool)
        .await
        .map_err(failed(attempted))?;
        sqlx::query_scalar(
            "select distinct group_id from topic_reader
             where topic = any($1) and group_id <> $2 and seen_at > now() - interval '30 seconds' order by 1",
        )
        .bind(topics)
        .bind(group)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))
    }
}

/// Who conflicts over topics, in words: groups that read the same topic, and groups that other databases use, too.
pub(super) async fn conflicts(connection: &mut Session, topics: &[String]) -> Result<Vec<String>, sqlx::Error> {
    let shared: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select topic, array_agg(group_id order by group_id) from topic_reader
         where topic = any($1) and seen_at > now() - interval '30 seconds'
         group by topic having count(*) > 1 order by topic",
    )
    .bind(topics)
    .fetch_all(&mut *connection)
    .await?;
    let foreign: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select group_id, array_agg(topic order by topic) from topic_reader
         where topic = any($1) and foreign_at > now() - interval '5 minutes' group by group_id order by group_id",
    )
    .bind(topics)
    .fetch_all(&mut *connection)
    .await?;
    let groups = shared.into_iter().map(|(topic, groups)| {
        format!("topic {topic} is read into this database by the consumer groups {}", groups.join(" and "))
    });
    let databases = foreign.into_iter().map(|(group, topics)| {
        format!(
            "the consumer group {group} reads {} into another database, too, so that each has a part of the records",
            topics.join(", ")
        )
    });
    Ok(groups.chain(databases).collect())
}
