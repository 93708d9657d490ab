//! Which object to hold a history against: by name, by the history's header, or by its functions.

use super::objects::judge_model;
use crate::check::budget::Budget;
use crate::check::judge::{JudgeError, Question};
use crate::check::models::{
    Counter, CounterOptions, FifoQueue, KvAppend, MultiRegister, MultiRegisterOptions, Mutex, OwnedMutex,
    OwnedMutexKind, Register, RegisterOptions, Semaphore, Set, Stack, UnorderedQueue, VersionedRegister,
    VersionedRegisterOptions,
};
use crate::check::verdict::Finding;
use crate::history::{History, Operation, Value, ValueId};
use std::collections::BTreeSet;

type Judge = fn(&History, &Setting, &Budget) -> Result<Finding, JudgeError>;

/// Every model that can be named, in the order of the catalogue of models.
const JUDGES: &[(&str, Judge)] = &[
    ("register", register),
    ("cas-register", register),
    ("versioned-register", versioned_register),
    ("multi-register", multi_register),
    ("kv-append", |history, setting, budget| judge_model(history, &KvAppend, setting.witness, budget)),
    ("counter", counter),
    ("set", |history, setting, budget| judge_model(history, &Set, setting.witness, budget)),
    ("fifo-queue", |history, setting, budget| judge_model(history, &FifoQueue, setting.witness, budget)),
    ("unordered-queue", |history, setting, budget| judge_model(history, &UnorderedQueue, setting.witness, budget)),
    ("stack", |history, setting, budget| judge_model(history, &Stack, setting.witness, budget)),
    ("mutex", |history, setting, budget| judge_model(history, &Mutex, setting.witness, budget)),
    ("owner-mutex", |history, setting, budget| owned(OwnedMutexKind::Owner, history, setting, budget)),
    ("reentrant-mutex", |history, setting, budget| owned(OwnedMutexKind::Reentrant, history, setting, budget)),
    ("fenced-mutex", |history, setting, budget| owned(OwnedMutexKind::Fenced, history, setting, budget)),
    ("semaphore", semaphore),
];

/// Functions and the model that they suggest, the most telling first.
const SUGGESTIONS: &[(&str, &str)] = &[
    ("cas", "cas-register"),
    ("txn", "multi-register"),
    ("append", "kv-append"),
    ("write", "register"),
    ("w", "register"),
    ("enqueue", "fifo-queue"),
    ("push", "stack"),
    ("acquire", "mutex"),
];

/// What says nothing about the model unless there is nothing else.
const READS: [&str; 2] = ["read", "r"];

/// The question as far as it concerns one model.
struct Setting {
    model: &'static str,
    question: Question,
    initial: Option<Value>,
    witness: bool,
}

/// Judges linearizability with the model of the question, of the header, or inferred.
///
/// # Errors
/// See [`JudgeError`].
pub fn judge(history: &History, question: &Question, budget: &Budget) -> Result<Finding, JudgeError> {
    let known = || JUDGES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    let told = question.model.as_deref().or(history.header().model.as_deref());
    let name = match told {
        Some(name) => name,
        None => infer(history).ok_or_else(|| JudgeError::NoModel { functions: functions(history), known: known() })?,
    };
    let entry = JUDGES.iter().find(|(model, _)| *model == name);
    let &(model, judge) = entry.ok_or_else(|| JudgeError::UnknownModel { name: name.to_owned(), known: known() })?;
    let initial = question.initial.clone().or_else(|| history.header().initial.clone());
    let setting = Setting { model, question: question.clone(), initial, witness: question.witness };
    let mut finding = judge(history, &setting, budget)?;
    finding.model = Some(model);
    if told.is_none() {
        finding.assumptions.push(format!("model {name}, inferred from the functions {}", functions(history)));
    }
    Ok(finding)
}

/// The names of functions that operations have; lines of faults and marks are none.
fn names(history: &History) -> BTreeSet<&str> {
    let mut called = vec![false; history.functions().iter().count()];
    for operation in history.operations() {
        called[operation.function_symbol().index()] = true;
    }
    history
        .functions()
        .iter()
        .zip(called)
        .filter(|(name, called)| *called && !name.is_empty())
        .map(|(name, _)| name)
        .collect()
}

fn functions(history: &History) -> String {
    names(history).into_iter().collect::<Vec<_>>().join(", ")
}

fn infer(history: &History) -> Option<&'static str> {
    let names = names(history);
    let suggested = SUGGESTIONS.iter().find(|(function, _)| names.contains(function)).map(|&(_, model)| model);
    suggested.or_else(|| only_reads_registers(history, &names).then_some("register"))
}

