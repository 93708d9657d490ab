//! Faults on links, by namespaces and by proxies, and the user's own commands: through the command, on real servers.

use crate::command::{Said, consistory, processes_in, say, wait_until};
use crate::faults::{can_run, expect_acted, is_seen_broken, named, run};
use crate::systems::is_there;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A run under faults by those means in which every fault acted.
fn torment(folder: &Path, backend: &str, faults: &str, means: &str, seed: u64, arguments: &str) -> (Said, Vec<Value>) {
    let (said, lines) = run(folder, backend, faults, seed, &format!("--means {means} {arguments}"));
    expect_acted(&lines, faults);
    (said, lines)
}

/// Under these faults the claims are seen violated in one of a few tries.
fn breaks(backend: &str, faults: &str, arguments: &str) {
    if is_there(backend.split([':', '?']).next().expect("a name")) {
        is_seen_broken(backend, faults, &format!("--means proxies {arguments}"), 5);
    }
}

/// The time of the nemesis line of that name.
fn time_of(lines: &[Value], name: &str) -> i64 {
    let line = lines.iter().find(|line| line["f"] == name).unwrap_or_else(|| panic!("no {name}: {lines:#?}"));
    line["time"].as_i64().expect("a time")
}

/// The shortest time, in milliseconds, in which an operation completed that was called and answered in that window.
fn shortest_ms(folder: &Path, from: i64, to: i64) -> i64 {
    let history = fs::read_to_string(folder.join("runs/latest/history.jsonl")).expect("a history");
    let mut called = std::collections::BTreeMap::new();
    let mut shortest = None;
    for line in history.lines().skip(1) {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let (Some(process), Some(time)) = (event["process"].as_u64(), event["time"].as_i64()) else { continue };
        if event["type"] == "invoke" {
            called.insert(process, time);
        } else if let Some(start) = called.remove(&process)
            && event["type"] == "ok"
            && start > from
            && time < to
        {
            shortest = Some(shortest.unwrap_or(i64::MAX).min(time - start));
        }
    }
    shortest.expect("some operation was served meanwhile") / 1_000_000
}

/// A delay is seen by every client of a delayed server, and by nobody before.
fn delays(means: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--fault-warm-up 3s --fault-length 2s --fault-pause 500ms -c 4";
    let (said, lines) = torment(folder.path(), "redis", "delay=60ms:n1", means, 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let (start, stop) = (time_of(&lines, "delay-start"), time_of(&lines, "delay-stop"));
    // It lasts for a second at least, and healing takes a while.
    let during = shortest_ms(folder.path(), start, (start + 800_000_000).min(stop - 200_000_000));
    assert!(during >= 60, "an operation took {during} ms only");
    assert!(shortest_ms(folder.path(), 0, 2_900_000_000) < 60, "there was no delay before");
    let held = named(&lines, "delay-stop")[0];
    assert!(held["held"].as_i64() > Some(10) && held["mean-us"].as_i64() >= Some(60_000), "{held}");
    let header = fs::read_to_string(folder.path().join("runs/latest/history.jsonl")).expect("a history");
    assert!(header.contains("delay=60ms:n1@3s+2s"), "the header has the schedule with its settings");
    assert!(header.contains(&format!("\"run.means\":\"{means}\"")), "the header has the means");
}

#[test]
fn packets_to_a_delayed_node_are_held_in_its_namespace() {
    if can_run("redis", "partition") {
        delays("namespaces");
    }
}

#[test]
fn bytes_to_a_delayed_node_are_held_by_its_proxy() {
    if is_there("redis") {
        delays("proxies");
    }
}

/// Delay, jitter, a slow link and resets act, and etcd's claims hold.
fn hurts_links(means: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = "delay=30ms:leader,jitter=40ms:follower,slow=200kbit:leader,reset=500ms:leader";
    let arguments = "--fault-warm-up 500ms --fault-length 1500ms --fault-pause 2s";
    let (said, lines) = torment(folder.path(), "etcd", faults, means, 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for (line, fact) in [("jitter-stop", "mean-us"), ("slow-stop", "waited"), ("reset-start", "reset")] {
        let value = named(&lines, line)[0];
        assert!(value[fact].as_i64() > Some(0), "{line}: {value}");
    }
    let mean = named(&lines, "jitter-stop")[0]["mean-us"].as_i64().expect("a number");
    assert!(mean < 200_000, "jitter of at most 40 ms held packets for {mean} µs on average");
}

#[test]
fn etcd_stays_linearizable_under_delay_jitter_a_slow_link_and_resets_in_namespaces() {
    if can_run("etcd", "partition") {
        hurts_links("namespaces");
    }
}

#[test]
fn etcd_stays_linearizable_under_delay_jitter_a_slow_link_and_resets_by_proxies() {
    if is_there("etcd") {
        hurts_links("proxies");
    }
}

#[test]
fn etcd_stays_linearizable_when_proxies_cut_off_its_leader() {
    if !is_there("etcd") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "--fault-warm-up 500ms --fault-length 3s --fault-pause 1s";
    let faults = "partition:leader,partition-one-way:leader";
    let (said, lines) = torment(folder.path(), "etcd", faults, "proxies", 1, arguments);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let leaders = named(&lines, "leaders");
    assert!(leaders.iter().any(|line| *line != leaders[0]), "nobody succeeded the one cut off: {leaders:?}");
}

#[test]
fn serializable_reads_of_an_etcd_member_that_proxies_cut_off_are_stale() {
    breaks("etcd?reads=serializable", "partition:follower", "--fault-warm-up 500ms --fault-length 2s --fault-pause 1s");
}

#[test]
fn local_reads_of_a_zookeeper_follower_that_proxies_cut_off_are_stale() {
    // Clients of the one cut off soon wait for a write: what they read before that must have changed meanwhile.
    let often = "-c 20 --keys 3 --read-share 0.9";
    let pace = "--fault-warm-up 500ms --fault-length 3s --fault-pause 1s";
    breaks("zookeeper?reads=local", "partition:follower", &format!("{often} {pace}"));
}

#[test]
fn a_redis_primary_that_proxies_cut_off_loses_acknowledged_writes() {
    let arguments = "-w set --rate 1000 --fault-warm-up 500ms --fault-length 5s --fault-pause 1s";
    breaks("redis:sentinel", "partition:primary", arguments);
}

#[test]
fn a_redis_cluster_primary_that_proxies_cut_off_loses_acknowledged_writes() {
    let arguments = "-w set --rate 1000 --fault-warm-up 500ms --fault-length 6s --fault-pause 1s";
    breaks("redis:cluster", "partition:n1", arguments);
}

#[test]
fn what_proxies_cannot_do_is_refused_and_a_store_without_links_is_vacuous() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "etcd", "-f", "loss", "--means", "proxies"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("packets"), "{}", said.err);
    let pace = ["--fault-warm-up", "200ms", "--fault-length", "200ms", "--fault-pause", "200ms"];
    let run = ["run", "memory", "-f", "delay:n1", "--means", "proxies", "--rate", "1000"];
    let said = say(folder.path(), &[&run[..], &pace].concat());
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
}

