//! How models read the values that other tools write: Knossos, Jepsen, Porcupine.

use super::histories::{NEVER, Op, record};
use consistory::check::models::{
    AddAnswer, ContainerCall, Counter, CounterCall, CounterOptions, FifoQueue, KvAppend, KvAppendCall, Model,
    MultiRegister, MultiRegisterOptions, Mutex, MutexCall, OwnedMutex, OwnedMutexCall, OwnedMutexKind, Semaphore, Set,
    SetCall, VersionedKind, VersionedRegister,
};
use consistory::history::{History, OpId, Outcome, Value, ValueId};

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn list(items: &[Value]) -> Value {
    Value::List(items.into())
}

/// One operation after another, each by the same process unless it never returns.
fn history(ops: &[(&'static str, Value, Outcome, Value)]) -> History {
    let mut process = 0;
    let op = |(at, (function, argument, outcome, result)): (u32, &(&'static str, Value, Outcome, Value))| {
        let lost = *outcome == Outcome::Indeterminate;
        let own = process;
        process += u32::from(lost);
        let returned = if lost { NEVER } else { 2 * at + 1 };
        let (argument, result) = (argument.clone(), result.clone());
        Op { process: own, function, argument, result, outcome: *outcome, invoked: 2 * at, returned }
    };
    record(&(0..).zip(ops).map(op).collect::<Vec<_>>())
}

fn calls<M: Model>(model: &M, history: &History) -> Vec<Option<M::Call>> {
    history.operations().map(|operation| model.call(&operation).expect("a known operation")).collect()
}

use Outcome::{Completed, Indeterminate, Rejected};

#[test]
fn a_lock_of_knossos_has_acquire_and_release_without_values() {
    let history = history(&[
        ("release", Value::Nil, Rejected, Value::Nil),
        ("acquire", Value::Nil, Completed, Value::Nil),
        ("release", Value::Nil, Indeterminate, Value::Nil),
    ]);
    assert_eq!(calls(&Mutex, &history), [None, Some(MutexCall::Acquire), Some(MutexCall::Release)]);
    assert_eq!(calls(&Semaphore::new(1), &history)[1].expect("it happened").permits, 1);
}

#[test]
fn a_transaction_of_knossos_reads_and_writes_registers_by_keyword() {
    let txn = |x: Value| list(&[list(&[text("read"), text("x"), x]), list(&[text("write"), text("y"), int(5)])]);
    let history = history(&[
        ("txn", txn(Value::Nil), Completed, txn(int(0))),
        ("txn", txn(Value::Nil), Indeterminate, Value::Nil),
        ("txn", list(&[list(&[text("r"), text("y"), Value::Nil])]), Indeterminate, Value::Nil),
        ("txn", txn(Value::Nil), Completed, txn(int(1))),
    ]);
    let options = MultiRegisterOptions { initial: vec![(text("x"), int(0))], nil_reads_anything: false };
    let model = MultiRegister::new(&history, &options);
    let calls = calls(&model, &history);
    assert_eq!(calls.iter().map(|call| call.as_ref().map_or(0, |txn| txn.len())).collect::<Vec<_>>(), [2, 1, 0, 2]);
    let after = model.step(&model.initial(), calls[0].as_ref().expect("it happened")).expect("x is 0 at first");
    assert_eq!(model.step(&after, calls[3].as_ref().expect("it happened")), None, "x is still 0");
}

#[test]
fn texts_of_porcupine_are_empty_at_first_and_grow() {
    let history = history(&[
        ("get", Value::Nil, Completed, text("")),
        ("append", text("x 0 0 y"), Completed, text("x 0 0 y")),
        ("get", Value::Nil, Completed, text("x 0 0 y")),
        ("get", Value::Nil, Indeterminate, Value::Nil),
    ]);
    let calls = calls(&KvAppend, &history);
    assert_eq!(calls[3], None);
    let state = calls.iter().flatten().try_fold(KvAppend.initial(), |state, call| KvAppend.step(&state, call));
    assert_eq!(state.as_deref(), Some("x 0 0 y"));
    assert_eq!(calls[1], Some(KvAppendCall::Append("x 0 0 y".into())));
}

#[test]
fn additions_that_repeat_their_argument_say_nothing_and_others_return_the_sum() {
    let echo = history(&[("add", int(1), Completed, int(1)), ("read", Value::Nil, Completed, int(1))]);
    let model = Counter::new(&echo, &CounterOptions::default());
    assert_eq!(calls(&model, &echo), [Some(CounterCall::Add(1)), Some(CounterCall::Read(1))]);
    let sums = history(&[("add", int(1), Completed, int(1)), ("add", int(1), Completed, int(2))]);
    let model = Counter::new(&sums, &CounterOptions::default());
    let and_get = |sum| Some(CounterCall::AddAndGet { delta: 1, sum });
    assert_eq!(calls(&model, &sums), [and_get(1), and_get(2)]);
    let before = CounterOptions { answer: AddAnswer::Before, ..CounterOptions::default() };
    assert_eq!(calls(&Counter::new(&sums, &before), &sums), [and_get(2), and_get(3)]);
    let plain = history(&[("inc", Value::Nil, Completed, Value::Nil), ("dec", int(3), Indeterminate, Value::Nil)]);
    let model = Counter::new(&plain, &CounterOptions::default());
    assert_eq!(calls(&model, &plain), [Some(CounterCall::Add(1)), Some(CounterCall::Add(-3))]);
}

#[test]
fn an_empty_queue_answers_nil_or_the_keyword_empty() {
    let history = history(&[
        ("dequeue", Value::Nil, Completed, text("empty")),
        ("dequeue", Value::Nil, Completed, Value::Nil),
        ("enqueue", int(7), Completed, int(7)),
        ("dequeue", Value::Nil, Completed, int(7)),
        ("dequeue", Value::Nil, Rejected, text("empty")),
        ("dequeue", Value::Nil, Indeterminate, Value::Nil),
    ]);
    let seven = ValueId::small(7).expect("small");
    let expected = [
        Some(ContainerCall::TakeNothing),
        Some(ContainerCall::TakeNothing),
        Some(ContainerCall::Insert(seven)),
        Some(ContainerCall::Take(seven)),
        None,
        Some(ContainerCall::TakeUnknown),
    ];
    assert_eq!(calls(&FifoQueue, &history), expected);
}

#[test]
fn a_set_of_jepsen_repeats_elements_and_reads_lists() {
    let history = history(&[
        ("add", int(3), Completed, int(3)),
        ("add", int(3), Completed, Value::Bool(false)),
        ("read", Value::Nil, Completed, list(&[int(3), int(1), int(3)])),
    ]);
    let element = |number| ValueId::small(number).expect("small");
    let expected = [
        Some(SetCall::Add { element: element(3), changed: None }),
        Some(SetCall::Add { element: element(3), changed: Some(false) }),
        Some(SetCall::read(vec![element(1), element(3)])),
    ];
    assert_eq!(calls(&Set, &history), expected);
}

#[test]
fn versions_of_jepsen_stand_before_the_value() {
    let history = history(&[
        ("write", list(&[Value::Nil, int(4)]), Completed, list(&[int(1), int(4)])),
        ("cas", list(&[Value::Nil, list(&[int(4), int(5)])]), Indeterminate, Value::Nil),
        ("read", list(&[Value::Nil, Value::Nil]), Completed, list(&[int(2), int(5)])),
    ]);
    let calls = calls(&VersionedRegister::default(), &history);
    let versions: Vec<_> = calls.iter().flatten().map(|call| call.version).collect();
    assert_eq!(versions, [Some(1), None, Some(2)]);
    let five = ValueId::small(5).expect("small");
    assert_eq!(calls[2].expect("it returned").kind, VersionedKind::Read(five));
}

#[test]
fn sessions_are_numbered_by_their_first_acquisition() {
    let history = history(&[
        ("acquire", Value::Nil, Completed, int(4)),
        ("acquire", Value::Nil, Completed, int(5)),
        ("release", Value::Nil, Completed, Value::Nil),
        ("release", Value::Nil, Completed, Value::Nil),
        ("release", Value::Nil, Completed, Value::Nil),
    ]);
    let sessions = |kind| {
        let calls = calls(&OwnedMutex::new(&history, kind), &history);
        calls.into_iter().flatten().map(OwnedMutexCall::session).collect::<Vec<_>>()
    };
    assert_eq!(sessions(OwnedMutexKind::Reentrant), [0, 0, 0, 0, 4]);
    assert_eq!(sessions(OwnedMutexKind::Owner), [0, 1, 1, 3, 4]);
    let fenced = calls(&OwnedMutex::new(&history, OwnedMutexKind::Fenced), &history);
    assert_eq!(fenced[1], Some(OwnedMutexCall::Acquire { session: 1, token: Some(5) }));
}

#[test]
fn what_a_model_does_not_know_is_refused_with_its_line() {
    let history = history(&[("drain", Value::Nil, Completed, list(&[int(1)]))]);
    let refused = FifoQueue.call(&history.operation(OpId(0))).expect_err("a queue has no drain here");
    assert_eq!((refused.model, refused.line, refused.function.as_str()), ("fifo-queue", 1, "drain"));
}
