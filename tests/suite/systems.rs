//! Real systems, driven and judged through the command: what `REQUIRE_SYSTEMS` names must be there; what is not
//! installed otherwise is skipped where everybody can see it.

use crate::command::{consistory, processes_in, said, say, wait_until};
use crate::faults::{TRIES, VACUOUS};
use consistory::adapters;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Whether a system's programs are installed. Panics if they are not but must be.
pub(crate) fn is_there(system: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let doctor = say(folder.path(), &["doctor", "--format", "json"]).json();
    let rows = doctor["adapters"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["adapter"] == system).unwrap_or_else(|| panic!("{system} is not built in"));
    let there = row["can_run"] == true;
    let required = std::env::var("REQUIRE_SYSTEMS").unwrap_or_default();
    assert!(
        there || !required.split(',').any(|name| name == system),
        "REQUIRE_SYSTEMS names {system}, which is not installed"
    );
    if !there {
        // Not by a macro for printing: the test harness would hide it, as the test passes.
        writeln!(std::io::stderr().lock(), "SKIPPED {system}: not installed").expect("standard error is open");
    }
    there
}

/// A short run on a fresh local cluster that must hold and leave nothing behind.
fn holds(backend: &str, arguments: &[&str]) {
    let system = backend.split([':', '?']).next().expect("a name");
    if !is_there(system) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let of_length = |length| {
        let common = ["run", backend, "-t", length, "-c", "6", "--min-ops", "300", "--format", "json"];
        say(folder.path(), &[&common[..], arguments].concat())
    };
    let mut said = of_length("3s");
    if said.code == VACUOUS {
        // The machine was slow.
        said = of_length("30s");
    }
    assert_eq!(said.code, 0, "{backend}: {}{}", said.out, said.err);
    let verdict = said.json();
    assert_eq!(verdict["verdict"], "holds", "{backend}");
    let operations = verdict["claims"][0]["operations"].as_u64().expect("a number");
    assert!(operations >= 300, "{backend}: only {operations} operations");
    assert_eq!(processes_in(folder.path()), Vec::<String>::new(), "{backend} left processes");
    let run = fs::canonicalize(folder.path().join("runs/latest")).expect("a run");
    let header = fs::read_to_string(run.join("history.jsonl")).expect("a history");
    let header: serde_json::Value = serde_json::from_str(header.lines().next().expect("a header")).expect("JSON");
    assert_eq!(header["backend"], backend);
    assert!(header["versions"].as_object().is_some_and(|versions| !versions.is_empty()), "{header}");
    assert!(logs(&run) >= 1, "{backend}: the logs of the servers are kept");
}

fn logs(run: &Path) -> usize {
    let is_log = |path: &Path| path.extension().is_some_and(|extension| extension == "log");
    fs::read_dir(run).expect("a folder").flatten().filter(|entry| is_log(&entry.path())).count()
}

#[test]
fn redis_alone_is_linearizable_and_keeps_what_it_acknowledged() {
    holds("redis", &[]);
    holds("redis", &["-w", "set"]);
}

#[test]
fn redis_sentinel_without_faults_is_linearizable_on_its_primary() {
    holds("redis:sentinel", &[]);
}

#[test]
fn redis_cluster_without_faults_is_linearizable_on_its_primaries() {
    holds("redis:cluster", &[]);
    holds("redis:cluster", &["-w", "set"]);
}

#[test]
fn etcd_is_linearizable_and_keeps_what_it_acknowledged() {
    holds("etcd", &[]);
    holds("etcd", &["-w", "set"]);
}

#[test]
fn zookeeper_with_sync_is_linearizable_and_keeps_what_it_acknowledged() {
    // Not at the leader: on a busy machine a follower sometimes acknowledges a write before the leader has applied it,
    // and the leader's own clients do not wait for that in sync.
    holds("zookeeper?reads=sync", &["--read-from", "replica"]);
    holds("zookeeper", &["-w", "set"]);
}

