//! Situations from practice: files, values, times and monitors as users have them (tests/practice).

use crate::support::{file, python};

#[test]
fn situations_from_practice_hold() {
    let Some(mut python) = python("python3") else { return };
    let output = python
        .arg(file("tests/practice/run.py"))
        .env("DRIFTD_BIN", env!("CARGO_BIN_EXE_driftd"))
        .output()
        .unwrap_or_else(|error| panic!("{python:?}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{text}\nhint: `tests/practice/run.py -v NAME` shows every command of a situation"
    );
}
