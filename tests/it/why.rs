//! What a daemon says about the why, on the way that users take: mails, pages, commands, the API; and what it does not say
//! about sensitive columns.

use std::fs;

use serde_json::Value;
use sqlx::Row as _;

use crate::support::{Config, Dice, TOPIC_PARTITIONS, World, services};

const CITIES: [&str; 4] = ["Berlin", "Hamburg", "Leipzig", "Rostock"];

/// Records of an hour of 2026-01-01; `changed` ones have prices in cents, a plan in capitals, and older people elsewhere.
fn records(dice: &mut Dice, hour: u64, count: u64, changed: bool) -> Vec<String> {
    (0..count)
        .map(|row| {
            // The sum of three dice, squared: skewed, with cents.
            let price = (0..3).map(|_| dice.below(300)).sum::<u64>().pow(2) as f64 / 1_000.0;
            let price = (price * 100.0).round() / 100.0 + 1.0;
            let price = if changed { (price * 10_000.0).round() / 100.0 } else { price };
            let plan = match (dice.below(10), changed) {
                (0..=5, false) => "basic",
                (0..=5, true) => "Basic",
                _ => "pro",
            };
            let age = 30.25 + dice.below(400) as f64 / 10.0 + if changed { 25.0 } else { 0.0 };
            let city = if changed && dice.below(2) == 0 { "Oranienburg" } else { CITIES[dice.below(4) as usize] };
            format!(
                r#"{{"ts":"2026-01-01T{hour:02}:{:02}:{:02}Z","price":{price},"plan":"{plan}","age":{age},"city":"{city}"}}"#,
                row * 3_600 / count / 60,
                row * 3_600 / count % 60,
            )
        })
        .collect()
}

