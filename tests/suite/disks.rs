//! Faults of disks, power, clocks and clients on real servers, through the command; and the locks that they break.
//!
//! As in `faults`: what is promised must hold, what is not must be seen broken in one of a few tries.

use crate::command::{consistory, processes_in, say, wait_until};
use crate::faults::{breaks, can_run, expect_acted, holds, named, run};
use crate::systems::is_there;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The disks of runs in that folder that are still mounted, and their images that are still there.
fn left_disks(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().expect("it is there").display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("this is Linux");
    let mut left: Vec<_> = mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect();
    for run in fs::read_dir(Path::new(&folder).join("runs")).expect("runs").flatten() {
        let files = fs::read_dir(run.path()).expect("a folder").flatten().map(|file| file.path());
        left.extend(
            files
                .filter(|file| file.extension().is_some_and(|end| end == "disk"))
                .map(|file| file.display().to_string()),
        );
    }
    left
}

const CUT: &str = "-w set --rate 1000 --fault-warm-up 2s --fault-length 0s --fault-pause 2s";

/// Says something past the capture of passing tests' output.
fn tell(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").expect("standard error is open");
}

#[test]
fn a_redis_that_syncs_every_second_loses_what_it_acknowledged_when_the_power_is_cut() {
    breaks("redis?appendfsync=everysec", "power-cut", CUT, 4);
}

#[test]
fn a_redis_that_syncs_before_it_answers_keeps_what_it_acknowledged_when_the_power_is_cut() {
    holds("redis?appendfsync=always", "power-cut", CUT);
}

#[test]
fn etcd_keeps_what_it_acknowledged_when_the_power_of_all_members_is_cut() {
    holds("etcd", "power-cut", "-w set --rate 500 --fault-warm-up 2s --fault-length 0s --fault-pause 3s");
}

