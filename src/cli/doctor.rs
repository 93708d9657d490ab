//! `consistory doctor`: what this machine can run, and what to install for the rest.

use super::heal::journals;
use super::{Exit, Failed, Format};
use crate::adapters;
use crate::record::cluster::network;
use crate::record::faults::{self, Fault, journal};
use crate::record::system::{AdapterInfo, Program};
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Where runs are kept
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    runs: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What was found of one adapter's programs.
struct Checkup {
    info: &'static AdapterInfo,
    found: Vec<(Program, Option<PathBuf>)>,
}

impl Checkup {
    fn can_run(&self) -> bool {
        self.found.iter().all(|(_, path)| path.is_some())
    }

    fn missing_packages(&self) -> Vec<&'static str> {
        let mut packages: Vec<_> =
            self.found.iter().filter(|(_, path)| path.is_none()).map(|(program, _)| program.package).collect();
        packages.dedup();
        packages
    }
}

/// What was found about faults.
struct FaultCheckup {
    /// What keeps nodes from running in namespaces, if anything does.
    no_network: Option<String>,
    /// What killed runs have left.
    left_over: Vec<String>,
}

/// By which means a fault acts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Signals,
    Commands,
    Namespaces,
    Proxies,
}

impl By {
    /// The means that would be taken, if there are any.
    fn of(fault: &dyn Fault, has_network: bool) -> Option<Self> {
        match fault.info().needs_network {
            false if fault.acts_on_existing() => Some(Self::Commands),
            false => Some(Self::Signals),
            true if has_network => Some(Self::Namespaces),
            true => fault.acts_on_links().then_some(Self::Proxies),
        }
    }
}

impl FaultCheckup {
    fn examine(runs: &Path) -> Result<Self, Failed> {
        let mut left_over = Vec::new();
        for path in journals(runs).map_err(Failed::environment)? {
            left_over.extend(journal::left_over(&path).map_err(Failed::environment)?);
        }
        Ok(Self { no_network: network::missing_means(), left_over })
    }

    /// The names of the faults that this machine makes act by those means; `None` for those without.
    fn names(&self, wanted: Option<By>) -> Vec<&'static str> {
        let of = |fault: &&&dyn Fault| By::of(**fault, self.no_network.is_none()) == wanted;
        faults::all().iter().filter(of).map(|fault| fault.info().name).collect()
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let no_network = self.no_network.as_deref().unwrap_or_default();
        for (wanted, how) in [
            (Some(By::Signals), "signals to the servers of a run".to_owned()),
            (Some(By::Commands), "your own commands, also on existing clusters (--fault-cmd, --heal-cmd)".to_owned()),
            (Some(By::Namespaces), "a network namespace for each node, nftables".to_owned()),
            (Some(By::Proxies), format!("a proxy for each node, since namespaces cannot be had: {no_network}")),
            (None, no_network.to_owned()),
        ] {
            let names = self.names(wanted).join(", ");
            let mark = if wanted.is_some() { '✓' } else { '–' };
            let head = if out.is_empty() { "\nfaults" } else { "" };
            if !names.is_empty() {
                let width = 12 + usize::from(out.is_empty());
                let _ = writeln!(out, "{head:<width$} {mark} {names}: {how}");
            }
        }
        let left = if self.left_over.is_empty() { "nothing".into() } else { self.left_over.join(", ") };
        let hint = if self.left_over.is_empty() { "" } else { " (consistory heal)" };
        let _ = writeln!(out, "left over    {left}{hint}");
        out
    }
}

pub(super) fn doctor(arguments: &DoctorArgs) -> Result<Exit, Failed> {
    let checkups: Vec<Checkup> = adapters::all().iter().map(|adapter| examine(adapter.info())).collect();
    let faults = FaultCheckup::examine(&arguments.runs)?;
    let text = match arguments.format {
        Format::Text => text(&checkups, &faults),
        Format::Json => document(&checkups, &faults),
    };
    super::print(&text)?;
    Ok(Exit::Holds)
}

fn examine(info: &'static AdapterInfo) -> Checkup {
    Checkup { info, found: info.programs.iter().map(|program| (*program, locate(program.name))).collect() }
}

/// The program in `PATH`, or the file of that path.
fn locate(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The first line of what a program says about its version.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

fn text(checkups: &[Checkup], faults: &FaultCheckup) -> String {
    let mut out = String::new();
    for checkup in checkups {
        let name = checkup.info.name;
        if checkup.can_run() {
            let mut versions: Vec<String> =
                checkup.found.iter().filter_map(|(_, path)| version(path.as_deref()?)).collect();
            versions.dedup();
            let versions = if versions.is_empty() { "built in".to_owned() } else { versions.join(" · ") };
            let _ = writeln!(out, "✓ {name:<10} {versions}");
        } else {
            let packages = checkup.missing_packages().join(" ");
            let _ =
                writeln!(out, "– {name:<10} not installed: apt-get install {packages} (or give --nodes host:port,…)");
        }
    }
    out.push_str(&faults.text());
    let budget = super::values::default_bytes() >> 20;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or("unlimited".to_owned(), |files| files.to_string());
    let _ = writeln!(out, "limits       {cores} cores · {files} open files · default budget 60 s, {budget} MiB");
    out
}

fn document(checkups: &[Checkup], faults: &FaultCheckup) -> String {
    let rows: Vec<_> = checkups
        .iter()
        .map(|checkup| json!({"adapter": checkup.info.name, "can_run": checkup.can_run(), "missing": checkup.missing_packages()}))
        .collect();
    let on_links = faults::all().iter().filter(|fault| fault.acts_on_links()).map(|fault| fault.info().name);
    let on_network = faults::all().iter().map(|fault| fault.info()).filter(|info| info.needs_network);
    let means = json!({
        "signals": {"can_act": true, "faults": faults.names(Some(By::Signals))},
        "commands": {"can_act": true, "faults": faults.names(Some(By::Commands))},
        "namespaces": {
            "can_act": faults.no_network.is_none(),
            "why_not": faults.no_network,
            "faults": on_network.map(|info| info.name).collect::<Vec<_>>(),
        },
        "proxies": {
            "can_act": true,
            "taken": faults.no_network.is_some(),
            "faults": on_links.collect::<Vec<_>>(),
        },
    });
    format!("{:#}\n", json!({"adapters": rows, "faults": means, "left_over": faults.left_over}))
}
