//! The demo is the first thing a newcomer runs: it works, and says what it should.

use std::process::Command;

use crate::support::services;

#[test]
fn the_demo_detects_the_drift_that_is_in_its_data_and_tells() {
    if services("demo").is_none() {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_driftd")).arg("demo").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "17379 records in 24 windows, each counted exactly once",
        "2011-12          741  not judged",
        "Subject: [critical] bike-demand: ",
        "drift.retraining.requested",
        "signature verified",
        "2012-03          743  drift            cnt (",
        "1 window of the same day of the year in UTC, 2011-0",
        "The same months compared with the training data",
        "17379  accepted",
        "\nmonitor bike-demand\n",
        "partition 0: offsets 2",
        "next:",
    ] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(!text.contains("WRONG"), "{text}");
    // What is set for the run counts in the demo, too.
    let output =
        Command::new(env!("CARGO_BIN_EXE_driftd")).args(["demo", "--set", "http.listn=x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
}
