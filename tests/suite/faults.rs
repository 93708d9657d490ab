//! Faults on real servers, through the command: that they act, what they break, that they are undone.
//!
//! What a system promises must hold under the fault. What it does not promise must be seen broken: not at each try,
//! since it is a matter of milliseconds who asks whom, but in one of a few. `REQUIRE_SYSTEMS=…,namespaces` makes
//! a machine without the means for partitions a failure; otherwise their tests are skipped where everybody can see it.

use crate::command::{Said, consistory, processes_in, said, say, wait_until};
use crate::systems::is_there;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// In how many tries what is not promised must be seen broken.
pub(crate) const TRIES: u64 = 8;
/// In how many tries a run must show something: where a machine was stalled, its verdict is vacuous and says so.
const TRIES_TO_SHOW: u64 = 3;
/// The exit code of a run that shows nothing.
pub(crate) const VACUOUS: i32 = 4;

/// Whether the means of a group of faults are here, by its name. Panics if they are not but must be.
fn can_act(means: &str, row: &Value) -> bool {
    let can = row["can_act"] == true;
    let required = std::env::var("REQUIRE_SYSTEMS").unwrap_or_default();
    assert!(can || !required.split(',').any(|name| name == means), "{means} cannot act: {row}");
    if !can {
        writeln!(std::io::stderr().lock(), "SKIPPED {means}: {}", row["why_not"]).expect("standard error is open");
    }
    can
}

/// Whether the backend and the means for the faults are here.
pub(crate) fn can_run(backend: &str, faults: &str) -> bool {
    let system = backend.split([':', '?']).next().expect("a name");
    let names: Vec<_> = faults.split([',', '+']).filter_map(|fault| fault.split([':', '@', '=']).next()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let doctor = say(folder.path(), &["doctor", "--format", "json"]).json();
    let means = doctor["faults"].as_object().expect("a map");
    let is_needed = |row: &Value| {
        row["faults"].as_array().expect("a list").iter().any(|fault| names.iter().any(|name| fault == name))
    };
    is_there(system) && means.iter().filter(|(_, row)| is_needed(row)).all(|(name, row)| can_act(name, row))
}

/// One run under faults; its words and the nemesis lines of its history.
pub(crate) fn run(folder: &Path, backend: &str, faults: &str, seed: u64, arguments: &str) -> (Said, Vec<Value>) {
    let seed = seed.to_string();
    let mut all = vec!["run", backend, "-f", faults, "--seed", &seed, "--format", "json"];
    all.extend(arguments.split_whitespace());
    let said = say(folder, &all);
    let history = fs::read_to_string(folder.join("runs/latest/history.jsonl"));
    let history = history.unwrap_or_else(|error| panic!("{backend} without a history: {error}: {}", said.err));
    let lines = history.lines().filter(|line| line.contains("\"nemesis\""));
    let lines = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(processes_in(folder), Vec::<String>::new(), "{backend} left processes");
    (said, lines)
}

/// The lines of that name.
pub(crate) fn named<'l>(lines: &'l [Value], name: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["f"] == name).map(|line| &line["value"]).collect()
}

/// Every fault struck and was healed, with effect.
pub(crate) fn expect_acted(lines: &[Value], faults: &str) {
    for fault in faults.split(',') {
        let name = fault.split([':', '@', '=']).next().expect("a name");
        for end in ["start", "stop"] {
            let ends = named(lines, &format!("{name}-{end}"));
            assert!(!ends.is_empty() && ends.iter().all(|line| line["acted"] == true), "{name}-{end}: {lines:#?}");
        }
    }
}

/// Under these faults the claims hold, in one run.
pub(crate) fn holds(backend: &str, faults: &str, arguments: &str) {
    if !can_run(backend, faults) {
        return;
    }
    for seed in 1..=TRIES_TO_SHOW {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, lines) = run(folder.path(), backend, faults, seed, arguments);
        if said.code == VACUOUS && seed < TRIES_TO_SHOW {
            continue;
        }
        assert_eq!(said.code, 0, "{backend} {faults}: {}{}", said.out, said.err);
        return expect_acted(&lines, faults);
    }
}

