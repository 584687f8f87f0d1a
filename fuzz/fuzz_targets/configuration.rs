//! Configuration files: the first byte says whether a monitor's or the daemon's.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use driftd::config::{Overrides, load_here, load_monitor};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let path: PathBuf = FOLDER.path().join("driftd.toml");
    if std::fs::write(&path, text).is_err() {
        return;
    }
    let said = if kind & 1 == 0 {
        load_monitor(&path).err().map(|error| error.to_string())
    } else {
        load_here(&path, &Overrides::default()).err().map(|error| error.to_string())
    };
    assert!(said.is_none_or(|said| said.starts_with("error:") || said.contains("error")), "mistakes are named");
});
