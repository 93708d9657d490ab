//! What a run says while it goes on: a bar on a terminal, a line for each phase and every ten seconds otherwise.

use crate::record::runner::Progress;
use crate::report::grouped;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const LOG_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressArg {
    /// A bar on a terminal, lines otherwise
    #[default]
    Auto,
    /// A bar
    Bar,
    /// Lines
    Log,
    /// Nothing
    None,
}

/// Shows a run's progress on standard error.
pub(super) struct Teller {
    begun: Instant,
    duration: Duration,
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bar,
    Log,
    Silent,
}

struct State {
    bar: Option<ProgressBar>,
    last_line: Duration,
    last: (Duration, u64),
}

impl Teller {
    pub(super) fn new(wanted: ProgressArg, quiet: bool, duration: Duration) -> Self {
        let kind = match wanted {
            _ if quiet => Kind::Silent,
            ProgressArg::None => Kind::Silent,
            ProgressArg::Auto if !std::io::stderr().is_terminal() => Kind::Log,
            ProgressArg::Log => Kind::Log,
            ProgressArg::Auto | ProgressArg::Bar => Kind::Bar,
        };
        let state = State { bar: None, last_line: Duration::ZERO, last: (Duration::ZERO, 0) };
        Self { begun: Instant::now(), duration, kind, state: Mutex::new(state) }
    }

    /// A line about a phase.
    pub(super) fn phase(&self, phase: &str, text: &str) {
        match self.kind {
            Kind::Bar => super::say(&format!("{phase:<8} {text}\n")),
            Kind::Log => super::say(&format!("[{:>5.1}] {phase} {text}\n", self.begun.elapsed().as_secs_f64())),
            Kind::Silent => {}
        }
    }

    /// What the runner reports.
    pub(super) fn hear(&self, progress: &Progress) {
        match progress {
            Progress::Ready { after, nodes, versions } => {
                let versions: Vec<String> =
                    versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
                let nodes: Vec<String> =
                    nodes.iter().map(|(name, what)| format!("{name} {what}").trim().to_owned()).collect();
                self.phase(
                    "ready",
                    &format!("{} · {} · after {:.1} s", versions.join(", "), nodes.join(", "), after.as_secs_f64()),
                );
            }
            Progress::Fault(what) => self.phase("fault", what),
            Progress::Tick { elapsed, ok, failed, unknown } => self.tick(*elapsed, *ok, *failed, *unknown),
            Progress::FinalReads { reads } => {
                self.end_bar();
                self.phase("final", &format!("{} reads of the final state", grouped(*reads as u64)));
            }
            Progress::Stopping => {
                self.end_bar();
                self.phase("stop", "stopping the system");
            }
        }
    }

    fn tick(&self, elapsed: Duration, ok: u64, failed: u64, unknown: u64) {
        let mut state = self.state.lock();
        let counts = format!("{} ok  {} failed  {} unknown", grouped(ok), grouped(failed), grouped(unknown));
        match self.kind {
            Kind::Silent => {}
            Kind::Log => {
                if elapsed >= state.last_line + LOG_EVERY {
                    state.last_line = elapsed;
                    drop(state);
                    self.phase("run", &counts);
                }
            }
            Kind::Bar => {
                let (before, ok_before) = state.last;
                let passed = elapsed.saturating_sub(before).as_secs_f64();
                #[expect(clippy::cast_precision_loss, reason = "for display only")]
                let rate = if passed > 0.0 { (ok - ok_before) as f64 / passed } else { 0.0 };
                state.last = (elapsed, ok);
                let duration = self.duration;
                let bar = state.bar.get_or_insert_with(|| bar(duration));
                let position = elapsed.min(duration).as_millis();
                bar.set_position(u64::try_from(position).unwrap_or(u64::MAX));
                bar.set_message(format!(
                    "{:.0}/{:.0} s  {counts}  {rate:.0} op/s",
                    elapsed.as_secs_f64(),
                    duration.as_secs_f64()
                ));
            }
        }
    }

    fn end_bar(&self) {
        if let Some(bar) = self.state.lock().bar.take() {
            bar.abandon();
        }
    }
}

fn bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("run      {bar:20} {msg}").expect("the template is well formed");
    bar.set_style(style);
    bar
}
