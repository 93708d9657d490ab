//! The finder and the prover by turns say what the exhaustive search says, however little is tried at first.

use super::super::register_view::{Act, INITIAL, RegisterView};
use super::search::{CHECKPOINT_EVERY, Effort, Finding, Search};
use super::timeline::Timeline;
use crate::check::budget::Budget;
use crate::check::problem::NEVER;

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((z ^ (z >> 31)) % u64::from(bound)).expect("below 32 bits")
    }
}

/// A run of clients that are always busy, with some reads corrupted.
fn draw(dice: &mut Dice) -> RegisterView {
    let clients = 3 + dice.below(6) as usize;
    let operations = 60 + dice.below(140) as usize;
    let values = 2 + dice.below(4);
    let negative = dice.below(3) == 0;
    let lost_percent = [0, 0, 5][dice.below(3) as usize];
    let mut view = RegisterView { values: values as usize, ..RegisterView::default() };
    let mut open: Vec<Option<(usize, bool)>> = vec![None; clients];
    let (mut clock, mut state) = (0, INITIAL);
    while view.len() < operations || open.iter().any(Option::is_some) {
        let client = &mut open[dice.below(u32::try_from(clients).expect("few")) as usize];
        clock += 1;
        match *client {
            None if view.len() < operations => {
                *client = Some((view.len(), false));
                view.acts.push(Act::Read(INITIAL));
                view.invoked.push(clock);
                view.returned.push(NEVER);
                view.places.push(u32::try_from(view.len() - 1).expect("few"));
            }
            None => {}
            Some((at, false)) => {
                view.acts[at] = act(dice, values, negative, state);
                state = view.acts[at].set().unwrap_or(state);
                let lost = view.acts[at].set().is_some() && dice.below(100) < lost_percent;
                *client = (!lost).then_some((at, true));
            }
            Some((at, true)) => {
                view.returned[at] = clock;
                *client = None;
            }
        }
    }
    for _ in 0..[0, 1, 10, 30][dice.below(4) as usize] {
        let at = dice.below(u32::try_from(operations).expect("few")) as usize;
        if matches!(view.acts[at], Act::Read(_)) {
            view.acts[at] = Act::Read(dice.below(values));
        }
    }
    view
}

fn act(dice: &mut Dice, values: u32, negative: bool, state: u32) -> Act {
    let (value, guess) = (dice.below(values), dice.below(values));
    match dice.below(4) {
        0 => Act::Read(state),
        1 => Act::Write(value),
        _ if guess != state && negative => Act::Differs(guess),
        _ if value == state => Act::Read(state),
        _ => Act::Cas(state, value),
    }
}

fn decide(timeline: &Timeline, effort: Effort) -> Finding {
    decide_leaping(timeline, effort).0
}

/// The finding, and how many chunks were leapt over.
fn decide_leaping(timeline: &Timeline, effort: Effort) -> (Finding, usize) {
    let budget = Budget::unlimited();
    let mut search: Search<'_, u64> = Search::new(timeline, &budget, effort);
    (search.run(), search.chunks.leaps)
}

#[test]
fn little_effort_comes_to_the_verdict_of_the_exhaustive_search() {
    let all = usize::MAX / 64;
    let exhaustive = Effort { width: all, width_least: all, width_most: all, chunk: 0, ..Effort::USUAL };
    let little = Effort {
        width: 1,
        width_least: 1,
        width_most: 2,
        proof_width: 4,
        proof_reach: 4,
        proof_round: 1,
        chunk: 0,
        warm_up: 0,
    };
    let rounds = std::env::var("CONSISTORY_ORACLE_ROUNDS").map_or(600, |text| text.parse().expect("a number"));
    let (mut orders, mut located, mut unlocated, mut leaps) = (0, 0, 0, 0);
    for seed in 1..=rounds {
        let timeline = Timeline::new(&draw(&mut Dice(seed)));
        let truth = decide(&timeline, exhaustive);
        // Shorter chunks than are of use, entered later: most of what they assume is then wrong.
        let chunks = CHECKPOINT_EVERY;
        for effort in [
            little,
            Effort::USUAL,
            Effort { chunk: chunks, ..little },
            Effort { chunk: chunks, warm_up: 0, ..Effort::USUAL },
        ] {
            let (finding, leapt_over) = decide_leaping(&timeline, effort);
            leaps += leapt_over;
            match (finding, &truth) {
                (Finding::Order, Finding::Order) => orders += 1,
                (Finding::Stuck(Some(event)), Finding::Stuck(Some(first))) if event == *first => located += 1,
                (Finding::Stuck(None), Finding::Stuck(_)) => unlocated += 1,
                (found, truth) => panic!("seed {seed}, {effort:?}: {found:?}, not {truth:?}"),
            }
        }
    }
    println!("seeds 1..={rounds}: {orders} orders, {located} located, {unlocated} not located, {leaps} leaps");
    assert!(orders > rounds / 2 && located > rounds / 2, "{orders} orders, {located} violations located");
    assert!(leaps > usize::try_from(rounds).expect("few"), "only {leaps} chunks were leapt over");
}
