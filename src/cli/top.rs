//! `driftd top`: what happens, live, in the terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use super::compare::colours;
use super::{CliError, Context, with_reach};
use crate::alert::series_words;
use crate::escape::plain;
use crate::record::{grouped, number_of};
use crate::view::{MonitorState, OpenAlert, Status};

/// Refresh rate.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Seconds between refreshes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
}

/// What is shown.
#[derive(Debug, Default)]
struct View {
    status: Option<Status>,
    error: Option<String>,
    /// Records a second of each monitor.
    rates: BTreeMap<String, f64>,
    colours: bool,
}

/// Records of each monitor, and when.
type RecordTotals = (Instant, BTreeMap<String, u64>);

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), CliError> {
    if !std::io::stdout().is_terminal() {
        return Err(CliError::Failed(
            "`top` needs a terminal\nhint: `driftd status --json` is for programs".to_owned(),
        ));
    }
    let interval = Duration::from_secs(arguments.interval);
    with_reach(context, async |reach| {
        // What is wrong with the configuration, the token or the address is said before the screen is taken over.
        let mut view = View { colours: colours(), ..View::default() };
        let mut before: Option<RecordTotals> = Some(view.take(reach.status().await?, None));
        let mut terminal = ratatui::init();
        let outcome = loop {
            if let Err(error) = terminal.draw(|frame| draw(frame, &view)) {
                break Err(CliError::Failed(format!("cannot draw: {error}")));
            }
            match wants_to_leave(interval) {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(CliError::Failed(format!("cannot read the keyboard: {error}"))),
            }
            match reach.status().await {
                Ok(status) => {
                    before = Some(view.take(status, before.take()));
                }
                Err(error) => view.error = Some(error.to_string()),
            }
        };
        ratatui::restore();
        outcome
    })
}

/// Waits for a key, no longer than until the next look.
fn wants_to_leave(interval: Duration) -> std::io::Result<bool> {
    let until = Instant::now() + interval;
    while poll(until.saturating_duration_since(Instant::now()))? {
        match read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(true);
                }
            }
            Event::Resize(..) => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

impl View {
    /// Takes a look over: how many records came since the one before.
    #[expect(clippy::cast_precision_loss, reason = "rates, for people")]
    fn take(&mut self, status: Status, before: Option<RecordTotals>) -> RecordTotals {
        let now = Instant::now();
        let counts: BTreeMap<String, u64> = status
            .monitors
            .iter()
            .map(|monitor| (monitor.monitor.clone(), monitor.records.iter().map(|records| records.count).sum()))
            .collect();
        if let Some((then, earlier)) = before {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            let rate = |(name, count): (&String, &u64)| {
                let new = count.saturating_sub(earlier.get(name).copied().unwrap_or(0));
                (name.clone(), new as f64 / seconds)
            };
            self.rates = counts.iter().map(rate).collect();
        }
        self.status = Some(status);
        self.error = None;
        (now, counts)
    }

    fn style(&self, state: MonitorState) -> Style {
        if !self.colours {
            return Style::default();
        }
        let colour = match state {
            MonitorState::Ok => Color::Green,
            MonitorState::Warn | MonitorState::Trouble => Color::Yellow,
            MonitorState::Drift => Color::Red,
            _ => Color::Magenta,
        };
        Style::default().fg(colour)
    }
}

fn draw(frame: &mut Frame<'_>, view: &View) {
    let alerts = view.status.as_ref().map_or(0, |status| status.alerts.len());
    #[expect(clippy::cast_possible_truncation, reason = "ten at most")]
    let rows = alerts.clamp(1, 10) as u16;
    let [head, monitors, open, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(4),
        Constraint::Length(rows + 2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(summary(view)), head);
    let Some(status) = &view.status else {
        frame.render_widget(Paragraph::new("loading ..."), monitors);
        return;
    };
    frame.render_widget(monitor_table(view, status), monitors);
    frame.render_widget(alert_table(status), open);
    frame.render_widget(Paragraph::new("q: quit"), foot);
}

fn summary(view: &View) -> Vec<Line<'static>> {
    let bold = Style::default().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::from(vec![
        Span::styled("driftd", bold),
        Span::raw(match &view.status {
            None => String::new(),
            Some(status) => {
                // The sum of nothing is -0.
                let rate = view.rates.values().sum::<f64>() + 0.0;
                let lag: u64 = status.partitions.iter().filter_map(|partition| partition.lag).sum();
                let waiting: u64 = status.outbox.iter().map(|receiver| receiver.pending).sum();
                let dead: u64 = status.outbox.iter().map(|receiver| receiver.dead).sum();
                format!(
                    "  {rate:.0} records/s  lag {}  {}  {}  {} pending, {dead} failed",
                    grouped(lag),
                    number_of(status.partitions.len(), "partition"),
                    number_of(status.alerts.len(), "alert"),
                    number_of(waiting, "message"),
                )
            }
        }),
    ])];
    if let Some(error) = &view.error {
        lines.push(Line::from(plain(error)));
    }
    lines
}

