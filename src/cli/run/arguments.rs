//! The options of `run`, how their values are read, and what they come to: a backend, work, claims.

use super::super::faults::FaultArgs;
use super::super::judging::JudgingArgs;
use super::super::progress::ProgressArg;
use super::super::{Failed, values};
use crate::record::clients::Clients;
use crate::record::policy::{BreakerPolicy, RetryPolicy};
use crate::record::system::{Backend, NodeId, ReadFrom, Secret, Tls};
use crate::workloads::keys::KeyChoice;
use crate::workloads::{Workload, WorkloadOptions};
use anyhow::Context;
use clap::Args;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest run and the longest operation: a year.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Operations a second: from one in a quarter of an hour to one in a nanosecond.
const RATES: RangeInclusive<f64> = 0.001..=1e9;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The system, or a scenario of consistory.toml, such as memory, redis:sentinel, etcd, 'redis?wait=1' (see `consistory list adapters`)
    #[arg(default_value = "memory")]
    pub(super) backend: String,
    /// What clients do (see `consistory list workloads`)
    #[arg(short, long, default_value = "register")]
    pub(super) workload: String,
    /// For how long (default: 5s, or until every fault has struck once)
    #[arg(short, long, value_parser = run_time, value_name = "DURATION")]
    pub(super) time: Option<Duration>,
    /// At most so many operations
    #[arg(long, value_name = "N")]
    pub(super) ops: Option<u64>,
    /// How many clients, each with one operation at a time
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) clients: u32,
    /// Operations a second of all clients together; latency counts from the scheduled time (default: as fast as it goes)
    #[arg(long, value_parser = rate, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// The seed of all random choices (default: drawn, and printed)
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Try a failed operation again, up to N times, after TIME, then twice that, and so on; each attempt is an operation of
    /// its own in the history
    #[arg(long, value_parser = retry, value_name = "N,TIME")]
    pub(super) retry: Option<RetryPolicy>,
    /// After N failed attempts in a row a client sends nothing for TIME, then one attempt to see
    #[arg(long, value_parser = breaker, value_name = "N,TIME")]
    pub(super) breaker: Option<BreakerPolicy>,
    /// The file with scenarios (default: consistory.toml in the working folder, if it is there)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(super) runs: PathBuf,
    /// Judge while recording and end the run at the first violation of linearizability
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto)]
    pub(super) progress: ProgressArg,
    #[command(flatten)]
    pub(super) faults: FaultArgs,
    #[command(flatten)]
    pub(super) work: WorkArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(super) struct WorkArgs {
    /// How many objects are in use at a time
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) keys: u64,
    /// After so many operations an object is replaced with a fresh one
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) ops_per_key: u64,
    /// How clients pick among the objects: uniform, zipf or zipf:EXPONENT
    #[arg(long, value_parser = key_choice, default_value = "uniform", value_name = "CHOICE")]
    pub(super) key_choice: KeyChoice,
    /// The share of reads
    #[arg(long, value_parser = share, default_value = "0.5", value_name = "0..1")]
    pub(super) read_share: f64,
    /// Values to write: unique, or so many different ones
    #[arg(long, value_parser = domain, default_value = "unique", value_name = "unique|N")]
    pub(super) values: Domain,
    /// After so many operations each client moves to the next node and stays the same client; 0: clients stay where they
    /// are (default: what the workload says)
    #[arg(long, value_name = "N")]
    pub(super) hop: Option<u32>,
    /// How long a lock is held at most
    #[arg(long, value_parser = run_time, default_value = "100ms", value_name = "DURATION")]
    pub(super) hold: Duration,
    /// The bound on one operation; what has not answered by then is of unknown outcome
    #[arg(long, value_parser = run_time, default_value = "1s", value_name = "DURATION")]
    pub(super) timeout: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "System")]
pub(super) struct ClusterArgs {
    /// Use this existing cluster; only keys below a prefix of the run are touched
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub(super) nodes: Vec<String>,
    /// A setting of the adapter, such as wait=1 (see `consistory list adapters`)
    #[arg(long = "set", value_parser = values::setting, value_name = "NAME=VALUE")]
    pub(super) settings: Vec<(String, String)>,
    /// How reads are made, where the adapter has a choice: short for --set reads=…
    #[arg(long, value_name = "HOW")]
    pub(super) read: Option<String>,
    /// Which node answers: default, primary, replica, any, or a node's number from 1
    #[arg(long, value_parser = read_from, default_value = "default", value_name = "NODE")]
    pub(super) read_from: ReadFrom,
    /// User name at an existing cluster
    #[arg(long, env = "CONSISTORY_USER")]
    pub(super) user: Option<String>,
    /// Password at an existing cluster; better in the environment than on the command line
    #[arg(long, env = "CONSISTORY_PASSWORD", hide_env_values = true)]
    pub(super) password: Option<Secret>,
    /// Speak TLS to an existing cluster
    #[arg(long)]
    pub(super) tls: bool,
    /// The certificates to trust, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(super) tls_ca: Option<PathBuf>,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The client's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(super) tls_key: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, requires = "tls")]
    pub(super) tls_insecure: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Domain(Option<u64>);

fn domain(text: &str) -> Result<Domain, String> {
    if text == "unique" {
        return Ok(Domain(None));
    }
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .map(|n| Domain(Some(n)))
        .ok_or_else(|| "write unique, or a number of values".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "write a number from 0 to 1".into())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| RATES.contains(rate)).ok_or_else(|| "write a number from 0.001 to 1e9".into())
}

