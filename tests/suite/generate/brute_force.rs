//! Linearizability by trying every order: slow, obvious, and nothing of the checkers in it.
//!
//! States are JSON. A step takes a state and an operation with its answer to every state that can follow; an
//! operation in doubt has no answer and may be left out.

use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

/// One operation of a history file.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) process: u64,
    pub(super) function: String,
    pub(super) key: String,
    pub(super) argument: Value,
    /// `None` in doubt.
    pub(super) result: Option<Value>,
    /// Numbers of lines.
    pub(super) invoked: usize,
    pub(super) returned: usize,
}

/// The operations of a history file without those that certainly did not happen.
pub(super) fn read(lines: &[u8]) -> Vec<Operation> {
    let text = std::str::from_utf8(lines).expect("text");
    let mut operations: Vec<Operation> = Vec::new();
    let mut refused = Vec::new();
    for (line, text) in text.lines().enumerate().skip(1) {
        let event: Value = serde_json::from_str(text).expect("JSON");
        let process = event["process"].as_u64().expect("a process");
        let open = operations.iter().rposition(|operation| operation.process == process);
        match (event["type"].as_str(), open) {
            (Some("invoke"), _) => operations.push(Operation {
                process,
                function: event["f"].as_str().expect("a function").to_owned(),
                key: event["key"].to_string(),
                argument: event["value"].clone(),
                result: None,
                invoked: line,
                returned: usize::MAX,
            }),
            (Some("ok"), Some(open)) => {
                operations[open].result = Some(event["value"].clone());
                operations[open].returned = line;
            }
            (Some("fail"), Some(open)) => refused.push(operations[open].invoked),
            (Some("info"), Some(_)) => {}
            _ => panic!("no such event can be: {text}"),
        }
    }
    operations.retain(|operation| !refused.contains(&operation.invoked));
    operations
}

/// The objects of one model.
pub(super) struct Model<'m> {
    pub(super) name: &'m str,
    pub(super) permits: u64,
}

/// Whether some order of the operations respects real time and the model.
pub(super) fn is_linearizable(model: &Model<'_>, operations: &[Operation]) -> bool {
    let keys: BTreeSet<_> = operations.iter().map(|operation| operation.key.clone()).collect();
    keys.into_iter().all(|key| {
        let own: Vec<_> = operations.iter().filter(|operation| operation.key == key).collect();
        assert!(own.len() <= 64, "a brute force of {} operations", own.len());
        try_all(model, &own, 0, &model.initial(), &mut HashSet::new())
    })
}

/// Whether the operations not in `done` can follow in `state`.
fn try_all(
    model: &Model<'_>,
    operations: &[&Operation],
    done: u64,
    state: &Value,
    seen: &mut HashSet<(u64, String)>,
) -> bool {
    let left = || operations.iter().enumerate().filter(|(place, _)| done & (1 << place) == 0);
    if left().all(|(_, operation)| operation.result.is_none()) {
        return true;
    }
    if !seen.insert((done, state.to_string())) {
        return false;
    }
    let deadline = left().map(|(_, operation)| operation.returned).min().unwrap_or(usize::MAX);
    left().filter(|(_, operation)| operation.invoked < deadline).any(|(place, operation)| {
        let nexts = model.step(state, operation);
        nexts.iter().any(|next| try_all(model, operations, done | 1 << place, next, seen))
    })
}

impl Model<'_> {
    fn initial(&self) -> Value {
        match self.name {
            "kv-append" => json!(""),
            "counter" => json!(0),
            "set" | "fifo-queue" | "unordered-queue" | "stack" => json!([]),
            "multi-register" => json!({}),
            "semaphore" => json!(self.permits),
            "fenced-mutex" => json!([null, 0]),
            _ => Value::Null,
        }
    }

    fn step(&self, state: &Value, operation: &Operation) -> Vec<Value> {
        match self.name {
            "register" | "cas-register" => register(state, operation),
            "multi-register" => multi_register(state, operation),
            "kv-append" => kv_append(state, operation),
            "mutex" => lock(state, operation, false),
            "owner-mutex" => lock(state, operation, true),
            "fenced-mutex" => fenced(state, operation),
            "semaphore" => semaphore(state, operation, self.permits),
            "counter" => counter(state, operation),
            "set" => set(state, operation),
            _ => container(self.name, state, operation),
        }
    }
}

/// `next` if the operation's answer, where there is one, is `answer`.
fn if_told(operation: &Operation, answer: &Value, next: Value) -> Vec<Value> {
    if operation.result.as_ref().is_none_or(|told| told == answer) { vec![next] } else { vec![] }
}

fn register(state: &Value, operation: &Operation) -> Vec<Value> {
    let argument = &operation.argument;
    match operation.function.as_str() {
        "read" => if_told(operation, state, state.clone()),
        "write" => vec![argument.clone()],
        "cas" if argument[0] == *state => vec![argument[1].clone()],
        "cas" => vec![],
        other => panic!("{other}"),
    }
}

