//! `consistory doctor`: what this machine can run, and what to install for the rest.

use super::heal::journals;
use super::{Exit, Failed, Format};
use crate::adapters;
use crate::record::faults::means::Means;
use crate::record::faults::{self, journal};
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
    /// By what faults act, and what keeps it from being there, if anything does.
    means: Vec<(Means, Option<String>)>,
    /// What killed runs have left.
    left_over: Vec<String>,
}

impl FaultCheckup {
    fn examine(runs: &Path) -> Result<Self, Failed> {
        let mut left_over = Vec::new();
        for path in journals(runs).map_err(Failed::environment)? {
            left_over.extend(journal::left_over(&path).map_err(Failed::environment)?);
        }
        Ok(Self { means: Means::ALL.map(|means| (means, means.missing())).to_vec(), left_over })
    }

    /// The names of the faults that act by those means.
    fn names(means: Means) -> Vec<&'static str> {
        faults::all().iter().filter(|fault| fault.means() == means).map(|fault| fault.info().name).collect()
    }

    fn text(&self) -> String {
        let mut out = String::from("\nfaults      ");
        for (place, (means, missing)) in self.means.iter().enumerate() {
            let (indent, names) = (if place == 0 { "" } else { "            " }, Self::names(*means).join(", "));
            let _ = match missing {
                None => writeln!(out, "{indent} ✓ {names}: {}", means.about()),
                Some(why) => writeln!(out, "{indent} – {names}: {why}"),
            };
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
    let means: serde_json::Map<String, serde_json::Value> = faults
        .means
        .iter()
        .map(|(means, missing)| {
            let row = json!({"can_act": missing.is_none(), "why_not": missing, "faults": FaultCheckup::names(*means)});
            (means.name().to_owned(), row)
        })
        .collect();
    format!("{:#}\n", json!({"adapters": rows, "faults": means, "left_over": faults.left_over}))
}
