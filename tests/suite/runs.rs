//! How runs are planned and told: faults that overlap, plans that cannot act, client policies, reports, runs from a file
//! and once more.

use crate::command::{Said, say};
use crate::faults::can_run;
use crate::systems::is_there;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A run that tells JSON.
fn run(folder: &Path, arguments: &str) -> Said {
    let all: Vec<&str> = ["run"].into_iter().chain(arguments.split_whitespace()).chain(["--format", "json"]).collect();
    say(folder, &all)
}

/// The lines of the latest history.
fn history(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("runs/latest/history.jsonl")).expect("a history");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The lines of faults of the latest history: name, step, whether it acted.
fn faults(folder: &Path) -> Vec<(String, String, bool)> {
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let lines = history(folder);
    let lines = lines.iter().filter(|line| line["value"]["acted"].is_boolean());
    lines.map(|line| (word(&line["f"]), word(&line["value"]["step"]), line["value"]["acted"] == true)).collect()
}

#[test]
fn etcd_stays_linearizable_while_its_leader_is_cut_off_another_is_killed_and_a_third_is_paused() {
    if !can_run("etcd", "partition") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plan = "partition:leader@1s+7s,pause:leader@3s+4s,kill:follower@4s+3s,loss:follower@4s+2s";
    let said = run(folder.path(), &format!("etcd -f {plan} --seed 7 --fault-pause 3s"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let lines = faults(folder.path());
    assert!(lines.iter().all(|(_, _, acted)| *acted), "{lines:?}");
    // In which order they begin is not asked: a strike is told when its effect has been read back.
    let place =
        |name: &str| lines.iter().position(|(told, ..)| told == name).unwrap_or_else(|| panic!("{name}: {lines:?}"));
    let three = ["partition", "pause", "kill"];
    let last_start = three.map(|name| place(&format!("{name}-start"))).into_iter().max();
    let first_stop = three.map(|name| place(&format!("{name}-stop"))).into_iter().min();
    assert!(last_start < first_stop, "all three act at once: {lines:?}");
    assert_eq!(lines.len(), 8, "{lines:?}");
    for (name, step, _) in &lines {
        assert!(plan.split(',').any(|planned| planned.split(':').next() == name.rsplit_once('-').map(|name| name.0)));
        assert!(step.starts_with(name.rsplit_once('-').expect("two words").0), "{name} {step}");
    }
    assert_eq!(said.json()["service"]["faults"], 4, "{}", said.out);
}

#[test]
fn faults_of_one_volley_strike_different_nodes() {
    if !is_there("etcd") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let pace = "--fault-warm-up 2s --fault-length 1s --fault-pause 5s";
    let said = run(folder.path(), &format!("etcd -f kill+pause --seed 3 {pace}"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let starts: Vec<Value> = history(folder.path())
        .into_iter()
        .filter(|line| line["f"].as_str().is_some_and(|name| name.ends_with("-start")))
        .map(|line| line["value"]["targets"].clone())
        .collect();
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert_ne!(starts[0], starts[1], "a killed node cannot be paused");
}

#[test]
fn a_plan_that_cannot_act_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, expected) in [
        ("memory -f kill", "no fault acts"),
        ("redis -f partition", "no other side"),
        ("etcd -f partition-ring", "a ring of 3 nodes"),
        ("etcd?nodes=5 -f kill:n9", "there are n1 to n5"),
        ("redis -f kill:follower", "no follower"),
        ("redis -f kill@1s+2s,pause@2s+2s", "2 nodes at once"),
        ("zookeeper?nodes=1 -f pause:minority", "no minority"),
        ("redis:sentinel -f kill:n4", "there are n1 to n3"),
        ("redis:cluster -f kill:n7", "there are n1 to n6"),
    ] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.code, 4, "{arguments}: {}{}", said.out, said.err);
        assert!(said.err.contains(expected), "{arguments}: {}", said.err);
    }
    assert!(!folder.path().join("runs").exists(), "nothing was started");
    for arguments in ["etcd -f kill:n1@1s+2s,pause:n1@2s+2s", "etcd -f partition:n1@1s+2s,partition-ring@2s+2s"] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.code, 64, "{arguments}: {}", said.err);
        assert!(said.err.contains("a node that they share"), "{}", said.err);
    }
}

#[test]
fn each_adapter_says_which_faults_it_can_suffer() {
    let folder = tempfile::tempdir().expect("a folder");
    let listed = say(folder.path(), &["list", "adapters", "--format", "json"]).json();
    let faults = |name: &str| {
        let rows = listed["adapters"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let detail = row["detail"].as_array().expect("details").iter().find(|detail| detail["name"] == "faults");
        detail.map(|detail| detail["about"].as_str().expect("a text").to_owned())
    };
    assert_eq!(faults("memory"), None);
    assert!(faults("etcd").expect("some").contains("partition-ring"));
}

/// The invocations that are attempts after the first.
fn further_attempts(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["attempt"].is_u64()).collect()
}