#[test]
fn a_daemon_says_why_as_well_as_two_files_do_and_nothing_of_sensitive_columns() {
    let Some(services) = services("why") else { return };
    let world = World::new(&services);
    Config::monitor("bike-demand", &world.topic)
        .set("source.time", "ts")
        .set("window.length", "1h")
        .set("window.out_of_orderness", "1s")
        .set("window.idle_after", "3s")
        .set("sample.size", 500)
        .numeric("price")
        .categorical("plan")
        .numeric("age")
        .set("columns.age.sensitive", true)
        .categorical("city")
        .set("columns.city.sensitive", true)
        .set("alert.receivers", ["owner", "webhook"])
        .write(world.monitor_file());
    let mut dice = Dice(7);
    let training = records(&mut dice, 0, 6_000, false);
    world.build_baseline(&training);
    let live = [records(&mut dice, 1, 900, false), records(&mut dice, 2, 900, true)].concat();
    for (index, record) in live.iter().enumerate() {
        world.produce(index as i32 % TOPIC_PARTITIONS, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(live.len() as u64, 90);

    // The mail.
    let mails: Vec<String> = fs::read_dir(world.folder.path().join("mails"))
        .unwrap()
        .map(|entry| mail_text(&fs::read_to_string(entry.unwrap().path()).unwrap()))
        .collect();
    let mail = mails.join("\n");
    assert!(mail.contains("all values seem to be multiplied by 100, as from a share to per cent"), "{mail}");
    assert!(mail.contains("in a sample of 500 of 900 values"), "{mail}");
    assert!(mail.contains("categories seem renamed (upper and lower case): `basic`"), "{mail}");
    assert!(mail.contains("baseline standard deviations"), "{mail}");

    // The page of the column, the records behind it, as page, by the API and as a command.
    let json = |path: &str| world.http("a").json(path);
    let windows = json("/api/v1/monitors/bike-demand/windows?segment=*");
    let window = windows["items"][0]["id"].as_i64().unwrap();
    let (status, page) = world.get("a", "/monitors/bike-demand/columns/price");
    assert!(status == 200 && page.contains("multiplied by 100") && page.contains("Records behind this"), "{page}");
    assert!(!page.contains("NaN") && !page.contains(">inf"), "{page}");
    let at = format!("/monitors/bike-demand/windows/{window}/records?column=price");
    let (status, page) = world.get("a", &at);
    assert!(status == 200 && page.contains("partition ") && page.contains("Value range"), "{page}");
    assert!(page.contains("Not in the sample: age, city."), "{page}");
    let found = json(&format!("/api/v1{at}"));
    assert_eq!((found["sample"].as_u64(), found["left_out"].as_array().unwrap().len()), (Some(500), 2));
    let records = found["records"].as_array().unwrap();
    assert!(records.len() > 50, "{found}");
    for record in records {
        let offset = record["offset"].as_i64().unwrap() as usize;
        let partition = record["partition"].as_i64().unwrap() as usize;
        let sent: Value = serde_json::from_str(&live[offset * TOPIC_PARTITIONS as usize + partition]).unwrap();
        assert_eq!(
            record["values"]["price"].as_f64(),
            sent["price"].as_f64(),
            "a record is the one at its offset"
        );
        assert_eq!(record["topic"], Value::from(world.topic.clone()));
        assert!(record["values"]["price"].as_f64().unwrap() > 100.0, "those that grew: {record}");
    }
    let said = world.driftd(&["records", "bike-demand/last/plan", "--count", "3"]);
    assert!(
        said.contains("\"plan\":\"Basic\"") && said.contains("500 of 900 records are in its sample"),
        "{said}"
    );
    let explained = world.driftd(&["explain", "bike-demand/last/price"]);
    assert!(explained.contains("multiplied by 100"), "{explained}");

    // What was sent, stored, shown and logged has nothing of the sensitive columns.
    let explained =
        [world.driftd(&["explain", "bike-demand/last/age"]), world.driftd(&["explain", "bike-demand/last/city"])];
    let pages = ["age", "city"].map(|column| world.get("a", &format!("/monitors/bike-demand/columns/{column}")).1);
    let bins = ["age", "city"].map(|column| {
        world.get("a", &format!("/api/v1/monitors/bike-demand/windows/{window}/distributions?column={column}")).1
    });
    let log = fs::read_to_string(world.folder.path().join("a.log")).unwrap();
    let webhooks = world.webhooks.received().iter().map(|(_, event)| event.to_string()).collect::<String>();
    let stored = stored_text(&world);
    let all = [mail.clone(), explained.concat(), pages.concat(), bins.concat(), log, webhooks, stored].join("\n");
    for city in CITIES.iter().chain(&["Oranienburg"]) {
        assert!(!all.contains(city), "{city}");
    }
    assert!(all.contains('#') && explained[1].contains('#'), "cities have hashes: {}", explained[1]);
    assert!(
        explained[0].contains("quantile of the baseline") || explained[0].contains("the baseline's range"),
        "{}",
        explained[0]
    );
    assert!(explained[0].contains("the mean moved by +"), "{}", explained[0]);
    let detail: Value =
        serde_json::from_str(&world.driftd(&["--json", "explain", "bike-demand/last/age"])).unwrap();
    for side in ["baseline", "window"] {
        assert!(
            ["mean", "sd", "quantiles"].iter().all(|name| detail["column"][side].get(name).is_none()),
            "{detail}"
        );
    }
    let rows = json(&format!("/api/v1/monitors/bike-demand/windows/{window}/distributions?column=age"));
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 10 && rows.iter().all(|row| row["low"].is_null() && row["high"].is_null()), "{rows:?}");
    assert!(!mail.contains("mean 5") && !mail.contains("mean 7"), "the ages' means: {mail}");
    daemon.stop();
}

/// The readable part of a mail, decoded.
fn mail_text(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=").replace("\r\n", " ").replace('\n', " ")
}

/// Everything that tables have as text, and the strings in stored bytes.
fn stored_text(world: &World) -> String {
    let rows = world.runtime.block_on(
        sqlx::query(
            "select coalesce((select string_agg(columns::text, ' ') from binning), '')
                 || coalesce((select string_agg(a::text, ' ') from alert a), '')
                 || coalesce((select string_agg(c::text, ' ') from column_summary c), '')
                 || coalesce((select string_agg(n::text, ' ') from notification n), '') as text,
             (select array_agg(sample) from model_window where sample is not null) as samples,
             (select array_agg(counts) from model_window where counts is not null) as counts",
        )
        .fetch_one(&world.pool),
    );
    let row = rows.unwrap();
    let samples: Vec<Vec<u8>> = row.get("samples");
    let counts: Vec<Vec<u8>> = row.get("counts");
    let bytes = samples.iter().chain(&counts).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    row.get::<String, _>("text") + &bytes.collect::<String>()
}
