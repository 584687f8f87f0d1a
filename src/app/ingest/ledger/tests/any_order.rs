//! The rules all together: whatever happens to daemons, their group and the database in whatever order, every offset is counted
//! once.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// Partitions, daemons and messages of the model.
const PARTITIONS: i32 = 3;
const DAEMONS: usize = 2;
const END: i64 = 40;

/// A transaction: the moves of a checkpoint with what was counted between.
#[derive(Clone)]
struct Transaction {
    moves: Vec<PositionMove>,
    counted: Vec<(Partition, i64)>,
}

/// The database: positions with their resets, how often each offset was counted, and those that nobody can count.
struct Database {
    positions: BTreeMap<Partition, (i64, i32)>,
    counted: BTreeMap<(Partition, i64), u32>,
    skipped: BTreeSet<(Partition, i64)>,
}

impl Database {
    /// Whether a checkpoint is stored, as `Store::checkpoint` does it.
    fn store(&mut self, transaction: &Transaction) -> bool {
        let holds = |position: &PositionMove| {
            self.positions[&position.partition] == (position.base.number(), position.resets)
        };
        if !transaction.moves.iter().all(holds) {
            return false;
        }
        for position in &transaction.moves {
            self.positions.insert(position.partition.clone(), (position.next.number(), position.resets));
        }
        for offset in &transaction.counted {
            *self.counted.entry(offset.clone()).or_insert(0) += 1;
        }
        true
    }

    fn skip(&mut self, partition: &Partition, to: i64) {
        let (from, _) = self.positions[partition];
        self.skipped.extend((from..to).map(|offset| (partition.clone(), offset)));
    }
}

/// Positions that are being looked up; `found` when the database was asked.
struct LookUp {
    generation: u64,
    partitions: Vec<Partition>,
    found: Option<Vec<(Partition, FoundPosition)>>,
}

/// A daemon around its ledger, as [`super::super::Ingest`] is.
struct Daemon {
    ledger: Ledger,
    /// What the counting threads hold.
    counted: Vec<(Partition, i64)>,
    /// Where the client reads, and since which generation.
    client: BTreeMap<Partition, (u64, i64)>,
    /// Messages on their way from the client: partition, generation, first offset, next one.
    inbox: VecDeque<(Partition, u64, i64, i64)>,
    look_ups: Vec<LookUp>,
    checkpoint: Option<Transaction>,
}

impl Daemon {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(),
            counted: Vec::new(),
            client: BTreeMap::new(),
            inbox: VecDeque::new(),
            look_ups: Vec::new(),
            checkpoint: None,
        }
    }

    /// The oldest messages arrive; whether there were any.
    fn receive(&mut self) -> bool {
        let Some((partition, generation, from, to)) = self.inbox.pop_front() else { return false };
        match self.ledger.received(&partition, messages(generation, from, to)) {
            Handling::Count => self.counted.extend((from..to).map(|offset| (partition.clone(), offset))),
            Handling::Drop => {}
            Handling::Repeated => panic!("{partition} was handed out twice from {from}"),
        }
        true
    }

    fn look_up(&mut self, partitions: Vec<Partition>) {
        self.look_ups.push(LookUp { generation: self.ledger.generation(), partitions, found: None });
    }
}

struct World {
    database: Database,
    daemons: Vec<Daemon>,
    /// Whom the group has given each partition.
    owners: BTreeMap<Partition, Option<usize>>,
    /// The first offset that the log of each partition still has.
    lows: BTreeMap<Partition, i64>,
    /// Checkpoints that were aborted and that the database may still store.
    left_over: Vec<Transaction>,
}

impl World {
    fn new() -> Self {
        let all = || (0..PARTITIONS).map(partition);
        Self {
            database: Database {
                positions: all().map(|partition| (partition, (0, 0))).collect(),
                counted: BTreeMap::new(),
                skipped: BTreeSet::new(),
            },
            daemons: (0..DAEMONS).map(|_| Daemon::new()).collect(),
            owners: all().map(|partition| (partition, None)).collect(),
            lows: all().map(|partition| (partition, 0)).collect(),
            left_over: Vec::new(),
        }
    }

    fn void(&mut self, daemon: usize) {
        let daemon = &mut self.daemons[daemon];
        self.left_over.extend(daemon.checkpoint.take());
        daemon.ledger.void();
        daemon.counted.clear();
        let partitions = daemon.ledger.partitions();
        daemon.look_up(partitions);
    }

