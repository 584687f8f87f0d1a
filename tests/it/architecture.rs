//! The architecture, as a scan of the sources: what the core never names, and which edge owns which library.

use std::fs;
use std::path::{Path, PathBuf};

const CORE: [&str; 25] = [
    "record",
    "binning",
    "distribution",
    "detector",
    "window",
    "measure",
    "variation",
    "preset",
    "judge",
    "alert",
    "account",
    "retrain",
    "retention",
    "baseline",
    "compare",
    "replay",
    "report",
    "reference",
    "chart",
    "view",
    "escape",
    "challenge",
    "detection",
    "trend",
    "calibration",
];
const EDGES: [&str; 4] = ["kafka", "store", "notify", "http"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every file with its code: comments and tests left out.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .filter(|path| path.components().all(|part| part.as_os_str() != "tests"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            (path.strip_prefix(&root).unwrap().display().to_string(), lines.join("\n"))
        })
        .collect()
}

fn is_in(file: &str, module: &str) -> bool {
    file == format!("{module}.rs") || file.starts_with(&format!("{module}/"))
}

#[test]
fn the_core_reads_no_clock_socket_file_or_database() {
    let banned = [
        "tokio",
        "rdkafka",
        "sqlx",
        "lettre",
        "reqwest",
        "axum",
        "std::env",
        "std::fs",
        "std::net",
        "::now()",
        "SystemTime",
        "Instant",
        "rand::",
        "fastrand",
        "tracing::",
        "crate::store",
        "crate::kafka",
        "crate::notify",
        "crate::http",
        "crate::app",
        "crate::config",
        "crate::cli",
    ];
    for (file, text) in code() {
        if CORE.iter().any(|module| is_in(&file, module)) || is_in(&file, "closing") {
            for word in banned {
                assert!(!text.contains(word), "src/{file} is core and names `{word}`");
            }
        }
    }
}

/// The floors of the core, from the ground up: each module imports those of the floors below it alone.
const FLOORS: [&[&str]; 13] = [
    &["escape"],
    &["record"],
    &["binning", "retention"],
    &["distribution", "detector", "trend"],
    &["measure", "variation", "window"],
    &["preset", "judge", "baseline", "reference"],
    &["alert"],
    &["account", "retrain", "compare", "chart"],
    &["closing"],
    &["replay", "challenge", "detection"],
    &["calibration"],
    &["report"],
    &["view"],
];

#[test]
fn the_core_is_built_from_the_ground_up() {
    let floor = |module: &str| FLOORS.iter().position(|modules| modules.contains(&module));
    for module in CORE {
        assert!(floor(module).is_some(), "`{module}` stands on no floor");
    }
    for (file, text) in code() {
        let module = file.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floor(module) else { continue };
        for other in FLOORS.iter().skip(own).flat_map(|modules| modules.iter()).filter(|other| **other != module) {
            let imported =
                text.contains(&format!("crate::{other}::")) || text.contains(&format!("crate::{other};"));
            assert!(!imported, "src/{file} imports `{other}`, of the same or a higher layer");
        }
    }
}

#[test]
fn each_library_has_one_owner() {
    let owners = [
        ("sqlx", "store"),
        ("rdkafka", "kafka"),
        ("lettre", "notify"),
        ("reqwest", "notify"),
        ("toml::", "config"),
        ("axum", "http"),
        ("hyper", "http"),
        ("cookie", "http"),
        ("ratatui", "cli"),
        ("clap", "cli"),
    ];
    // The command line is a client of the API, and the demo plays a receiver and a training system; nobody else does.
    let exceptions = [("reqwest", "cli/reach/client.rs"), ("axum", "cli/demo/listener.rs")];
    for (file, text) in code() {
        for (library, owner) in owners {
            let names = text.contains(&format!("{library}::")) || text.contains(&format!("use {library}"));
            let names = names || (library.ends_with("::") && text.contains(library));
            let excepted = exceptions.contains(&(library, file.as_str()));
            assert!(
                !names || is_in(&file, owner) || excepted,
                "src/{file} names `{library}`, which belongs to `{owner}`"
            );
        }
    }
}

#[test]
fn edges_do_not_import_each_other_and_configuration_does_not_leak_into_them() {
    for (file, text) in code() {
        for edge in EDGES.iter().filter(|edge| is_in(&file, edge)) {
            for other in EDGES.iter().filter(|other| *other != edge) {
                assert!(!text.contains(&format!("crate::{other}")), "src/{file} imports `{other}`");
            }
            for above in ["crate::config", "crate::app", "crate::cli"] {
                assert!(!text.contains(above), "src/{file} imports `{above}`");
            }
        }
    }
}

#[test]
fn what_is_shown_is_described_where_it_is_shown() {
    // Types that an answer has as they are; nothing that counts, compares or connects knows of an API.
    let describing = [
        "http",
        "view",
        "report",
        "chart",
        "alert",
        "judge",
        "reference",
        "retrain",
        "challenge",
        "record/timestamp",
    ];
    for (file, text) in code() {
        let known = describing.iter().any(|module| is_in(&file, module));
        assert!(known || !text.contains("utoipa"), "src/{file} describes an API");
        let markup = ["http", "report", "chart", "notify"].iter().any(|module| is_in(&file, module));
        assert!(markup || !text.contains("maud"), "src/{file} writes markup");
    }
}

