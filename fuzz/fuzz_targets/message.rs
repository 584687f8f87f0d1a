//! Payloads of Kafka messages: decoded, explained, counted.
#![no_main]

use std::cell::RefCell;

use driftd::distribution::WindowCounts;
use driftd::record::{Decoded, EventTime, JsonDecoder, Offset, RawMessage, paths_of};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static STATE: RefCell<(JsonDecoder, JsonDecoder, WindowCounts)> = RefCell::new((
        JsonDecoder::new(&driftd_fuzz::schema(), driftd_fuzz::layout(true)),
        JsonDecoder::new(&driftd_fuzz::schema(), driftd_fuzz::layout(false)),
        driftd_fuzz::counts(true),
    ));
}

fuzz_target!(|payload: &[u8]| {
    STATE.with_borrow_mut(|(timed, untimed, counts)| {
        for decoder in [timed, untimed] {
            let broker_time = EventTime::from_micros(1_772_323_200_000_000);
            let message = RawMessage {
                payload: Some(payload),
                offset: Offset::new(7),
                broker_time,
                clock: None,
                ..RawMessage::default()
            };
            match decoder.decode(message) {
                Decoded::Row => {
                    let batch = decoder.finish();
                    assert_eq!(batch.batch.num_rows(), 1, "a message is one row");
                    counts.count(&batch, &[0]);
                }
                Decoded::Filtered => {
                    let _failed = decoder.filtered_by();
                }
                Decoded::Rejected(reason) => {
                    assert!(!decoder.explain(message, reason).is_empty(), "a rejection has a reason in words");
                }
            }
            assert_eq!(decoder.rows(), 0, "what is rejected leaves nothing behind");
        }
    });
    let _paths = paths_of(payload);
});