/// Under these faults the claims are seen violated, with a smallest set of at most so many operations.
pub(crate) fn breaks(backend: &str, faults: &str, arguments: &str, operations_max: usize) {
    if can_run(backend, faults) {
        is_seen_broken(backend, faults, arguments, operations_max);
    }
}

/// The same where the means are known to be there.
pub(crate) fn is_seen_broken(backend: &str, faults: &str, arguments: &str, operations_max: usize) {
    for seed in 1..=TRIES {
        let folder = tempfile::tempdir().expect("a folder");
        let (said, lines) = run(folder.path(), backend, faults, seed, arguments);
        if said.code == VACUOUS {
            continue;
        }
        expect_acted(&lines, faults);
        if said.code == 0 {
            continue;
        }
        assert_eq!(said.code, 1, "{backend} {faults}: {}{}", said.out, said.err);
        let witness = &said.json()["claims"][0]["witness"];
        let operations = witness["operations"].as_array().expect("operations").len();
        assert!(operations <= operations_max, "{operations} operations: {witness:#}");
        assert_eq!(witness["verified"], true);
        return;
    }
    panic!("{backend} {faults}: held in each of {TRIES} runs, or showed nothing");
}

#[test]
fn a_redis_without_persistence_loses_what_it_acknowledged_when_it_restarts() {
    breaks("redis", "restart", "-w set --rate 1000 --fault-length 0s --fault-pause 2s", 4);
}

#[test]
fn a_redis_that_writes_through_keeps_what_it_acknowledged_when_it_restarts() {
    holds("redis?appendfsync=always", "restart", "-w set --rate 1000 --fault-length 0s --fault-pause 2s");
}

#[test]
fn a_partitioned_redis_primary_loses_acknowledged_writes() {
    let arguments = "-w set --rate 1000 --fault-warm-up 1s --fault-length 5s --fault-pause 1s";
    breaks("redis:sentinel", "partition:primary", arguments, 4);
}

#[test]
fn a_partitioned_redis_primary_is_not_linearizable() {
    // Keys last as long as the run, and the run until the old primary is told that it is none.
    let arguments = "--rate 1000 --ops-per-key 1000000 --fault-warm-up 1s --fault-length 5s --fault-pause 20s";
    breaks("redis:sentinel", "partition:primary", arguments, 4);
}

#[test]
fn a_redis_primary_that_was_paused_until_the_failover_is_not_linearizable() {
    let pace = "--rate 1000 --ops-per-key 1000000 --fault-warm-up 1s --fault-length 5s --fault-pause 20s";
    // Clients that wait longer than the pause are served by the old primary afterwards.
    breaks("redis:sentinel", "pause:primary", &format!("{pace} --timeout 10s"), 4);
}

#[test]
fn a_killed_redis_primary_is_succeeded_by_another() {
    if !can_run("redis:sentinel", "kill") {
        return;
    }
    // Sentinels that share their votes try again after 12 s, and those that were stalled after 30 s.
    let succeeded = ["5s", "20s", "45s"].into_iter().any(|length| {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = format!("-w set --rate 1000 --fault-warm-up 1s --fault-length {length} --fault-pause 1s");
        let (said, lines) = run(folder.path(), "redis:sentinel", "kill:primary", 1, &arguments);
        // Nothing promises that it keeps everything; mostly it does.
        assert!([0, 1].contains(&said.code), "{}{}", said.out, said.err);
        expect_acted(&lines, "kill");
        let leaders = named(&lines, "leaders");
        leaders.iter().any(|line| *line != leaders[0])
    });
    assert!(succeeded, "nobody succeeded");
}

#[test]
fn reads_from_a_partitioned_redis_replica_are_stale() {
    let arguments = "--rate 1000 --read-from replica --fault-warm-up 1s --fault-length 3s --fault-pause 1s";
    breaks("redis:sentinel", "partition:replica", arguments, 4);
}

