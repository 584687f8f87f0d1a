//! What commands write: words for people and JSON for programs on standard output, errors and warnings on standard error. Nothing in
//! what is written acts on the terminal.

use std::sync::atomic::{AtomicBool, Ordering};

use super::CliError;
use crate::escape::{plain, plain_json, plain_lines};

/// Whether programs read the output; said once on the command line, for all subcommands.
static JSON: AtomicBool = AtomicBool::new(false);

/// Says whether programs read the output.
pub(super) fn write_json(wanted: bool) {
    JSON.store(wanted, Ordering::Relaxed);
}

pub(super) fn as_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints something: as JSON for programs, otherwise in words.
pub(super) fn tell(value: &impl serde::Serialize, words: impl FnOnce()) -> Result<(), CliError> {
    if as_json() {
        return say_json(value);
    }
    words();
    Ok(())
}

/// Prints something as JSON.
pub(super) fn say_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CliError::Failed(error.to_string()))?;
    say_as_is(&plain_json(&text));
    Ok(())
}

/// Prints something as JSON on one line.
pub(super) fn say_json_line(value: &serde_json::Value) {
    say_as_is(&plain_json(&value.to_string()));
}

#[expect(clippy::print_stderr, reason = "the command line's own output")]
pub(super) fn say_error(text: &str) {
    eprintln!("{}", plain_lines(text));
}

/// Says something beside the output.
pub(crate) fn warn(text: &str) {
    say_error(&format!("warning: {text}"));
}

/// Writes a line to standard output: one line whatever is in it, and nothing in it acts on the terminal.
pub(crate) fn say(text: impl AsRef<str>) {
    say_as_is(&plain(text.as_ref()));
}

/// Writes a line, and each hint behind it on a line of its own.
pub(crate) fn say_with_hints(text: &str) {
    let mut parts = text.split("\nhint: ");
    say(parts.next().unwrap_or_default());
    for hint in parts {
        say(format!("hint: {hint}"));
    }
}

/// Writes a text of several lines, whose parts from data are plain already.
pub(crate) fn say_lines(text: impl AsRef<str>) {
    say_as_is(&plain_lines(text.as_ref()));
}

/// Writes a text with colours of our own; a reader that went away is no error.
pub(super) fn say_as_is(text: &str) {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let _reader_gone = writeln!(output, "{text}");
    let _reader_gone = output.flush();
}
