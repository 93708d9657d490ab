//! The command line: one file a subcommand. Everything that is printed or exits starts here.

mod check;
mod completions;
mod doctor;
pub mod exit_code;
mod explain;
mod follow;
mod generate;
mod judging;
mod list;
mod man;
mod progress;
mod run;
mod schema;
mod values;
mod watchdog;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use exit_code::Exit;
use std::io::Write;
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    match cli.talk.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    let result = match &cli.command {
        Command::Run(arguments) => run::run(arguments, cli.talk.quiet),
        Command::Check(arguments) => check::check(arguments, cli.talk.quiet),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Gen(arguments) => generate::run(arguments),
        Command::List(arguments) => list::list(arguments),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Schema => schema::schema(),
        Command::Completions(arguments) => completions::completions(arguments),
        Command::Man(arguments) => man::man(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure).into(),
    }
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

    fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Environment, error)
    }
}

fn report(failure: &Failed) -> Exit {
    if is_broken_pipe(&failure.error) {
        // The reader has seen enough (`consistory list | head`).
        return Exit::Holds;
    }
    say(&format!("consistory: {:#}\n", failure.error));
    failure.exit
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().any(|cause| of(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

/// Prints a result to standard output.
fn print(text: &str) -> Result<(), Failed> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failed::environment)
}

/// Says something to standard error. If nobody listens there, there is nobody to tell.
fn say(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// The command line's own description, for completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}