/// Whether there is nothing but reads, and none of them shows something else than a register. (Sets are read as lists.)
fn only_reads_registers(history: &History, names: &BTreeSet<&str>) -> bool {
    let is_list = |operation: Operation<'_>| operation.values().items(operation.result()).is_some();
    !names.is_empty() && names.iter().all(|name| READS.contains(name)) && !history.operations().any(is_list)
}

impl Setting {
    /// The initial value as a whole number, or `otherwise` where none is given.
    fn number(&self, otherwise: i64) -> Result<i64, JudgeError> {
        match &self.initial {
            None | Some(Value::Nil) => Ok(otherwise),
            Some(Value::Int(number)) => Ok(*number),
            Some(value) => Err(self.bad_initial(value, "a whole number")),
        }
    }

    fn bad_initial(&self, value: &Value, expected: &'static str) -> JudgeError {
        JudgeError::BadInitial { model: self.model, value: value.to_string(), expected }
    }
}

fn register(history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    let options = RegisterOptions {
        initial: setting.initial.clone(),
        failed_cas: setting.question.failed_cas,
        nil_reads_anything: setting.question.nil_reads_anything,
    };
    judge_model(history, &Register::new(history, &options), setting.witness, budget)
}

fn versioned_register(history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    let initial = setting.initial.as_ref().map_or(ValueId::NIL, |value| history.values().id_of(value));
    let options = VersionedRegisterOptions { initial, ..VersionedRegisterOptions::default() };
    judge_model(history, &VersionedRegister::new(options), setting.witness, budget)
}

fn multi_register(history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    let initial = match &setting.initial {
        None | Some(Value::Nil) => Vec::new(),
        Some(Value::Map(pairs)) => pairs.to_vec(),
        Some(value) => return Err(setting.bad_initial(value, "a map from keys to values")),
    };
    let options = MultiRegisterOptions { initial, nil_reads_anything: setting.question.nil_reads_anything };
    judge_model(history, &MultiRegister::new(history, &options), setting.witness, budget)
}

fn counter(history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    let options = CounterOptions { initial: setting.number(0)?, ..CounterOptions::default() };
    judge_model(history, &Counter::new(history, &options), setting.witness, budget)
}

fn owned(kind: OwnedMutexKind, history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    judge_model(history, &OwnedMutex::new(history, kind), setting.witness, budget)
}

fn semaphore(history: &History, setting: &Setting, budget: &Budget) -> Result<Finding, JudgeError> {
    let permits = setting.number(1)?;
    let expected = "how many permits there are, at least 1";
    let permits = u32::try_from(permits).ok().filter(|&permits| permits > 0);
    let permits = permits.ok_or_else(|| setting.bad_initial(&Value::Int(setting.number(1).unwrap_or(0)), expected))?;
    judge_model(history, &Semaphore::new(permits), setting.witness, budget)
}

#[cfg(test)]
mod tests {
    use super::{JUDGES, SUGGESTIONS, functions, infer};
    use crate::history::History;
    use crate::history::formats::{self, ReadOptions};
    use std::fmt::Write;

    /// A history of single answers to the functions, with a mark of the recorder after them.
    fn history(answers: &[(&str, &str)]) -> History {
        let mut text = "{\"consistory\":1}\n".to_owned();
        for (function, value) in answers {
            for phase in ["invoke", "ok"] {
                let _ = writeln!(text, r#"{{"process":0,"type":"{phase}","f":"{function}","value":{value}}}"#);
            }
        }
        text += "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"work-ended\"}\n";
        formats::read(text.as_bytes(), "test", None, &ReadOptions::default()).expect("a history")
    }

    #[test]
    fn reads_alone_are_those_of_registers_unless_they_show_lists() {
        assert_eq!(infer(&history(&[("read", "null"), ("read", "7")])), Some("register"));
        assert_eq!(infer(&history(&[("read", "null"), ("read", "[7]")])), None);
        assert_eq!(infer(&history(&[("read", "null"), ("add", "7")])), None);
        assert_eq!(infer(&history(&[])), None);
    }

    #[test]
    fn marks_of_the_recorder_are_no_functions_of_a_model() {
        assert_eq!(functions(&history(&[("write", "1"), ("read", "1")])), "read, write");
    }

    #[test]
    fn every_model_of_the_catalogue_can_be_judged() {
        let judged: Vec<_> = JUDGES.iter().map(|(name, _)| *name).collect();
        let models: Vec<_> = crate::check::models::all().iter().map(|model| model.name).collect();
        assert_eq!(judged, models);
        assert!(SUGGESTIONS.iter().all(|(_, model)| judged.contains(model)));
    }
}
