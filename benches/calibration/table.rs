//! Tables in Markdown, and cells that are computed side by side.

use std::sync::Mutex;

use driftd::account::Interval;

pub fn header(names: &[String]) {
    println!("\n| {} |\n|{}", names.join(" | "), " --- |".repeat(names.len()));
}

/// Results in the order of the items; every processor works on some.
pub fn side_by_side<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let number = items.len();
    let queue = Mutex::new(items.into_iter().enumerate().collect::<Vec<_>>());
    let results = Mutex::new((0..number).map(|_| None).collect::<Vec<Option<R>>>());
    let next = || {
        let mut queue = queue.lock().unwrap();
        if queue.is_empty() { None } else { Some(queue.remove(0)) }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((place, item)) = next() {
                    let result = work(item);
                    results.lock().unwrap()[place] = Some(result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_iter().map(Option::unwrap).collect()
}

/// How often something was seen.
#[derive(Clone, Copy, Default)]
pub struct Rate {
    pub seen: u64,
    pub of: u64,
}

impl Rate {
    pub fn add(&mut self, seen: bool) {
        self.seen += u64::from(seen);
        self.of += 1;
    }

    pub fn share(self) -> f64 {
        self.seen as f64 / self.of.max(1) as f64
    }

    /// The least share that the exact 95 % interval has.
    pub fn at_least(self) -> f64 {
        Interval::of_share(self.seen as f64, self.of as f64).lower
    }

    /// In percent; in bold where the whole interval lies above what was promised.
    pub fn against(self, promised: f64) -> String {
        let shown = percent(self.share());
        if self.at_least() > promised { format!("**{shown}**") } else { shown }
    }
}

pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1}"),
        percent => format!("{percent:.0}"),
    }
}