#[test]
fn a_partitioned_redis_cluster_primary_loses_acknowledged_writes() {
    let arguments = "-w set --rate 1000 --fault-warm-up 1s --fault-length 6s --fault-pause 1s";
    breaks("redis:cluster", "partition:n1", arguments, 4);
}

#[test]
fn etcd_stays_linearizable_when_its_leader_is_killed_paused_and_partitioned() {
    let arguments = "--fault-warm-up 1s --fault-length 3s --fault-pause 2s";
    holds("etcd", "kill:leader,pause:leader,partition:leader", arguments);
}

#[test]
fn etcd_stays_linearizable_when_it_is_cut_one_way_in_a_ring_and_by_loss() {
    let arguments = "--fault-warm-up 1s --fault-length 3s --fault-pause 1s";
    holds("etcd?nodes=5", "partition-one-way:leader,partition-ring,loss:follower", arguments);
}

#[test]
fn etcd_keeps_what_it_acknowledged_when_all_members_restart() {
    holds("etcd", "restart", "-w set --fault-warm-up 1s --fault-length 0s --fault-pause 4s");
}

#[test]
fn serializable_reads_of_a_partitioned_etcd_member_are_stale() {
    breaks("etcd?reads=serializable", "partition:follower", "--fault-warm-up 1s --fault-length 3s --fault-pause 1s", 5);
}

#[test]
fn zookeeper_with_sync_stays_linearizable_when_its_leader_is_killed_and_partitioned() {
    // A leader's own clients may be stale for a moment even without faults.
    let arguments = "--read-from replica --fault-warm-up 1s --fault-length 4s --fault-pause 2s";
    holds("zookeeper?reads=sync", "kill:leader,partition:leader", arguments);
}

#[test]
fn zookeeper_with_sync_is_not_linearizable_when_its_leader_was_paused() {
    // The pause outlasts the others' patience and not that of the clients; then the old leader answers for up to half
    // a tick more.
    let backend = "zookeeper?reads=sync&tick-time=1000&session-timeout=20000";
    let pace = "--fault-warm-up 1s --fault-length 7500ms --fault-pause 2s --timeout 12s";
    breaks(backend, "pause:leader", &format!("{pace} --ops-per-key 1000000 -c 12"), 6);
}

#[test]
fn local_reads_of_a_partitioned_zookeeper_follower_are_stale() {
    // Clients of the one cut off soon wait for a write: what they read before that must have changed meanwhile.
    let often = "-c 20 --keys 3 --read-share 0.9";
    let pace = "--fault-warm-up 1s --fault-length 3s --fault-pause 1s";
    breaks("zookeeper?reads=local", "partition:follower", &format!("{often} {pace}"), 5);
}

#[test]
fn a_fault_that_cannot_act_makes_a_run_vacuous() {
    if !can_run("etcd", "kill") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // While a majority is gone nobody leads, so that there is none to pause.
    let faults = "kill:majority@500ms+12s,pause:leader@5s+500ms";
    let (said, lines) = run(folder.path(), "etcd", faults, 1, "--fault-pause 3s");
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(said.json()["vacuous"].as_str().is_some_and(|why| why.contains("pause")), "{}", said.out);
    assert_eq!(named(&lines, "pause-start")[0]["acted"], false);
    assert!(named(&lines, "pause-stop").is_empty(), "there is nothing to heal");
    assert_eq!(said.json()["service"]["faults"], 1, "one of the two acted: {}", said.out);
    assert_eq!(say(folder.path(), &["check", "runs/latest"]).code, 4, "checking says the same");
}

#[test]
fn faults_on_an_existing_cluster_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "redis", "--nodes", "127.0.0.1:1", "-f", "kill"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("--nodes"), "{}", said.err);
}