/// Reads `N,TIME`, both more than nothing.
fn counted_time(text: &str) -> Result<(u32, Duration), String> {
    let (count, time) = text.split_once(',').ok_or("write a number and a time, such as 5,1s")?;
    let count = count.trim().parse().ok().filter(|&count| count > 0).ok_or("write a number from 1, then a time")?;
    let time = run_time(time.trim())?;
    if time.is_zero() { Err("the time is more than 0".into()) } else { Ok((count, time)) }
}

fn retry(text: &str) -> Result<RetryPolicy, String> {
    counted_time(text).map(|(times, first)| RetryPolicy { times, first })
}

fn breaker(text: &str) -> Result<BreakerPolicy, String> {
    counted_time(text).map(|(failures, rest)| BreakerPolicy { failures, rest })
}

/// A duration that a run can last.
fn run_time(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if time <= TIME_MAX { Ok(time) } else { Err("365 days (8760h) are the most".into()) }
}

fn key_choice(text: &str) -> Result<KeyChoice, String> {
    match text.split_once(':') {
        None if text == "uniform" => Ok(KeyChoice::Uniform),
        None if text == "zipf" => Ok(KeyChoice::Zipf(1.0)),
        Some(("zipf", exponent)) => exponent
            .parse()
            .ok()
            .filter(|&exponent| exponent > 0.0 && f64::is_finite(exponent))
            .map(KeyChoice::Zipf)
            .ok_or_else(|| "the exponent is a number above 0".into()),
        _ => Err("write uniform, zipf or zipf:EXPONENT".into()),
    }
}

fn read_from(text: &str) -> Result<ReadFrom, String> {
    match text {
        "default" => Ok(ReadFrom::Default),
        "primary" | "leader" => Ok(ReadFrom::Primary),
        "replica" | "follower" => Ok(ReadFrom::Replica),
        "any" => Ok(ReadFrom::Any),
        number => number
            .parse::<u16>()
            .ok()
            .filter(|&number| number > 0)
            .map(|number| ReadFrom::Node(NodeId(number - 1)))
            .ok_or_else(|| "write default, primary, replica, any, or a node's number from 1".into()),
    }
}

pub(super) fn backend(arguments: &RunArgs, run: &str, folder: &Path, seed: u64) -> Result<Backend, Failed> {
    let (name, query) = arguments.backend.split_once('?').unwrap_or((&arguments.backend, ""));
    let (system, topology) = name.split_once(':').unwrap_or((name, ""));
    let mut options = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        options.push(values::setting(pair).map_err(Failed::usage)?);
    }
    let cluster = &arguments.cluster;
    options.extend(cluster.settings.iter().cloned());
    options.extend(cluster.read.iter().map(|how| ("reads".to_owned(), how.clone())));
    let tls = cluster.tls.then(|| Tls {
        ca: cluster.tls_ca.clone(),
        certificate: cluster.tls_cert.clone(),
        key: cluster.tls_key.clone(),
        insecure: cluster.tls_insecure,
    });
    // Servers run in folders of their own: a relative path would mean something else to them.
    let folder = std::path::absolute(folder).context("the current folder is gone").map_err(Failed::environment)?;
    Ok(Backend {
        system: system.to_owned(),
        topology: topology.to_owned(),
        options,
        nodes: cluster.nodes.clone(),
        read_from: cluster.read_from,
        user: cluster.user.clone(),
        password: cluster.password.clone(),
        tls,
        prefix: format!("consistory-{run}/"),
        folder,
        network: None,
        links: None,
        means: arguments.faults.means(),
        clients: Clients::default(),
        timeout: arguments.work.timeout,
        seed,
    })
}

pub(super) fn work(arguments: &RunArgs, seed: u64) -> WorkloadOptions {
    let work = &arguments.work;
    WorkloadOptions {
        keys: work.keys,
        ops_per_key: work.ops_per_key,
        choice: work.key_choice,
        clients: arguments.clients.into(),
        read_share: work.read_share,
        values: work.values.0,
        hold: work.hold,
        seed,
    }
}

pub(super) fn claims(arguments: &RunArgs, workload: &dyn Workload) -> Vec<String> {
    let asked = arguments.judging.claims();
    if asked.is_empty() {
        workload.info().claims.iter().map(|&claim| claim.to_owned()).collect()
    } else {
        asked.iter().map(|claim| claim.name().to_owned()).collect()
    }
}
