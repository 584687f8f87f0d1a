//! Connections on which nothing is waited for without a deadline.
//!
//! A connection can go silent without an error: the other host lost its power, a firewall dropped its state. No
//! answer comes then, and no reset either. So every statement, also `begin` and `commit`, has a deadline after which
//! it fails and its connection is dropped, never returned to the pool, which would wait on it again.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::{Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};
use tokio::time::Instant;

type QueryRows<'e> =
    BoxStream<'e, Result<Either<sqlx::postgres::PgQueryResult, sqlx::postgres::PgRow>, sqlx::Error>>;

/// The pool. A statement that is executed on it takes a connection for itself.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pool: PgPool,
    deadline: Duration,
}

/// A connection, with or without a transaction. When it is dropped, its transaction is undone and the connection
/// goes back to the pool; one that failed to answer is closed.
#[derive(Debug)]
pub(super) struct Session {
    /// `None` once it was handed back.
    connection: Option<PoolConnection<Postgres>>,
    deadline: Duration,
    in_transaction: bool,
    /// A statement was not finished: what the connection answers next belongs to it.
    is_broken: bool,
}

/// The error of a statement that was not answered in time. It counts as a broken connection: whether a commit took
/// place is unknown.
fn too_late(deadline: Duration) -> sqlx::Error {
    let text = format!("no answer within {deadline:?}; the connection was dropped");
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}

impl Pool {
    pub(super) fn new(pool: PgPool, deadline: Duration) -> Self {
        Self { pool, deadline }
    }

    /// A connection without a transaction.
    pub(super) async fn acquire(&self) -> Result<Session, sqlx::Error> {
        let connection = self.pool.acquire().await?;
        Ok(Session {
            connection: Some(connection),
            deadline: self.deadline,
            in_transaction: false,
            is_broken: false,
        })
    }

    /// A connection with a transaction begun.
    pub(super) async fn begin(&self) -> Result<Session, sqlx::Error> {
        let mut session = self.acquire().await?;
        // Set before: a `begin` that was not answered may have been carried out.
        session.in_transaction = true;
        session.execute("begin").await?;
        Ok(session)
    }

    /// The pool itself, for what has no statement of its own: migrations.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Session {
    /// Ends the transaction; what it did holds.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.execute("commit").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Ends the transaction; nothing it did holds.
    pub(super) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.execute("rollback").await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_broken {
            drop(connection.detach());
        } else if self.in_transaction {
            let deadline = self.deadline;
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    runtime.spawn(async move {
                        let undone = tokio::time::timeout(deadline, connection.execute("rollback")).await;
                        if !matches!(undone, Ok(Ok(_))) {
                            drop(connection.detach());
                        }
                    });
                }
                Err(_) => drop(connection.detach()),
            }
        }
    }
}

/// A statement under way on a connection: marks it as broken until the last answer came.
struct RunningStatement<'e> {
    rows: QueryRows<'e>,
    is_broken: &'e mut bool,
    until: Instant,
    deadline: Duration,
}

/// The rows of a statement; each must come before the deadline of the whole statement.
fn bounded(running: RunningStatement<'_>) -> QueryRows<'_> {
    *running.is_broken = true;
    stream::unfold(Some(running), |running| async move {
        let mut running = running?;
        match tokio::time::timeout_at(running.until, running.rows.next()).await {
            Ok(Some(row)) => {
                // An error that the server reports ends the statement; the connection is in order.
                let ended = matches!(row, Err(sqlx::Error::Database(_)));
                *running.is_broken = !ended;
                Some((row, (!ended).then_some(running)))
            }
            Ok(None) => {
                *running.is_broken = false;
                None
            }
            Err(_) => Some((Err(too_late(running.deadline)), None)),
        }
    })
    .boxed()
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> QueryRows<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Session { connection, deadline, is_broken, .. } = self;
        let Some(connection) = connection.as_mut() else { return gone() };
        let connection: &'e mut PgConnection = connection;
        let rows = connection.fetch_many(query);
        bounded(RunningStatement { rows, is_broken, until: Instant::now() + *deadline, deadline: *deadline })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<sqlx::postgres::PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut rows = self.fetch_many(query);
        Box::pin(async move {
            // To the end, so that the connection is in order afterwards.
            let mut first = None;
            while let Some(step) = rows.try_next().await? {
                if let Either::Right(row) = step
                    && first.is_none()
                {
                    first = Some(row);
                }
            }
            Ok(first)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [sqlx::postgres::PgTypeInfo],
    ) -> BoxFuture<'e, Result<sqlx::postgres::PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let deadline = self.deadline;
            let Some(connection) = self.connection.as_mut() else { return Err(sqlx::Error::PoolClosed) };
            self.is_broken = true;
            let prepared = tokio::time::timeout(deadline, connection.prepare_with(sql, parameters)).await;
            let prepared = prepared.map_err(|_| too_late(deadline))?;
            self.is_broken = false;
            prepared
        })
    }
}

/// A session is handed back when it is dropped, so there is none that could be used afterwards.
fn gone<'e>() -> QueryRows<'e> {
    stream::once(async { Err(sqlx::Error::PoolClosed) }).boxed()
}

impl<'c> Executor<'c> for &'c Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> QueryRows<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let mut session = self.acquire().await?;
            let all: Vec<_> = session.fetch_many(query).try_collect().await?;
            Ok::<_, sqlx::Error>(stream::iter(all.into_iter().map(Ok)))
        };
        stream::once(all).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<sqlx::postgres::PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move { self.acquire().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [sqlx::postgres::PgTypeInfo],
    ) -> BoxFuture<'e, Result<sqlx::postgres::PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.acquire().await?.prepare_with(sql, parameters).await })
    }
}