/// The verdict on every claim after a short run.
fn verdicts(backend: &str, arguments: &str) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let common = ["run", backend, "-t", "3s", "--all", "--format", "json"];
    let all: Vec<&str> = common.into_iter().chain(arguments.split_whitespace()).collect();
    let said = say(folder.path(), &all);
    let claims = said.json()["claims"].as_array().expect("claims").clone();
    let text = |claim: &serde_json::Value, field: &str| claim[field].as_str().expect("a text").to_owned();
    claims.iter().map(|claim| (text(claim, "claim"), text(claim, "verdict"))).collect()
}

#[test]
fn redis_read_from_any_node_does_not_even_let_clients_read_their_writes() {
    if is_there("redis") {
        // Who asks a replica before it has heard is a matter of fractions of a millisecond.
        let seen: Vec<_> = (1..=TRIES)
            .map(|seed| verdicts("redis:sentinel", &format!("--read-from any -w causal --keys 2 -c 12 --seed {seed}")))
            .take_while(|verdicts| {
                let broken = ["linearizable", "causal", "pram", "read-your-writes"];
                !broken.iter().all(|claim| verdicts[*claim] == "violated")
            })
            .collect();
        assert!((seen.len() as u64) < TRIES, "not all of them are violated in any run: {seen:#?}");
    }
}

#[test]
fn zookeeper_read_locally_is_sequential() {
    if is_there("zookeeper") {
        let verdicts = verdicts("zookeeper?reads=local", "-c 6");
        for claim in ["sequential", "causal-memory", "causal-convergence", "causal", "pram", "monotonic-reads"] {
            assert_eq!(verdicts[claim], "holds", "{claim}: {verdicts:?}");
        }
    }
}

#[test]
fn etcd_keeps_every_claim() {
    if is_there("etcd") {
        let verdicts = verdicts("etcd", "-c 6");
        assert!(verdicts.len() >= 12, "{verdicts:?}");
        assert!(verdicts.values().all(|verdict| verdict == "holds"), "{verdicts:?}");
    }
}

#[test]
fn every_installed_topology_refuses_an_unknown_option_with_the_known_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    for adapter in adapters::all() {
        let backend = format!("{}?no-such-option=1", adapter.info().name);
        let said = say(folder.path(), &["run", &backend, "-q"]);
        assert_eq!(said.code, 64, "{backend}: {}", said.err);
        assert!(said.err.contains("no-such-option"), "{backend}: {}", said.err);
    }
}

/// Starts a long run and returns once it has recorded a while.
fn long_run(folder: &Path, backend: &str) -> std::process::Child {
    let child = consistory(folder, &["run", backend, "-t", "120s", "-c", "4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let history = folder.join("runs/latest/history.jsonl");
    let lines = || fs::read(&history).map_or(0, |bytes| bytes.split(|&byte| byte == b'\n').count());
    wait_until("the run records operations", Duration::from_secs(60), || lines() > 1_000);
    child
}

#[test]
fn after_kill_9_the_servers_are_gone_and_the_history_checks() {
    for backend in ["redis:sentinel", "etcd", "zookeeper"] {
        if !is_there(backend.split(':').next().expect("a name")) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = long_run(folder.path(), backend);
        assert!(processes_in(folder.path()).len() >= 4, "consistory and its servers");
        child.kill().expect("kill -9");
        child.wait().expect("is reaped");
        wait_until("no server is left", Duration::from_secs(60), || processes_in(folder.path()).is_empty());
        let said = say(folder.path(), &["check", "runs/latest", "--claim", "linearizable"]);
        let expected: &[i32] = if backend == "zookeeper" { &[0, 1] } else { &[0] };
        assert!(expected.contains(&said.code), "{backend}: {}{}", said.out, said.err);
    }
}

#[test]
fn a_terminated_run_stops_its_servers_and_keeps_its_history() {
    if !is_there("redis") {
        return;
    }
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().expect("a folder");
        let child = long_run(folder.path(), "redis");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("the signal is sent");
        let said = said(&child.wait_with_output().expect("ends"));
        assert_eq!(said.code, 130, "{}", said.err);
        assert!(said.err.contains("consistory check"), "it says how to judge what there is: {}", said.err);
        assert_eq!(processes_in(folder.path()), Vec::<String>::new());
        assert_eq!(say(folder.path(), &["check", "runs/latest"]).code, 0);
    }
}