#[test]
fn doctor_says_by_which_means_faults_would_act() {
    let folder = tempfile::tempdir().expect("a folder");
    let doctor = say(folder.path(), &["doctor", "--format", "json"]).json();
    let has = |means: &str, fault: &str| {
        doctor["faults"][means]["faults"].as_array().is_some_and(|faults| faults.iter().any(|one| one == fault))
    };
    assert!(has("proxies", "partition") && has("proxies", "delay") && !has("proxies", "loss"), "{doctor:#}");
    assert!(has("commands", "hook") && has("signals", "kill") && has("namespaces", "loss"), "{doctor:#}");
    assert_eq!(doctor["faults"]["proxies"]["taken"], doctor["faults"]["namespaces"]["can_act"] == false);
    let text = say(folder.path(), &["doctor"]).out;
    let line = text.lines().find(|line| line.contains("delay")).expect("a line about delays");
    assert!(line.contains("namespace") || line.contains("proxy"), "{text}");
}

/// A Redis that the run has not started.
struct Existing {
    server: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Existing {
    fn start() -> Option<Self> {
        if !is_there("redis") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = address.expect("a port");
        let server = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        wait_until("redis listens", Duration::from_secs(60), || TcpStream::connect(address).is_ok());
        Some(Self { server, address, folder })
    }

    /// A run on it under a hook of that length.
    fn command(&self, fault: &str, heal: &str, length: &str, more: &[&str]) -> Command {
        let pid = self.server.id();
        let (nodes, fault, heal) = (
            self.address.to_string(),
            fault.replace("SERVER", &pid.to_string()),
            heal.replace("SERVER", &pid.to_string()),
        );
        let pace = ["--fault-warm-up", "2s", "--fault-length", length, "--fault-pause", "500ms", "--rate", "500"];
        let run = ["run", "redis", "--nodes", &nodes, "--seed", "1", "--format", "json", "-f", "hook:n1"];
        let commands = ["--fault-cmd", &fault, "--heal-cmd", &heal, "--timeout", "300ms"];
        consistory(self.folder.path(), &[&run[..], &pace, &commands, more].concat())
    }

    fn run(&self, fault: &str, heal: &str, more: &[&str]) -> Said {
        crate::command::said(&self.command(fault, heal, "1s", more).output().expect("the command starts"))
    }

    fn nemesis(&self) -> Vec<Value> {
        let history = self.folder.path().join("runs/latest/history.jsonl");
        let text = fs::read_to_string(history).expect("a history");
        let lines = text.lines().filter(|line| line.contains("\"nemesis\""));
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn state(&self) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.id())).expect("it lives");
        stat.rsplit_once(") ").expect("a state").1[..1].to_owned()
    }
}

