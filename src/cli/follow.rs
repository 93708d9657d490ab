//! Judging a history file while somebody writes it: early news for `check --follow` and `run --fail-fast`.
//!
//! What is said here is news and no verdict. The verdict comes from the ordinary judgement of the whole file, and where
//! that one finds nothing although the stream did, this program is at fault and says so.

use super::exit_code::Exit;
use super::{Failed, values};
use crate::check::judge::Question;
use crate::check::stream::{Conflict, News, StreamJudge, What};
use crate::history::formats::consistory::Tail;
use crate::report::{counted, grouped};
use anyhow::Context;
use clap::Args;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a file that does not grow is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often it is told how far the judgement is.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(next_help_heading = "Following")]
pub(super) struct FollowArgs {
    /// Judge the history while it is written (plain JSON Lines of consistory), then once more when it is whole
    #[arg(long)]
    pub(super) follow: bool,
    /// The history is whole when it has not grown for so long; Ctrl-C ends following too
    #[arg(long, value_parser = values::duration, default_value = "10s", value_name = "DURATION", requires = "follow")]
    pub(super) until_idle: Duration,
}

/// What the stream makes of the file.
enum Judging {
    /// The first line is not whole yet.
    NotBegun,
    Judged(Box<StreamJudge>),
    /// Nothing more is judged before the file is whole.
    Ended,
}

/// A file that grows, with its judge.
pub(super) struct Follower {
    file: File,
    position: u64,
    buffer: Vec<u8>,
    tail: Tail,
    question: Question,
    judging: Judging,
}

/// What one look at the file brought.
#[derive(Default)]
pub(super) struct Look {
    /// So many bytes more.
    pub(super) bytes: usize,
    /// News of objects.
    pub(super) news: Vec<News>,
    /// Why nothing more is judged before the file is whole.
    pub(super) given_up: Option<String>,
    /// Whether nothing that may still be written can make it a history.
    pub(super) broken: bool,
}

impl Follower {
    /// Opens the file.
    pub(super) fn open(path: &Path, question: Question) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let (tail, judging) = (Tail::new(), Judging::NotBegun);
        Ok(Self { file, position: 0, buffer: vec![0; READ_BYTES], tail, question, judging })
    }

    /// Reads and judges what there is more, at most [`READ_BYTES`].
    pub(super) fn look(&mut self) -> std::io::Result<Look> {
        let bytes = loop {
            match self.file.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let mut look = Look { bytes, ..Look::default() };
        self.position += bytes as u64;
        if bytes > 0 && !matches!(self.judging, Judging::Ended) {
            self.judge(bytes, &mut look);
        }
        if look.given_up.is_some() {
            self.judging = Judging::Ended;
        }
        Ok(look)
    }

    /// Nothing follows.
    pub(super) fn end(&mut self) -> Vec<News> {
        match &mut self.judging {
            // What is wrong with the file is said by whoever reads the whole of it.
            Judging::Judged(judge) => judge.end().unwrap_or_default(),
            Judging::NotBegun | Judging::Ended => Vec::new(),
        }
    }

    /// Judges what was read last.
    fn judge(&mut self, bytes: usize, look: &mut Look) {
        let batch = match self.tail.feed(&self.buffer[..bytes]) {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => {
                look.broken = true;
                // The judgement of the whole file says what is wrong, and how to repair it.
                let place = error.place.map_or_else(|| "the file".to_owned(), |place| format!("line {}", place.line));
                look.given_up = Some(format!("{place} cannot be read"));
                return;
            }
        };
        if matches!(self.judging, Judging::NotBegun) {
            let header = self.tail.header().cloned().unwrap_or_default();
            match StreamJudge::new(&header, &self.question) {
                Ok(judge) => self.judging = Judging::Judged(Box::new(judge)),
                Err(why) => look.given_up = Some(why.to_string()),
            }
        }
        let Judging::Judged(judge) = &mut self.judging else { return };
        match judge.take(&batch) {
            Ok(news) => look.news = news,
            Err(error) => look.given_up = Some(error.to_string()),
        }
    }

    /// How far the judgement is, in a few words.
    fn progress(&self) -> Option<String> {
        let Judging::Judged(judge) = &self.judging else { return None };
        let length = self.file.metadata().map_or(self.position, |file| file.len());
        let behind = length.saturating_sub(self.position);
        let mut text = format!(
            "{} judged, {} KiB behind, {} of {} violated",
            counted(judge.operations(), "operation"),
            grouped(behind.div_ceil(1024)),
            judge.violated(),
            counted(judge.objects() as u64, "object")
        );
        if judge.unjudged() > 0 {
            let _ = write!(text, ", {} left to the end", judge.unjudged());
        }
        Some(text)
    }

    /// Whether the file has become shorter than what was read of it.
    fn was_cut(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.len() < self.position)
    }
}

/// One piece of news, for people.
pub(super) fn describe(news: &News) -> String {
    let object = news.key.as_ref().map_or(String::new(), |key| format!(" key {key}:"));
    match news.what {
        What::Violated(conflict) => format!(
            "✗ linearizable,{object} {conflict} (line {}, after {})",
            news.line,
            counted(news.operations, "operation")
        ),
        What::Unjudged(why) => {
            format!("?{object} {why} (line {}): left to the judgement of the whole history", news.line)
        }
    }
}