fn multi_register(state: &Value, operation: &Operation) -> Vec<Value> {
    let mut state = state.clone();
    let accesses = operation.result.as_ref().unwrap_or(&operation.argument);
    for access in accesses.as_array().expect("a list") {
        let register = access[1].to_string();
        if access[0] == "w" {
            state[&register] = access[2].clone();
        } else if operation.result.is_some() && state[&register] != access[2] {
            return vec![];
        }
    }
    vec![state]
}

fn kv_append(state: &Value, operation: &Operation) -> Vec<Value> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    match operation.function.as_str() {
        "get" => if_told(operation, state, state.clone()),
        "put" => vec![operation.argument.clone()],
        "append" => vec![json!(text(state) + &text(&operation.argument))],
        other => panic!("{other}"),
    }
}

fn lock(holder: &Value, operation: &Operation, owned: bool) -> Vec<Value> {
    let own = json!(if owned { operation.process } else { 0 });
    match operation.function.as_str() {
        "acquire" if holder.is_null() => vec![own],
        "release" if *holder == own => vec![Value::Null],
        _ => vec![],
    }
}

fn fenced(state: &Value, operation: &Operation) -> Vec<Value> {
    let (holder, last) = (&state[0], state[1].as_u64().expect("a token"));
    if operation.function == "release" {
        return if *holder == json!(operation.process) { vec![json!([null, last])] } else { vec![] };
    }
    let token = operation.result.as_ref().map_or(last + 1, |token| token.as_u64().expect("a token"));
    if holder.is_null() && token > last { vec![json!([operation.process, token])] } else { vec![] }
}

fn semaphore(free: &Value, operation: &Operation, permits: u64) -> Vec<Value> {
    let free = free.as_u64().expect("a number");
    match operation.function.as_str() {
        "acquire" if free > 0 => vec![json!(free - 1)],
        "release" if free < permits => vec![json!(free + 1)],
        _ => vec![],
    }
}

fn counter(sum: &Value, operation: &Operation) -> Vec<Value> {
    match operation.function.as_str() {
        "read" => if_told(operation, sum, sum.clone()),
        "add" => vec![json!(sum.as_i64().expect("a sum") + operation.argument.as_i64().expect("a number"))],
        other => panic!("{other}"),
    }
}

fn set(members: &Value, operation: &Operation) -> Vec<Value> {
    let mut next: BTreeSet<i64> = serde_json::from_value(members.clone()).expect("numbers");
    let element = operation.argument.as_i64();
    let answer = match (operation.function.as_str(), element) {
        ("read", None) => members.clone(),
        ("add", Some(element)) => json!(next.insert(element)),
        ("remove", Some(element)) => json!(next.remove(&element)),
        ("contains", Some(element)) => json!(next.contains(&element)),
        other => panic!("{other:?}"),
    };
    if_told(operation, &answer, json!(next))
}

fn container(model: &str, state: &Value, operation: &Operation) -> Vec<Value> {
    let items = state.as_array().expect("a list");
    if matches!(operation.function.as_str(), "enqueue" | "push") {
        let mut next = items.clone();
        next.push(operation.argument.clone());
        return vec![json!(next)];
    }
    let places = match model {
        _ if items.is_empty() => 0..0,
        "fifo-queue" => 0..1,
        "stack" => items.len() - 1..items.len(),
        _ => 0..items.len(),
    };
    let take = |place: usize| {
        let mut next = items.clone();
        let taken = next.remove(place);
        if_told(operation, &taken, json!(next))
    };
    places.flat_map(take).collect()
}

#[test]
fn the_brute_force_knows_right_from_wrong() {
    let line = |process: u64, kind: &str, function: &str, value: &str| {
        format!(r#"{{"process":{process},"type":"{kind}","f":"{function}","key":0,"value":{value}}}"#)
    };
    let stale = |read: &str, overlaps: bool| {
        let (end, begin) = (line(1, "ok", "write", "2"), line(2, "invoke", "read", "null"));
        let middle = if overlaps { [begin, end] } else { [end, begin] };
        let all = [
            "{}".to_owned(),
            line(0, "invoke", "write", "1"),
            line(0, "ok", "write", "1"),
            line(1, "invoke", "write", "2"),
            middle[0].clone(),
            middle[1].clone(),
            line(2, "ok", "read", read),
        ];
        is_linearizable(&Model { name: "register", permits: 0 }, &read_lines(&all))
    };
    assert!(stale("2", false) && stale("2", true) && stale("1", true));
    assert!(!stale("1", false) && !stale("3", false) && !stale("null", true));
}

fn read_lines(lines: &[String]) -> Vec<Operation> {
    read(lines.join("\n").as_bytes())
}