fn monitor_table<'a>(view: &View, status: &'a Status) -> Table<'a> {
    let rows = status.monitors.iter().map(|monitor| {
        let alerts: Vec<&OpenAlert> =
            status.alerts.iter().filter(|alert| alert.monitor == monitor.monitor).collect();
        let learning = monitor.learning;
        let state =
            MonitorState::of(&alerts, monitor.last_window.as_ref(), monitor.open_windows, learning.is_some());
        let words = match learning.filter(|_| matches!(state, MonitorState::Learning | MonitorState::Waiting)) {
            Some(learning) => format!("learning {}/{}", learning.windows, learning.of),
            None => state.words().to_owned(),
        };
        let total: u64 = monitor.records.iter().map(|records| records.count).sum();
        let unused: u64 = monitor
            .records
            .iter()
            .filter(|records| records.outcome == "rejected")
            .map(|records| records.count)
            .sum();
        Row::new(vec![
            Cell::from(plain(&monitor.monitor)),
            Cell::from(words).style(view.style(state)),
            Cell::from(format!("{:.0}", view.rates.get(&monitor.monitor).copied().unwrap_or(0.0))),
            Cell::from(grouped(total)),
            Cell::from(grouped(unused)),
            Cell::from(monitor.open_windows.to_string()),
            Cell::from(monitor.last_window.as_ref().map_or("none".to_owned(), |window| window.start.to_string())),
            Cell::from(alerts.len().to_string()),
        ])
    });
    let widths = [
        Constraint::Min(16),
        Constraint::Length(20),
        Constraint::Length(9),
        Constraint::Length(14),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Length(21),
        Constraint::Length(6),
    ];
    let head = ["monitor", "state", "records/s", "records", "rejected", "open", "last window from", "alerts"];
    Table::new(rows, widths)
        .header(Row::new(head).style(Style::default().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title("monitors"))
}

fn alert_table(status: &Status) -> Table<'_> {
    let rows = status.alerts.iter().map(|alert| {
        Row::new(vec![
            plain(alert.id.get(..8).unwrap_or_default()),
            alert.state.as_str().to_owned(),
            alert.severity.as_str().to_owned(),
            plain(&format!("{} of {}", alert.rule, series_words(&alert.monitor, &alert.version, &alert.segment))),
            alert.since.to_string(),
        ])
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Min(20),
        Constraint::Length(21),
    ];
    Table::new(rows, widths).block(Block::bordered().title("alerts"))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::alert::{RowState, Severity};
    use crate::judge::Verdict;
    use crate::record::{TimeSpan, Timestamp};
    use crate::view::{Learning, MonitorStatus, OutboxDepth, PartitionStatus, RecordCount, WindowStatus};

    fn at(text: &str) -> Timestamp {
        text.parse::<crate::record::EventTime>().unwrap().into()
    }

    fn status(records: u64) -> Status {
        let text = str::to_owned;
        Status {
            monitors: vec![MonitorStatus {
                monitor: text("credit-score"),
                records: vec![
                    RecordCount { outcome: text("accepted"), reason: String::new(), count: records },
                    RecordCount { outcome: text("rejected"), reason: text("syntax"), count: 7 },
                ],
                open_windows: 2,
                last_window: Some(WindowStatus {
                    reference: None,
                    version: String::new(),
                    start: at("2026-01-31T00:00:00Z"),
                    end: at("2026-02-01T00:00:00Z"),
                    rows: 10,
                    verdict: Verdict::Critical,
                    complete: true,
                }),
                baseline: None,
                baselines: 0,
                configured: true,
                learning: Some(Learning::new(37, 168, TimeSpan::hours(1))),
                segments_without_baseline: Vec::new(),
                reading: crate::view::Reading::default(),
            }],
            partitions: vec![PartitionStatus {
                topic: text("t"),
                partition: 0,
                next_offset: Some(5),
                log_end: Some(1_239),
                held_back: 0,
                lag: Some(1_234),
                owner: None,
                caught_up: false,
                checked_at: None,
                progressed_at: Timestamp::default(),
                newest: None,
                lost: 0,
                fault: None,
            }],
            alerts: vec![OpenAlert {
                id: text("254c43b6-1fad"),
                monitor: text("credit-score"),
                version: text("v2"),
                segment: text("*"),
                rule: text("drift"),
                state: RowState::Firing,
                severity: Severity::Critical,
                since: at("2026-01-30T00:00:00Z"),
                silenced: false,
            }],
            outbox: vec![OutboxDepth { receiver: text("owner"), pending: 3, dead: 1, oldest_seconds: 2.0 }],
            daemons: Vec::new(),
            differences: Vec::new(),
        }
    }

    fn screen(view: &View) -> String {
        let mut terminal = Terminal::new(TestBackend::new(110, 14)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_throughput_lag_monitors_and_alerts() {
        let mut view = View::default();
        assert!(screen(&view).contains("loading"));
        let (_, counts) = view.take(status(1_000), None);
        let earlier = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        view.take(status(2_000), Some((earlier, counts)));
        let text = screen(&view);
        for wanted in [
            "lag 1,234",
            "credit-score",
            "drift",
            "2,007",
            "254c43b6",
            "3 messages pending, 1 failed",
            "2026-01-31",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
        let rate = view.rates.get("credit-score").copied().unwrap();
        assert!((450.0..=500.5).contains(&rate), "{rate}");
        // Names from elsewhere stay in their cells and show all that they are.
        let mut hostile = status(7);
        let name = "evil\r\n\u{1b}[2J\u{9b}\u{202e}\u{2028}";
        hostile.monitors[0].monitor = name.to_owned();
        for alert in &mut hostile.alerts {
            alert.version = name.to_owned();
        }
        let known = view.status.replace(hostile);
        let text = screen(&view);
        assert!(!text.contains(|letter: char| letter != '\n' && crate::escape::is_hidden(letter)), "{text:?}");
        assert!(text.contains("evil\\r\\n\\u{1b}"), "{text}");
        view.status = known;
        view.error = Some("database: cannot gather the status".to_owned());
        assert!(screen(&view).contains("cannot gather the status"));
    }
}
