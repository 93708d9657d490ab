//! `consistory list`: the catalogues, from the lists that the program itself uses.

use super::{Exit, Failed, Format};
use crate::check::guarantee::ClaimInfo;
use crate::record::faults;
use crate::{adapters, check, history::formats, workloads};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Which catalogue
    #[arg(value_enum, default_value_t = Catalogue::All)]
    what: Catalogue,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Catalogue {
    All,
    Adapters,
    Workloads,
    Models,
    Claims,
    Formats,
    Faults,
}

/// One line of a catalogue, with lines of detail below it.
struct Row {
    name: String,
    about: String,
    detail: Vec<(String, String)>,
}

pub(super) fn list(arguments: &ListArgs) -> Result<Exit, Failed> {
    let wanted: Vec<(&str, Vec<Row>)> = [
        (Catalogue::Adapters, "adapters", adapters as fn() -> Vec<Row>),
        (Catalogue::Workloads, "workloads", workloads),
        (Catalogue::Models, "models", models),
        (Catalogue::Claims, "claims", claims),
        (Catalogue::Formats, "formats", history_formats),
        (Catalogue::Faults, "faults", faults),
    ]
    .into_iter()
    .filter(|(which, ..)| arguments.what == Catalogue::All || arguments.what == *which)
    .map(|(_, title, rows)| (title, rows()))
    .collect();
    let text = match arguments.format {
        Format::Text => text(&wanted, arguments.what == Catalogue::All),
        Format::Json => document(&wanted),
    };
    super::print(&text)?;
    Ok(Exit::Holds)
}

fn text(catalogues: &[(&str, Vec<Row>)], brief: bool) -> String {
    let mut out = String::new();
    for (title, rows) in catalogues {
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let _ = writeln!(out, "{title}");
        for row in rows {
            let _ = writeln!(out, "  {:<width$}  {}", row.name, row.about);
            for (name, about) in row.detail.iter().filter(|_| !brief) {
                let _ = writeln!(out, "  {:<width$}    {name}: {about}", "");
            }
        }
    }
    if brief {
        out.push_str("\nmore of each: consistory list adapters, list workloads, …\n");
    }
    out
}

fn document(catalogues: &[(&str, Vec<Row>)]) -> String {
    let row = |row: &Row| {
        let detail: Vec<Value> = row.detail.iter().map(|(name, about)| json!({"name": name, "about": about})).collect();
        json!({"name": row.name, "about": row.about, "detail": detail})
    };
    let catalogues: serde_json::Map<String, Value> =
        catalogues.iter().map(|(title, rows)| ((*title).to_owned(), rows.iter().map(row).collect())).collect();
    format!("{:#}\n", Value::Object(catalogues))
}

fn adapters() -> Vec<Row> {
    let rows = adapters::all().iter().map(|adapter| {
        let info = adapter.info();
        let mut detail: Vec<(String, String)> = Vec::new();
        for topology in info.topologies {
            let name = if topology.name.is_empty() {
                info.name.to_owned()
            } else {
                format!("{}:{}", info.name, topology.name)
            };
            detail.push((name, topology.about.to_owned()));
        }
        for option in info.options {
            let about = format!("{} ({}; default {})", option.about, option.values, option.default);
            detail.push((format!("--set {}=…", option.name), about));
        }
        for promise in info.promises {
            detail.push((format!("promises {}", promise.when), format!("{} — {}", promise.promises, promise.url)));
        }
        let faults = super::faults::sufferable(*adapter);
        if !faults.is_empty() {
            detail.push(("faults".into(), faults.join(", ")));
        }
        for failure in info.definite_failures {
            detail.push((format!("definite failure {}", failure.error), failure.because.to_owned()));
        }
        Row { name: info.name.into(), about: info.about.into(), detail }
    });
    rows.collect()
}

fn workloads() -> Vec<Row> {
    let rows = workloads::all().iter().map(|workload| {
        let info = workload.info();
        let detail = vec![("model".into(), info.model.into()), ("claims".into(), info.claims.join(", "))];
        Row { name: info.name.into(), about: info.about.into(), detail }
    });
    rows.collect()
}

fn faults() -> Vec<Row> {
    let rows = faults::all().iter().map(|fault| {
        let info = fault.info();
        let mut detail = vec![
            ("default target".into(), info.target.into()),
            ("means".into(), fault.needs().about().into()),
            ("undo".into(), info.undo.into()),
        ];
        detail.extend(fault.setting().map(|setting| ("setting".into(), format!("{}={setting}", info.name))));
        Row { name: info.name.into(), about: info.about.into(), detail }
    });
    rows.collect()
}

fn models() -> Vec<Row> {
    let rows = check::models::all().iter().map(|model| Row {
        name: model.name.into(),
        about: model.about.into(),
        detail: vec![("functions".into(), model.functions.into())],
    });
    rows.collect()
}

fn claims() -> Vec<Row> {
    let rows = check::guarantee::all().iter().map(|claim| Row {
        name: claim.name.into(),
        about: claim.about.into(),
        detail: claim_detail(claim),
    });
    let words = check::guarantee::words().iter().map(|(word, claims)| {
        let names: Vec<&str> = claims.iter().map(|claim| claim.name()).collect();
        Row { name: (*word).into(), about: format!("short for {}", names.join(", ")), detail: Vec::new() }
    });
    rows.chain(words).collect()
}

fn claim_detail(claim: &ClaimInfo) -> Vec<(String, String)> {
    let implied: Vec<&str> = claim.implies.iter().map(|weaker| weaker.name()).collect();
    let mut detail = vec![("kind".into(), claim.family.into()), ("source".into(), claim.source.into())];
    if !implied.is_empty() {
        detail.push(("implies".into(), implied.join(", ")));
    }
    detail
}

fn history_formats() -> Vec<Row> {
    let rows = formats::all().iter().map(|format| {
        let info = format.info();
        let detail = vec![("files".into(), info.extensions.join(", "))];
        Row { name: info.name.into(), about: info.about.into(), detail }
    });
    rows.collect()
}
