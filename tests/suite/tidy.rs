//! The house rules that a machine can hold: who imports whom, sizes, module docs, no unlisted members, true tables.

use consistory::cli::exit_code::Exit;
use consistory::record::faults::{self, target::Target};
use consistory::{adapters, check, workloads};
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules that a module may import, besides itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("history", &[]),
    ("check", &["history"]),
    ("generate", &["history"]),
    ("record", &["history"]),
    ("workloads", &["history", "record"]),
    ("report", &["history", "check"]),
    ("adapters", &["history", "record"]),
];
/// What adapters may know of recording: what they implement, and how to run servers.
const ADAPTERS_MAY_IMPORT: &[&str] = &["system", "cluster", "clients"];
/// The most lines of a file without its tests.
const LINES_MAX: usize = 600;
/// The most lines of a catalogue's mod.rs without its tests.
const CATALOGUE_LINES_MAX: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the library with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    collect(&root().join("adapters"), &mut found);
    found.sort();
    assert!(found.len() > 50, "only {} files found", found.len());
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("UTF-8"))).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").display().to_string()
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path) -> String {
    let relative = relative(path);
    let inner = relative.strip_prefix("src/").unwrap_or(&relative);
    inner.split('/').next().expect("not empty").trim_end_matches(".rs").to_owned()
}

/// The text before the unit tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else { continue };
        let code: Vec<&str> =
            without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for imported in imports(&path, &code.join("\n")) {
            let name = imported[0].as_str();
            let is_module = MAY_IMPORT.iter().any(|(known, _)| *known == name) || name == "cli";
            let inner = imported.get(1).map_or("", String::as_str);
            let is_allowed = name == module || allowed.contains(&name);
            let is_public = module != "adapters" || name != "record" || ADAPTERS_MAY_IMPORT.contains(&inner);
            if is_module && !(is_allowed && is_public) {
                wrong.push(format!("{} imports crate::{}", relative(&path), imported.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The first names, two at most, of every path in the code that begins at the root: after `crate::`, or after as many
/// `super::` as the file is deep.
fn imports(path: &Path, code: &str) -> Vec<Vec<String>> {
    let relative = relative(path);
    let inner = relative.strip_prefix("src/").unwrap_or(&relative);
    let inner = inner.strip_suffix("/mod.rs").unwrap_or(inner);
    let to_root = "super::".repeat(inner.split('/').count());
    let mut found = Vec::new();
    for root in ["crate::", &to_root] {
        for (at, _) in code.match_indices(root) {
            // `$crate::` and the like begin elsewhere; `super::super::` contains itself.
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                found.extend(first_names(&code[at + root.len()..], 2));
            }
        }
    }
    found
}

/// The first `depth` names of every path of a tree of imports such as `check::{judge, verdict::Finding}`.
fn first_names(tree: &str, depth: usize) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if depth == 0 {
        return vec![Vec::new()];
    }
    if let Some(group) = tree.strip_prefix('{') {
        return members(group).into_iter().flat_map(|member| first_names(member, depth)).collect();
    }
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    let below = rest.strip_prefix("::").map(|below| first_names(below, depth - 1)).unwrap_or_default();
    let below = if below.is_empty() { vec![Vec::new()] } else { below };
    below.into_iter().map(|below| std::iter::once(name.to_owned()).chain(below).collect()).collect()
}

/// The members of a group, whose text begins after its opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn imports_are_seen_in_groups_and_through_parents() {
    let seen = |file: &str, code: &str| -> Vec<String> {
        imports(&root().join(file), code).into_iter().map(|names| names.join("::")).collect()
    };
    assert_eq!(seen("src/check/judge.rs", "use crate::history::Value;"), ["history::Value"]);
    assert_eq!(
        seen("src/check/judge.rs", "use crate::{\n    cli,\n    record::{system::Key, work},\n};"),
        ["cli", "record::system", "record::work"]
    );
    assert_eq!(seen("src/check/judge.rs", "use super::super::cli::main;"), ["cli::main"]);
    assert_eq!(
        seen("src/check/models/set.rs", "use super::super::super::{cli, report::json};"),
        ["cli", "report::json"]
    );
    assert_eq!(seen("src/check/models/mod.rs", "use super::super::cli;"), ["cli"]);
    assert_eq!(seen("src/check/models/set.rs", "use super::super::judge;"), [] as [&str; 0]);
}

#[test]
fn checking_and_histories_are_pure() {
    let impure =
        ["std::fs", "std::process", "SystemTime", "println!", "eprintln!", "rand::", "std::env", "std::net", "tokio"];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let is_test = path.ends_with("tests.rs");
        if is_test || !["check", "history"].contains(&module_of(&path).as_str()) {
            continue;
        }
        for line in without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            wrong.extend(
                impure.iter().filter(|word| line.contains(**word)).map(|word| format!("{}: {word}", relative(&path))),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_and_catalogues_keep_their_size() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = without_tests(&text).lines().count();
        let catalogue = path.ends_with("mod.rs") && text.contains("To add one:");
        let most = if catalogue { CATALOGUE_LINES_MAX } else { LINES_MAX };
        if lines > most {
            wrong.push(format!("{}: {lines} lines, at most {most}", relative(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> =
        sources().iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| relative(path)).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn unsafe_code_is_in_two_small_files() {
    let with: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| {
            text.lines().any(|line| line.trim_start().starts_with("unsafe ") || line.contains("= unsafe {"))
        })
        .map(|(path, _)| relative(path))
        .collect();
    assert_eq!(with, ["src/record/cluster/filesystem.rs", "src/record/cluster/parent_death.rs"]);
}

#[test]
fn the_readme_lists_every_adapter_workload_and_exit_code() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let mut missing = Vec::new();
    for adapter in adapters::all() {
        let info = adapter.info();
        for topology in info.topologies.iter().filter(|_| info.name != "faulty") {
            let name = if topology.name.is_empty() {
                info.name.to_owned()
            } else {
                format!("{}:{}", info.name, topology.name)
            };
            missing.extend((!readme.contains(&format!("| `{name}` |"))).then_some(name));
        }
    }
    for workload in workloads::all() {
        let name = workload.info().name;
        missing.extend((!readme.contains(&format!("| `{name}` |"))).then(|| name.to_owned()));
    }
    for exit in Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        missing.extend((!readme.contains(&row)).then_some(row));
    }
    assert!(missing.is_empty(), "not in the README: {missing:#?}");
}

#[test]
fn the_documentation_lists_every_fault_with_its_default_target() {
    let page = fs::read_to_string(root().join("docs/faults.md")).expect("a page");
    for fault in faults::all() {
        let info = fault.info();
        let row = format!("| `{}` | `{}` |", info.name, info.target);
        assert!(page.contains(&row), "{row} is not in docs/faults.md");
        assert!(Target::parse(info.target).is_some() && faults::find(info.name).is_some(), "{}", info.name);
    }
}

#[test]
fn names_in_catalogues_are_unique_and_can_be_found() {
    for adapter in adapters::all() {
        let info = adapter.info();
        assert!(adapters::find(info.name).is_some());
        assert!(!info.about.is_empty() && !info.topologies.is_empty() && !info.promises.is_empty(), "{}", info.name);
    }
    for workload in workloads::all() {
        let info = workload.info();
        assert!(workloads::find(info.name).is_some());
        assert!(
            check::models::all().iter().any(|model| model.name == info.model),
            "{}: no model {}",
            info.name,
            info.model
        );
        for claim in info.claims {
            assert!(check::guarantee::find(claim).is_some(), "{}: no claim {claim}", info.name);
        }
    }
}
