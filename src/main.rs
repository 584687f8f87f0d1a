//! The `driftd` program: arguments, and errors as exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftd::cli::main()
}
