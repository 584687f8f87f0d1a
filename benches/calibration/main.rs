//! What alarms mean: how often windows are called different when nothing changed, what changes are found beside other tools' rules,
//! how many alerts a month brings, and what is said of real series.
//!
//!     cargo bench --bench calibration                       # the quick size
//!     cargo bench --bench calibration -- full               # the size of docs/calibration.md
//!     cargo bench --bench calibration -- full quiet power   # some parts of it
//!     cargo bench --bench calibration -- quiet data=daily   # with data whose name contains the word
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

mod changes;
mod month;
mod peers;
mod power;
mod quiet;
mod real;
mod reference;
mod table;
mod world;

/// How much is simulated.
#[derive(Clone, Copy)]
pub struct Size {
    pub references: u64,
    /// Windows per reference.
    pub windows: u64,
    /// Records per window.
    pub records: &'static [u64],
    /// Of data whose name contains this; empty: of all.
    pub data: &'static str,
}

const QUICK: Size = Size { references: 5, windows: 20, records: &[200, 1_000], data: "" };
const FULL: Size = Size { references: 25, windows: 20, records: &[200, 1_000, 10_000, 100_000], data: "" };

/// A part of the study.
type Part = fn(Size);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let size = if arguments.iter().any(|argument| argument == "full") { FULL } else { QUICK };
    let data = arguments.iter().find_map(|argument| argument.strip_prefix("data="));
    let size = Size { data: data.map_or("", |data| String::from(data).leak()), ..size };
    let parts: [(&str, Part); 7] = [
        ("quiet", quiet::monitors),
        ("categories", quiet::categories),
        ("default", power::by_default),
        ("power", power::beside_peers),
        ("month", month::alerts),
        ("delays", month::delays),
        ("real", real::series),
    ];
    let wanted = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| wanted(name));
    for (_, part) in parts.iter().filter(|(name, _)| all || wanted(name)) {
        part(size);
    }
}
