//! Nothing changes: how many windows are called different, and how many drift.

use std::collections::BTreeMap;

use driftd::judge::Judgement;

use crate::Size;
use crate::reference::{Reference, Source, p_value, spec};
use crate::table::{Rate, header, percent, side_by_side};
use crate::world::{Column, Kind, Stream, uniform, values, zipf};

/// The level of the table.
const LEVEL: f64 = 0.01;

/// 30 columns: 14 continuous, 4 with few or unequal values, 12 categorical of 2 to 5,000 values.
pub fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for number in 0..8 {
        columns.push(Column::numbers(&format!("normal_{number}"), values::normal));
    }
    for number in 0..4 {
        columns.push(Column::numbers(&format!("log_normal_{number}"), values::log_normal));
    }
    for number in 0..2 {
        columns.push(Column::numbers(&format!("exponential_{number}"), values::exponential));
        columns.push(Column::numbers(&format!("poisson_{number}"), values::poisson));
        columns.push(Column::numbers(&format!("zeros_{number}"), values::zeros));
    }
    for (name, share) in [("yes_1", 0.01), ("yes_30", 0.3), ("yes_50", 0.5)] {
        columns.push(Column::categories(name, [share, 1.0 - share]));
    }
    for number in [5, 10, 10, 50, 200, 1_000, 5_000] {
        columns.push(Column::categories(&format!("zipf_{number}_{}", columns.len()), zipf(number)));
    }
    for number in [50, 1_000] {
        columns.push(Column::categories(&format!("uniform_{number}"), uniform(number)));
    }
    columns
}

/// What was seen of the windows of a cell.
#[derive(Clone, Default)]
struct Cell {
    significant: Rate,
    /// At a tenth of the level.
    tenth: Rate,
    drift: Rate,
    /// The significant findings, by column and measure.
    findings: BTreeMap<String, u64>,
}

impl Cell {
    fn add(&mut self, judgement: &Judgement) {
        let p_value = p_value(judgement, LEVEL);
        self.significant.add(p_value <= LEVEL);
        self.tenth.add(p_value <= LEVEL / 10.0);
        self.drift.add(judgement.verdict.drifts());
        for finding in judgement.findings.iter().filter(|finding| finding.significant) {
            let name = format!("{} {}", finding.subject.name(), finding.measure.as_str());
            *self.findings.entry(name).or_default() += 1;
        }
    }

    /// The findings that are there most often, for cells that break the promise.
    fn most(&self) -> Option<String> {
        if self.significant.at_least() <= LEVEL {
            return None;
        }
        let mut findings: Vec<(&String, &u64)> = self.findings.iter().collect();
        findings.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let shown = findings.iter().take(4).map(|(name, count)| format!("{name} {count}"));
        Some(format!(
            "{} of {}: {}",
            self.significant.seen,
            self.significant.of,
            shown.collect::<Vec<_>>().join(", ")
        ))
    }
}

#[derive(Clone, Copy)]
struct Setting {
    kind: Kind,
    /// References of the hour that is judged.
    same_hour: bool,
    records: u64,
    source: Source,
}

fn cell(columns: &[Column], setting: Setting, size: Size, seed: u64) -> Cell {
    let (spec, mut cell) = (spec(columns), Cell::default());
    for reference in 0..size.references {
        let mut stream = Stream::new(columns, setting.kind, seed * 1_000 + reference);
        let hour = |stream: &mut Stream<'_>| {
            if setting.same_hour {
                stream.at_hour(5);
            }
        };
        let reference = Reference::of(&mut stream, setting.source, setting.records, hour);
        for _ in 0..size.windows {
            hour(&mut stream);
            let window = reference.window(&stream.window(&reference.grids, setting.records));
            let judgement = reference.judge(&window, &spec, LEVEL);
            cell.add(&judgement);
        }
    }
    cell
}

const SOURCES: [Source; 5] =
    [Source::Windows(24), Source::Windows(96), Source::Windows(168), Source::TimedFile, Source::File];