#[test]
fn sql_is_never_spliced_and_input_never_indexed_blindly() {
    for (file, text) in code() {
        assert!(!text.contains("AssertSqlSafe"), "src/{file} builds SQL from text");
        if is_in(&file, "record") || is_in(&file, "store") {
            assert!(!text.contains(".unwrap()") && !text.contains(".expect("), "src/{file} unwraps outside data");
        }
    }
}

/// The last migration before the promise that daemons of one version go on while those of the next migrate the schema.
const LAST_FREE_MIGRATION: &str = "0012";

/// A database remembers what it was migrated with: one that has changed since is refused by every later version.
#[test]
fn migrations_never_change() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut now: Vec<String> = fs::read_dir(root.join("migrations"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let hash = xxhash_rust::xxh3::xxh3_64(&fs::read(&path).unwrap());
            format!("{hash:016x} {}", path.file_name().unwrap().display())
        })
        .collect();
    now.sort_by(|left, right| left[17..].cmp(&right[17..]));
    let known = fs::read_to_string(root.join("tests/stored/migrations.txt")).unwrap();
    let known: Vec<&str> = known.lines().collect();
    for (known, now) in known.iter().zip(&now) {
        assert_eq!(known, now, "a migration was changed: write another one");
    }
    let new = &now[known.len()..];
    assert!(new.is_empty(), "add to tests/stored/migrations.txt:\n{}", new.join("\n"));
}

#[test]
fn migrations_only_add() {
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let number = |path: &&std::path::PathBuf| path.file_name().unwrap().to_str().unwrap()[..4].to_owned();
    let kept: Vec<_> = files.iter().filter(|path| number(path).as_str() > LAST_FREE_MIGRATION).collect();
    assert!(!kept.is_empty());
    for path in kept {
        let text = fs::read_to_string(path).unwrap();
        if let Err(why) = only_adds(&text) {
            panic!("{}: {why}: daemons of the version before still run on this schema", path.display());
        }
    }
    for refused in [
        "drop table series;",
        "alter table series rename column member to is_member;",
        "alter table series add column later text not null;",
        "alter table series add column later text, alter column member type text;",
        "create unique index on series (monitor);",
    ] {
        assert!(only_adds(refused).is_err(), "{refused}");
    }
}

/// The values that `alert.kind` had first.
const KINDS_OF_ALERTS: [&str; 3] = ["'drift'", "'data_quality'", "'operational'"];

/// Whether a statement takes a restriction away that statements of an earlier version keep anyway: a column that may be null
/// now, a foreign key that lets what it refers to go, or more values that a column may have.
fn loosens(words: &str) -> bool {
    let nullable = |words: &str| words.split(' ').count() == 9 && words.ends_with(" drop not null");
    let lets_go = |words: &str| {
        let replaced =
            words.split_once(" drop constraint ").and_then(|(_, rest)| rest.split_once(", add constraint "));
        replaced.is_some_and(|(old, new)| {
            new.starts_with(&format!("{old} foreign key ")) && new.ends_with(" on delete set null")
        })
    };
    let takes_more = |words: &str| {
        let replaced =
            words.split_once(" drop constraint ").and_then(|(_, rest)| rest.split_once(", add constraint "));
        let list = replaced.and_then(|(old, new)| {
            let column = old.strip_suffix("_check")?.split_once('_')?.1;
            new.strip_prefix(&format!("{old} check ({column} in ("))?.strip_suffix("))")
        });
        list.is_some_and(|values| {
            KINDS_OF_ALERTS.iter().all(|known| values.split(", ").any(|value| value == *known))
        })
    };
    words.starts_with("alter table ") && (nullable(words) || lets_go(words) || takes_more(words))
}

/// Whether statements of an earlier version go on working after these.
fn only_adds(text: &str) -> Result<(), String> {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ");
    for statement in text.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let words = statement.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let adds_columns = || {
            let (_, actions) = words.split_once(" add column ").ok_or("it changes more than columns")?;
            for action in actions.split(", add column ") {
                if [" alter column ", " drop ", " rename "].iter().any(|word| action.contains(word)) {
                    return Err(format!("`{action}` takes away"));
                }
                if action.contains("not null") && !action.contains("default") {
                    return Err(format!("`{action}` has no default"));
                }
            }
            Ok(())
        };
        if loosens(&words) {
            continue;
        }
        if words.starts_with("alter table ") {
            adds_columns()?;
        } else if !["create table ", "create index ", "insert into ", "update "]
            .iter()
            .any(|begin| words.starts_with(begin))
        {
            return Err(format!("`{words}` does not only add"));
        }
    }
    Ok(())
}

/// Obvious fields and variants need no docstring; what can be called, made or implemented does.
#[test]
fn public_items_have_docstrings() {
    let item = |line: &str| {
        let kinds = ["fn ", "async fn ", "const fn ", "struct ", "enum ", "trait ", "type ", "const ", "static "];
        line.trim_start().strip_prefix("pub ").is_some_and(|rest| kinds.iter().any(|kind| rest.starts_with(kind)))
    };
    let mut bare = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root).into_iter().filter(|path| !path.to_string_lossy().contains("/tests")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| item(line)) {
            let above = lines[..number].iter().rev().map(|line| line.trim());
            let own = above.take_while(|line| {
                !line.is_empty() && !line.ends_with(['}', ';', '{']) || line.starts_with("///")
            });
            if !own.into_iter().any(|line| line.starts_with("///")) {
                bare.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(bare.is_empty(), "{} without a docstring:\n{}", bare.len(), bare.join("\n"));
}