#[test]
fn each_attempt_is_an_operation_of_its_own_and_users_are_told_what_they_got() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let policy = "--retry 6,200ms --timeout 300ms";
    let said =
        run(folder.path(), &format!("redis -f pause:n1@1s+1500ms --rate 500 {policy} --seed 1 --fault-pause 3s"));
    assert_eq!(said.code, 0, "writes that may be applied twice are no violation: {}{}", said.out, said.err);
    let lines = history(folder.path());
    let again = further_attempts(&lines);
    assert!(!again.is_empty(), "{}", said.err);
    for line in &again {
        assert_eq!(line["type"], "invoke");
        let previous = lines.iter().rev().filter(|before| before["index"].as_u64() < line["index"].as_u64());
        let mut of_previous = previous.filter(|before| before["process"] == line["previous"]);
        let ended = of_previous.next().expect("it ended");
        let invoked = of_previous.next().expect("it was invoked");
        assert!(ended["type"] == "info" || ended["type"] == "fail", "only what failed is tried again: {ended}");
        assert_eq!((&invoked["f"], &invoked["key"], &invoked["value"]), (&line["f"], &line["key"], &line["value"]));
        assert_ne!(ended["type"] == "info", line["process"] == line["previous"], "after 'info' the id retires");
        let number = invoked["attempt"].as_u64().unwrap_or(1);
        assert_eq!(line["attempt"].as_u64(), Some(number + 1));
    }
    let told = said.json();
    let count = |name: &str| told["service"][name].as_u64().expect("a number");
    assert_eq!(count("attempts") - count("operations"), again.len() as u64);
    assert!(count("retried_served") > 0 && count("retried_served") <= count("retried"), "{told:#}");
    let checked = say(folder.path(), &["check", "runs/latest", "--format", "json"]).json();
    assert_eq!(checked["service"], told["service"]);
}

#[test]
fn an_open_circuit_breaker_sends_nothing_and_is_recorded() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "redis -f kill:n1@1s+2s --rate 500 --breaker 2,400ms --seed 1 --fault-pause 3s";
    let said = run(folder.path(), arguments);
    // What it had not written is gone: that is another test.
    assert!([0, 1].contains(&said.code), "{}{}", said.out, said.err);
    let refused: Vec<Value> =
        history(folder.path()).into_iter().filter(|line| line["error"] == "circuit breaker open").collect();
    assert!(refused.len() > 10, "{}", said.err);
    assert!(refused.iter().all(|line| line["type"] == "fail"), "nothing was sent, for certain");
}

#[test]
fn clients_of_the_minority_are_told_from_those_of_the_majority() {
    if !can_run("etcd", "partition") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let said = run(folder.path(), "etcd -f partition:leader@1s+15s --seed 1 --timeout 500ms --fault-pause 3s");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let told = said.json();
    let share = |side: &str| {
        let side = &told["service"]["sides"][side];
        let [called, served] = ["called", "served"].map(|name| side[name].as_f64().expect("a number"));
        assert!(called >= 3.0, "{told:#}");
        served / called
    };
    assert!(share("minority") < 0.3 && share("majority") > 0.7, "{:#}", told["service"]);
    let text = say(folder.path(), &["check", "runs/latest"]).out;
    assert!(text.contains("sides      majority"), "{text}");
}

#[test]
fn lost_additions_are_counted_and_bounded() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let pace = "-w set --rate 1000 --fault-length 0s --fault-pause 1s --seed 1";
    let said =
        run(folder.path(), &format!("redis -f restart {pace} --claim linearizable --threshold lost=0,duplicated=0"));
    let told = said.json();
    let lost = told["additions"]["lost"].as_u64().expect("a number");
    assert!(lost > 0, "nothing was kept on disk: {told:#}");
    let met: Vec<_> = told["thresholds"].as_array().expect("thresholds").iter().map(|one| &one["met"]).collect();
    assert_eq!(met, [false, true], "{told:#}");
    let checked = say(folder.path(), &["check", "runs/latest", "--format", "json"]);
    assert_eq!(checked.json()["additions"], told["additions"], "checking says the same");
    let text = say(folder.path(), &["check", "runs/latest", "--claim", "lost-acks"]).out;
    assert!(text.contains("additions  "), "{text}");
}

const FILE: &str = r#"
# What we rely on.
[scenario.quick]
backend = "faulty:stale-read"
workload = "register"
ops = 3000
clients = 4
seed = 11
claims = ["linearizable"]

[scenario.calm]
backend = "memory"
ops = 2000
config = {  }
thresholds = ["fail_rate<1%"]
"#;

