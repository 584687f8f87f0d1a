//! What a closing window is compared with: the rules of its monitor, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::read::{known_binning, merge_deltas};
use crate::binning::BinningSet;
use crate::distribution::WindowCounts;
use crate::reference::{
    Fit, Part, Reference, ReferenceChoice, ReferencePlan, ReferenceRule, Resolution, RowsOfWindow, Selection,
    Unusable, UsualRows,
};
use crate::store::decoded::Decoded;
use crate::store::selection::{READ_TOGETHER, SelectedWindow, WindowSelection, at_most, closed_counts};
use crate::store::session::Session;
use crate::store::{StoreError, damaged, failed};
use crate::variation::ChangeTest;
use crate::window::{WindowKey, WindowSpan};

/// The baseline that gives windows that were counted on one set of bins their bins.
#[derive(Clone, Debug)]
pub(super) struct ChosenBaseline {
    pub(super) baseline: Uuid,
    pub(super) bins: Arc<BinningSet>,
    pub(super) fit: Fit,
}

/// The baselines of windows that are closed together, by the bins that these were counted on.
#[derive(Default)]
pub(super) struct ChosenBaselines(HashMap<Uuid, Option<ChosenBaseline>>);

impl ChosenBaselines {
    /// The active baseline of a monitor where the counts fit its bins; otherwise the newest baseline on the bins they were made
    /// on: the one that was active when the window was opened, or a later one like it.
    pub(super) async fn choose(
        &mut self,
        connection: &mut Session,
        cache: &Decoded,
        monitor: &str,
        counted_on: &Arc<BinningSet>,
    ) -> Result<Option<ChosenBaseline>, StoreError> {
        if let Some(known) = self.0.get(&counted_on.id()) {
            return Ok(known.clone());
        }
        let chosen = choose(connection, cache, monitor, counted_on).await?;
        self.0.insert(counted_on.id(), chosen.clone());
        Ok(chosen)
    }
}

/// The reference by the first rule that gives one, and how it was chosen.
pub(super) async fn resolve(
    connection: &mut Session,
    cache: &Decoded,
    (monitor, plan): (&str, &ReferencePlan),
    window: &WindowSpan,
    chosen: Option<&ChosenBaseline>,
) -> Result<(Option<Reference>, ReferenceChoice), StoreError> {
    let mut tried = Resolution::default();
    for rule in &plan.rules {
        let found = match chosen {
            None => Err(Unusable::no_baseline()),
            Some(chosen) => by_rule(connection, cache, (monitor, plan, rule), window, chosen).await?,
        };
        match found {
            Ok(reference) => return Ok(tried.found(reference)),
            Err(reason) => tried.pass_over(rule.name(), &reason),
        }
    }
    // Otherwise nothing could be said that ends the alert, whose windows are in no reference.
    if let Some(chosen) = chosen
        && data_is_broken(connection, monitor, &window.key).await?
    {
        return Ok(tried.found(of_segment(connection, cache, chosen, &window.key.segment).await?));
    }
    Ok(tried.nothing())
}

async fn by_rule(
    connection: &mut Session,
    cache: &Decoded,
    (monitor, plan, rule): (&str, &ReferencePlan, &ReferenceRule),
    window: &WindowSpan,
    chosen: &ChosenBaseline,
) -> Result<Result<Reference, Unusable>, StoreError> {
    let selection = match rule.selection(window) {
        Ok(Some(selection)) => selection,
        Ok(None) => return of_segment(connection, cache, chosen, &window.key.segment).await.map(Ok),
        Err(reason) => return Ok(Err(reason)),
    };
    let selected = select(connection, WindowSelection::closed, (monitor, plan), window, &selection).await?;
    let parts = parts_of(connection, (cache, monitor), selected, &chosen.bins).await?;
    Ok(rule.reference(&window.key, &chosen.bins, parts, plan.min_records))
}

