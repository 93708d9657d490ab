//! Claims below linearizable on real servers: clients that move between nodes, discussions, nodes that converge.
//!
//! What a system promises must hold in each run. What it does not promise must be seen broken in one of a few.

use crate::command::{processes_in, say};
use crate::faults::VACUOUS;
use crate::systems::is_there;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// In how many tries what is not promised must be seen broken.
const TRIES: u32 = 6;

type Verdicts = BTreeMap<String, String>;

fn verdicts_of(document: &Value) -> Verdicts {
    let claims = document["claims"].as_array().unwrap_or_else(|| panic!("no claims: {document:#}"));
    let text = |claim: &Value, field: &str| claim[field].as_str().expect("a text").to_owned();
    claims.iter().map(|claim| (text(claim, "claim"), text(claim, "verdict"))).collect()
}

/// A short run on a fresh cluster, judged by every claim; with its document. A longer one where a machine was so slow that
/// the short one shows nothing.
fn run(folder: &Path, backend: &str, arguments: &str, seed: u32) -> (Verdicts, Value) {
    let seed = seed.to_string();
    let of_length = |length| {
        let mut all = vec!["run", backend, "-t", length, "--all", "--seed", &seed, "--format", "json"];
        all.extend(arguments.split_whitespace());
        say(folder, &all)
    };
    let mut said = of_length("2s");
    if said.code == VACUOUS {
        said = of_length("20s");
    }
    assert!([0, 1].contains(&said.code), "{backend} {arguments}: {}{}", said.out, said.err);
    assert_eq!(processes_in(folder), Vec::<String>::new(), "{backend} left processes");
    let document = said.json();
    (verdicts_of(&document), document)
}

/// In one of a few runs all of these claims are violated; what must hold holds in each.
fn breaks(backend: &str, arguments: &str, broken: &[&str], kept: &[&str]) {
    if !is_there(backend.split([':', '?']).next().expect("a name")) {
        return;
    }
    let mut seen = Vec::new();
    for seed in 1..=TRIES {
        let folder = tempfile::tempdir().expect("a folder");
        let (verdicts, document) = run(folder.path(), backend, arguments, seed);
        for claim in kept {
            assert_eq!(verdicts[*claim], "holds", "{claim}, {backend} {arguments}: {verdicts:?}");
        }
        if broken.iter().all(|claim| verdicts[*claim] == "violated") {
            let reads = document["staleness"]["reads"].as_u64().expect("reads are measured");
            assert!(reads > 0, "{:#}", document["staleness"]);
            return;
        }
        seen.push(verdicts);
    }
    panic!("{backend} {arguments}: not all of {broken:?} in {TRIES} runs: {seen:#?}");
}

#[test]
fn redis_read_from_any_node_breaks_the_session_guarantees_of_clients_that_move() {
    let broken = ["linearizable", "causal", "read-your-writes", "monotonic-reads"];
    breaks("redis:sentinel", "-w session --keys 1 -c 12 --read-from any", &broken, &["read-committed"]);
}

#[test]
fn redis_read_from_any_node_shows_comments_without_their_posts() {
    let broken = ["causal", "pram", "read-your-writes"];
    breaks("redis:sentinel", "-w causal --read-from any --hop 1 --keys 2 -c 12", &broken, &["read-committed"]);
}

#[test]
fn zookeeper_read_locally_keeps_all_but_linearizability_while_clients_stay() {
    let kept = ["sequential", "causal", "causal-memory", "causal-convergence", "processor", "monotonic-reads"];
    breaks("zookeeper?reads=local", "-w causal --keys 2 -c 12", &["linearizable"], &kept);
}

#[test]
fn a_client_that_moves_between_zookeeper_servers_loses_its_session_and_each_connection_keeps_its_own() {
    if !is_there("zookeeper") {
        return;
    }
    for seed in 1..=TRIES {
        let folder = tempfile::tempdir().expect("a folder");
        let (verdicts, _) = run(folder.path(), "zookeeper?reads=local", "-w session --keys 1 -c 12", seed);
        let arguments = ["check", "runs/latest", "--all", "--session", "connection", "--format", "json"];
        let by_connection = verdicts_of(&say(folder.path(), &arguments).json());
        for claim in ["sequential", "causal", "read-your-writes", "monotonic-reads"] {
            assert_eq!(by_connection[claim], "holds", "{claim}: {by_connection:?}");
        }
        if verdicts["read-your-writes"] == "violated" && verdicts["monotonic-reads"] == "violated" {
            return;
        }
    }
    panic!("clients that moved read their writes in each of {TRIES} runs");
}

#[test]
fn etcd_keeps_every_claim_for_clients_that_move() {
    if !is_there("etcd") {
        return;
    }
    for arguments in ["-w session", "-w causal --hop 1"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (verdicts, _) = run(folder.path(), "etcd", arguments, 1);
        assert!(verdicts.len() >= 13 && verdicts.values().all(|verdict| verdict == "holds"), "{verdicts:?}");
    }
}

#[test]
fn nodes_that_were_read_by_themselves_agree_after_the_work() {
    for backend in ["memory", "redis:sentinel", "etcd?reads=serializable", "zookeeper?reads=local"] {
        let system = backend.split([':', '?']).next().expect("a name");
        if !is_there(system) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (verdicts, document) = run(folder.path(), backend, "-w convergence --keys 5", 1);
        assert_eq!(verdicts["convergent"], "holds", "{backend}: {verdicts:?}");
        let nodes = if system == "memory" { 1 } else { 3 };
        assert_eq!(document["agreement"]["nodes"], nodes, "{backend}: {:#}", document["agreement"]);
        assert!(document["agreement"]["within_ns"].as_u64().is_some_and(|time| time < 10_000_000_000), "{backend}");
    }
}

#[test]
fn halves_of_a_store_that_never_meet_again_do_not_converge() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "-w convergence --keys 5 --ops 2000 --budget 10s";
    let (verdicts, document) = run(folder.path(), "faulty:split-brain", arguments, 1);
    assert_eq!(verdicts["convergent"], "violated", "{verdicts:?}");
    // Processor consistency is mostly too hard here; that takes no time from what is decided without a search.
    for claim in ["causal-memory", "causal-convergence", "causal", "pram"] {
        assert_ne!(verdicts[claim], "undecided", "{claim}: {verdicts:?}");
    }
    assert!(document.get("agreement").is_none());
}
