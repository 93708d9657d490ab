//! `consistory doctor`: what this machine can run, and what to install for the rest.

use super::heal::journals;
use super::{Exit, Failed, Format};
use crate::adapters;
use crate::record::cluster::network;
use crate::record::faults::need::Need;
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
    /// What faults need, and what keeps it from being there, if anything does.
    needs: Vec<(Need, Option<String>)>,
    /// What keeps nodes from running in namespaces, if anything does.
    no_network: Option<String>,
    /// What killed runs have left.
    left_over: Vec<String>,
}

impl FaultCheckup {
    fn examine(runs: &Path) -> Result<Self, Failed> {
        let mut left_over = Vec::new();
        for path in journals(runs).map_err(Failed::environment)? {
            left_over.extend(journal::left_over(&path).map_err(Failed::environment)?);
        }
        let needs = Need::ALL.map(|need| (need, need.missing())).to_vec();
        Ok(Self { needs, no_network: network::missing_means(), left_over })
    }

    /// Whether they can act, the names of faults, and by what means or why not: a line for each means.
    fn lines(&self) -> Vec<(bool, String, String)> {
        let names = |of: &dyn Fn(&dyn Fault) -> bool| {
            let names: Vec<_> =
                faults::all().iter().filter(|fault| of(**fault)).map(|fault| fault.info().name).collect();
            names.join(", ")
        };
        let mut lines = Vec::new();
        for (need, missing) in &self.needs {
            let (of_need, on_links) =
                (|fault: &dyn Fault| fault.needs() == *need, |fault: &dyn Fault| fault.acts_on_links());
            match (need, missing, &self.no_network) {
                (Need::Network, _, Some(why)) => {
                    let how = format!("a proxy for each node, since namespaces cannot be had: {why}");
                    lines.push((true, names(&|fault| of_need(fault) && on_links(fault)), how));
                    lines.push((false, names(&|fault| of_need(fault) && !on_links(fault)), why.clone()));
                }
                (Need::Network, _, None) => {
                    lines.push((true, names(&of_need), "a network namespace for each node, nftables".into()));
                }
                (_, Some(why), _) => lines.push((false, names(&of_need), why.clone())),
                (_, None, _) => lines.push((true, names(&of_need), need.about().to_owned())),
            }
        }
        lines
    }

    fn text(&self) -> String {
        let mut out = String::from("\nfaults      ");
        for (place, (can_act, names, how)) in self.lines().iter().enumerate() {
            let (indent, mark) = (if place == 0 { "" } else { "            " }, if *can_act { '✓' } else { '–' });
            let _ = writeln!(out, "{indent} {mark} {names}: {how}");
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
    let names = |of: &dyn Fn(&dyn Fault) -> bool| {
        faults::all().iter().filter(|fault| of(**fault)).map(|fault| fault.info().name).collect::<Vec<_>>()
    };
    let mut means = serde_json::Map::new();
    for (need, missing) in faults.needs.iter().filter(|(need, _)| *need != Need::Network) {
        let of = names(&|fault| fault.needs() == *need);
        means.insert(need.name().into(), json!({"can_act": missing.is_none(), "why_not": missing, "faults": of}));
    }
    let no_network = &faults.no_network;
    let packets = names(&|fault| fault.needs() == Need::Network);
    let namespaces = json!({"can_act": no_network.is_none(), "why_not": no_network, "faults": packets});
    let streams = names(&|fault| fault.acts_on_links());
    let proxies = json!({"can_act": true, "taken": no_network.is_some(), "faults": streams});
    means.extend([("namespaces".to_owned(), namespaces), ("proxies".to_owned(), proxies)]);
    format!("{:#}\n", json!({"adapters": rows, "faults": means, "left_over": faults.left_over}))
}