/// Selected windows with their counts.
pub(super) async fn parts_of(
    connection: &mut Session,
    (cache, monitor): (&Decoded, &str),
    selected: Vec<SelectedWindow>,
    bins: &Arc<BinningSet>,
) -> Result<Vec<Part>, StoreError> {
    let mut counts: HashMap<i64, Arc<WindowCounts>> = selected
        .iter()
        .filter_map(|window| Some((window.id, cache.counts((window.id, window.revision))?)))
        .collect();
    let missing: Vec<&SelectedWindow> =
        selected.iter().filter(|window| !counts.contains_key(&window.id)).collect();
    // What another daemon closes between these statements has no deltas any more, and counts instead.
    let mut closed_meanwhile = Vec::new();
    for window in missing.iter().filter(|window| window.is_open) {
        let binnings = binning(connection, cache, window.binning, bins).await?;
        let merged = merge_deltas(connection, window.id, &binnings, 0).await?;
        if merged.counts.rows() > 0 {
            counts.insert(window.id, Arc::new(merged.counts));
        } else {
            closed_meanwhile.push(window.id);
        }
    }
    let again = if closed_meanwhile.is_empty() {
        Vec::new()
    } else {
        WindowSelection::these(monitor, &closed_meanwhile).oldest(connection, MOST).await?
    };
    let mut closed: HashMap<Uuid, Vec<i64>> = HashMap::new();
    let revisions: HashMap<i64, i32> =
        selected.iter().chain(&again).map(|window| (window.id, window.revision)).collect();
    let is_closed = |window: &&SelectedWindow| !window.is_open;
    for window in missing.into_iter().filter(is_closed).chain(again.iter().filter(is_closed)) {
        closed.entry(window.binning).or_default().push(window.id);
    }
    for (binning, ids) in closed {
        let binnings = self::binning(connection, cache, binning, bins).await?;
        for ids in ids.chunks(READ_TOGETHER) {
            for (id, read) in readable_counts(connection, ids, &binnings).await? {
                let read = Arc::new(read);
                // One that is judged again meanwhile is kept under the revision before, and read again when that is asked for.
                cache.keep_counts((id, revisions.get(&id).copied().unwrap_or_default()), &read);
                counts.insert(id, read);
            }
        }
    }
    let part = |window: SelectedWindow| {
        let counts = counts.get(&window.id).cloned()?;
        Some(Part { id: Some(window.id), start: window.start, end: window.end, counts })
    };
    Ok(selected.into_iter().filter_map(part).collect())
}

/// The counts of a chosen baseline for a segment.
async fn of_segment(
    connection: &mut Session,
    cache: &Decoded,
    chosen: &ChosenBaseline,
    segment: &str,
) -> Result<Reference, StoreError> {
    if let Some(known) = cache.baseline(chosen.baseline, segment) {
        return Ok(Reference::clone(&known));
    }
    let read = Arc::new(stored_baseline(connection, chosen.baseline, segment, &chosen.bins).await?);
    cache.keep_baseline(chosen.baseline, segment, &read);
    Ok(Reference::clone(&read))
}

/// Bins, which may be those at hand.
async fn binning(
    connection: &mut Session,
    cache: &Decoded,
    id: Uuid,
    at_hand: &Arc<BinningSet>,
) -> Result<Arc<BinningSet>, StoreError> {
    if id == at_hand.id() { Ok(Arc::clone(at_hand)) } else { known_binning(connection, id, cache).await }
}

/// The counts of closed windows. One whose counts are damaged is in no reference, and keeps no other window from being judged.
async fn readable_counts(
    connection: &mut Session,
    ids: &[i64],
    binnings: &Arc<BinningSet>,
) -> Result<Vec<(i64, WindowCounts)>, StoreError> {
    match closed_counts(connection, ids, binnings).await {
        Err(StoreError::Damaged { .. }) => {}
        read => return read,
    }
    let mut readable = Vec::with_capacity(ids.len());
    for id in ids {
        match closed_counts(connection, &[*id], binnings).await {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(window = id, %error, "window left out of references");
            }
            read => readable.extend(read?),
        }
    }
    Ok(readable)
}

