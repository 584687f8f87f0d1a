//! A daemon deletes by itself, and everything that needs counts says that they are gone.

use reqwest::Method;
use serde_json::json;

use crate::support::{TRAINING_ROWS, World, bike_records, services};

/// Makes the windows of the monitor older than they are.
fn age(world: &World, days: i32) {
    let older = sqlx::query(
        "update model_window set closed_at = closed_at - make_interval(days => $1) where status = 'closed'",
    );
    world.runtime.block_on(older.bind(days).execute(&world.pool)).unwrap();
    // An open request would keep its windows.
    let answered = sqlx::query("update retraining_request set state = 'succeeded'");
    world.runtime.block_on(answered.execute(&world.pool)).unwrap();
}

#[test]
fn a_daemon_deletes_counts_at_their_age_and_pages_api_and_commands_say_so() {
    let Some(services) = services("retention, seen") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        let monitor = monitor.set("sample.size", 100);
        monitor.set("retention", json!({ "samples": "2d", "counts": "30d" }))
    });
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..4_000]);
    world.wait_until_done(4_000, 90);
    let seen = world.http("a");
    let last =
        seen.json("/api/v1/monitors/bike-demand/windows?segment=*&limit=1")["items"][0]["id"].as_i64().unwrap();
    let at = format!("/api/v1/monitors/bike-demand/windows/{last}");
    assert!(seen.json(&at)["deleted"].is_null());
    let offsets = seen.json(&at)["offsets"].clone();
    let before = world.windows().len();
    assert_eq!(daemon.stop(), Some(0));

    // First the samples go.
    age(&world, 3);
    let daemon = world.start_daemon("a", None);
    daemon.wait_for_log("deleted what is older than [retention] keeps it", 60);
    assert!(daemon.log().contains("model_window.sample"), "{}", daemon.log());
    let records = seen.json(&format!("{at}/records"));
    let why = "the sample of this window was deleted after 2 days (`retention.samples`)";
    assert_eq!((records["sample"].as_u64(), records["deleted"].as_str()), (Some(0), Some(why)));
    let (status, page) = seen.get(&format!("/monitors/bike-demand/windows/{last}/records"));
    assert!(status == 200 && page.contains("was deleted after 2 days"), "{page}");
    let told = world.driftd(&["records", &format!("bike-demand/{last}")]);
    assert!(told.contains("was deleted after 2 days"), "{told}");
    assert!(world.driftd(&["explain", "bike-demand/last/temp"]).contains("measures"));
    assert_eq!(daemon.stop(), Some(0));

    // Then the counts.
    age(&world, 30);
    let daemon = world.start_daemon("a", None);
    world.wait_for("counts deleted", 60, async |pool| {
        let left =
            crate::support::number(pool, "select count(*) from model_window where counts is not null").await?;
        if left == 0 { Ok(()) } else { Err(format!("{left} windows with counts")) }
    });
    let why = "the counts of this window were deleted after 30 days (`retention.counts`)";
    let window = seen.json(&at);
    assert!(window["deleted"].as_str().unwrap().starts_with(why), "{window}");
    assert_eq!((&window["offsets"], window["window"]["verdict"].is_string()), (&offsets, true));
    for path in ["distributions", "columns/temp", "records"] {
        let answer = seen.ask(Method::GET, &format!("{at}/{path}"), &[], None);
        assert_eq!(answer.status, 410, "{path}: {}", answer.text);
        let problem: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["detail"].as_str(), Some(why), "{path}");
        assert!(problem["hint"].as_str().unwrap().contains("retention.counts"), "{path}");
    }
    // The page of a column goes on with what is kept.
    for path in [
        "/monitors/bike-demand/columns/temp".to_owned(),
        format!("/monitors/bike-demand/columns/temp?window={last}"),
    ] {
        let (status, page) = seen.get(&path);
        assert_eq!(status, 200, "{path}: {page}");
        assert!(page.contains("were deleted after 30 days") && page.contains("Window by window"), "{page}");
    }
    assert_eq!(seen.get("/monitors/bike-demand").0, 200);
    for over in [&["--server", seen.base.as_str()][..], &[]] {
        let (code, told) = world.attempt("a", &[over, &["explain", &format!("bike-demand/{last}/temp")]].concat());
        assert!(code == Some(1) && told.contains(why), "{over:?} {code:?} {told}");
    }
    let (code, told) = world.attempt("a", &["records", &format!("bike-demand/{last}")]);
    assert!(code == Some(1) && told.contains(why), "{told}");
    let period = json!({ "from": "2011-01-01T00:00:00Z", "to": "2013-01-01T00:00:00Z" });
    let refused = seen.ask(Method::POST, "/api/v1/monitors/bike-demand/baselines", &[], Some(&period));
    assert!(
        refused.status == 409 && refused.text.contains("were deleted (`retention.counts`)"),
        "{}",
        refused.text
    );
    // Windows, findings and alerts are as they were.
    let windows = seen.json("/api/v1/monitors/bike-demand/windows?limit=1000");
    assert_eq!(windows["items"].as_array().unwrap().len(), before);
    assert!(!seen.json("/api/v1/monitors/bike-demand/findings?limit=10")["items"].as_array().unwrap().is_empty());
    let metrics = world.get("a", "/metrics").1;
    let counted = format!("driftd_retention_deleted_total{{table=\"model_window.counts\"}} {before}");
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(metrics.contains("driftd_table_bytes{table=\"finding\"} "), "{metrics}");
    // The configuration says what is in force.
    let shown = world.driftd(&["config", "show"]);
    assert!(
        shown.contains("retention.messages") && shown.contains("\"90d\"") && shown.contains("\"30d\""),
        "{shown}"
    );
    assert_eq!(daemon.stop(), Some(0));
}