fn names(first: &[&str]) -> Vec<String> {
    first.iter().map(|name| (*name).to_owned()).chain(SOURCES.iter().map(|source| source.name())).collect()
}

pub fn monitors(size: Size) {
    println!("\n## Nothing changed: 30 columns\n");
    println!(
        "Per cell {} references with {} windows each: windows with a significant finding at 1 % / at 0.1 % / windows that drift at 1 %, in percent.",
        size.references, size.windows
    );
    let kinds = [
        ("independent", Kind::Independent, false),
        ("effects of 0.05 sd", Kind::Effects(0.05), false),
        ("effects of 0.15 sd", Kind::Effects(0.15), false),
        ("AR(1) of 0.9", Kind::Alike(0.9), false),
        ("daily rhythm of 0.3 sd, all hours", Kind::Daily(0.3), false),
        ("daily rhythm of 0.3 sd, same hour", Kind::Daily(0.3), true),
    ];
    let columns = columns();
    header(&names(&["data", "records"]));
    let (mut seed, mut causes) = (0, Vec::new());
    for (name, kind, same_hour) in kinds {
        // Records that follow each other are drawn one by one.
        let most = if matches!(kind, Kind::Alike(_)) { 10_000 } else { u64::MAX };
        for records in size.records.iter().copied().filter(|records| *records <= most) {
            let settings = SOURCES.map(|source| {
                seed += 1;
                (Setting { kind, same_hour, records, source }, seed)
            });
            if !name.contains(size.data) {
                continue;
            }
            let cells = side_by_side(settings.to_vec(), |(setting, seed)| cell(&columns, setting, size, seed));
            let shown = cells.iter().map(|cell| {
                let (one, tenth) = (cell.significant.against(LEVEL), cell.tenth.against(LEVEL / 10.0));
                format!("{one} / {tenth} / {}", percent(cell.drift.share()))
            });
            println!("| {name} | {records} | {} |", shown.collect::<Vec<_>>().join(" | "));
            causes.extend(broken(&format!("{name}, {records} records"), &cells));
        }
    }
    println!("\n{}", causes.join("\n"));
}

/// What is significant in cells that break the promise.
fn broken(row: &str, cells: &[Cell]) -> Vec<String> {
    let most = cells.iter().zip(SOURCES).filter_map(|(cell, source)| Some((source, cell.most()?)));
    most.map(|(source, most)| format!("* {row}, {}: {most}", source.name())).collect()
}

/// One column of categories by itself.
pub fn categories(size: Size) {
    println!("\n## Nothing changed: categories, independent records\n");
    println!(
        "A monitor with one column; per cell {} references with {} windows each: windows with a significant finding at 1 %, in percent.",
        size.references, size.windows
    );
    let mut laws: Vec<(String, Vec<f64>)> = Vec::new();
    for number in [2u32, 10, 50, 200, 1_000, 5_000, 50_000] {
        laws.push((format!("{number} uniform"), uniform(number as usize).collect()));
        laws.push((format!("{number} Zipf"), zipf(number).collect()));
    }
    laws.push(("2 of 1 % and 99 %".to_owned(), vec![0.01, 0.99]));
    laws.push(("2 of 0.1 % and 99.9 %".to_owned(), vec![0.001, 0.999]));
    header(&names(&["categories", "records"]));
    let (mut seed, mut causes) = (10_000, Vec::new());
    for (name, weights) in &laws {
        let columns = [Column::categories("category", weights.iter().copied())];
        for records in size.records.iter().copied() {
            let settings = SOURCES.map(|source| {
                seed += 1;
                (Setting { kind: Kind::Independent, same_hour: false, records, source }, seed)
            });
            let cells = side_by_side(settings.to_vec(), |(setting, seed)| cell(&columns, setting, size, seed));
            let shown: Vec<String> = cells.iter().map(|cell| cell.significant.against(LEVEL)).collect();
            println!("| {name} | {records} | {} |", shown.join(" | "));
            causes.extend(broken(&format!("{name}, {records} records"), &cells));
        }
    }
    println!("\n{}", causes.join("\n"));
}