/// Follows a file until it does not grow any more. Whether a violation was seen.
pub(super) fn follow(path: &Path, arguments: &FollowArgs, question: Question, quiet: bool) -> Result<bool, Failed> {
    let opening = || format!("cannot open {}", path.display());
    expect_plain(path)?;
    let mut follower = Follower::open(path, question).with_context(opening).map_err(Failed::environment)?;
    let say = |text: &str| {
        if !quiet {
            super::say(&format!("follow   {text}\n"));
        }
    };
    let interrupted = on_interrupt();
    let (mut grown, mut told) = (Instant::now(), Instant::now());
    let (mut violated, mut kinds) = (false, Kinds::default());
    loop {
        let look = follower.look().with_context(opening).map_err(Failed::environment)?;
        violated |= kinds.tell(&look.news, &say);
        if let Some(why) = &look.given_up {
            say(&format!("{why}; {}", if look.broken { "no further" } else { "waiting for the whole history" }));
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            follower.progress().iter().for_each(|text| say(text));
        }
        if look.bytes > 0 {
            grown = Instant::now();
        }
        if look.broken || interrupted.load(Ordering::Relaxed) || grown.elapsed() >= arguments.until_idle {
            break;
        }
        if look.bytes == 0 {
            if follower.was_cut() {
                say("the file has become shorter; judging what there is");
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    violated |= kinds.tell(&follower.end(), &say);
    follower.progress().iter().for_each(|text| say(text));
    Ok(violated)
}

/// Which kinds of violation were told: the first of each is.
#[derive(Default)]
struct Kinds {
    conflicts: BTreeSet<Conflict>,
    unjudged: BTreeSet<&'static str>,
}

impl Kinds {
    /// Tells what is new of its kind; whether anything is violated.
    fn tell(&mut self, news: &[News], say: &dyn Fn(&str)) -> bool {
        let mut violated = false;
        for one in news {
            let first = match one.what {
                What::Violated(conflict) => {
                    violated = true;
                    self.conflicts.insert(conflict)
                }
                What::Unjudged(why) => self.unjudged.insert(why),
            };
            if first {
                say(&describe(one));
            }
        }
        violated
    }
}

/// Only what can be read from any place on can be followed.
fn expect_plain(path: &Path) -> Result<(), Failed> {
    let refuse = |what: &str| {
        let name = path.display();
        Err(Failed::usage(format!("{name} is {what}; --follow reads plain files of the format 'consistory' only")))
    };
    let mut magic = [0; 4];
    let doing = || format!("cannot read {}", path.display());
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).with_context(doing).map_err(Failed::environment)?.is_file() {
        return refuse("no plain file");
    }
    let mut file = File::open(path).with_context(doing).map_err(Failed::environment)?;
    let len = file.read(&mut magic).with_context(doing).map_err(Failed::environment)?;
    match &magic[..len] {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] => refuse("compressed"),
        [] | [b'{' | 0xef, ..] => Ok(()),
        _ => refuse("of another format"),
    }
}

/// Says that the judgement of the whole must confirm what the stream saw.
pub(super) fn confirm(violated_early: bool, exit: Exit) -> Result<Exit, Failed> {
    match exit {
        Exit::Holds | Exit::Vacuous | Exit::Thresholds if violated_early => Err(Failed::new(
            Exit::Internal,
            anyhow::Error::msg(
                "the judgement of the whole history does not confirm the violation seen while it grew; this is a \
                 defect of consistory, please report it with the history",
            ),
        )),
        _ => Ok(exit),
    }
}

/// Turns true with the first interrupt; the second one ends the process.
fn on_interrupt() -> Arc<AtomicBool> {
    use tokio::signal::unix::{SignalKind, signal};
    let flag = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&flag);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if interrupted.swap(true, Ordering::Relaxed) {
                    super::say("interrupted\n");
                    #[expect(clippy::exit, reason = "the user has asked twice; nothing is left to be kept")]
                    std::process::exit(Exit::Interrupted.code().into());
                }
                super::say("\ninterrupted: judging what there is (once more to stop at once)\n");
            }
        });
    });
    flag
}

/// Watches a history that this process records, until `done`; calls `found` at the first violation and ends then.
pub(super) fn watch(path: &Path, question: &Question, done: &AtomicBool, found: &dyn Fn(&News)) -> Watched {
    let mut follower = None;
    let mut watched = Watched::default();
    // What is in the file when the run is over is left to the judgement of the whole.
    while !done.load(Ordering::Acquire) {
        if follower.is_none() {
            // It is not there before the system is ready.
            follower = Follower::open(path, question.clone()).ok();
        }
        let look = match &mut follower {
            Some(follower) => {
                follower.look().unwrap_or_else(|error| Look { given_up: Some(error.to_string()), ..Look::default() })
            }
            None => Look::default(),
        };
        watched.given_up = watched.given_up.or(look.given_up);
        if let Some(news) = look.news.iter().find(|news| matches!(news.what, What::Violated(_))) {
            found(news);
            watched.violated = true;
        }
        if watched.violated || watched.given_up.is_some() {
            break;
        }
        if look.bytes == 0 {
            std::thread::sleep(LOOK_EVERY);
        }
    }
    watched
}

/// What watching came to.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Whether a violation was seen.
    pub(super) violated: bool,
    /// Why it was not judged to the end.
    pub(super) given_up: Option<String>,
}
