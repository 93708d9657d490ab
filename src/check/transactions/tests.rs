//! Random sets of transactions for tests.

use super::{INITIAL, Read, Transaction, Transactions};
use rand::Rng;
use rand::rngs::SmallRng;

const KEYS: u32 = 2;

/// One to three sessions of one to three transactions, each of which writes one of two keys and perhaps reads one from
/// anybody else or from nobody.
pub(in crate::check) fn few(random: &mut SmallRng) -> Transactions {
    let lengths: Vec<u32> = (0..random.random_range(1..4)).map(|_| random.random_range(1..4)).collect();
    let total: u32 = lengths.iter().sum();
    let writes: Vec<u32> = (0..total).map(|_| random.random_range(0..KEYS)).collect();
    let mut at = 0;
    let mut sessions = Vec::new();
    for &length in &lengths {
        let mut session = Vec::new();
        for _ in 0..length {
            let mut transaction = Transaction { reads: Vec::new(), writes: vec![writes[at as usize]] };
            if random.random_bool(0.6) {
                let key = random.random_range(0..KEYS);
                let all = (0..total).filter(|&other| other != at && writes[other as usize] == key);
                let sources: Vec<u32> = all.chain([INITIAL]).collect();
                transaction.reads.push(Read { key, source: sources[random.random_range(0..sources.len())] });
            }
            session.push(transaction);
            at += 1;
        }
        sessions.push(session);
    }
    Transactions::of_sessions(&sessions, KEYS)
}
