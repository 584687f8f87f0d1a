//! The checker is held against lies: whatever promise is broken, it says so.

use sqlx::AssertSqlSafe;

use super::check::check;
use super::field::Field;
use super::traffic::{self, Message, Record, Truth, What, Y};

/// Changes of the database of a round that held, what the checker says of each, and how each is undone.
const DAMAGES: [(&str, &str, &str); 6] = [
    (
        "update record_tally set count = count + 1 where monitor = 'nemesis' and outcome = 'accepted'",
        "outcomes are",
        "update record_tally set count = count - 1 where monitor = 'nemesis' and outcome = 'accepted'",
    ),
    (
        "update record_tally set count = count - 1 where monitor = 'wide' and outcome = 'filtered'",
        "outcomes are",
        "update record_tally set count = count + 1 where monitor = 'wide' and outcome = 'filtered'",
    ),
    (
        "update model_window set rows = rows + 1 where segment = '*'",
        "different records",
        "update model_window set rows = rows - 1 where segment = '*'",
    ),
    (
        "update model_window set verdict = 'ok ' || verdict where verdict = 'critical'",
        "and the verdict is",
        "update model_window set verdict = 'critical' where verdict like 'ok %'",
    ),
    (
        "update source_partition set next_offset = next_offset - 1 where partition = 0",
        "the ends of the log",
        "update source_partition set next_offset = next_offset + 1 where partition = 0",
    ),
    ("update alert set fired_at = null, state = 'firing'", "no alert that fired", ""),
];

/// Every kind of broken promise is found, in a round that has none.
pub fn assert_the_checker_sees(field: &Field<'_>, truth: &Truth) {
    let found = |truth: &Truth| {
        check(field, truth);
        field.take_violations().join("\n")
    };
    assert_eq!(found(truth), "");
    for (kind, change, said) in lies() {
        let mut other = truth.clone();
        change(&mut other);
        let said_of_it = found(&other);
        assert!(said_of_it.contains(said), "{kind}: the checker says {said_of_it:?}");
    }
    let run = |statement: &'static str| {
        if !statement.is_empty() {
            let done = sqlx::query(AssertSqlSafe(statement)).execute(&field.world.pool);
            assert!(field.world.runtime.block_on(done).unwrap().rows_affected() > 0, "{statement}");
        }
    };
    for (damage, said, undo) in DAMAGES {
        run(damage);
        let said_of_it = found(truth);
        assert!(said_of_it.contains(said), "{damage}: the checker says {said_of_it:?}");
        run(undo);
    }
}

type Lie = fn(&mut Truth);

fn lies() -> [(&'static str, Lie, &'static str); 4] {
    [
        (
            "a record was counted that nobody wrote",
            |truth| *last(truth) = What::Filtered,
            "holds records of other windows",
        ),
        (
            "a record was counted twice",
            |truth| {
                let message = Message { payload: None, what: last(truth).clone() };
                truth.partitions.get_mut(&0).unwrap().push(message);
            },
            "that came in time are not in it",
        ),
        (
            "a value is in the wrong bin",
            |truth| record(truth).x = at_the_other_end(record(truth).x),
            "column x: bin",
        ),
        ("a value is missing", |truth| record(truth).y = Y::Null, "column y"),
    ]
}

/// A value in the outermost bin on the other side of the middle, whether the records of the round drift or not: a
/// drifted value is in the last bin already.
fn at_the_other_end(x: f64) -> f64 {
    if x < traffic::MIDDLE { 1_000.0 } else { -1_000.0 }
}

/// The last record of the first partition that came in time and has a number as `y`.
fn last(truth: &mut Truth) -> &mut What {
    let messages = truth.partitions.get_mut(&0).unwrap().iter_mut().rev();
    let is_plain =
        |what: &What| matches!(what, What::Record(record) if record.in_time && matches!(record.y, Y::Number(_)));
    messages.map(|message| &mut message.what).find(|what| is_plain(what)).unwrap()
}

fn record(truth: &mut Truth) -> &mut Record {
    match last(truth) {
        What::Record(record) => record,
        _ => unreachable!("it was looked for"),
    }
}
