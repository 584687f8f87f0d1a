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
fn the_exposure_is_at_most_one_and_a_half() {
    let path = unit();
    let Some((success, output)) =
        analyze(&["security", "--offline=true", "--threshold=15", "--no-pager", path.to_str().unwrap()])
    else {
        return;
    };
    assert!(success, "{output}");
}
