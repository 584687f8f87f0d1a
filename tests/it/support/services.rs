//! What is given to the tests: services, the program, Python.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The services given to the tests; none (and a word about it) without them.
pub struct Services {
    pub database_url: String,
    pub kafka: String,
}

pub fn services(test: &str) -> Option<Services> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(database_url), Some(kafka)) = (get("DRIFTD_TEST_DATABASE_URL"), get("DRIFTD_TEST_KAFKA")) {
        Some(Services { database_url, kafka })
    } else {
        skipped(&format!(
            "{test}: DRIFTD_TEST_DATABASE_URL and DRIFTD_TEST_KAFKA are not set; `make test` sets them"
        ));
        None
    }
}

/// Says what was not tested, past the test runner's capture of output.
pub fn skipped(what: &str) {
    use std::io::Write as _;
    let _nobody_listens = writeln!(std::io::stderr(), "SKIPPED {what}");
}

/// The path of a file of the repository.
pub fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string()
}

/// The program under test: the one that was built with the tests, or the one that `DRIFTD_TEST_BIN` names.
pub fn program() -> PathBuf {
    std::env::var_os("DRIFTD_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_driftd").into(), PathBuf::from)
}

/// A program of the tests' own Python; none (and a word about it) without it.
pub fn python(program: &str) -> Option<Command> {
    match std::env::var("DRIFTD_TEST_PYTHON") {
        Ok(folder) => Some(Command::new(Path::new(&folder).join(program))),
        Err(_) => {
            skipped(&format!("{program}: DRIFTD_TEST_PYTHON is not set; `make test` sets it"));
            None
        }
    }
}
