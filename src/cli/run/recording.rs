//! Recording as `run` does it: followed by a judge where a first violation is to end it, ended in order by signals.

use super::super::judging::ObjectArgs;
use super::super::progress::Teller;
use super::super::{Exit, Failed, follow, watchdog};
use super::arguments::RunArgs;
use crate::check::stream::News;
use crate::record::runner::{self, RunError, RunPlan, RunSummary};
use crate::record::system::SystemError;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Tells the watcher that the run is over, in whatever way it ends.
struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Records the history; whether a violation was seen meanwhile.
pub(super) fn record(
    arguments: &RunArgs,
    plan: &RunPlan<'_>,
    teller: &Teller,
    runtime: &Runtime,
    (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
) -> Result<(RunSummary, bool), Failed> {
    let over = AtomicBool::new(false);
    let found = |news: &News| {
        teller.phase("early", &follow::describe(news));
        // Nobody to tell: the run is over.
        let _ = stop.send(true);
    };
    let question = ObjectArgs::default().question(&arguments.judging);
    let (summary, watched) = std::thread::scope(|scope| {
        let ending = SetOnDrop(&over);
        let follower =
            arguments.fail_fast.then(|| scope.spawn(|| follow::watch(&plan.history, &question, &over, &found)));
        let tell = |progress| teller.hear(&progress);
        let summary = runtime.block_on(runner::run(plan, &tell, stopped)).map_err(failed);
        drop(ending);
        let watched = follower.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        (summary, watched.unwrap_or_default())
    });
    if let Some(why) = &watched.given_up {
        super::super::say(&format!("warning: --fail-fast did not judge to the end: {why}\n"));
    }
    Ok((summary?, watched.violated))
}

/// A wrong option of a system is wrong usage, whoever finds it; the rest is the environment's.
fn failed(error: RunError) -> Failed {
    let exit = match &error {
        RunError::System(SystemError::UnknownOption { .. } | SystemError::BadOption { .. }) => Exit::Usage,
        _ => Exit::Environment,
    };
    Failed::new(exit, error)
}

/// The first signal ends the run in order, or calls off its judgement; the second ends the process, and the kernel ends
/// its servers.
pub(super) async fn stop_on_signal(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        super::super::say("warning: signals cannot be caught here; Ctrl-C will end the run without its last lines\n");
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count > 0 {
            super::super::say("interrupted\n");
            #[expect(clippy::exit, reason = "the user has asked twice; child processes die with this one")]
            std::process::exit(Exit::Interrupted.code().into());
        }
        super::super::say("\ninterrupted: ending in order (once more to end at once)\n");
        watchdog::interrupt();
        // Once the system has been stopped nobody listens any more, and the judgement hears of it as above.
        let _ = stop.send(true);
    }
}
