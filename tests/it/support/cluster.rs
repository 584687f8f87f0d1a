//! A PostgreSQL cluster of a test's own, to be shut down, copied and replaced by a standby at will.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::Runtime;

use super::skipped;

/// A server, and standbys that can take its place. Clients reach it at an address that always leads to the primary.
pub struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Set when this runs as root, as whom PostgreSQL refuses to run.
    user: Option<String>,
    primary: Mutex<Server>,
    /// How many servers there have been.
    servers: AtomicU32,
}

/// One of its servers: its home, and its process while it runs.
pub struct Server {
    home: PathBuf,
    process: Option<Child>,
}

impl Server {
    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://driftd@{}/{database}", self.home.display().to_string().replace('/', "%2F"))
    }

    /// Runs statements on this one, primary or standby.
    pub fn run(&self, runtime: &Runtime, statements: &[&'static str]) {
        run(runtime, &self.url("postgres"), statements).unwrap();
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _gone = Command::new("kill").arg("-QUIT").arg(process.id().to_string()).status();
            let _reaped = process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
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
        let user = (fs::metadata("/proc/self").unwrap().uid() == 0)
            .then(|| if id("postgres", "-u").is_some() { "postgres" } else { "nobody" }.to_owned());
        let nowhere = Server { home: PathBuf::new(), process: None };
        let cluster = Self { folder, programs, user, primary: Mutex::new(nowhere), servers: AtomicU32::new(0) };
        let mut primary = cluster.new_server();
        make(cluster.command("initdb").arg(format!("--pgdata={}", primary.data().display())).args([
            "--username=driftd",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]));
        cluster.launch(&mut primary);
        cluster.lead_to(primary);
        Some(cluster)
    }

    /// An empty home for another server.
    fn new_server(&self) -> Server {
        let number = self.servers.fetch_add(1, Ordering::SeqCst);
        let home = self.folder.path().join(format!("server{number}"));
        fs::create_dir(&home).unwrap();
        if let Some(user) = &self.user {
            chown(&home, id(user, "-u"), id(user, "-g")).unwrap();
        }
        Server { home, process: None }
    }

    /// From here on the cluster's address leads to this server.
    fn lead_to(&self, server: Server) {
        let (address, next) = (self.address(), self.folder.path().join("next"));
        symlink(&server.home, &next).unwrap();
        fs::rename(next, address).unwrap();
        *self.primary.lock().unwrap() = server;
    }

    fn address(&self) -> PathBuf {
        self.folder.path().join("primary")
    }

    /// The socket that its primary listens on.
    pub fn socket(&self) -> PathBuf {
        self.address().join(".s.PGSQL.5432")
    }

    /// Its own database, past every proxy.
    pub fn url(&self) -> String {
        format!("postgres://driftd@{}/postgres", self.address().display().to_string().replace('/', "%2F"))
    }

    /// A program of PostgreSQL, as the user of its servers.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let Some(user) = &self.user else { return Command::new(path) };
        let mut command = Command::new("setpriv");
        let group = id(user, "-g").unwrap();
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(path);
        command
    }

    /// Starts its primary after a crash, and waits until it answers.
    pub fn up(&self) {
        self.launch(&mut self.primary.lock().unwrap());
    }

    fn launch(&self, server: &mut Server) {
        let log =
            fs::File::options().create(true).append(true).open(self.folder.path().join("postgres.log")).unwrap();
        let process = self
            .command("postgres")
            .arg("-D")
            .arg(server.data())
            .arg("-k")
            .arg(&server.home)
            .args(["-c", "listen_addresses=", "-c", "max_connections=150"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        server.process = Some(process);
        let deadline = Instant::now() + Duration::from_mins(1);
        let ready = || {
            let asked = self.command("pg_isready").arg("-q").arg("-h").arg(&server.home).status();
            asked.is_ok_and(|status| status.success())
        };
        while !ready() {
            let log = || fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL did not start\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Shuts the primary down at once, as a crash does: connections are torn, the next start recovers.
    pub fn crash(&self) {
        self.primary.lock().unwrap().kill();
    }

    /// A hot standby that follows the primary.
    pub fn standby(&self) -> Server {
        let mut standby = self.new_server();
        make(
            self.command("pg_basebackup")
                .arg("-h")
                .arg(self.address())
                .args([
                    "-U",
                    "driftd",
                    "--write-recovery-conf",
                    "--wal-method=stream",
                    "--checkpoint=fast",
                    "--no-sync",
                    "-D",
                ])
                .arg(standby.data()),
        );
        self.launch(&mut standby);
        standby
    }

    /// The primary is lost, and the standby takes its place.
    pub fn fail_over(&self, runtime: &Runtime, standby: Server) {
        self.crash();
        run(runtime, &standby.url("postgres"), &["select pg_promote()"]).unwrap();
        self.lead_to(standby);
    }

    /// Runs statements on a connection of their own.
    pub fn run(&self, runtime: &Runtime, statements: &[&'static str]) -> Result<(), sqlx::Error> {
        run(runtime, &self.url(), statements)
    }

    /// `pg_dump` of a database into a file, while it is in use.
    pub fn dump(&self, database: &str) -> PathBuf {
        let server = self.primary.lock().unwrap();
        let file = server.home.join(format!("{database}.dump"));
        make(
            self.command("pg_dump")
                .args(["-U", "driftd", "--format=custom", "-h"])
                .arg(&server.home)
                .arg("--file")
                .arg(&file)
                .arg(database),
        );
        file
    }

    /// `pg_restore` of a file into a new database in the place of the old one.
    pub fn restore(&self, database: &str, file: &Path) {
        let server = self.primary.lock().unwrap();
        make(self.command("dropdb").args(["-U", "driftd", "--force", "-h"]).arg(&server.home).arg(database));
        make(
            self.command("pg_restore")
                .args(["-U", "driftd", "--create", "--exit-on-error", "-h"])
                .arg(&server.home)
                .args(["-d", "postgres"])
                .arg(file),
        );
    }
}

/// Runs a program to its end, which must be a good one.
fn make(command: &mut Command) {
    let made = command.output().unwrap();
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// Runs statements on a connection of their own.
fn run(runtime: &Runtime, url: &str, statements: &[&'static str]) -> Result<(), sqlx::Error> {
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        for statement in statements {
            sqlx::query(AssertSqlSafe(*statement)).execute(&mut connection).await?;
        }
        connection.close().await
    })
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
