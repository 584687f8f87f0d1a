//! The program itself on files that are hostile on purpose, with little memory: it says what is wrong, and does not end by
//! a signal.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Output;

use super::{MEMORY, limited};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// A file that begins so and goes on with many equal parts, packed.
    fn packed(&self, name: &str, head: &[u8], part: &[u8], times: usize) -> String {
        let path = self.0.path().join(name);
        let file = File::create(&path).unwrap();
        let mut packer = zstd::Encoder::new(file, 1).unwrap();
        packer.write_all(head).unwrap();
        (0..times).for_each(|_| packer.write_all(part).unwrap());
        packer.finish().unwrap();
        path.display().to_string()
    }
}

fn run(arguments: &[&str]) -> (Output, String) {
    let output = limited(env!("CARGO_BIN_EXE_driftd"), MEMORY)
        .args(arguments)
        .env_remove("DRIFTD_CONFIG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some(), "ended by a signal: {arguments:?}\n{said}");
    assert!(!said.contains("panicked"), "{arguments:?}\n{said}");
    (output, said)
}

/// Compares a hostile file with a good one, in both places.
fn refused(good: &str, bad: &str, because: &str) {
    for (baseline, window) in [(good, bad), (bad, good)] {
        let (output, said) = run(&["compare", baseline, window]);
        assert_eq!(output.status.code(), Some(1), "{bad}: {said}");
        assert!(said.contains(because) && said.contains("hint:") && said.contains(bad), "{bad}: {said}");
    }
}

fn good(folder: &Folder) -> String {
    let rows: String =
        (0..500).map(|row| format!("{{\"x\":{},\"k\":\"k{}\"}}\n", row * 7 % 101, row % 3)).collect();
    folder.write("good.jsonl", rows)
}

#[test]
fn tables_that_are_too_wide_are_refused() {
    let folder = Folder::new();
    let good = good(&folder);
    let names: Vec<String> = (0..100_000).map(|column| format!("c{column}")).collect();
    let row = vec!["1"; 100_000].join(",");
    let wide = format!("{}\n{}", names.join(","), format!("{row}\n").repeat(20));
    refused(&good, &folder.write("wide.csv", wide), "has 100000 columns, and at most 10000 are read");
    let fields: String = (0..50)
        .map(|row| {
            let fields: Vec<String> = (0..400).map(|field| format!("\"f{row}_{field}\":1")).collect();
            format!("{{{}}}\n", fields.join(","))
        })
        .collect();
    refused(&good, &folder.write("wide.jsonl", fields), "more than 10000 different fields");
}

#[test]
fn a_table_as_wide_as_a_model_may_be_is_compared() {
    let folder = Folder::new();
    let names: Vec<String> = (0..2_000).map(|column| format!("c{column}")).collect();
    let table = |shift: usize| {
        let rows = (0..400).map(|row| {
            let cells: Vec<String> =
                (0..2_000).map(|column| ((row * 31 + column * 7 + shift) % 97).to_string()).collect();
            cells.join(",") + "\n"
        });
        format!("{}\n{}", names.join(","), rows.collect::<String>())
    };
    let before = folder.write("before.csv", table(0));
    let after = folder.write("after.csv", table(1));
    let (output, said) = run(&["compare", &before, &after, "--format", "json"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
}

#[test]
fn bombs_and_endless_rows_cost_little_memory() {
    let folder = Folder::new();
    let good = good(&folder);
    let megabyte = vec![b'x'; 1 << 20];
    // More than a gigabyte in some kilobytes.
    let endless = folder.packed("endless.jsonl.zst", b"{\"x\":\"", &megabyte, 1_100);
    refused(&good, &endless, "unpack to more than 1000 times as many");
    let quoted = folder.packed("quote.csv.zst", b"x,k\n1,\"", &megabyte, 300);
    refused(&good, &quoted, "is a quote not closed?");
    let header = folder.write("header.csv", vec![b'a'; 40 << 20]);
    refused(&good, &header, "first line is longer than 16 MiB");
}

#[test]
fn long_and_deep_records_cost_themselves() {
    let folder = Folder::new();
    let good = good(&folder);
    let mut lines = fs::read(&good).unwrap();
    lines.extend_from_slice(format!("{{\"x\":\"{}\"}}\n", "y".repeat(20 << 20)).as_bytes());
    lines.extend_from_slice(("[".repeat(1 << 20) + "\n").as_bytes());
    lines.extend_from_slice((r#"{"x":"#.repeat(200_000) + "1" + &"}".repeat(200_000) + "\n").as_bytes());
    lines.extend(fs::read(&good).unwrap());
    let bad = folder.write("odd.jsonl", lines);
    let (output, said) = run(&["compare", &good, &bad, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(matches!(report["rows"]["window"].as_u64(), Some(1_000..=1_001)), "{}", report["rows"]);
    assert!(report["rejected"]["window"].as_u64() >= Some(2), "{}", report["rejected"]);
}
