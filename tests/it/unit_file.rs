//! The systemd unit is valid and hardened.

use std::path::Path;
use std::process::Command;

fn unit() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/driftd.service")
}

fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let Ok(output) = output else {
        crate::support::skipped("the systemd unit: systemd-analyze is not installed");
        return None;
    };
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

#[test]
fn systemd_finds_nothing_to_complain_about() {
    // The binary is not installed here; everything else is as shipped.
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(unit()).unwrap().replace("/usr/bin/driftd", "/usr/bin/true");
    let copy = directory.path().join("driftd.service");
    std::fs::write(&copy, text).unwrap();
    let Some((success, output)) = analyze(&["verify", copy.to_str().unwrap()]) else { return };
    assert!(success && output.trim().is_empty(), "{output}");
}

#[test]
fn the_exposure_is_at_most_1_1() {
    let path = unit();
    let Some((success, output)) =
        analyze(&["security", "--offline=true", "--threshold=11", "--no-pager", path.to_str().unwrap()])
    else {
        return;
    };
    assert!(success, "{output}");
}

/// The values of a key of the unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn a_configuration_mistake_is_not_tried_again_and_nothing_but_driftd_is_needed() {
    let unit = std::fs::read_to_string(unit()).unwrap();
    assert_eq!(values(&unit, "RestartPreventExitStatus"), ["2 78"]);
    // That setting is about the main process: a command before it that fails is tried again for ever.
    assert!(values(&unit, "ExecStartPre").is_empty());
    let commands = ["ExecStart", "ExecReload"].map(|key| values(&unit, key));
    for command in commands.concat() {
        let arguments: Vec<&str> = command.split(' ').collect();
        assert_eq!(arguments[0], "/usr/bin/driftd", "{command}");
        let help = Command::new(env!("CARGO_BIN_EXE_driftd")).args([arguments[1], "--help"]).output().unwrap();
        assert!(help.status.success(), "{command}");
        for option in arguments.iter().filter(|argument| argument.starts_with("--")) {
            assert!(String::from_utf8_lossy(&help.stdout).contains(option), "{command}");
        }
    }
    assert_eq!(commands[1].len(), 1, "and it can be reloaded");
}
