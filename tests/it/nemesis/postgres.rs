//! A PostgreSQL server of the harness's own, to be shut down and made read-only at will.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::Runtime;

use crate::support::skipped;

pub struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Set when this runs as root, as whom PostgreSQL refuses to run.
    user: Option<String>,
    server: Mutex<Option<Child>>,
}

impl Cluster {
    /// A server on a socket of its own; none (and a word about it) without the programs.
    pub fn start(test: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped(&format!("{test}: PostgreSQL's initdb is not installed"));
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("postgres");
        fs::create_dir(&home).unwrap();
        let user = (fs::metadata("/proc/self").unwrap().uid() == 0).then(|| {
            let user = if id("postgres", "-u").is_some() { "postgres" } else { "nobody" };
            chown(&home, id(user, "-u"), id(user, "-g")).unwrap();
            user.to_owned()
        });
        let cluster = Self { folder, programs, user, server: Mutex::new(None) };
        let made = cluster
            .command("initdb")
            .arg(format!("--pgdata={}", cluster.data().display()))
            .args(["--username=driftd", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.up();
        Some(cluster)
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("postgres")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.home().join(".s.PGSQL.5432")
    }

    /// Its own database, past every proxy.
    pub fn url(&self) -> String {
        format!("postgres://driftd@{}/postgres", self.home().display().to_string().replace('/', "%2F"))
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let Some(user) = &self.user else { return Command::new(path) };
        let mut command = Command::new("setpriv");
        let group = id(user, "-g").unwrap();
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(path);
        command
    }

    /// Starts it, after a crash, too, and waits until it answers.
    pub fn up(&self) {
        let log =
            fs::File::options().create(true).append(true).open(self.folder.path().join("postgres.log")).unwrap();
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.home())
            .args(["-c", "listen_addresses=", "-c", "max_connections=150"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.server.lock().unwrap() = Some(server);
        let deadline = Instant::now() + Duration::from_mins(1);
        let ready = || {
            let asked = self.command("pg_isready").arg("-q").arg("-h").arg(self.home()).status();
            asked.is_ok_and(|status| status.success())
        };
        while !ready() {
            let log = || fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL did not start\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Shuts it down at once, as a crash does: connections are torn, the next start recovers.
    pub fn crash(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            let _gone = Command::new("kill").arg("-QUIT").arg(server.id().to_string()).status();
            let _reaped = server.wait();
        }
    }

    /// Runs statements on a connection of their own.
    pub fn run(&self, runtime: &Runtime, statements: &[&'static str]) -> Result<(), sqlx::Error> {
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await?;
            for statement in statements {
                sqlx::query(AssertSqlSafe(*statement)).execute(&mut connection).await?;
            }
            connection.close().await
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Where `initdb` lies: the newest below Debian's folder, or on the path.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder).or_else(|| {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths).find(|folder: &PathBuf| Path::new(folder).join("initdb").exists())
    })
}

fn id(user: &str, which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, user]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