#[test]
fn a_dry_run_prints_the_plan_and_its_undo_and_does_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "etcd", "-f", "kill:leader,pause@1s", "--dry-run"]);
    assert_eq!(said.code, 64, "{}", said.err);
    let said = say(folder.path(), &["run", "etcd", "-f", "kill:leader,pause:n2", "--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for word in ["kill:leader@2s+4s,pause:n2@10s+4s", "undo at 6.0 s", "SIGCONT"] {
        assert!(said.err.contains(word), "{word} in {}", said.err);
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_broken_threshold_has_its_own_exit_code_and_checking_says_the_same() {
    if !can_run("redis", "pause") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--rate 1000 --fault-warm-up 1s --fault-length 1s --fault-pause 8s --timeout 300ms";
    let demands = "--threshold outage<200ms,availability>1%";
    let (said, _) = run(folder.path(), "redis", "pause:n1", 1, &format!("{arguments} {demands}"));
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    let verdict = said.json();
    let met: Vec<_> = verdict["thresholds"].as_array().expect("thresholds").iter().map(|one| &one["met"]).collect();
    assert_eq!(met, [false, true], "{verdict:#}");
    assert!(verdict["service"]["longest_outage_ms"].as_u64().is_some_and(|outage| outage >= 500), "{verdict:#}");
    assert!(verdict["service"]["recovery_ms"].is_u64(), "it recovered: {verdict:#}");
    let checked = say(folder.path(), &["check", "runs/latest", "--format", "json"]);
    assert_eq!((checked.code, &checked.json()["service"]), (3, &verdict["service"]));
}

/// Starts a run that is partitioned for long, and waits until it is.
fn partitioned(folder: &Path) -> Child {
    let arguments = ["run", "etcd", "-f", "partition:leader@500ms+100s", "-c", "4"];
    let child = consistory(folder, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let history = folder.join("runs/latest/history.jsonl");
    let struck = || fs::read_to_string(&history).is_ok_and(|text| text.contains("partition-start"));
    wait_until("the partition acts", Duration::from_secs(60), struck);
    child
}

/// The bridge that the journal of the latest run names, if it is still there.
fn bridge(folder: &Path) -> Option<String> {
    let journal = fs::read_to_string(folder.join("runs/latest/undo.jsonl")).expect("a journal");
    let open = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut networks = open.filter_map(|line| line["open"]["undo"]["network"]["number"].as_u64());
    let bridge = format!("cy{}", networks.next_back().expect("a network was announced"));
    let shown = Command::new("ip").args(["link", "show", &bridge]).output().expect("ip is there");
    shown.status.success().then_some(bridge)
}

#[test]
fn after_kill_9_during_a_partition_heal_restores_and_the_next_run_is_clean() {
    if !can_run("etcd", "partition") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = partitioned(folder.path());
    let during = say(folder.path(), &["heal"]);
    assert!(during.err.contains("still runs"), "a living run is left alone: {}", during.err);
    child.kill().expect("kill -9");
    child.wait().expect("is reaped");
    wait_until("no server is left", Duration::from_secs(60), || processes_in(folder.path()).is_empty());
    let left = bridge(folder.path()).expect("nobody could remove it");
    let doctor = say(folder.path(), &["doctor"]);
    assert!(doctor.out.contains(&left), "doctor says what is left: {}", doctor.out);
    let healed = say(folder.path(), &["heal"]);
    assert_eq!(healed.code, 0, "{}{}", healed.out, healed.err);
    assert!(healed.out.contains(&left), "{}", healed.out);
    assert_eq!(bridge(folder.path()), None);
    assert_eq!(say(folder.path(), &["heal"]).out, "nothing to undo\n");
    assert_eq!(say(folder.path(), &["run", "etcd", "--ops", "1000", "-t", "60s"]).code, 0, "the next run is clean");
}

#[test]
fn an_interrupted_run_undoes_its_partition() {
    if !can_run("etcd", "partition") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let child = partitioned(folder.path());
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("the signal is sent");
    let said = said(&child.wait_with_output().expect("ends"));
    assert_eq!(said.code, 130, "{}", said.err);
    assert_eq!(bridge(folder.path()), None);
    assert_eq!(say(folder.path(), &["heal"]).out, "nothing to undo\n");
    assert_eq!(processes_in(folder.path()), Vec::<String>::new());
}
