//! A PostgreSQL cluster of the demo's own: in its folder, on a Unix socket, gone with it.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::CliError;

/// A running cluster; it stops when dropped.
pub(super) struct Cluster {
    server: Child,
    directory: PathBuf,
}

/// Whom the server runs as: PostgreSQL refuses to be root.
#[derive(Clone, Copy)]
struct ServerUser {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Starts a cluster in a folder.
    pub(super) fn start(directory: &Path) -> Result<Self, CliError> {
        let binaries = find_binaries().ok_or_else(|| {
            CliError::Unavailable(
                "PostgreSQL's server is not installed\n\
                 hint: apt-get install postgresql (nothing of it is started), or name a database with --database-url"
                    .to_owned(),
            )
        })?;
        let owner = unprivileged()?;
        std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
        if let Some(owner) = owner {
            chown(directory, Some(owner.uid), Some(owner.gid)).map_err(|error| failed(directory, &error))?;
        }
        let data = directory.join("data");
        let initialised = command(&binaries.join("initdb"), owner)
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=driftd", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .current_dir(directory)
            .output()
            .map_err(|error| CliError::Unavailable(format!("cannot run initdb: {error}")))?;
        if !initialised.status.success() {
            return Err(CliError::Unavailable(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&initialised.stderr)
            )));
        }
        let log =
            std::fs::File::create(directory.with_extension("log")).map_err(|error| failed(directory, &error))?;
        let server = command(&binaries.join("postgres"), owner)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(directory)
            .args(["-c", "listen_addresses=", "-c", "max_connections=40"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| CliError::Unavailable(format!("cannot run postgres: {error}")))?;
        let cluster = Self { server, directory: directory.to_owned() };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !directory.join(".s.PGSQL.5432").exists() {
            if Instant::now() > deadline {
                return Err(CliError::Unavailable(format!(
                    "PostgreSQL did not start within 20 s; its log is {}",
                    directory.with_extension("log").display()
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(cluster)
    }

    /// How to connect to it.
    pub(super) fn url(&self) -> String {
        let host: String = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://driftd@{host}/postgres")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asks for a fast shutdown first: SIGINT, sent by the `kill` of the system, as std has only SIGKILL.
        let asked = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while asked.is_ok() && Instant::now() < deadline {
            if !matches!(self.server.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // It is going away in either case, and its files with it.
        let _killed = self.server.kill();
        let _reaped = self.server.wait();
        let _left_behind = std::fs::remove_dir_all(&self.directory);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::Failed(format!("cannot use {}: {error}", path.display()))
}

fn command(program: &Path, owner: Option<ServerUser>) -> Command {
    let mut command = Command::new(program);
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

/// In PATH, in Debian's versioned folders (the newest first), or where `pg_config` says.
fn find_binaries() -> Option<PathBuf> {
    let complete =
        |directory: &PathBuf| directory.join("initdb").is_file() && directory.join("postgres").is_file();
    let from_path = std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).find(complete));
    let versioned = || {
        let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(complete)
            .collect();
        found.sort_by_key(|path| {
            path.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok())
        });
        found.pop()
    };
    let asked = || {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim())).filter(complete)
    };
    from_path.or_else(versioned).or_else(asked)
}

/// For root, an unprivileged user to run the server as.
fn unprivileged() -> Result<Option<ServerUser>, CliError> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !is_root {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|wanted| {
            let mut fields =
                users.lines().find(|line| line.starts_with(&format!("{wanted}:")))?.split(':').skip(2);
            Some(ServerUser { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        })
        .map(Some)
        .ok_or_else(|| {
            CliError::Unavailable("PostgreSQL refuses to run as root, and there is no other user".to_owned())
        })
}
