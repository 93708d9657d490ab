//! `check --follow` and `run --fail-fast` as a user sees them.

use crate::command::{consistory, said, say, wait_until};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const HEADER: &str = "{\"consistory\":1,\"model\":\"register\",\"claims\":[\"linearizable\"]}\n";
const PATIENCE: Duration = Duration::from_secs(60);

fn operation(process: u32, function: &str, value: u32) -> String {
    let event = |phase: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{phase}\",\"f\":\"{function}\",\"key\":17,\"value\":{value}}}\n")
    };
    let value = value.to_string();
    event("invoke", if function == "read" { "null" } else { &value }) + &event("ok", &value)
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the history is there");
    file.write_all(text.as_bytes()).expect("it is appended");
}

/// A command that follows, and what it says on standard error as it says it.
fn start(folder: &Path, arguments: &[&str]) -> (Child, mpsc::Receiver<String>) {
    let mut command = consistory(folder, arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut err = child.stderr.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = err.read(&mut buffer) {
            if sender.send(String::from_utf8_lossy(&buffer[..len]).into_owned()).is_err() {
                break;
            }
        }
    });
    (child, receiver)
}

fn wait_for(word: &str, err: &mpsc::Receiver<String>) {
    let mut so_far = String::new();
    wait_until(word, PATIENCE, || {
        so_far.extend(err.try_iter());
        so_far.contains(word)
    });
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is still there");
}

#[test]
fn a_violation_is_told_while_the_file_grows_and_the_verdict_is_that_of_the_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("h.jsonl");
    fs::write(&path, HEADER).expect("it is written");
    let (child, err) = start(folder.path(), &["check", "--follow", "--until-idle", "1h", "h.jsonl"]);
    append(&path, &operation(0, "write", 1));
    append(&path, &operation(0, "write", 2));
    append(&path, &operation(1, "read", 1));
    wait_for("✗ linearizable, key 17:", &err);
    append(&path, &operation(1, "read", 2));
    interrupt(&child);
    let followed = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(followed.code, 1, "{}", followed.out);
    let whole = say(folder.path(), &["check", "h.jsonl"]);
    assert_eq!((followed.out, followed.code), (whole.out, whole.code), "the same words and exit code");
}

#[test]
fn a_file_that_does_not_grow_any_more_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("h.jsonl");
    fs::write(&path, HEADER).expect("it is written");
    let writer = std::thread::spawn(move || {
        for value in 1..200 {
            let lines = operation(0, "write", value) + &operation(1, "read", value);
            let (one, two) = lines.split_at(lines.len() / 3);
            append(&path, one);
            append(&path, two);
        }
        append(&path, "{\"process\":0,\"type\":\"inv");
    });
    let followed = say(folder.path(), &["check", "--follow", "--until-idle", "10s", "h.jsonl"]);
    writer.join().expect("it writes");
    assert_eq!(followed.code, 0, "{}{}", followed.out, followed.err);
    assert!(followed.out.starts_with("✓ linearizable"), "{}", followed.out);
    assert!(followed.err.contains("398 operations judged"), "{}", followed.err);
}

#[test]
fn what_cannot_be_followed_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.jsonl"), HEADER).expect("it is written");
    fs::write(folder.path().join("h.zst"), [0x28, 0xb5, 0x2f, 0xfd, 0]).expect("it is written");
    fs::write(folder.path().join("h.edn"), "[{:process 0}]").expect("it is written");
    let wrong: [&[&str]; 6] = [
        &["check", "--follow", "-"],
        &["check", "--follow", "h.jsonl", "h.jsonl"],
        &["check", "--follow", "h.zst"],
        &["check", "--follow", "h.edn"],
        &["check", "--follow", "--from", "jepsen-edn", "h.jsonl"],
        &["check", "--until-idle", "1s", "h.jsonl"],
    ];
    for arguments in wrong {
        let said = say(folder.path(), arguments);
        assert_eq!(said.code, 64, "{arguments:?}: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "{arguments:?}");
    }
    let missing = say(folder.path(), &["check", "--follow", "absent.jsonl"]);
    assert_eq!(missing.code, 5, "{}", missing.err);
}

#[test]
fn objects_that_cannot_be_judged_early_are_judged_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let generated = say(folder.path(), &["gen", "--model", "counter", "--ops", "50", "-o", "h.jsonl"]);
    assert_eq!(generated.code, 0, "{}", generated.err);
    let followed = say(folder.path(), &["check", "--follow", "--until-idle", "100ms", "h.jsonl"]);
    assert_eq!(followed.code, 0, "{}{}", followed.out, followed.err);
    assert!(followed.err.contains("'counter'"), "it says why nothing is said early: {}", followed.err);
}

#[test]
fn bad_lines_are_reported_as_in_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = format!("{HEADER}{}\nnonsense\n{}", operation(0, "write", 1), operation(0, "write", 2));
    fs::write(folder.path().join("h.jsonl"), lines).expect("it is written");
    let followed = say(folder.path(), &["check", "--follow", "--until-idle", "1h", "h.jsonl"]);
    assert_eq!(followed.code, 5, "{}{}", followed.out, followed.err);
    assert!(followed.err.contains("h.jsonl:5:2:"), "{}", followed.err);
}

#[test]
fn a_run_that_fails_fast_ends_at_the_first_violation_with_a_counterexample() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["run", "faulty:stale-read", "--fail-fast", "-t", "10m", "--rate", "2000", "--seed", "7"];
    let (child, err) = start(folder.path(), &arguments);
    wait_for("✗ linearizable, key", &err);
    let ended = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.out.starts_with("✗ linearizable") && ended.out.contains("read"), "{}", ended.out);
    let again = say(folder.path(), &["check", "runs/latest"]);
    assert_eq!((again.out, again.code), (ended.out, 1), "check says what run said");
}

#[test]
fn a_correct_store_is_not_stopped_by_failing_fast() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "memory", "--fail-fast", "--ops", "3000", "-t", "60s"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(!said.err.contains("warning"), "{}", said.err);
}

#[test]
fn failing_fast_is_for_claims_that_can_fail_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "memory", "-w", "set", "--fail-fast"]);
    assert_eq!(said.code, 64, "{}{}", said.out, said.err);
    assert!(said.err.contains("linearizable"), "{}", said.err);
}
