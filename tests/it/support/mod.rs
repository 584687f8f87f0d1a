//! What the tests with services share: a world of its own for each (database, topics, folder, receivers), the
//! real program as child processes, and the truth computed from the records themselves.

mod authority;
mod cluster;
mod config;
mod database;
mod http;
mod kafka;
mod observed;
mod records;
mod servers;
mod services;
mod topic;
mod world;

pub use authority::Authority;
pub use cluster::Cluster;
pub use config::{Config, check, edit};
pub use database::number;
pub use http::{Answer, Http};
pub use kafka::{SecuredKafka, USER};
pub use records::{
    Dice, assert_everything_was_told, assert_told_under_one_id, assert_windows_are_true, bike_records,
};
pub use servers::{Daemon, Smtp, Webhooks};
pub use services::{Services, file, program, python, services, skipped};
pub use world::World;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const TOPIC_PARTITIONS: i32 = 6;
pub const TRAINING_ROWS: usize = 4_250;
pub const WINDOW_DAYS: i64 = 30;
/// The daemons that a world has configurations for.
pub const DAEMONS: [&str; 3] = ["a", "b", "c"];

/// Asks until the answer is right; the last wrong one when time is up.
pub async fn until<T>(seconds: u64, mut ask: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask().await {
            Err(state) if Instant::now() > deadline => return Err(state),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
}

/// A port that nobody listens on and that this function returns once. It lies below the ephemeral ports, which the kernel gives
/// to listeners on port 0 and to outgoing connections.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(997);
    loop {
        let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + next).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