/// Windows that a reference was made of, as far as they are still there, with their counts on the bins of the window.
pub(in crate::store) async fn parts_again(
    connection: &mut Session,
    (cache, monitor): (&Decoded, &str),
    ids: &[i64],
    bins: &Arc<BinningSet>,
) -> Result<Vec<Part>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let selected = WindowSelection::these(monitor, ids).oldest(connection, MOST).await?;
    // What was deleted is missing on every daemon, whatever its cache has.
    let selected = selected.into_iter().filter(|window| window.has_counts).collect();
    let parts = parts_of(connection, (cache, monitor), selected, bins).await?;
    Ok(parts.into_iter().filter_map(|part| part.on(bins)).collect())
}

/// What the number of records of a window is compared with, see [`crate::reference::volume_rules`].
pub(super) async fn usual_rows(
    connection: &mut Session,
    (monitor, plan): (&str, &ReferencePlan),
    window: &WindowSpan,
    reference: Option<&Reference>,
) -> Result<UsualRows, StoreError> {
    if plan.volume.is_empty() {
        return Ok(UsualRows::default());
    }
    if let Some(usual) = UsualRows::of_reference(reference, window) {
        return Ok(usual);
    }
    let last = WindowSpan::of_pane(window.key.clone(), window.end);
    for rule in &plan.volume {
        let Ok(Some(selection)) = rule.selection(&last) else { continue };
        let selected = select(connection, WindowSelection::complete, (monitor, plan), &last, &selection).await?;
        let windows = selected.iter().map(|SelectedWindow { start, end, rows, .. }| RowsOfWindow {
            start: *start,
            end: *end,
            rows: *rows,
        });
        if let Ok(usual) = UsualRows::of_windows(rule, &last.key, windows.collect()) {
            return Ok(usual);
        }
    }
    Ok(UsualRows::default())
}

/// The windows that are selected, of those of the same series from `closed`.
async fn select(
    connection: &mut Session,
    closed: fn(&str) -> WindowSelection,
    (monitor, plan): (&str, &ReferencePlan),
    window: &WindowSpan,
    selection: &Selection,
) -> Result<Vec<SelectedWindow>, StoreError> {
    let key = &window.key;
    let of_series = || {
        let closed = closed(monitor).of_version(&key.version).of_segment(&key.segment);
        closed.before(window.from).with_sound_data()
    };
    // Windows of the same time close together: one that is still open has all the records that it is waited for. Which of them
    // closes first must not matter, so alerts about their data do not exclude them.
    let in_time = || WindowSelection::any(monitor).starting_within(&[(window.from, window.end)]);
    match selection {
        Selection::Latest(most) => latest(connection, plan, of_series, *most).await,
        Selection::Within(ranges) if ranges.is_empty() => Ok(Vec::new()),
        Selection::Within(ranges) => {
            let mut selected = of_series().starting_within(ranges).latest(connection, MOST).await?;
            selected.retain(|window| plan.admits(window.start, window.end));
            Ok(selected)
        }
        // On a holiday others have a holiday, too: calendars exclude nothing here.
        Selection::OfVersion(version) => {
            in_time().of_version(version).of_segment(&key.segment).latest(connection, MOST).await
        }
        Selection::OfOthers(column) => {
            let others = in_time().of_version(&key.version).of_other_segments(column, &key.segment);
            others.latest(connection, MOST).await
        }
    }
}

/// Windows of a reference at most.
const MOST: i64 = 10_000;
/// Windows that are looked at in one go where some are excluded.
const PAGE: usize = 256;
/// Excluded windows that are passed over at most, in search for the latest ones.
const EXCLUDED: usize = 20_000;