    fn assign(&mut self, daemon: usize, partition: &Partition) {
        self.owners.insert(partition.clone(), Some(daemon));
        let daemon = &mut self.daemons[daemon];
        daemon.ledger.assigned(std::slice::from_ref(partition));
        daemon.look_up(vec![partition.clone()]);
    }

    fn start_checkpoint(&mut self, daemon: usize) {
        let daemon = &mut self.daemons[daemon];
        if daemon.checkpoint.is_none()
            && let Some(due) = daemon.ledger.checkpoint(|_, _| false)
        {
            let counted = std::mem::take(&mut daemon.counted);
            daemon.checkpoint = Some(Transaction { moves: due.moves, counted });
        }
    }

    /// The database decides on the checkpoint of a daemon; when its answer is lost, the writer asks again.
    fn finish_checkpoint(&mut self, daemon: usize, answer_is_lost: bool) {
        let Some(transaction) = self.daemons[daemon].checkpoint.clone() else { return };
        let stored = self.database.store(&transaction);
        if answer_is_lost {
            return;
        }
        self.daemons[daemon].checkpoint = None;
        if stored {
            self.daemons[daemon].ledger.stored(transaction.moves);
        } else {
            self.void(daemon);
        }
    }

    fn checkpoint_now(&mut self, daemon: usize) -> bool {
        let generation = self.daemons[daemon].ledger.generation();
        loop {
            self.finish_checkpoint(daemon, false);
            if self.daemons[daemon].ledger.generation() != generation {
                return false;
            }
            if self.daemons[daemon].ledger.is_stored() {
                return true;
            }
            self.start_checkpoint(daemon);
        }
    }

    /// The group takes a partition from a daemon: `in_time` when a checkpoint can be stored before.
    fn revoke(&mut self, daemon: usize, partition: &Partition, in_time: bool) {
        // Events come in order.
        while self.daemons[daemon].receive() {}
        let stored = in_time && self.checkpoint_now(daemon);
        self.daemons[daemon].client.remove(partition);
        self.daemons[daemon].ledger.revoked(std::slice::from_ref(partition));
        if !stored {
            self.void(daemon);
        }
        if self.owners[partition] == Some(daemon) {
            self.owners.insert(partition.clone(), None);
        }
    }

    fn read(&mut self, daemon: usize, partition: &Partition, most: i64) {
        let Some((generation, from)) = self.daemons[daemon].client.get(partition).copied() else { return };
        let low = self.lows[partition];
        if from < low {
            return self.cross_gap(daemon, partition, low);
        }
        let to = (from + most).min(END);
        if to == from {
            return;
        }
        let reader = &mut self.daemons[daemon];
        reader.client.insert(partition.clone(), (generation, to));
        reader.inbox.push_back((partition.clone(), generation, from, to));
    }

    fn cross_gap(&mut self, daemon: usize, partition: &Partition, low: i64) {
        while self.daemons[daemon].receive() {}
        if !self.checkpoint_now(daemon) {
            return self.void(daemon);
        }
        let reader = &mut self.daemons[daemon];
        let Some(base) = reader.ledger.base(partition).map(Offset::number) else { return };
        let generation = reader.ledger.generation();
        if low <= base {
            reader.client.insert(partition.clone(), (generation, base));
            return;
        }
        let (stored, resets) = self.database.positions[partition];
        if stored != base {
            return self.void(daemon);
        }
        self.database.skip(partition, low);
        self.database.positions.insert(partition.clone(), (low, resets));
        let reader = &mut self.daemons[daemon];
        reader.ledger.crossed_gap(partition, Offset::new(low));
        reader.client.insert(partition.clone(), (generation, low));
    }

    fn ask_database(&mut self, daemon: usize) {
        let database = &self.database;
        if let Some(look_up) = self.daemons[daemon].look_ups.iter_mut().find(|look_up| look_up.found.is_none()) {
            let position = |partition: &Partition| {
                let (offset, resets) = database.positions[partition];
                (partition.clone(), FoundPosition { offset: Offset::new(offset), anchor: None, resets })
            };
            look_up.found = Some(look_up.partitions.iter().map(position).collect());
        }
    }

