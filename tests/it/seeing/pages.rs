//! Pages: light, accessible, without errors, on a phone and on a desktop.

use std::process::Command;
use std::time::Instant;

use super::run;
use crate::support::{Http, file, skipped};

/// Every page, light and dark, on a phone and on a desktop: no error, no violation, nothing from elsewhere, not too heavy.
pub(super) fn pages_are_good(seen: &Http<'_>) {
    let Ok(axe) = std::env::var("DRIFTD_TEST_AXE") else {
        skipped("pages in a browser: DRIFTD_TEST_AXE is not set; `make test` sets it");
        return;
    };
    let mut browser = Command::new("python3");
    browser.arg(file("tests/services/browser.py")).args([&seen.base, &axe]);
    if let Ok(folder) = std::env::var("DRIFTD_TEST_SHOTS") {
        browser.args(["--shots", &folder]);
    }
    browser.args(pages(seen));
    eprint!("{}", run(browser));
}

/// The addresses of all pages.
pub(super) fn pages(seen: &Http<'_>) -> Vec<String> {
    let first = |path: &str, key: &str| seen.json(path)["items"][0][key].as_str().unwrap().to_owned();
    let request = seen.json("/api/v1/retraining?all=true")[0]["id"].as_str().unwrap().to_owned();
    let attack = "workingday%3D%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E";
    let mut pages: Vec<String> = [
        "/",
        "/monitors/bike-demand",
        "/monitors/bike-demand?segment=workingday%3D1",
        "/monitors/bike-demand/columns/temp",
        "/monitors/bike-demand/columns/weathersit",
        "/monitors/bike-demand/columns/%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E",
        "/monitors/bike-demand/baselines",
        "/monitors/bike-demand/challenger",
        "/alerts",
        "/alerts?all=1",
        "/retraining",
        "/deliveries",
        "/deliveries?status=dead",
        "/status",
    ]
    .map(str::to_owned)
    .to_vec();
    pages.push(format!("/monitors/bike-demand?segment={attack}"));
    pages.push(format!("/monitors/bike-demand/columns/temp?segment={attack}"));
    pages.push(format!("/alerts/{}", first("/api/v1/alerts?state=open", "id")));
    pages.push(format!("/deliveries/{}", first("/api/v1/deliveries", "id")));
    pages.push(format!("/retraining/{request}"));
    pages
}

/// 200 columns over 500 windows: how heavy and how fast the pages are.
pub(super) fn a_wide_monitor_stays_light(seen: &Http<'_>) {
    let fill = "with one as (select id from binning limit 1),
                     names as (select array_agg('feature_' || lpad(c::text, 3, '0') order by c) as columns from generate_series(1, 200) c)
                insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at, rows,
                                          complete, verdict, columns, scores, verdicts, configuration)
                select 'wide', '', '*', timestamptz '2026-01-01' + w * interval '1 hour', timestamptz '2026-01-01' + (w + 1) * interval '1 hour',
                       one.id, 'closed', now(), 10000, true, case when w % 7 = 0 then 'critical' else 'ok' end, names.columns,
                       (select array_agg((abs(sin(w * 0.37 + c * 1.7)) * case when c < 20 then 3 else 0.6 end)::real order by c) from generate_series(1, 200) c),
                       (select string_agg(case when abs(sin(w * 0.37 + c * 1.7)) * case when c < 20 then 3 else 0.6 end > 1 then 'c' else 'o' end, '' order by c) from generate_series(1, 200) c),
                       'f'
                from generate_series(1, 500) w, one, names";
    let series = "insert into series (monitor, model_version, segment) values ('wide', '', '*')";
    let records = "insert into record_tally values ('wide', 'accepted', '', 0, 5000000)";
    for statement in [series, fill, records] {
        seen.world.runtime.block_on(sqlx::query(statement).execute(&seen.world.pool)).unwrap();
    }
    for path in ["/", "/monitors/wide?windows=500", "/monitors/wide"] {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..11 {
            let started = Instant::now();
            let (status, text) = seen.get(path);
            took.push(started.elapsed());
            assert_eq!(status, 200, "{text}");
            bytes = text.len();
        }
        took.sort_unstable();
        eprintln!(
            "{path}: {bytes} bytes, median {:.0} ms (200 columns x 500 windows, debug build)",
            took[5].as_secs_f64() * 1e3
        );
        assert!(
            bytes < 130_000,
            "{path} has {bytes} bytes; with style sheet and script it has to stay below 150,000"
        );
    }
}
