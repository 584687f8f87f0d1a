//! Templates of receivers: rendered over every documented event, with bounded work.
#![no_main]

use driftd::notify::{Dialect, Outgoing, Template, examples};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(body) = std::str::from_utf8(text) else { return };
    let content_type = if kind & 1 == 0 { "application/json" } else { "text/plain" };
    let dialect = Dialect::Template(Template { body: body.to_owned(), content_type: content_type.to_owned() });
    let _checked = dialect.check();
    for event in examples() {
        let message = Outgoing { id: Uuid::nil(), subject: Uuid::nil(), body: event };
        let _requests = dialect.requests(&message, 1_772_323_200);
    }
});
