//! What changes are found: by default, and beside other tools' rules at equal realised false alarms.

use crate::Size;
use crate::changes::{Changed, changes, columns};
use crate::peers::{Peer, Scores};
use crate::reference::{Reference, Source, p_value, spec};
use crate::table::{Rate, header, percent, side_by_side};
use crate::world::{Column, Kind, Stream};

/// Equal for all: windows that are called different when nothing changed.
const FALSE: f64 = 0.01;
/// The level of `driftd compare`.
const DEFAULT: f64 = 0.001;

/// Rules that are compared: our own and those of the tools.
const RULES: usize = 1 + Peer::ALL.len();

#[derive(Clone, Copy)]
struct Setting {
    kind: Kind,
    source: Source,
    records: u64,
}

/// What happened to windows of one change, or of none.
#[derive(Default, Clone)]
struct Found {
    /// How far each window is from the limits, by rule.
    scores: [Vec<f64>; RULES],
    warned: Rate,
    drifted: Rate,
}

impl Found {
    /// How often a rule exceeds a threshold.
    fn beyond(&self, rule: usize, threshold: f64) -> f64 {
        let scores = &self.scores[rule];
        scores.iter().filter(|score| **score > threshold).count() as f64 / scores.len().max(1) as f64
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.scores.iter_mut().zip(other.scores) {
            mine.extend(theirs);
        }
        for (mine, theirs) in [(&mut self.warned, other.warned), (&mut self.drifted, other.drifted)] {
            mine.seen += theirs.seen;
            mine.of += theirs.of;
        }
    }
}

/// Windows of one reference: first those without a change, then those of each change.
fn of_reference(columns: &[Column], changes: &[Changed], setting: Setting, windows: u64, seed: u64) -> Vec<Found> {
    let spec = spec(columns);
    let mut stream = Stream::new(columns, setting.kind, seed);
    let reference = Reference::new(&mut stream, setting.source, setting.records);
    let peers = Scores::new(columns, &reference);
    let mut found = vec![Found::default(); changes.len() + 1];
    for _ in 0..windows {
        let quiet = stream.window(&reference.grids, setting.records);
        let scores = peers.of_window(&quiet);
        let changed = changes.iter().map(Some);
        for (found, change) in found.iter_mut().zip(std::iter::once(None).chain(changed)) {
            let (mut counts, mut scores) = (quiet.clone(), scores.clone());
            if let Some(Changed { column, change, .. }) = change {
                let conditions = stream.conditions()[*column];
                let grid = &reference.grids[*column];
                counts[*column] = stream.counts(*column, grid, setting.records, conditions, Some(change));
                scores[*column] = peers.of_column(*column, &counts[*column].0);
            }
            let judgement = reference.judge(&reference.window(&counts), &spec, DEFAULT);
            found.scores[0].push(DEFAULT / p_value(&judgement, DEFAULT).max(1e-300));
            for (rule, scores_of_rule) in found.scores.iter_mut().skip(1).enumerate() {
                scores_of_rule.push(scores.iter().map(|column| column[rule]).fold(0.0, f64::max));
            }
            found.warned.add(judgement.verdict.moved());
            found.drifted.add(judgement.verdict.drifts());
        }
    }
    found
}

/// The score that a rule exceeds in this share of quiet windows.
fn threshold(quiet: &Found, rule: usize) -> f64 {
    let mut scores = quiet.scores[rule].clone();
    scores.sort_by(f64::total_cmp);
    let place = (scores.len() as f64 * (1.0 - FALSE)).ceil() as usize;
    scores[place.clamp(1, scores.len()) - 1]
}

fn simulated(setting: Setting, size: Size, seed: u64) -> Vec<Found> {
    let (columns, changes) = (columns(), changes());
    let mut sums = vec![Found::default(); changes.len() + 1];
    let seeds = (0..size.references).map(|reference| seed * 1_000 + reference).collect();
    let parts = side_by_side(seeds, |seed| of_reference(&columns, &changes, setting, size.windows, seed));
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            sum.merge(part);
        }
    }
    sums
}

