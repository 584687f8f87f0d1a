//! What the exit codes of each command mean, in its help and man page.

use clap::Command;

/// Commands that say more than "done" and "failed", by the path of their names.
const OWN: [(&str, &str); 14] = [
    (
        "compare",
        "0 no drift, or warnings alone; 3 drift; 1 no verdict (too few rows, nothing to compare) or failed; 2 usage",
    ),
    (
        "replay",
        "0 no alert would have fired; 3 alerts would have fired; 1 nothing could be judged, or failed; 2 usage; 78 errors in a monitor",
    ),
    (
        "calibrate",
        "0 the budget of false alarms is kept, or the windows cannot tell; 3 it is broken; 1 no window could be judged, or failed; 2 usage; 69 database unavailable; 78 errors in a monitor or the configuration",
    ),
    (
        "backfill",
        "0 done, or nothing to read; 1 stopped before its end, or failed; 2 usage; 69 database or Kafka unavailable; 78 configuration, or a secret that cannot be read here",
    ),
    (
        "rejudge",
        "0 no alert would have fired; 3 alerts would have fired; 1 nothing could be judged, or failed; 2 usage; 69 database unavailable; 78 configuration",
    ),
    ("check", "0 valid; 3 a check failed (--online); 1 failed; 2 usage; 78 errors in the configuration"),
    ("doctor", "0 all checks passed; 3 a check failed; 1 failed; 2 usage; 78 errors in the configuration"),
    (
        "drill",
        "0 every message that is to be sent arrived; 3 a message failed, or is suppressed (silence, calendar, cap, another alert); 1 failed; 2 usage; 69 database unavailable; 78 configuration",
    ),
    (
        "notify test",
        "0 delivered; 1 not delivered; 2 usage; 69 Kafka unavailable; 78 configuration, or a secret that cannot be read here",
    ),
    (
        "tail",
        "0 stopped as requested; 1 failed; 2 usage; 69 Kafka unavailable; 78 configuration, or a secret that cannot be read here",
    ),
    (
        "run",
        "0 stopped by a signal; 1 ended by itself, or by a second signal; 2 usage; 69 the address of the listener is taken; 78 configuration, or a database that refuses (credentials, no such database, a newer schema): a restart does not help. If the database or Kafka is unavailable, the daemon waits",
    ),
    (
        "reload",
        "0 signalled, the result is in the daemon's log; 1 no such process, or no permission; 2 usage; 78 errors in the configuration: the daemon was not signalled",
    ),
    ("demo", "0 done; 1 failed; 2 usage; 69 a service that it needs cannot be started"),
    (
        "baseline build",
        "0 stored; 1 the data cannot be read or used; 2 usage; 69 database unavailable; 78 configuration, or a secret that cannot be read here",
    ),
];

/// Commands that need no service and no configuration.
const ALONE: [&str; 3] = ["measures", "completions", "man"];

/// All others.
const USUAL: &str = "0 done; 1 failed, or not found; 2 usage; 69 database or daemon unavailable; 78 configuration, or a \
                     secret that is missing or refused";

/// Adds the exit codes to the help of every command.
pub(super) fn explained(command: Command) -> Command {
    below(command, "").after_help("The help of each command lists its exit codes.")
}

fn below(command: Command, path: &str) -> Command {
    command.mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
        if command.has_subcommands() {
            return below(command, &path);
        }
        let own = OWN.iter().find(|(name, _)| *name == path).map(|(_, codes)| *codes);
        let codes =
            own.unwrap_or(if ALONE.contains(&path.as_str()) { "0 done; 1 failed; 2 usage" } else { USUAL });
        command.after_help(format!("Exit codes: {codes}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_says_what_its_exit_codes_mean() {
        fn leaves(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
                if below.has_subcommands() {
                    leaves(below, &path, found);
                } else {
                    let help = below.get_after_help().map(ToString::to_string).unwrap_or_default();
                    found.push((path, help));
                }
            }
        }
        let mut found = Vec::new();
        leaves(&crate::cli::command(), "", &mut found);
        assert!(found.len() > 25, "{found:?}");
        for (path, help) in &found {
            assert!(help.starts_with("Exit codes: 0 "), "{path}: {help}");
        }
        for (path, codes) in OWN {
            assert!(found.iter().any(|(known, help)| known == path && help.contains(codes)), "{path}");
        }
    }
}
