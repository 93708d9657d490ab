//! The independent check of a read that is wrong by itself: what the operations say, word by word.

use super::initial::Initial;
use super::judge::Question;
use super::verdict::{WrongRead, WrongReadKind};
use crate::history::{History, Operation, Outcome, Value, ValueId};

/// Whether what is said of a read is true. O(accesses).
pub(super) fn stands(history: &History, question: &Question, wrong: &WrongRead) -> bool {
    let scene = Scene { history, wrong };
    let reader = history.operation(wrong.reader);
    if !scene.accesses(&reader).contains(&Access::Reads(wrong.value)) {
        return false;
    }
    let is_initial = Initial::of(history, question).value_of(wrong.key) == wrong.value;
    let writers = || history.operations().filter(|operation| scene.writes(operation));
    let only_rejected = || writers().all(|operation| operation.outcome() == Outcome::Rejected);
    let of_writer = || wrong.writer.map(|writer| scene.accesses(&history.operation(writer))).unwrap_or_default();
    match wrong.kind {
        WrongReadKind::ThinAir => !is_initial && writers().next().is_none(),
        WrongReadKind::Aborted => !is_initial && only_rejected() && of_writer().contains(&Access::Writes(wrong.value)),
        WrongReadKind::Future => {
            let others =
                |operation: Operation<'_>| operation.id() != wrong.reader && operation.outcome() != Outcome::Rejected;
            !is_initial && scene.writes(&reader) && !writers().any(others)
        }
        WrongReadKind::Early => {
            let is_later = |operation: Operation<'_>| {
                operation.outcome() == Outcome::Rejected
                    || operation.id() == wrong.reader
                    || operation.called() > reader.returned()
            };
            !is_initial && of_writer().contains(&Access::Writes(wrong.value)) && writers().all(is_later)
        }
        WrongReadKind::NotOwn => {
            let accesses = scene.accesses(&reader);
            let places = (0..accesses.len()).filter(|&at| accesses[at] == Access::Reads(wrong.value));
            let own = |at: usize| accesses[..at].iter().rev().find(|access| matches!(access, Access::Writes(_)));
            places.into_iter().any(|at| own(at).is_some_and(|own| *own != Access::Writes(wrong.value)))
        }
        WrongReadKind::Intermediate => {
            let last = of_writer().into_iter().rfind(|access| matches!(access, Access::Writes(_)));
            of_writer().contains(&Access::Writes(wrong.value)) && last != Some(Access::Writes(wrong.value))
        }
    }
}

/// What an operation does to the key in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Reads(ValueId),
    Writes(ValueId),
}

struct Scene<'h> {
    history: &'h History,
    wrong: &'h WrongRead,
}

impl Scene<'_> {
    fn writes(&self, operation: &Operation<'_>) -> bool {
        self.accesses(operation).contains(&Access::Writes(self.wrong.value))
    }

    fn accesses(&self, operation: &Operation<'_>) -> Vec<Access> {
        let values = self.history.values();
        let told = if operation.result().is_absent() { operation.argument() } else { operation.result() };
        let items = |list: ValueId| values.items(list).unwrap_or_default();
        let of_key = operation.key() == self.wrong.key;
        match operation.function() {
            "txn" => {
                let list = if operation.outcome() == Outcome::Completed { told } else { operation.argument() };
                let access = |&item: &ValueId| {
                    let &[word, key, value] = items(item) else { return None };
                    let reads = matches!(values.to_value(word), Value::Text(word) if word.starts_with('r'));
                    let access = if reads { Access::Reads(value) } else { Access::Writes(value) };
                    (key == self.wrong.key).then_some(access)
                };
                items(list).iter().filter_map(access).collect()
            }
            "cas" if of_key => match items(operation.argument()) {
                &[from, to] => vec![Access::Reads(from), Access::Writes(to)],
                _ => Vec::new(),
            },
            "read" | "r" | "get" if of_key => vec![Access::Reads(operation.result())],
            "write" | "w" | "put" if of_key => {
                let value = operation.argument();
                vec![Access::Writes(if value.is_absent() { ValueId::NIL } else { value })]
            }
            _ => Vec::new(),
        }
    }
}