#[test]
fn a_redis_whose_disk_is_full_refuses_writes_and_loses_none_and_the_disks_are_gone_in_the_end() {
    let backend = "redis?appendfsync=everysec";
    if !can_run(backend, "disk-full") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "-w set --rate 1000 --fault-warm-up 1s --fault-length 3s --fault-pause 2s";
    let (said, lines) = run(folder.path(), backend, "disk-full:n1", 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    expect_acted(&lines, "disk-full");
    assert!(
        named(&lines, "disk-full-start")[0]["filled_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20),
        "{lines:?}"
    );
    let history = fs::read_to_string(folder.path().join("runs/latest/history.jsonl")).expect("a history");
    assert!(history.contains("MISCONF"), "it refuses writes that it could not keep");
    assert_eq!(left_disks(folder.path()), Vec::<String>::new());
}

#[test]
fn an_etcd_leader_whose_disk_stalls_is_succeeded_by_another_and_nothing_is_lost() {
    if !can_run("etcd", "disk-stall") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--fault-warm-up 1s --fault-length 10s --fault-pause 2s";
    let (said, lines) = run(folder.path(), "etcd", "disk-stall:leader", 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    expect_acted(&lines, "disk-stall");
    let leaders = named(&lines, "leaders");
    assert!(leaders.iter().any(|line| *line != leaders[0]), "nobody succeeded: {leaders:?}");
}

#[test]
fn after_kill_9_with_a_stalled_disk_heal_thaws_and_removes_the_disks() {
    if !can_run("redis", "disk-stall") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["run", "redis?appendfsync=everysec", "-f", "disk-stall:n1@500ms+100s", "-c", "4"];
    let mut child =
        consistory(folder.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let history = folder.path().join("runs/latest/history.jsonl");
    let struck = || fs::read_to_string(&history).is_ok_and(|text| text.contains("disk-stall-start"));
    wait_until("the disk stalls", Duration::from_secs(60), struck);
    child.kill().expect("kill -9");
    child.wait().expect("is reaped");
    assert!(!left_disks(folder.path()).is_empty(), "nobody could remove them");
    let doctor = say(folder.path(), &["doctor"]);
    assert!(doctor.out.contains("thaw the disk of n1"), "doctor says what is left: {}", doctor.out);
    let healed = say(folder.path(), &["heal"]);
    assert_eq!(healed.code, 0, "{}{}", healed.out, healed.err);
    assert_eq!(left_disks(folder.path()), Vec::<String>::new());
    assert_eq!(processes_in(folder.path()), Vec::<String>::new());
    assert_eq!(say(folder.path(), &["heal"]).out, "nothing to undo\n");
}

#[test]
fn who_is_not_root_is_told_so_and_nothing_is_started() {
    let folder = std::env::temp_dir();
    let binary = env!("CARGO_BIN_EXE_consistory");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", binary, "run", "redis", "-f", "power-cut"]);
    let output = command.current_dir(&folder).stdin(Stdio::null()).output();
    // Only root can become somebody else, and that somebody must be able to reach the command.
    let Ok(output) = output else { return tell("SKIPPED who is not root: setpriv cannot be started") };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("setpriv") {
        return tell("SKIPPED who is not root: setpriv cannot become somebody else");
    }
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("power-cut cannot act") && said.contains("root"), "{said}");
}

#[test]
fn locks_exclude_each_other_as_long_as_nothing_is_hurt() {
    for backend in ["redis", "etcd", "zookeeper"] {
        if is_there(backend) {
            let folder = tempfile::tempdir().expect("a folder");
            let said =
                say(folder.path(), &["run", backend, "-w", "lock", "-t", "8s", "--hold", "20ms", "--format", "json"]);
            assert_eq!(said.code, 0, "{backend}: {}{}", said.out, said.err);
        }
    }
}

const PAUSE: &str = "-w lock --fault-warm-up 1s --fault-length 3200ms --fault-pause 1s";

#[test]
fn a_redis_lock_whose_holder_sleeps_is_held_twice() {
    breaks("redis", "client-pause", PAUSE, 4);
}

#[test]
fn an_etcd_lock_whose_holder_sleeps_is_held_twice() {
    // Its leases end up to a second late, later still on a busy machine.
    let arguments = "-w lock --fault-warm-up 1s --fault-length 5s --fault-pause 1s";
    breaks("etcd", "client-pause", arguments, 4);
}

#[test]
fn clients_that_hold_no_lock_cannot_be_paused() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--rate 1000 --fault-warm-up 500ms --fault-length 500ms --fault-pause 500ms";
    let (said, _) = run(folder.path(), "redis", "client-pause", 1, arguments);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(said.json()["vacuous"].as_str().is_some_and(|why| why.contains("holds a lock")), "{}", said.out);
}

#[test]
fn a_redis_lock_ends_early_when_the_server_s_clock_jumps() {
    breaks("redis", "clock-jump:n1", "-w lock --fault-warm-up 1s --fault-length 2s --fault-pause 1s", 4);
}

#[test]
fn wrong_clocks_of_etcd_and_zookeeper_act_and_break_nothing() {
    for backend in ["etcd", "zookeeper?reads=sync"] {
        let arguments = "--read-from replica --fault-warm-up 1s --fault-length 1s --fault-pause 1s";
        holds(backend, "clock-jump:leader,clock-skew:follower", arguments);
    }
}

#[test]
fn a_wrong_clock_is_told_by_the_server_and_right_again_in_the_end() {
    if !can_run("redis", "clock-skew") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--rate 1000 --fault-warm-up 500ms --fault-length 1s --fault-pause 500ms";
    let (said, lines) = run(folder.path(), "redis", "clock-skew:n1,clock-jump:n1", 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let ahead = |name: &str| named(&lines, name)[0]["ahead_ms"].as_i64().expect("redis tells the time");
    assert!((-750..-250).contains(&ahead("clock-skew-start")), "{lines:?}");
    // Had the first not been undone, the second would have been refused.
    assert!((4_000..6_000).contains(&ahead("clock-jump-start")), "{lines:?}");
    expect_acted(&lines, "clock-skew,clock-jump");
}

#[test]
fn an_etcd_lock_is_held_twice_when_the_leader_s_disk_stalls_though_no_client_sleeps() {
    // Whether etcd of this version revokes leases too early (etcd issue 15247) is known of 3.4 only.
    if !can_run("etcd", "disk-stall") {
        return;
    }
    if !etcd_version().starts_with("3.4.") {
        // Mended in 3.5 (etcd#15247): there is nothing to be seen.
        return tell("SKIPPED the lost leases of etcd 3.4: another version is installed");
    }
    breaks("etcd", "disk-stall:leader", LEASES, 4);
}

/// Who takes a lock before the stall holds it when the stall ends.
const LEASES: &str =
    "-w lock --hold 14s -c 12 --min-ops 1 --fault-warm-up 1500ms --fault-length 4500ms --fault-pause 1500ms";

fn etcd_version() -> String {
    let output = Command::new("etcd").arg("--version").output().expect("etcd is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().find_map(|line| line.strip_prefix("etcd Version: ")).unwrap_or_default().to_owned()
}

#[test]
fn etcd_stays_linearizable_when_its_leader_is_taken_out_and_added_again() {
    holds("etcd", "membership:leader", "--fault-warm-up 1s --fault-length 2s --fault-pause 2s");
}

#[test]
fn zookeeper_keeps_what_it_acknowledged_when_a_follower_is_taken_out_and_added_again() {
    let arguments = "-w set --rate 500 --fault-warm-up 1s --fault-length 2s --fault-pause 2s";
    holds("zookeeper", "membership:follower", arguments);
}

#[test]
fn a_redis_cluster_primary_hands_over_without_losing_anything() {
    holds("redis:cluster", "membership:n1", "-w set --rate 500 --fault-warm-up 1s --fault-length 1s --fault-pause 1s");
}

#[test]
fn slots_of_a_redis_cluster_move_and_come_back_without_losing_anything() {
    holds(
        "redis:cluster",
        "slot-migration:n1",
        "-w set --rate 500 --fault-warm-up 1s --fault-length 1s --fault-pause 1s",
    );
}

#[test]
fn a_redis_sentinel_failover_loses_what_the_old_primary_acknowledges_meanwhile() {
    breaks(
        "redis:sentinel",
        "membership",
        "-w set --rate 1000 --fault-warm-up 1s --fault-length 3s --fault-pause 1s",
        4,
    );
}

#[test]
fn a_system_of_one_server_has_no_membership_to_change() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--rate 1000 --fault-warm-up 500ms --fault-length 500ms --fault-pause 500ms";
    let (said, _) = run(folder.path(), "redis", "membership", 1, arguments);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(said.json()["vacuous"].as_str().is_some_and(|why| why.contains("hand over")), "{}", said.out);
}

#[test]
fn local_reads_of_a_paused_zookeeper_follower_are_stale() {
    // Clients that wait longer than the pause are answered by the follower before it learns what it has missed.
    let arguments = "--fault-warm-up 1s --fault-length 1500ms --fault-pause 1s --timeout 5s --ops-per-key 1000000";
    breaks("zookeeper?reads=local", "pause:follower", arguments, 5);
}

#[test]
fn the_dry_run_of_a_disk_fault_says_what_is_done_before() {
    if !can_run("etcd", "power-cut") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "etcd", "-f", "power-cut,disk-stall", "--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for word in ["mounted from an image", "power-cut:all@2s+4s", "thaw"] {
        assert!(said.err.contains(word), "{word} in {}", said.err);
    }
    let faults = say(folder.path(), &["list", "faults", "--format", "json"]).json();
    let listed = faults["faults"].as_array().expect("a list").iter().any(|row: &Value| row["name"] == "power-cut");
    assert!(listed, "{faults}");
}
