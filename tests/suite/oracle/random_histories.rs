//! Seeded small histories: mostly correct executions, some of them corrupted.

use super::brute_force::{Act, Op, Small};

/// The same numbers for the same seed, everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("smaller than a usize")
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn value(&mut self, domain: u8) -> u8 {
        u8::try_from(self.below(usize::from(domain))).expect("below a byte")
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// What kind of histories to draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) operations_max: usize,
    pub(crate) processes_max: usize,
    pub(crate) cas: bool,
    pub(crate) failed_cas: bool,
    /// No value is written twice, nor is the initial one.
    pub(crate) unique: bool,
}

/// A long history of that kind with so many corruptions; its indeterminate operations take effect soon or never.
pub(crate) fn draw_long(dice: &mut Dice, kind: Kind, faults: usize) -> Small {
    let operations = 100 + dice.below(kind.operations_max - 100);
    let processes = 2 + dice.below(kind.processes_max - 1);
    let indeterminate = dice.one_of(&[0, 0, 1, 3]);
    let domain = 2 + dice.value(6);
    let mut ops = intervals(dice, operations, processes, indeterminate);
    let order = points(dice, &ops);
    // Values are bytes: few are unique in a long history.
    fill(dice, Kind { unique: false, ..kind }, domain, &mut ops, &order);
    for _ in 0..faults {
        corrupt(dice, &mut ops);
    }
    ops.retain(|op| op.returned.is_some() || matches!(op.act, Act::Write(_) | Act::Cas(..)));
    Small { initial: 0, ops }
}

/// A history of that kind.
pub(crate) fn draw(dice: &mut Dice, kind: Kind) -> Small {
    let operations = 1 + dice.below(kind.operations_max);
    let processes = 1 + dice.below(kind.processes_max);
    let indeterminate = dice.one_of(&[0, 0, 15, 40]);
    let domain = if kind.unique { 1 } else { 2 + dice.value(4) };
    let mut ops = intervals(dice, operations, processes, indeterminate);
    let order = points(dice, &ops);
    fill(dice, kind, domain, &mut ops, &order);
    for _ in 0..dice.one_of(&[0, 1, 1, 2]) {
        corrupt(dice, &mut ops);
    }
    // Observers that nobody answered say nothing; a history does not keep them.
    ops.retain(|op| op.returned.is_some() || matches!(op.act, Act::Write(_) | Act::Cas(..)));
    Small { initial: 0, ops }
}

fn intervals(dice: &mut Dice, operations: usize, processes: usize, indeterminate: usize) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; processes];
    let mut clock = 0;
    while ops.len() < operations || open.iter().any(Option::is_some) {
        let process = dice.below(processes);
        match open[process].take() {
            Some(_) if dice.chance(indeterminate) => {}
            Some(at) => {
                ops[at].returned = Some(clock);
                clock += 1;
            }
            None if ops.len() < operations => {
                open[process] = Some(ops.len());
                ops.push(Op { act: Act::Read(0), called: clock, returned: None });
                clock += 1;
            }
            None => {}
        }
    }
    ops
}

/// The places of the operations that take effect, in the order of their moments.
fn points(dice: &mut Dice, ops: &[Op]) -> Vec<usize> {
    let mut moments = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        if op.returned.is_none() && dice.chance(50) {
            continue;
        }
        let soon = op.called + 3 + u32::try_from(2 * ops.len().min(20)).expect("few");
        let width = (op.returned.unwrap_or(soon) - op.called) as usize * 1000;
        moments.push((op.called as usize * 1000 + 1 + dice.below(width - 1), at));
    }
    moments.sort_unstable();
    moments.into_iter().map(|(_, at)| at).collect()
}

fn fill(dice: &mut Dice, kind: Kind, domain: u8, ops: &mut [Op], order: &[usize]) {
    let mut fresh = 0;
    let mut state = 0;
    let mut effective = vec![false; ops.len()];
    for &at in order {
        effective[at] = true;
        let answered = ops[at].returned.is_some();
        let (act, after) = act_in(dice, kind, domain, &mut fresh, state, answered);
        ops[at].act = act;
        state = after;
    }
    for at in (0..ops.len()).filter(|&at| !effective[at]) {
        let written = new_value(dice, kind, domain, &mut fresh);
        let seen = dice.value(domain.max(fresh));
        ops[at].act = if kind.cas && dice.chance(50) { Act::Cas(seen, written) } else { Act::Write(written) };
    }
}

fn new_value(dice: &mut Dice, kind: Kind, domain: u8, fresh: &mut u8) -> u8 {
    if !kind.unique {
        return dice.value(domain);
    }
    *fresh += 1;
    *fresh
}

fn act_in(dice: &mut Dice, kind: Kind, domain: u8, fresh: &mut u8, state: u8, answered: bool) -> (Act, u8) {
    match dice.below(if kind.cas { 4 } else { 2 }) {
        0 => (Act::Read(state), state),
        1 => {
            let written = new_value(dice, kind, domain, fresh);
            (Act::Write(written), written)
        }
        _ => {
            let from = if dice.chance(60) { state } else { dice.value(domain.max(*fresh + 1)) };
            if from == state {
                let written = new_value(dice, kind, domain, fresh);
                return (Act::Cas(from, written), written);
            }
            match (answered, kind.failed_cas) {
                (true, true) => (Act::FailedCas(from), state),
                (true, false) => (Act::Read(state), state),
                (false, _) => (Act::Cas(from, new_value(dice, kind, domain, fresh)), state),
            }
        }
    }
}

/// Changes what an operation saw.
fn corrupt(dice: &mut Dice, ops: &mut [Op]) {
    let values: Vec<u8> = ops.iter().map(|op| written(op.act).unwrap_or(0)).collect();
    let seen = if dice.chance(5) { 99 } else { dice.one_of(&values) };
    let at = dice.below(ops.len());
    ops[at].act = match ops[at].act {
        Act::Read(_) => Act::Read(seen),
        Act::Cas(_, to) => Act::Cas(seen, to),
        Act::FailedCas(_) => Act::FailedCas(seen),
        unchanged @ Act::Write(_) => unchanged,
    };
}

/// The value that an operation leaves behind, if it is sure to.
pub(crate) fn written(act: Act) -> Option<u8> {
    match act {
        Act::Write(value) | Act::Cas(_, value) => Some(value),
        Act::Read(_) | Act::FailedCas(_) => None,
    }
}
