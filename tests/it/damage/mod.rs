//! Damaged and hostile input: stored state with right checksums, files of every format, tables that are too large.
//!
//! Mutations are seeded: the same bytes in every run, and the number of a failing one is in the message. They run in a
//! child process of little memory, since an allocation that fails ends the process it is in.

mod command;
mod database;
mod files;
mod stored;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// The variable that tells a child process to do the work itself.
const CHILD: &str = "DRIFTD_TEST_DAMAGE_CHILD";

/// What a child process may have, in MiB of address space: threads reserve some of it without using it.
const MEMORY: u32 = 2_000;

/// A shell command that runs under a limit of memory.
fn limited(program: &str, megabytes: u32) -> Command {
    let mut command = Command::new("sh");
    let kilobytes = megabytes * 1_024;
    command.arg("-c").arg(format!("ulimit -v {kilobytes} && exec \"$0\" \"$@\"")).arg(program);
    command
}

/// Runs `work` in a child process of so much memory: the test of this name in this binary again.
fn in_little_memory(test: &str, megabytes: u32, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return work();
    }
    let program = std::env::current_exe().unwrap();
    let output = limited(&program.display().to_string(), megabytes)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(CHILD, "1")
        // One arena: each thread would reserve address space of its own.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(said.contains("1 passed"), "{test} names another test: {said}");
}

/// Bytes with some of them changed, as disks, networks and people do.
fn mutated(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.usize(0..3) {
        if bytes.is_empty() {
            break;
        }
        let place = rng.usize(0..bytes.len());
        match rng.u8(0..10) {
            0 => bytes[place] = rng.u8(..),
            1 => bytes[place] ^= 1 << rng.u8(0..8),
            2 => bytes.truncate(place),
            3 => {
                bytes.insert(place, rng.u8(..));
            }
            4 => {
                bytes.remove(place);
            }
            5 => {
                let end = (place + rng.usize(1..40)).min(bytes.len());
                bytes[place..end].fill(if rng.bool() { 0 } else { 0xff });
            }
            6 => {
                // A part twice.
                let end = (place + rng.usize(1..200)).min(bytes.len());
                let part = bytes[place..end].to_vec();
                bytes.splice(place..place, part);
            }
            // A number where one may stand: lengths, counts and offsets lie aligned.
            kind => {
                let number = [-1, 0, 1, i64::MAX, i64::MIN, 1 << 31, 1 << 40, 0x7fff_ffff, i64::from(rng.i32(..))];
                let number = number[rng.usize(0..number.len())].to_le_bytes();
                let width = if kind == 7 { 4 } else { 8 };
                let place = if kind == 9 { place } else { place / width * width };
                for (byte, new) in bytes.iter_mut().skip(place).zip(&number[..width]) {
                    *byte = *new;
                }
            }
        }
    }
    bytes
}

/// Does something many times with other dice, and names the time that panics or takes long.
fn try_all(what: &str, seed: u64, tries: u64, mut work: impl FnMut(&mut Rng)) {
    for number in 0..tries {
        let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut rng)));
        assert!(outcome.is_ok(), "{what}: mutation {number} of seed {seed} panics");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{what}: mutation {number} of seed {seed} takes long"
        );
    }
}
