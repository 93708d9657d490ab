//! The same history, the same document: from any number of threads.
//!
//! Histories of one hot register, long enough for the search to look ahead in parallel and to leap, made by `gen` and
//! spoiled in one read. What the verdict says must not depend on how many threads there are, nor on how busy they are.

use crate::command::say;
use serde_json::Value;
use std::fs;
use std::path::Path;

const THREADS: [&str; 3] = ["1", "2", "8"];

/// The document, without what is measured.
fn document(folder: &Path, file: &str, threads: &str) -> Value {
    let said = say(folder, &["check", file, "--format", "json", "--threads", threads]);
    let mut document = said.json();
    let measured = document.as_object_mut().expect("a map");
    assert!(measured.remove("cpu_ms").is_some() && measured.remove("peak_bytes").is_some());
    document
}

/// The history with another value in one completed read about `percent` of the way through.
fn spoiled(text: &str, percent: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_read = |line: &String| line.contains(r#""type":"ok""#) && line.contains(r#""f":"read""#);
    let from = lines.len() * percent / 100;
    let at = from + lines[from..].iter().position(is_read).expect("there is a read");
    let mut read: Value = serde_json::from_str(&lines[at]).expect("JSON");
    let value = read["value"].as_i64().expect("a number");
    read["value"] = (value % 5 + 1).into();
    lines[at] = read.to_string();
    lines.join("\n") + "\n"
}

#[test]
fn a_long_hot_register_gets_the_same_document_from_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "gen --model cas-register --ops 36000 --values 5 --clients 20 --seed 5 -q -o whole.jsonl";
    let said = say(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(said.code, 0, "{}", said.err);
    let whole = fs::read_to_string(folder.path().join("whole.jsonl")).expect("written");
    let mut deciders = Vec::new();
    for percent in [0, 40, 55, 60, 70, 85] {
        let text = if percent == 0 { whole.clone() } else { spoiled(&whole, percent) };
        fs::write(folder.path().join("history.jsonl"), text).expect("written");
        let documents = THREADS.map(|threads| document(folder.path(), "history.jsonl", threads));
        for (threads, other) in THREADS.iter().zip(&documents) {
            assert_eq!(other, &documents[0], "spoiled at {percent} %, by {threads} threads");
        }
        let claim = &documents[0]["claims"][0];
        deciders.push((claim["verdict"].to_string(), claim["decided_by"][0]["decider"].to_string()));
    }
    // Else it would not be about the parallel search.
    for verdict in ["\"holds\"", "\"violated\""] {
        let searched = (verdict.to_owned(), "\"layers\"".to_owned());
        assert!(deciders.contains(&searched), "no history {verdict} by layers: {deciders:?}");
    }
}