#[test]
fn a_scenario_of_a_file_is_run_by_its_name_and_the_command_line_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("consistory.toml"), FILE.replace("config = {  }\n", "")).expect("written");
    let said = run(folder.path(), "quick");
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let header = history(folder.path()).swap_remove(0);
    assert_eq!((&header["seed"], &header["config"]["run.clients"]), (&Value::from(11), &Value::from("4")));
    let said = run(folder.path(), "quick --seed 12 -c 5");
    assert!([0, 1].contains(&said.code), "{}", said.err);
    let header = history(folder.path()).swap_remove(0);
    assert_eq!((&header["seed"], &header["config"]["run.clients"]), (&Value::from(12), &Value::from("5")));
    assert_eq!(run(folder.path(), "calm").code, 0);
    assert_eq!(run(folder.path(), "memory --ops 500").code, 0, "a backend is still one");
}

#[test]
fn a_file_is_refused_with_the_place_of_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.toml");
    for (text, arguments, expected) in [
        ("[scenario.a]\nbackend = \"memory\"\nspeed = 1\n", "a", "mine.toml:3:1: unknown key 'speed'"),
        ("[scenario.a]\nbackend = \"memory\"\ntime = \"soon\"\n", "a", "mine.toml:3:8: invalid value 'soon'"),
        ("[scenario.a]\nbackend = \n", "a", "mine.toml:2:"),
        ("[scenario.a]\nbackend = \"memory\"\n", "b", "there are: a"),
        ("[scenario.memory]\nbackend = \"memory\"\n", "memory", "is a backend"),
    ] {
        fs::write(&path, text).expect("written");
        let said = run(folder.path(), &format!("{arguments} --config mine.toml"));
        assert_eq!(said.code, 64, "{text}: {}", said.err);
        assert!(said.err.contains(expected), "{text}: {}", said.err);
    }
    assert_eq!(run(folder.path(), "a --config none.toml").code, 5);
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_run_is_done_again_from_its_history_and_what_is_different_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(folder.path(), "faulty:stale-read --ops 3000 -c 4 --seed 21 --keys 5 --retry 2,10ms --rate 9000");
    assert_eq!(first.code, 1, "{}{}", first.out, first.err);
    let before = history(folder.path()).swap_remove(0);
    let run_folder = format!("runs/{}", before["run"].as_str().expect("a name"));
    let again = say(folder.path(), &["rerun", &run_folder]);
    assert!([0, 1].contains(&again.code), "{}{}", again.out, again.err);
    let after = history(folder.path()).swap_remove(0);
    assert_ne!(before["run"], after["run"]);
    for same in ["backend", "seed", "config", "workload", "claims"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert!(again.err.contains("rerun of "), "{}", again.err);
    let other = say(folder.path(), &["rerun", "runs/latest", "--seed", "22", "-c", "3"]);
    assert!([0, 1].contains(&other.code), "{}{}", other.out, other.err);
    for expected in ["seed: 21, now 22", "run.clients: 4, now 3"] {
        assert!(other.err.contains(expected), "{expected}: {}", other.err);
    }
    let nothing = say(folder.path(), &["rerun", "runs/none"]);
    assert_eq!(nothing.code, 5, "{}", nothing.err);
}

#[test]
fn a_schedule_of_faults_is_done_again_at_the_same_times() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(
        folder.path(),
        "redis?appendfsync=always -f restart,pause --seed 5 --rate 500 --fault-warm-up 500ms --fault-length 500ms --fault-pause 1s",
    );
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    let planned = history(folder.path()).swap_remove(0)["config"]["run.faults"].clone();
    let again = say(folder.path(), &["rerun", "runs/latest"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert_eq!(history(folder.path()).swap_remove(0)["config"]["run.faults"], planned);
    assert!(again.err.contains("nothing known is different"), "{}", again.err);
}

#[test]
fn a_run_whose_faults_went_through_proxies_can_be_done_again() {
    if !is_there("redis") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(
        folder.path(),
        "redis -f delay=20ms --means proxies --seed 5 --rate 500 --fault-warm-up 300ms --fault-length 700ms --fault-pause 500ms",
    );
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    let again = say(folder.path(), &["rerun", "runs/latest", "--dry-run"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert!(again.err.contains("delay=20ms") && again.err.contains("proxy"), "{}", again.err);
}

#[test]
fn locks_are_not_for_clients_that_move() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = say(folder.path(), &["run", "memory", "-w", "lock", "--hop", "1"]);
    assert_eq!(refused.code, 64, "{}", refused.err);
    assert!(refused.err.contains("--hop"), "{}", refused.err);
}

#[test]
fn commands_of_a_history_that_others_can_write_are_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("received.jsonl");
    let header =
        r#"{"consistory":1,"backend":"memory","config":{"run.fault-cmd":"touch ran","run.faults":"hook:n1@1s+1s"}}"#;
    fs::write(&path, header).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("set");
    let refused = say(folder.path(), &["rerun", "received.jsonl"]);
    assert_eq!(refused.code, 64, "{}", refused.err);
    assert!(refused.err.contains("others can have written it"), "{}", refused.err);
}
