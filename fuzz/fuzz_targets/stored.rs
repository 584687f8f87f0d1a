//! Stored forms: counts and samples with a right checksum behind them, bins, offsets, states of detectors. What can be read is opened as a page
//! opens it, added up, and written again.
#![no_main]

use std::sync::{Arc, LazyLock};

use driftd::binning::BinningSet;
use driftd::detector::{
    AdwinParameters, CusumParameters, Detector, EddmParameters, HddmWParameters, KswinParameters, Parameters,
};
use driftd::distribution::{RecordSample, WindowCounts};
use driftd::measure::Pair;
use driftd::report::{column_section, window_column};
use driftd::view::{distribution_rows, summaries};
use driftd::window::OffsetRanges;
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

static KNOWN: LazyLock<[WindowCounts; 2]> = LazyLock::new(|| {
    driftd_fuzz::begin();
    [driftd_fuzz::counts(false), driftd_fuzz::counts(true)]
});

fn with_checksum(stream: &[u8]) -> Vec<u8> {
    [stream, &xxh3_64(stream).to_le_bytes()].concat()
}

/// What was really written, with some of its bytes set: a place in two bytes, then the byte.
fn edited(known: &WindowCounts, edits: &[u8]) -> Vec<u8> {
    let mut stream = known.to_ipc().expect("counts can be written");
    stream.truncate(stream.len() - 8);
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % stream.len();
        stream[place] = edit[2];
    }
    stream
}

/// A detector that was stored goes on.
fn detect(text: &str) {
    let parameters = [
        Parameters::Adwin(AdwinParameters::default()),
        Parameters::Cusum(CusumParameters::default()),
        Parameters::Kswin(KswinParameters::default()),
        Parameters::Eddm(EddmParameters::default()),
        Parameters::HddmW(HddmWParameters::default()),
    ];
    for parameters in parameters {
        let Ok(mut detector) = Detector::from_json(text, parameters) else { continue };
        for index in 0..200_u8 {
            let _outcome = detector.update(f64::from(index % 2));
        }
        let _again = detector.to_json();
    }
}

fuzz_target!(|data: &[u8]| {
    let [placed, universal] = &*KNOWN;
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind & 3 {
        kind @ (0 | 1) => {
            let known = if kind == 0 { placed } else { universal };
            let stream = if data[0] & 4 == 0 { bytes.to_vec() } else { edited(known, bytes) };
            let Ok(counts) = WindowCounts::from_ipc(&with_checksum(&stream), Arc::clone(known.binnings())) else {
                return;
            };
            let _rows = distribution_rows(&counts, Some(known), None);
            let _summaries = summaries(&counts, &RecordSample::new(0));
            for (before, after) in known.columns().iter().zip(counts.columns()) {
                if let Ok(pair) = Pair::new(before, after) {
                    let _page = column_section("c", &window_column(&pair, &[], false, None)).into_string();
                }
            }
            let mut sum = known.clone();
            if sum.merge(&counts).is_ok() {
                let bytes = sum.to_ipc().expect("counts can be written");
                let back = WindowCounts::from_ipc(&bytes, Arc::clone(known.binnings())).expect("and read again");
                assert_eq!(back, sum);
            }
        }
        2 => {
            let Ok(mut sample) = RecordSample::from_ipc(&with_checksum(bytes), 50) else { return };
            let _summaries = summaries(placed, &sample);
            let again = sample.clone();
            sample.merge(&again);
            let _bytes = sample.to_ipc();
        }
        _ => {
            if let Ok(set) = serde_json::from_slice::<BinningSet>(bytes) {
                let counts = WindowCounts::empty(Arc::new(set));
                let _rows = distribution_rows(&counts, None, None);
                let _bytes = counts.to_ipc();
            }
            if let Ok(mut ranges) = serde_json::from_slice::<OffsetRanges>(bytes) {
                let again = ranges.clone();
                ranges.merge(&again);
            }
            if let Ok(text) = std::str::from_utf8(bytes) {
                detect(text);
            }
        }
    }
});
