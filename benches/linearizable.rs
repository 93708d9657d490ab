//! How long the linearizability ladder takes on registers, and how much memory.
//!
//! `cargo bench --bench linearizable -- [word…]` runs the cells whose name contains every word; `seeds=N` draws N
//! histories for each cell (5 by default), `limit=S` gives each decision S seconds (20 by default). Every history is
//! drawn from its seed: clients always have an operation open, so that as many calls overlap as there are clients.

use consistory::check::budget::Budget;
use consistory::check::linearizable::{Decision, Wish, decide};
use consistory::check::models::{Register, RegisterCall};
use consistory::check::problem::{NEVER, Problem};
use consistory::history::{OpId, Rank, ValueId};
use std::time::{Duration, Instant};

/// One corruption of an otherwise linearizable history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A read in the second half returns another value that was written.
    Stale,
    /// A read in the second half returns a value that nobody wrote.
    Garbage,
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a cell of a table of features")]
struct Cell {
    operations: usize,
    clients: usize,
    /// How many values there are; 0: every write writes a new one.
    values: u32,
    cas: bool,
    indeterminate_percent: u64,
    /// Whether compare-and-sets are indeterminate too, not only writes.
    lost_cas: bool,
    /// Whether a failed compare-and-set says that the register held something else.
    observed: bool,
    fault: Fault,
    order: bool,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("smaller than a usize")
    }
}

/// What a client is doing.
struct Open {
    at: usize,
    applied: bool,
}

/// A history under construction.
struct Drawn {
    calls: Vec<Option<RegisterCall>>,
    invoked: Vec<u32>,
    returned: Vec<u32>,
}

const INITIAL: u32 = 0;

fn value(number: u32) -> ValueId {
    ValueId::small(i64::from(number)).expect("values are small")
}

fn draw(cell: &Cell, seed: u64) -> Problem<Register> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9).wrapping_add(cell.operations as u64 + cell.clients as u64));
    let mut drawn = Drawn { calls: Vec::new(), invoked: Vec::new(), returned: Vec::new() };
    let mut sessions: Vec<Option<Open>> = (0..cell.clients).map(|_| None).collect();
    let (mut clock, mut state, mut fresh) = (0, INITIAL, 0);
    while sessions.iter().any(Option::is_some) || drawn.calls.len() < cell.operations {
        let client = &mut sessions[dice.index(cell.clients)];
        match client {
            Some(open) if !open.applied => {
                open.applied = true;
                let pending = &mut drawn.calls[open.at];
                let plan = pending.expect("it was planned when it was invoked");
                let can_be_lost = match plan {
                    RegisterCall::Write(_) => true,
                    RegisterCall::Cas { .. } => cell.lost_cas,
                    RegisterCall::Read(_) | RegisterCall::FailedCas(_) => false,
                };
                let lost = can_be_lost && dice.below(100) < cell.indeterminate_percent;
                if !lost || dice.below(2) == 0 {
                    *pending = apply(plan, &mut state, &mut dice, cell);
                }
                if lost {
                    *client = None;
                }
            }
            Some(open) => {
                drawn.returned[open.at] = clock;
                clock += 1;
                *client = None;
            }
            None => {}
        }
        if client.is_none() && drawn.calls.len() < cell.operations {
            *client = Some(Open { at: drawn.calls.len(), applied: false });
            drawn.calls.push(Some(plan(cell, &mut dice, &mut fresh)));
            drawn.invoked.push(clock);
            drawn.returned.push(NEVER);
            clock += 1;
        }
    }
    corrupt(cell, &mut drawn, &mut dice);
    compile(&drawn)
}

fn plan(cell: &Cell, dice: &mut Dice, fresh: &mut u32) -> RegisterCall {
    let written = if cell.values == 0 {
        *fresh += 1;
        *fresh
    } else {
        u32::try_from(dice.below(u64::from(cell.values))).expect("a value")
    };
    match dice.below(if cell.cas { 3 } else { 2 }) {
        0 => RegisterCall::Read(value(INITIAL)),
        1 => RegisterCall::Write(value(written)),
        _ => RegisterCall::Cas { from: value(INITIAL), to: value(written) },
    }
}

/// The call with what it saw; `None` for a failed compare-and-set.
fn apply(plan: RegisterCall, state: &mut u32, dice: &mut Dice, cell: &Cell) -> Option<RegisterCall> {
    match plan {
        RegisterCall::Read(_) | RegisterCall::FailedCas(_) => Some(RegisterCall::Read(value(*state))),
        RegisterCall::Write(written) => {
            *state = written.as_small().expect("values are small");
            Some(plan)
        }
        RegisterCall::Cas { to, .. } => {
            let guess = u32::try_from(dice.below(u64::from(cell.values.max(5)))).expect("a value");
            let from = if dice.below(2) == 0 { *state } else { guess };
            if from != *state {
                return cell.observed.then_some(RegisterCall::FailedCas(value(from)));
            }
            *state = to.as_small().expect("values are small");
            Some(RegisterCall::Cas { from: value(from), to })
        }
    }
}