pub fn beside_peers(size: Size) {
    println!("\n## Changes found beside other tools at equal realised false alarms\n");
    println!(
        "30 columns, one of which changes; {} references with {} windows of each change. In percent of windows, with limits at which each rule is wrong in 1 % of the windows without a change. In bold what another tool finds more often than driftd, by more than two standard errors.",
        size.references, size.windows
    );
    let kinds = [
        ("independent", Kind::Independent),
        ("effects of 0.05 sd", Kind::Effects(0.05)),
        ("effects of 0.15 sd", Kind::Effects(0.15)),
    ];
    let mut seed = 100;
    for (name, kind) in kinds.into_iter().filter(|(name, _)| name.contains(size.data)) {
        for records in size.records.iter().copied().filter(|records| (1_000..=10_000).contains(records)) {
            for source in [Source::Windows(24), Source::Windows(168)] {
                seed += 1;
                let found = simulated(Setting { kind, source, records }, size, seed);
                let thresholds: Vec<f64> = (0..RULES).map(|rule| threshold(&found[0], rule)).collect();
                println!("\n### {name}, {records} records, {}", source.name());
                header(
                    &[
                        vec!["change".to_owned(), "driftd".to_owned()],
                        Peer::ALL.map(|peer| peer.name().to_owned()).to_vec(),
                    ]
                    .concat(),
                );
                let nominal = (0..RULES).map(|rule| percent(found[0].beyond(rule, 1.0)));
                println!("| none, at each tool's own limits | {} |", nominal.collect::<Vec<_>>().join(" | "));
                for (changed, found) in changes().iter().zip(&found[1..]) {
                    let shares: Vec<f64> = (0..RULES).map(|rule| found.beyond(rule, thresholds[rule])).collect();
                    let error = |share: f64| share * (1.0 - share) / found.warned.of as f64;
                    let shown = shares.iter().map(|share| {
                        let margin = 2.0 * (error(*share) + error(shares[0])).sqrt();
                        let shown = percent(*share);
                        if *share > shares[0] + margin { format!("**{shown}**") } else { shown }
                    });
                    println!("| {} | {} |", changed.name, shown.collect::<Vec<_>>().join(" | "));
                }
            }
        }
    }
}

pub fn by_default(size: Size) {
    let few = Size { references: size.references.div_ceil(2), windows: size.windows.div_ceil(2), ..size };
    println!("\n## Changes found by default\n");
    println!(
        "30 columns, one of which changes; independent records; {} references with {} windows of each change. In percent of windows, at the level of `driftd compare` (0.001 per window): warning or drift / drift.",
        few.references, few.windows
    );
    let sources = [Source::Windows(24), Source::TimedFile, Source::File];
    let records: Vec<u64> = size.records.iter().copied().filter(|records| *records <= 10_000).collect();
    let columns: Vec<(u64, Source)> =
        records.iter().flat_map(|records| sources.map(|source| (*records, source))).collect();
    let found: Vec<Vec<Found>> = columns
        .iter()
        .zip(200..)
        .map(|((records, source), seed)| {
            simulated(Setting { kind: Kind::Independent, source: *source, records: *records }, few, seed)
        })
        .collect();
    let names = columns.iter().map(|(records, source)| format!("{records} records, {}", source.name()));
    header(&std::iter::once("change".to_owned()).chain(names).collect::<Vec<_>>());
    let rows = std::iter::once("none").chain(changes().iter().map(|changed| changed.name)).collect::<Vec<_>>();
    for (row, name) in rows.into_iter().enumerate() {
        let shown = found.iter().map(|found| {
            let found = &found[row];
            format!("{} / {}", percent(found.warned.share()), percent(found.drifted.share()))
        });
        println!("| {name} | {} |", shown.collect::<Vec<_>>().join(" | "));
    }
}