    fn hear_of_positions(&mut self, daemon: usize) {
        let daemon = &mut self.daemons[daemon];
        let Some(place) = daemon.look_ups.iter().position(|look_up| look_up.found.is_some()) else { return };
        let LookUp { generation, found, .. } = daemon.look_ups.remove(place);
        for beginning in
            daemon.ledger.found(generation, found.unwrap()).into_iter().flat_map(|start| start.beginnings)
        {
            daemon.client.insert(beginning.partition, (generation, beginning.offset.number()));
        }
    }

    /// One thing that can happen; numbers are taken as they come.
    fn happen(&mut self, what: u8, who: usize, which: i32, number: i64) {
        let (daemon, partition) = (who % DAEMONS, partition(which % PARTITIONS));
        let owner = self.owners[&partition];
        match what % 16 {
            0 if owner.is_none() => self.assign(daemon, &partition),
            1 => {
                if let Some(owner) = owner {
                    self.revoke(owner, &partition, true);
                }
            }
            2 => {
                if let Some(owner) = owner {
                    self.revoke(owner, &partition, false);
                }
            }
            // The group gives it to another, and the daemon that had it does not know yet.
            3 if owner.is_some_and(|owner| owner != daemon) => self.assign(daemon, &partition),
            // It hears of it.
            4 if owner != Some(daemon) => self.revoke(daemon, &partition, false),
            5 | 6 => self.ask_database(daemon),
            7 | 8 => self.hear_of_positions(daemon),
            9 => self.read(daemon, &partition, 1 + number % 5),
            10 => {
                self.daemons[daemon].receive();
            }
            11 => self.start_checkpoint(daemon),
            12 => self.finish_checkpoint(daemon, number % 3 == 0),
            13 if !self.left_over.is_empty() => {
                let place = usize::try_from(number).unwrap() % self.left_over.len();
                let transaction = self.left_over.remove(place);
                if number % 2 == 0 {
                    self.database.store(&transaction);
                }
            }
            // Retention deletes.
            14 => {
                let low = self.lows[&partition];
                self.lows.insert(partition, (low + number % 3).min(END));
            }
            // The daemon is killed and started again, or somebody moves a position forward.
            15 if number % 2 == 0 => {
                for partition in self.owners.keys().cloned().collect::<Vec<_>>() {
                    if self.owners[&partition] == Some(daemon) {
                        self.owners.insert(partition, None);
                    }
                }
                let killed = std::mem::replace(&mut self.daemons[daemon], Daemon::new());
                self.left_over.extend(killed.checkpoint);
            }
            15 => {
                let (stored, resets) = self.database.positions[&partition];
                let to = (stored + number % 4).min(END);
                self.database.skip(&partition, to);
                self.database.positions.insert(partition, (to, resets + 1));
            }
            _ => {}
        }
    }

    /// Everything comes to rest: one daemon reads all to the end.
    fn settle(&mut self) {
        for daemon in 0..DAEMONS {
            for number in 0..PARTITIONS {
                self.revoke(daemon, &partition(number), false);
            }
        }
        for number in 0..PARTITIONS {
            self.assign(0, &partition(number));
        }
        for _ in 0..1_000 {
            while self.daemons[0].look_ups.iter().any(|look_up| look_up.found.is_none()) {
                self.ask_database(0);
            }
            while !self.daemons[0].look_ups.is_empty() {
                self.hear_of_positions(0);
            }
            for number in 0..PARTITIONS {
                self.read(0, &partition(number), 7);
            }
            while self.daemons[0].receive() {}
            self.checkpoint_now(0);
            if self.database.positions.values().all(|(position, _)| *position == END) {
                return;
            }
        }
        panic!("reading does not come to its end: {:?}", self.database.positions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_whatever_order_every_offset_is_counted_once(
        events in prop::collection::vec((any::<u8>(), 0usize..DAEMONS, 0..PARTITIONS, 0i64..1_000), 0..200)
    ) {
        let mut world = World::new();
        for (what, who, which, number) in events {
            world.happen(what, who, which, number);
        }
        world.settle();
        for number in 0..PARTITIONS {
            for offset in 0..END {
                let place = (partition(number), offset);
                let expected = u32::from(!world.database.skipped.contains(&place));
                prop_assert_eq!(world.database.counted.get(&place).copied().unwrap_or(0), expected, "{:?}", place);
            }
        }
    }
}
