//! Every decider of linearizability against brute force on small random histories.
//!
//! The brute force has its own tiny model and shares no code with `check`. Where the two disagree the test prints
//! the seed of the round; `CONSISTORY_ORACLE_SEED` starts there again, `CONSISTORY_ORACLE_ROUNDS` sets how many
//! rounds each kind of history gets.

mod agreement;
pub(crate) mod brute_force;
mod explanations;
mod long_histories;
mod metamorphic;
pub(crate) mod random_histories;
mod retries;
mod threads;

/// So many rounds for each kind of history.
pub(crate) fn rounds(by_default: u64) -> u64 {
    number("CONSISTORY_ORACLE_ROUNDS").unwrap_or(by_default)
}

/// The seed of the first round; later rounds count up from it.
pub(crate) fn first_seed() -> u64 {
    number("CONSISTORY_ORACLE_SEED").unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not '{text}'")))
}
