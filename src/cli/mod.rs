//! The command line: one file a subcommand. Everything that is printed or exits starts here.

mod check;
mod completions;
mod doctor;
pub mod exit_code;
mod explain;
mod faults;
mod follow;
mod generate;
mod heal;
mod judging;
mod list;
mod man;
mod progress;
mod run;
mod schema;
mod thresholds;
mod vacuity;
mod values;
mod watchdog;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use exit_code::Exit;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Finds out what a distributed store really promises: records workloads against real clusters and judges their
/// histories.
#[derive(Debug, Parser)]
#[command(name = "consistory", version, max_term_width = 110, propagate_version = true, after_help = exit_code::help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    talk: Talk,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive a system, record what happens, judge the history
    Run(Box<run::RunArgs>),
    /// Do a run again: same backend, workload, seed, schedule and options
    Rerun(run::RerunArgs),
    /// Judge recorded histories
    Check(check::CheckArgs),
    /// Explain one object's verdict: the counterexample, or an order
    Explain(explain::ExplainArgs),
    /// Make up a history from a seed: linearizable, or with one planted violation
    Gen(generate::GenArgs),
    /// List adapters, workloads, models, claims or formats
    List(list::ListArgs),
    /// Say what this machine can run
    Doctor(doctor::DoctorArgs),
    /// Undo what killed runs have left on this machine
    Heal(heal::HealArgs),
    /// Print the schema of the history format
    Schema,
    /// Print shell completions
    Completions(completions::CompletionsArgs),
    /// Write the man pages to a folder
    Man(man::ManArgs),
}

/// Options of every command about what is said and how.
#[derive(Clone, Debug, Args)]
struct Talk {
    /// When to use colours; `NO_COLOR` beats `CLICOLOR_FORCE` beats CLICOLOR
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
    /// Say only the verdict
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Parses the command line, does what it says, and chooses the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let read = Cli::command().try_get_matches_from(&words);
    let read = read.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let (cli, matches) = match read {
        Ok(read) => read,
        Err(error) => return usage(&error).into(),
    };
    match cli.talk.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    guarded(|| obey(&cli, &matches, &words)).unwrap_or_else(|failure| report(&failure)).into()
}

fn obey(cli: &Cli, matches: &ArgMatches, words: &[OsString]) -> Result<Exit, Failed> {
    match &cli.command {
        Command::Run(arguments) => {
            let matches = matches.subcommand_matches("run").expect("it is the command");
            run::run(arguments, matches, words, cli.talk.quiet)
        }
        Command::Rerun(arguments) => run::rerun(arguments, cli.talk.quiet),
        Command::Check(arguments) => check::check(arguments, cli.talk.quiet),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Gen(arguments) => generated(arguments),
        Command::List(arguments) => list::list(arguments),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Heal(arguments) => heal::heal(arguments),
        Command::Schema => schema::schema(),
        Command::Completions(arguments) => completions::completions(arguments),
        Command::Man(arguments) => man::man(arguments),
    }
}

/// A panic is a defect of this program and ends it like one; Rust's own status for it, 101, means nothing to scripts.
/// What panicked and where has been printed by then.
fn guarded(command: impl FnOnce() -> Result<Exit, Failed>) -> Result<Exit, Failed> {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        let message = "internal error: this is a defect of consistory, please report it with the message above, the \
                       command line and the history";
        Err(Failed::new(Exit::Internal, anyhow::Error::msg(message)))
    })
}

/// Prints help or a usage error. clap's own status for a wrong usage is 2, which means undecided here.
fn usage(error: &clap::Error) -> Exit {
    // Nothing can be said if the stream is closed.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Holds }
}

/// A failed command: what to say and how to exit.
#[derive(Debug)]
struct Failed {
    exit: Exit,
    error: anyhow::Error,
}

impl Failed {
    fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, anyhow::Error::msg(message.into()))
    }

    /// A command line that clap refuses: its own words, without the usage.
    fn command_line(error: &clap::Error) -> Self {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        Self::usage(first.strip_prefix("error: ").unwrap_or(first))
    }

    fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Environment, error)
    }
}

fn report(failure: &Failed) -> Exit {
    say(&format!("consistory: {:#}\n", failure.error));
    failure.exit
}

/// Makes up a history. Without an output file it writes to nothing but standard output, so that there a broken pipe is
/// a reader who has seen enough (`consistory gen | head`).
fn generated(arguments: &generate::GenArgs) -> Result<Exit, Failed> {
    let of = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    match generate::run(arguments) {
        Err(failure)
            if arguments.output.is_none()
                && failure.error.chain().any(|cause| of(cause) == Some(io::ErrorKind::BrokenPipe)) =>
        {
            Ok(Exit::Holds)
        }
        result => result,
    }
}

/// Prints a result to standard output. A reader that goes away has seen enough and changes nothing about how the
/// command ends: a violation stays one (`consistory check FILE | head -1`).
fn print(text: &str) -> Result<(), Failed> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failed::environment),
    }
}

/// Says something to standard error. If nobody listens there, there is nobody to tell.
fn say(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// The command line's own description, for completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_to_anything_but_standard_output_is_an_error() {
        let failure = Failed::environment(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&failure), Exit::Environment);
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        let failure = guarded(|| panic!("this test panics on purpose")).expect_err("the command panicked");
        assert_eq!(failure.exit, Exit::Internal);
        assert!(failure.error.to_string().contains("report"), "{}", failure.error);
        assert_eq!(guarded(|| Ok(Exit::Violated)).expect("no panic"), Exit::Violated);
    }
}
