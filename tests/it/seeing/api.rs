//! What programs read: the API as described, lists in parts, Arrow tables, metrics.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;

use super::run;
use crate::support::{Http, file, python, skipped};

pub(super) fn the_api_is_as_described(seen: &Http<'_>) {
    let Some(mut schemathesis) = python("schemathesis") else { return };
    // It leaves a cache behind where it runs.
    schemathesis
        .current_dir(seen.world.folder.path())
        .args(["--config-file", &file("tests/services/schemathesis.toml"), "run"])
        .arg(format!("{}/api/v1/openapi.json", seen.base))
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "7", "--no-color"]);
    let text = run(schemathesis);
    let operations = seen.json("/api/v1/openapi.json")["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum::<usize>();
    assert!(operations > 30 && text.contains(&format!("Tested: {operations}")), "{text}");
}

/// Every entry once, in parts of any size; and a tag that saves sending what did not change.
pub(super) fn lists_are_complete(seen: &Http<'_>) {
    for list in [
        "/api/v1/monitors/bike-demand/windows",
        "/api/v1/monitors/bike-demand/findings?column=temp",
        "/api/v1/alerts",
        "/api/v1/deliveries",
        "/api/v1/audit",
    ] {
        let join = if list.contains('?') { '&' } else { '?' };
        let whole = seen.json(&format!("{list}{join}limit=1000"))["items"].as_array().unwrap().clone();
        assert!(whole.len() > 1, "{list}");
        let mut parts = Vec::new();
        let mut cursor = String::new();
        loop {
            let part = seen.json(&format!("{list}{join}limit=3{cursor}"));
            parts.extend(part["items"].as_array().unwrap().clone());
            let Some(next) = part["next"].as_str() else { break };
            cursor = format!("&cursor={}", next.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>());
        }
        assert_eq!(parts, whole, "{list}");
    }
    let path = "/api/v1/monitors/bike-demand/windows";
    let unless = |tag: &str| seen.ask(Method::GET, path, &[("if-none-match", tag)], None);
    let other = unless("\"other\"");
    assert_eq!(other.status, 200);
    let same = unless(other.header("etag"));
    assert_eq!((same.status, same.text.as_str()), (304, ""));
}

pub(super) fn tables_are_arrow(seen: &Http<'_>) {
    let Some(mut python) = python("python") else { return };
    let last = seen.json("/api/v1/monitors/bike-demand/windows?segment=*&limit=1")["items"][0]["id"].clone();
    python.arg(file("tests/services/tables.py")).arg(&seen.base).args([
        "/api/v1/monitors/bike-demand/windows?limit=5".to_owned(),
        "/api/v1/monitors/bike-demand/findings?limit=1000".to_owned(),
        format!("/api/v1/monitors/bike-demand/windows/{last}/distributions"),
    ]);
    eprint!("{}", run(python));
}

pub(super) fn metrics_are_as_prometheus_wants_them(seen: &Http<'_>) {
    if Command::new("promtool").arg("--version").output().is_err() {
        skipped("promtool: prometheus is not installed");
        return;
    }
    // Gauges are refreshed every few seconds.
    let deadline = Instant::now() + Duration::from_secs(30);
    let scrape = loop {
        let (_, text) = seen.get("/metrics");
        let wanted = ["driftd_drift_score{", "driftd_false_alarm_ratio{", "driftd_account_false_alarm_rate{"];
        if wanted.iter().all(|wanted| text.contains(wanted)) {
            break text;
        }
        assert!(Instant::now() < deadline, "not all of {wanted:?} in {text}");
        std::thread::sleep(Duration::from_millis(200));
    };
    let saved = seen.world.folder.path().join("scrape.prom");
    fs::write(&saved, &scrape).unwrap();
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(fs::File::open(&saved).unwrap());
    run(check);
    for arguments in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]] {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).current_dir(file("docs/prometheus"));
        run(promtool);
    }
    let open = seen.ask(Method::GET, "/metrics", &[("accept", "application/openmetrics-text")], None).text;
    assert!(open.ends_with("# EOF\n"), "OpenMetrics for who asks for it");
    // Whatever rules, dashboard and documents name is there.
    let known: BTreeSet<&str> =
        scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for document in ["docs/prometheus/rules.yml", "docs/grafana/driftd.json", "docs/metrics.md"] {
        let text = fs::read_to_string(file(document)).unwrap();
        for name in metrics_in(&text) {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(
                known.contains(name) || known.contains(family),
                "{document} names `{name}`, which is not scraped"
            );
        }
    }
    let documented = fs::read_to_string(file("docs/metrics.md")).unwrap();
    let documented: BTreeSet<&str> = metrics_in(&documented).collect();
    for name in known {
        assert!(documented.contains(name), "docs/metrics.md lacks `{name}`");
    }
}

fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("driftd_") && *word != "driftd_")
}