fn corrupt(cell: &Cell, drawn: &mut Drawn, dice: &mut Dice) {
    let half = drawn.calls.len() / 2;
    let is_a_read = |at: &usize| matches!(drawn.calls[*at], Some(RegisterCall::Read(_)));
    let reads: Vec<usize> = (half..drawn.calls.len()).filter(is_a_read).collect();
    if cell.fault == Fault::None || reads.is_empty() {
        return;
    }
    let at = reads[dice.index(reads.len())];
    let Some(RegisterCall::Read(seen)) = drawn.calls[at] else { return };
    let seen = seen.as_small().expect("values are small");
    let other = match cell.fault {
        Fault::Garbage => 1_000_000_000,
        _ if cell.values == 0 => seen / 2 + 1,
        _ => (seen + 1 + u32::try_from(dice.below(u64::from(cell.values) - 1)).expect("a value")) % cell.values,
    };
    drawn.calls[at] = Some(RegisterCall::Read(value(other)));
}

fn compile(drawn: &Drawn) -> Problem<Register> {
    let mut problem = Problem::empty(Register::starting_at(value(INITIAL)));
    for (at, call) in drawn.calls.iter().enumerate() {
        if let Some(call) = *call {
            if drawn.returned[at] == NEVER && matches!(call, RegisterCall::FailedCas(_)) {
                continue;
            }
            let id = OpId(u32::try_from(at).expect("ids are 32 bits"));
            problem.push(call, Rank(drawn.invoked[at]), Rank(drawn.returned[at]), id);
        }
    }
    problem
}

fn cells() -> Vec<(String, Cell)> {
    let plain = Cell {
        operations: 0,
        clients: 0,
        values: 5,
        cas: true,
        indeterminate_percent: 0,
        lost_cas: false,
        observed: false,
        fault: Fault::None,
        order: false,
    };
    let mut cells = Vec::new();
    for (operations, clients) in [(100_000, 10), (1_000_000, 10), (100_000, 20), (1_000, 50), (10_000, 50)] {
        for order in [false, true] {
            cells.push(Cell { operations, clients, order, ..plain });
        }
    }
    for operations in [1_000, 10_000] {
        for clients in [5, 10, 20, 30, 50] {
            for fault in [Fault::None, Fault::Stale, Fault::Garbage] {
                cells.push(Cell { operations, clients, indeterminate_percent: 5, fault, ..plain });
            }
            cells.push(Cell { operations, clients, fault: Fault::Stale, ..plain });
            cells.push(Cell { operations, clients, fault: Fault::Stale, values: 100, ..plain });
            cells.push(Cell {
                operations,
                clients,
                fault: Fault::Stale,
                values: 100,
                indeterminate_percent: 5,
                ..plain
            });
            cells.push(Cell { operations, clients, lost_cas: true, indeterminate_percent: 5, ..plain });
            cells.push(Cell { operations, clients, observed: true, ..plain });
            cells.push(Cell { operations, clients, observed: true, fault: Fault::Stale, ..plain });
        }
    }
    for fault in [Fault::None, Fault::Stale] {
        for order in [false, true] {
            let unique = Cell { values: 0, cas: false, clients: 50, operations: 1_000_000, ..plain };
            cells.push(Cell { fault, order, ..unique });
        }
    }
    cells.into_iter().map(|cell| (name(&cell), cell)).collect()
}

fn name(cell: &Cell) -> String {
    format!(
        "{}{}{} values={} n={} clients={} lost={}% {:?}{}",
        if cell.observed { "observing-" } else { "" },
        if cell.lost_cas { "losing-" } else { "" },
        if cell.cas { "cas-register" } else { "register" },
        if cell.values == 0 { "unique".to_owned() } else { cell.values.to_string() },
        cell.operations,
        cell.clients,
        cell.indeterminate_percent,
        cell.fault,
        if cell.order { " +order" } else { "" }
    )
}

/// The kernel accounts for running threads this often.
const TICK: Duration = Duration::from_millis(4);

/// The time that this thread has run, where the system tells: other load does not count.
fn on_cpu() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[expect(clippy::print_stdout, reason = "the table is what it is run for")]
fn measure(name: &str, cell: &Cell, seeds: u64, limit: Duration) {
    let mut times = Vec::new();
    let (mut holds, mut violated, mut bytes) = (0, 0, 0);
    let mut slow = Vec::new();
    for seed in 1..=seeds {
        let problem = draw(cell, seed);
        let begin = Instant::now();
        let cpu = on_cpu();
        let budget = Budget::new(Some(begin + limit), 4 << 30);
        let answer = decide(&problem, Wish { order: cell.order }, &budget);
        let wall = begin.elapsed();
        let took = on_cpu().zip(cpu).map_or(wall, |(now, then)| wall.min(now.saturating_sub(then) + TICK));
        match answer.decision {
            Decision::Holds(_) => holds += 1,
            Decision::Violated(_) => violated += 1,
            Decision::NotApplicable(_) | Decision::GaveUp { .. } => slow.push(seed),
        }
        bytes = bytes.max(budget.bytes_peak());
        times.push(took);
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{name:62} median {:9.1} ms  p95 {:9.1}  max {:9.1}  {holds:3} hold {violated:3} violated {:3} undecided {:?}  {:5} MB",
        at(50),
        at(95),
        at(100),
        slow.len(),
        slow.iter().take(5).collect::<Vec<_>>(),
        bytes >> 20
    );
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let mut number = |prefix: &str, by_default: u64| {
        let found = words.iter().position(|word| word.starts_with(prefix))?;
        let word = words.remove(found);
        Some(word[prefix.len()..].parse().unwrap_or(by_default))
    };
    let seeds = number("seeds=", 5).unwrap_or(5);
    let limit = Duration::from_secs(number("limit=", 20).unwrap_or(20));
    for (name, cell) in cells() {
        if words.iter().all(|word| name.contains(word.as_str())) {
            measure(&name, &cell, seeds, limit);
        }
    }
}
