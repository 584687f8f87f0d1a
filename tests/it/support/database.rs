//! The database of a world: brought up to date, copied, set back, asked.

use std::time::Duration;

use driftd::store::{Store, StoreOptions, TlsMode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use super::World;

impl World {
    /// The database, brought up to date.
    pub fn store(&self) -> Store {
        let _runtime = self.runtime.enter();
        let options = StoreOptions {
            url: self.database_url.clone(),
            password: None,
            tls: TlsMode::Auto,
            ca_file: None,
            max_connections: 5,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            application_name: "test".to_owned(),
            statement_cache: 100,
        };
        let store = Store::connect_lazily(&options).unwrap();
        self.runtime.block_on(async {
            store.migrate().await.unwrap();
            store.migrate().await.unwrap();
        });
        store
    }

    /// Keeps a copy of the database as it is now.
    pub fn back_up(&mut self) {
        let (backup, database) = (format!("{}_backup", self.database), self.database.clone());
        self.without_connections(&[format!("create database {backup} template {database}")]);
    }

    /// Sets the database back to the copy, as when a backup is restored.
    pub fn restore(&mut self) {
        let (backup, database) = (format!("{}_backup", self.database), self.database.clone());
        self.without_connections(&[
            format!("drop database {database} with (force)"),
            format!("create database {database} template {backup}"),
        ]);
    }

    fn without_connections(&mut self, statements: &[String]) {
        let (admin, url) = (self.admin_url.clone(), self.database_url.clone());
        let pool = self.pool.clone();
        self.pool = self.runtime.block_on(async {
            pool.close().await;
            let mut admin = PgConnection::connect(&admin).await.unwrap();
            for statement in statements {
                // The server notices only after a moment that those who were connected have gone.
                let mut outcome = Ok(sqlx::postgres::PgQueryResult::default());
                for _ in 0..50 {
                    outcome = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut admin).await;
                    if outcome.is_ok() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                outcome.unwrap();
            }
            PgPool::connect(&url).await.unwrap()
        });
    }

    /// With connections to the database that took the place of the old one.
    pub fn reconnected(mut self) -> Self {
        self.pool = self.runtime.block_on(PgPool::connect(&self.database_url)).unwrap();
        self
    }
}

pub async fn number(pool: &PgPool, query: &'static str) -> Result<i64, String> {
    sqlx::query_scalar(query).fetch_one(pool).await.map_err(|error| error.to_string())
}
