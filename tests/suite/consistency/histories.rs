//! Small histories of transactions over keys, drawn from a seed, and how they are written as a file.

use crate::oracle::random_histories::Dice;
use std::fmt::Write;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    Info,
    Fail,
}

/// One access; nobody wrote 0, which every key holds at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) writes: bool,
    pub(super) key: usize,
    pub(super) value: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Tx {
    pub(super) session: usize,
    pub(super) accesses: Vec<Access>,
    pub(super) end: End,
}

/// Transactions in the order in which they are written down, which is every session's.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) keys: usize,
    pub(super) transactions: Vec<Tx>,
    pub(super) singles: bool,
}

/// Draws a history of so many transactions at most. Reads return what a store would whose replicas lag, or anything.
pub(super) fn draw(dice: &mut Dice, transactions_max: usize) -> Drawn {
    let count = 2 + dice.below(transactions_max - 1);
    let sessions = 1 + dice.below(3.min(count));
    let keys = 1 + dice.below(3);
    let singles = dice.chance(50);
    let wildness = [5, 20, 60][dice.below(3)];
    let mut next = 1;
    let mut written: Vec<Vec<usize>> = vec![vec![0]; keys];
    let mut retired = vec![false; sessions];
    let mut transactions: Vec<Tx> = Vec::new();
    for _ in 0..count {
        let session = dice.below(sessions);
        if retired[session] {
            continue;
        }
        let end = if dice.chance(6) {
            End::Info
        } else if dice.chance(4) {
            End::Fail
        } else {
            End::Ok
        };
        retired[session] = end == End::Info;
        let accesses = (0..if singles { 1 } else { 1 + dice.below(3) }).map(|_| {
            let key = dice.below(keys);
            let writes = dice.chance(45);
            let value = if writes {
                written[key].push(next);
                next += 1;
                next - 1
            } else if dice.chance(wildness) {
                written[key][dice.below(written[key].len())]
            } else {
                *written[key].last().expect("there is the initial value")
            };
            Access { writes, key, value }
        });
        let accesses = accesses.collect();
        transactions.push(Tx { session, accesses, end });
    }
    if dice.chance(15) {
        scramble(dice, &mut transactions, &written);
    }
    Drawn { keys, transactions, singles }
}

/// Lets some read return anything that is ever written to its key, later writes included, or what nobody wrote.
fn scramble(dice: &mut Dice, transactions: &mut [Tx], written: &[Vec<usize>]) {
    let at = dice.below(transactions.len());
    for access in transactions[at].accesses.iter_mut().filter(|access| !access.writes) {
        access.value = if dice.chance(5) { 99 } else { written[access.key][dice.below(written[access.key].len())] };
    }
}

impl Drawn {
    /// The history as a file of this project's format.
    pub(super) fn text(&self) -> String {
        let mut out = "{\"consistory\":1,\"initial\":0}\n".to_owned();
        for tx in &self.transactions {
            let end = match tx.end {
                End::Ok => "ok",
                End::Info => "info",
                End::Fail => "fail",
            };
            for phase in ["invoke", end] {
                let (function, rest) = if self.singles { single(tx, phase) } else { several(tx, phase) };
                let session = tx.session;
                let _ = writeln!(out, r#"{{"process":{session},"type":"{phase}","f":"{function}",{rest}}}"#);
            }
        }
        out
    }
}

fn single(tx: &Tx, phase: &str) -> (&'static str, String) {
    let Access { writes, key, value } = tx.accesses[0];
    let told = if writes || phase == "ok" { value.to_string() } else { "null".to_owned() };
    (if writes { "write" } else { "read" }, format!(r#""key":{key},"value":{told}"#))
}

fn several(tx: &Tx, phase: &str) -> (&'static str, String) {
    let item = |access: &Access| {
        let word = if access.writes { "w" } else { "r" };
        let told = if access.writes || phase == "ok" { access.value.to_string() } else { "null".to_owned() };
        format!(r#"["{word}",{},{told}]"#, access.key)
    };
    ("txn", format!(r#""value":[{}]"#, tx.accesses.iter().map(item).collect::<Vec<_>>().join(",")))
}
