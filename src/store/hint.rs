//! What is probably the cause when the database refuses a connection, or cannot be reached.

use std::io::ErrorKind;

/// What is wrong, in PostgreSQL's words. The line that sqlx adds is one of the server's source code.
pub(super) fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

/// A line `hint: ...` behind the error, or nothing.
pub(super) fn of(error: &sqlx::Error) -> String {
    let hint = match error {
        sqlx::Error::Database(error) => refused(error.code().as_deref().unwrap_or_default(), error.message()),
        sqlx::Error::Io(error) => unreachable(error.kind()).map(str::to_owned),
        // What cannot be reached is tried again until the time for a connection is over.
        sqlx::Error::PoolTimedOut => unreachable(ErrorKind::ConnectionRefused).map(str::to_owned),
        _ => None,
    };
    hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"))
}

/// By the SQLSTATE, and where one stands for several causes by the message.
fn refused(code: &str, message: &str) -> Option<String> {
    // `role "x" does not exist`
    let named = message.split('"').nth(1).filter(|name| is_plain(name));
    let hint = match code {
        // invalid_authorization_specification
        "28000" if message.contains("Peer authentication") || message.contains("peer") => Some(
            "over its socket PostgreSQL takes the user of this process for the user of the database (`peer`): run as that user \
             (sudo -u driftd driftd ...), or ask a running daemon (--server http://127.0.0.1:9464)",
        ),
        "28000" if message.contains("Ident authentication") => Some(
            "over TCP this PostgreSQL asks an ident server: use its socket, postgres.url = \
             \"postgres://driftd@%2Frun%2Fpostgresql/driftd\", or allow a password in pg_hba.conf",
        ),
        "28000" if message.contains("does not exist") => {
            let user = named.unwrap_or("driftd");
            return Some(format!("create it, with its own database: sudo -u postgres createuser {user}"));
        }
        "28000" => Some(
            "pg_hba.conf of the server allows no such connection: over its socket postgres.url is \
             \"postgres://driftd@%2Frun%2Fpostgresql/driftd\"",
        ),
        // invalid_password
        "28P01" => Some(
            "over TCP PostgreSQL wants the password of this user: `postgres.password` has to be it (`driftd config show --origin` says \
             where it comes from); over its socket the user of this process is enough, postgres.url = \"postgres://driftd@%2Frun%2Fpostgresql/driftd\"",
        ),
        // invalid_catalog_name
        "3D000" => {
            let database = named.unwrap_or("driftd");
            return Some(format!(
                "create it: sudo -u postgres createdb --owner USER {database}, with the user of `postgres.url`"
            ));
        }
        // insufficient_privilege
        "42501" => Some(
            "the user of `postgres.url` must own the database: sudo -u postgres psql -c 'alter database DATABASE owner to USER'",
        ),
        // undefined_table
        "42P01" => Some("no schema yet: the daemon creates it at start, or `driftd migrate`"),
        _ => None,
    };
    hint.map(str::to_owned)
}

/// Whether a name can stand in a command as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

fn unreachable(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound => Some(
            "no socket in the folder of `postgres.url`: is PostgreSQL running on this machine, and is its socket there? On \
             Debian it is /run/postgresql, elsewhere often /tmp",
        ),
        ErrorKind::PermissionDenied => Some("this user may not access the socket of PostgreSQL"),
        ErrorKind::ConnectionRefused => {
            Some("is PostgreSQL running, and listening at the address in `postgres.url`?")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_refusals_name_their_cause() {
        for (code, message, wanted) in [
            ("28000", "Peer authentication failed for user \"driftd\"", "sudo -u driftd"),
            ("28000", "Ident authentication failed for user \"driftd\"", "ident"),
            ("28000", "role \"drift\" does not exist", "createuser drift"),
            ("28000", "role \"a; b\" does not exist", "createuser driftd"),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", "pg_hba.conf"),
            ("28P01", "password authentication failed for user \"driftd\"", "postgres.password"),
            ("3D000", "database \"models\" does not exist", "--owner USER models"),
            ("42501", "permission denied for schema public", "own"),
            ("42P01", "relation \"alert\" does not exist", "driftd migrate"),
        ] {
            let hint = refused(code, message).unwrap_or_else(|| panic!("{message}"));
            assert!(hint.contains(wanted), "{message}: {hint}");
        }
        assert_eq!(refused("40001", "could not serialize access"), None);
        assert!(unreachable(ErrorKind::NotFound).unwrap().contains("/run/postgresql"));
    }
}