impl Drop for Existing {
    fn drop(&mut self) {
        // A test that fails must not leave a server.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const STOP: &str = "kill -STOP SERVER";
const CONTINUE: &str = "kill -CONT SERVER";

#[test]
fn the_user_s_commands_hurt_and_heal_an_existing_server_and_the_adapter_sees_it() {
    let Some(redis) = Existing::start() else { return };
    let said = redis.run(STOP, CONTINUE, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = redis.nemesis();
    expect_acted(&lines, "hook");
    let seen = named(&lines, "hook-start")[0]["seen"].to_string();
    // Whose patience ends first, the adapter's or the fault's, is a matter of milliseconds.
    assert!(["no answer", "timeout"].iter().any(|silence| seen.contains(silence)), "{lines:#?}");
    assert_ne!(redis.state(), "T");
    let history = fs::read_to_string(redis.folder.path().join("runs/latest/history.jsonl")).expect("a history");
    let header = history.lines().next().expect("a header");
    assert!(header.contains("run.fault-cmd") && header.contains("kill -STOP"), "{header}");
}

#[test]
fn the_user_s_probe_is_the_evidence_where_there_is_one() {
    let Some(redis) = Existing::start() else { return };
    let mark = redis.folder.path().join("down");
    let (fault, heal) =
        (format!("echo $NODE $NUMBER $HOST:$PORT > {}", mark.display()), format!("rm {}", mark.display()));
    let said = redis.run(&fault, &heal, &["--probe-cmd", &format!("test ! -e {}", mark.display())]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    expect_acted(&redis.nemesis(), "hook");
    let written = format!("test \"$(cat {})\" != 'n1 1 {}'", mark.display(), redis.address);
    let said = redis.run(&fault, &heal, &["--probe-cmd", &format!("test ! -e {} || {written}", mark.display())]);
    assert_eq!(said.code, 0, "the command learns whom it is about: {}{}", said.out, said.err);
}

#[test]
fn commands_that_fail_or_change_nothing_make_a_run_vacuous_and_a_failed_healing_is_a_problem() {
    let Some(redis) = Existing::start() else { return };
    let failing = redis.run("echo no such container >&2; exit 7", "true", &[]);
    assert_eq!(failing.code, 4, "{}{}", failing.out, failing.err);
    let why = named(&redis.nemesis(), "hook-start")[0]["why"].to_string();
    assert!(why.contains('7') && why.contains("no such container"), "{why}");
    let idle = redis.run("true", "true", &["--probe-cmd", "true"]);
    assert_eq!(idle.code, 4, "{}{}", idle.out, idle.err);
    let ill = redis.run("true", "true", &["--probe-cmd", "false"]);
    assert_eq!(ill.code, 4, "{}{}", ill.out, ill.err);
    let unhealed = redis.run(STOP, &format!("{CONTINUE}; exit 9"), &[]);
    assert_eq!(unhealed.code, 5, "{}{}", unhealed.out, unhealed.err);
    assert!(unhealed.err.contains("not undone"), "{}", unhealed.err);
}

#[test]
fn after_kill_9_heal_runs_the_user_s_healing() {
    let Some(redis) = Existing::start() else { return };
    let mut run = redis.command(STOP, CONTINUE, "60s", &[]);
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    wait_until("the server is stopped", Duration::from_secs(60), || redis.state() == "T");
    child.kill().expect("kill -9");
    child.wait().expect("is reaped");
    assert_eq!(redis.state(), "T");
    let folder = redis.folder.path();
    assert!(say(folder, &["doctor"]).out.contains("kill -CONT"), "doctor says what is left");
    let healed = say(folder, &["heal"]);
    assert_eq!(healed.code, 0, "{}{}", healed.out, healed.err);
    assert_ne!(redis.state(), "T");
    assert_eq!(say(folder, &["heal"]).out, "nothing to undo\n");
}

#[test]
fn a_hook_without_commands_is_wrong_usage_and_other_faults_leave_existing_clusters_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["-f", "hook"][..], &["-f", "kill", "--fault-cmd", "true", "--heal-cmd", "true"]] {
        assert_eq!(say(folder.path(), &[&["run", "redis"], arguments].concat()).code, 64, "{arguments:?}");
    }
    let commands = ["--fault-cmd", "true", "--heal-cmd", "true"];
    let both = [&["run", "redis", "--nodes", "127.0.0.1:1", "-f", "hook,kill"][..], &commands].concat();
    let said = say(folder.path(), &both);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("kill acts on clusters that the run starts"), "{}", said.err);
    assert_eq!(processes_in(folder.path()), Vec::<String>::new());
}