/// The latest windows of a series that are not excluded.
async fn latest(
    connection: &mut Session,
    plan: &ReferencePlan,
    of_series: impl Fn() -> WindowSelection,
    most: usize,
) -> Result<Vec<SelectedWindow>, StoreError> {
    let mut found: Vec<SelectedWindow> = Vec::new();
    // A calendar may exclude many windows in a row.
    let page_size = if plan.excluded.is_empty() { most } else { most.max(PAGE) };
    let (mut looked_at, mut before) = (0, None);
    while found.len() < most && looked_at < EXCLUDED {
        let selection = match before {
            Some(before) => of_series().before(before),
            None => of_series(),
        };
        let page = selection.latest(connection, at_most(page_size)).await?;
        let is_last = page.len() < page_size;
        looked_at += page.len();
        before = page.last().map(|window| window.start);
        found.extend(page.into_iter().filter(|window| plan.admits(window.start, window.end)));
        if is_last {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

/// Whether an alert says that the data of a series, or of its version as a whole, is broken.
async fn data_is_broken(connection: &mut Session, monitor: &str, key: &WindowKey) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "select exists (select from alert where monitor = $1 and model_version = $2 and segment in ($3, '*')
                        and kind = 'data_quality' and state in ('firing', 'acknowledged'))",
    )
    .bind(monitor)
    .bind(&key.version)
    .bind(&key.segment)
    .fetch_one(connection)
    .await
    .map_err(failed("read alerts about data quality"))
}

async fn choose(
    connection: &mut Session,
    cache: &Decoded,
    monitor: &str,
    counted_on: &Arc<BinningSet>,
) -> Result<Option<ChosenBaseline>, StoreError> {
    let attempted = "find what a window is compared with";
    let candidates: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select id, binning_id from baseline where monitor = $1 and (active or binning_id = $2)
         order by active desc, version desc",
    )
    .bind(monitor)
    .bind(counted_on.id())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    for (baseline, bins) in candidates {
        let bins = binning(connection, cache, bins, counted_on).await?;
        if let Some(fit) = Fit::of(counted_on, &bins) {
            return Ok(Some(ChosenBaseline { baseline, bins, fit }));
        }
    }
    Ok(None)
}

/// A stored baseline as the reference of windows of a segment.
pub(in crate::store) async fn stored_baseline(
    connection: &mut Session,
    id: Uuid,
    segment: &str,
    bins: &Arc<BinningSet>,
) -> Result<Reference, StoreError> {
    let row = sqlx::query(
        "select b.version, b.origin, s.counts, s.variation from baseline b
         left join baseline_segment s on s.baseline_id = b.id and s.segment = $2 where b.id = $1",
    )
    .bind(id)
    .bind(segment)
    .fetch_one(connection)
    .await
    .map_err(failed("read a baseline"))?;
    let version: i32 = row.try_get("version").map_err(failed("read a baseline"))?;
    let origin: String = row.try_get("origin").map_err(failed("read a baseline"))?;
    let counts: Option<&[u8]> = row.try_get("counts").map_err(failed("read a baseline"))?;
    let read = |bytes: &[u8]| {
        damaged(&format!("baseline version {version}"), WindowCounts::from_ipc(bytes, Arc::clone(bins)))
    };
    let counts = counts.map(read).transpose()?;
    let variation: Option<Value> = row.try_get("variation").map_err(failed("read a baseline"))?;
    let test = counts.as_ref().map(|counts| test_of(counts, variation)).transpose()?;
    Ok(Reference::baseline(format!("version {version} ({origin})"), counts, test))
}

/// What windows are tested against, by how the windows of a baseline differ; of one of an earlier version that is not known.
pub(in crate::store) fn test_of(
    counts: &WindowCounts,
    variation: Option<Value>,
) -> Result<Arc<ChangeTest>, StoreError> {
    Ok(Arc::new(match variation {
        None => ChangeTest::of_sampling(counts),
        Some(stored) => {
            let variation = damaged("how the windows of a baseline differ", serde_json::from_value(stored))?;
            ChangeTest::new(Arc::new(variation), counts)
        }
    }))
}
