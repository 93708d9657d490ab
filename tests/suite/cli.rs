//! The command line: exit codes, streams, bad input, interrupted pipes.

use crate::command::{consistory, said, say};
use std::fs;
use std::io::Write;
use std::process::Stdio;

const GOOD: &str = r#"{"consistory":1,"model":"register"}
{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":1,"value":5}
{"index":1,"time":2,"process":0,"type":"ok","f":"write","key":1,"value":5}
{"index":2,"time":3,"process":1,"type":"invoke","f":"read","key":1,"value":null}
{"index":3,"time":4,"process":1,"type":"ok","f":"read","key":1,"value":5}
"#;

/// The same with a read of what nobody wrote.
fn bad() -> String {
    GOOD.replace("\"read\",\"key\":1,\"value\":5", "\"read\",\"key\":1,\"value\":6")
}

fn check(history: &[u8], arguments: &[&str]) -> crate::command::Said {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.jsonl"), history).expect("the history is written");
    let arguments: Vec<&str> = ["check", "h.jsonl"].into_iter().chain(arguments.iter().copied()).collect();
    say(folder.path(), &arguments)
}

#[test]
fn a_verdict_goes_to_standard_output_and_talk_to_standard_error() {
    let said = check(GOOD.as_bytes(), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("✓ linearizable"), "{}", said.out);
    assert!(said.err.contains("judged in"), "{}", said.err);
    assert!(!said.out.contains('\u{1b}'), "NO_COLOR is honoured");
    let quiet = check(GOOD.as_bytes(), &["-q"]);
    assert_eq!(quiet.err, "");
}

#[test]
fn a_violation_exits_with_1_and_shows_the_operations() {
    let said = check(bad().as_bytes(), &[]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("✗ linearizable"), "{}", said.out);
    assert!(said.out.contains("read 1 = 6"), "{}", said.out);
}

#[test]
fn too_few_operations_are_vacuous_and_not_green() {
    let said = check(GOOD.as_bytes(), &["--min-ops", "3"]);
    assert_eq!(said.code, 4, "{}", said.out);
    assert!(said.out.contains("∅ VACUOUS"), "{}", said.out);
    let nothing = check(b"{\"consistory\":1,\"model\":\"register\"}\n", &[]);
    assert_eq!(nothing.code, 4, "{}{}", nothing.out, nothing.err);
}

#[test]
fn a_history_that_shows_nothing_is_vacuous_and_says_why() {
    let lines = |wanted: &str| {
        let lines = GOOD.lines().filter(|line| line.contains("consistory") || line.contains(wanted));
        lines.flat_map(|line| [line, "\n"]).collect::<String>()
    };
    let writes = check(lines("write").as_bytes(), &[]);
    assert_eq!(writes.code, 4, "{}", writes.out);
    assert!(writes.out.contains("returned anything that could contradict"), "{}", writes.out);
    let unanswered = GOOD.replace("\"type\":\"ok\",\"f\":\"write\"", "\"type\":\"info\",\"f\":\"write\"");
    let unanswered = check(unanswered.as_bytes(), &[]);
    assert_eq!(unanswered.code, 4, "{}", unanswered.out);
    assert!(unanswered.out.contains("no 'write' ever completed"), "{}", unanswered.out);
    assert_eq!(check(lines("write").as_bytes(), &["--min-ops", "0"]).code, 0);
}

#[test]
fn the_initial_value_may_be_json() {
    let history = |x: &str| {
        let line = |phase: &str, x: &str| {
            format!(r#"{{"process":0,"type":"{phase}","f":"txn","value":[["r","x",{x}],["r","y",0]]}}"#)
        };
        format!("{{\"consistory\":1}}\n{}\n{}\n", line("invoke", "null"), line("ok", x))
    };
    let arguments = ["--model", "multi-register", "--init", r#"{"x":0,"y":0}"#];
    for (x, code) in [("0", 0), ("null", 1)] {
        let said = check(history(x).as_bytes(), &arguments);
        assert_eq!(said.code, code, "{x}: {}{}", said.out, said.err);
    }
    assert_eq!(check(history("0").as_bytes(), &["--model", "multi-register", "--init", "{x:0}"]).code, 64);
}

#[test]
fn a_budget_of_nothing_is_undecided_and_not_green() {
    let said = check(GOOD.as_bytes(), &["--budget", "0s"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    for word in ["UNDECIDED", "the time budget ended while reading h.jsonl", "--budget"] {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
    assert_eq!(check(GOOD.as_bytes(), &["--budget", "8000h"]).code, 0, "a long time");
    assert_eq!(check(GOOD.as_bytes(), &["--budget", "99999999999999999h"]).code, 64, "more time than any clock has");
}

#[test]
fn reading_ends_with_the_budget() {
    /// Far more than is read by then; a bound all the same, should nobody stop reading.
    const OPERATIONS_MAX: u64 = 20_000_000;
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = consistory(folder.path(), &["check", "-", "--budget", "300ms"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        let mut input = std::io::BufWriter::new(input);
        writeln!(input, r#"{{"consistory":1,"model":"register"}}"#)?;
        for value in 0..OPERATIONS_MAX {
            for phase in ["invoke", "ok"] {
                writeln!(input, r#"{{"process":0,"type":"{phase}","f":"write","key":1,"value":{value}}}"#)?;
            }
        }
        input.flush()
    });
    let said = said(&child.wait_with_output().expect("ends"));
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("the time budget ended while reading standard input"), "{}", said.err);
    let unread = writer.join().expect("no panic").expect_err("nobody read it all");
    assert_eq!(unread.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn bad_input_names_path_line_and_column_and_exits_with_5() {
    let twice = GOOD.replace("\"process\":1,\"type\":\"invoke\"", "\"process\":1,\"type\":\"ok\"");
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("a return without a call", twice.into_bytes(), "h.jsonl:4:"),
        ("bad JSON in the middle", GOOD.replace("\"time\":2,", "\"time\":,").into_bytes(), "h.jsonl:3:"),
        ("nothing", Vec::new(), "h.jsonl"),
        ("time backwards", GOOD.replace("\"time\":3", "\"time\":1").into_bytes(), "h.jsonl:4:"),
    ];
    for (what, history, place) in cases {
        let said = check(&history, &[]);
        assert_eq!(said.code, 5, "{what}: {}{}", said.out, said.err);
        assert!(said.err.contains(place), "{what}: {}", said.err);
        assert_eq!(said.out, "", "{what}: no verdict");
    }
}

#[test]
fn a_completed_read_without_a_value_is_no_read_of_nil() {
    let lacking = GOOD.replace("\"f\":\"read\",\"key\":1,\"value\":5", "\"f\":\"read\",\"key\":1");
    let said = check(lacking.as_bytes(), &[]);
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{}", said.err);
    assert!(said.err.contains("h.jsonl:4:") && said.err.contains("write null for nil"), "{}", said.err);
}

#[test]
fn a_torn_last_line_is_a_warning_and_the_rest_is_judged() {
    let again = r#"{"time":5,"process":1,"type":"invoke","f":"read","key":1,"value":null}
{"time":6,"process":1,"type":"ok","f":"read","key":1,"value":5}
"#;
    let history = format!("{GOOD}{again}");
    for cut in 1..60 {
        let said = check(&history.as_bytes()[..history.len() - cut], &[]);
        assert_eq!(said.code, 0, "cut {cut}: {}{}", said.out, said.err);
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("torn.jsonl"), &GOOD.as_bytes()[..GOOD.len() - 20]).expect("is written");
    for command in [&["check", "torn.jsonl", "-q"], &["explain", "torn.jsonl", "-q"]] {
        let said = say(folder.path(), command);
        assert!(said.err.starts_with("warning: torn.jsonl: "), "{command:?}: {}", said.err);
    }
}

#[test]
fn wrong_usage_exits_with_64_and_help_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong: [&[&str]; 7] = [
        &["chekc"],
        &["check"],
        &["run", "nosuchsystem"],
        &["run", "memory?nosuchoption=1"],
        &["run", "memory", "-w", "nosuchworkload"],
        &["check", "x", "--claim", "nosuchclaim"],
        &["run", "memory", "-t", "5parsecs"],
    ];
    for arguments in wrong {
        let said = say(folder.path(), arguments);
        assert_eq!(said.code, 64, "{arguments:?}: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "{arguments:?}");
    }
    let help = say(folder.path(), &["--help"]);
    assert_eq!(help.code, 0);
    for code in ["  0  ", "  2  undecided", " 64  ", "130  "] {
        assert!(help.out.contains(code), "the help lists {code}: {}", help.out);
    }
}

#[test]
fn a_claim_of_the_header_that_nobody_knows_is_not_left_out() {
    let newer = GOOD.replace("\"model\"", "\"claims\":[\"linearizable\",\"opacity\"],\"model\"");
    let said = check(newer.as_bytes(), &[]);
    assert_eq!((said.code, said.out.as_str()), (64, ""), "{}", said.err);
    for word in ["'opacity'", "--claim", "linearizable, ", "lost-acks"] {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
    assert_eq!(check(newer.as_bytes(), &["--claim", "linearizable"]).code, 0);
}

#[test]
fn a_missing_file_exits_with_5_and_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["check", "absent.jsonl"]);
    assert_eq!(said.code, 5);
    assert!(said.err.contains("absent.jsonl"), "{}", said.err);
}

#[test]
fn several_files_have_a_verdict_each_and_the_worst_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("good.jsonl"), GOOD).expect("is written");
    fs::write(folder.path().join("bad.jsonl"), bad()).expect("is written");
    let said = say(folder.path(), &["check", "good.jsonl", "bad.jsonl", "absent.jsonl"]);
    assert_eq!(said.code, 1, "violated outweighs a missing file: {}", said.err);
    assert!(said.out.contains("good.jsonl\n✓") && said.out.contains("bad.jsonl\n✗"), "{}", said.out);
    let said = say(folder.path(), &["check", "good.jsonl", "absent.jsonl"]);
    assert_eq!(said.code, 5, "{}", said.err);
}

#[test]
fn several_files_are_one_document_or_a_line_each() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("good.jsonl"), GOOD).expect("is written");
    fs::write(folder.path().join("bad.jsonl"), bad()).expect("is written");
    let files = ["good.jsonl", "bad.jsonl", "absent.jsonl"];
    let check = |format| say(folder.path(), &[&["check", "--format", format], &files[..]].concat());
    let expect_entries = |entries: &[serde_json::Value]| {
        let names: Vec<_> = entries.iter().map(|entry| entry["history"].as_str().expect("a name")).collect();
        assert_eq!(names, files);
        let codes: Vec<_> = entries.iter().map(|entry| entry["exit_code"].as_u64().expect("a code")).collect();
        assert_eq!(codes, [0, 1, 5]);
        assert_eq!(entries[1]["claims"][0]["verdict"], "violated");
        assert!(entries[0]["cpu_ms"].is_u64() && entries[0]["peak_bytes"].is_u64(), "{}", entries[0]);
        assert!(entries[0]["claims"][0]["cpu_ms"].is_null(), "the cost is of the judgement as a whole");
        assert!(entries[2]["error"].as_str().expect("a reason").contains("absent.jsonl"), "{}", entries[2]);
    };
    let one = check("json");
    assert_eq!(one.code, 1, "{}", one.err);
    let document = one.json();
    assert_eq!(document["schema"], "consistory.verdicts/1");
    assert_eq!((&document["verdict"], &document["exit_code"]), (&"violated".into(), &1.into()));
    expect_entries(document["files"].as_array().expect("entries"));
    let lines = check("ndjson");
    assert_eq!(lines.code, 1, "{}", lines.err);
    let lines: Vec<_> = lines.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    expect_entries(&lines);
}

#[test]
fn a_wrong_question_about_one_file_hides_no_violation_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bad.jsonl"), bad()).expect("is written");
    fs::write(folder.path().join("odd.jsonl"), GOOD.replace("\"register\"", "\"nosuchmodel\"")).expect("is written");
    fs::write(folder.path().join("good.jsonl"), GOOD).expect("is written");
    assert_eq!(say(folder.path(), &["check", "odd.jsonl", "bad.jsonl"]).code, 1);
    assert_eq!(say(folder.path(), &["check", "odd.jsonl", "good.jsonl"]).code, 64);
}

#[test]
fn a_claim_that_cannot_be_judged_takes_nothing_from_another() {
    let history = r#"{"consistory":1,"model":"register","claims":["linearizable","lost-acks"]}
{"process":0,"type":"invoke","f":"add","key":1,"value":5}
{"process":0,"type":"ok","f":"add","key":1,"value":5}
{"process":0,"type":"invoke","f":"read","key":1,"value":null}
{"process":0,"type":"ok","f":"read","key":1,"value":[]}
"#;
    let said = check(history.as_bytes(), &[]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.starts_with("✗ lost-acks"), "{}", said.out);
    assert!(said.out.contains("! linearizable   NOT JUDGED") && said.out.contains("h.jsonl:2:1"), "{}", said.out);
    let document = check(history.as_bytes(), &["--format", "json"]).json();
    assert_eq!(document["claims"][0]["verdict"], "violated");
    assert_eq!(document["not_judged"][0]["claim"], "linearizable");
    assert_eq!(document["not_judged"][0]["exit_code"], 5);
}

#[test]
fn a_run_leaves_a_folder_with_history_and_verdict_and_a_link_to_the_latest() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "--ops", "500", "-q"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let latest = folder.path().join("runs/latest");
    for file in ["history.jsonl", "verdict.json"] {
        assert!(latest.join(file).is_file(), "{file}");
    }
    let again = say(folder.path(), &["check", "runs/latest"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.out, said.out, "check says what run said");
}

#[test]
fn a_run_with_too_few_operations_is_vacuous() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "--ops", "10"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
}

#[test]
fn a_dry_run_says_the_plan_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = say(folder.path(), &["run", "faulty:stale-read", "--dry-run", "--seed", "5"]);
    assert_eq!(said.code, 0);
    assert!(said.err.contains("faulty:stale-read") && said.err.contains("seed 5"), "{}", said.err);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

/// Runs the command with a standard output that nobody reads.
fn unread(folder: &std::path::Path, arguments: &[&str]) -> crate::command::Said {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    said(&consistory(folder, arguments).stdout(writer).stderr(Stdio::piped()).output().expect("starts"))
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["list", "adapters"] as &[&str], &["gen", "--ops", "5000"]] {
        let said = unread(folder.path(), arguments);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_violation_that_nobody_reads_is_still_one() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bad.jsonl"), bad()).expect("is written");
    for format in ["text", "json"] {
        let said = unread(folder.path(), &["check", "bad.jsonl", "--format", format, "-q"]);
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{format}");
    }
}

#[test]
fn completions_man_pages_schema_and_lists_come_without_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let said = say(folder.path(), &["completions", shell]);
        assert!(said.code == 0 && said.out.contains("consistory"), "{shell}");
    }
    assert_eq!(say(folder.path(), &["man", "pages"]).code, 0);
    for page in ["consistory.1", "consistory-run.1", "consistory-check.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
    assert!(say(folder.path(), &["schema"]).json().is_object());
    assert!(say(folder.path(), &["list", "--format", "json"]).json()["adapters"].is_array());
    assert!(say(folder.path(), &["doctor", "--format", "json"]).json()["adapters"].is_array());
}

#[test]
fn colours_are_there_when_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("h.jsonl"), GOOD).expect("is written");
    let mut command = consistory(folder.path(), &["check", "h.jsonl", "--color", "always"]);
    let said = said(&command.env_remove("NO_COLOR").output().expect("starts"));
    assert!(said.out.contains("\u{1b}["), "{}", said.out);
}
