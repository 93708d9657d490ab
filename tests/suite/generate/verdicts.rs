//! Without a plant a history is linearizable, with one it is not: by brute force over many small ones.

use super::brute_force::{self, Model};
use super::{options, write};
use consistory::generate::{self, GenerateError, Options, Plant, Values};

/// Small and varied: the seed chooses everything else.
fn small(name: &str, ops: u64, seed: u64) -> Options {
    let pick = |salt: u64, choices: &[u32]| {
        let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(u32::try_from(salt * 7).expect("small"));
        choices[usize::try_from(mixed % choices.len() as u64).expect("small")]
    };
    let values = if pick(1, &[0, 1]) == 0 { Values::Unique } else { Values::Among(pick(2, &[1, 2, 3])) };
    Options {
        ops,
        seed,
        values,
        clients: pick(3, &[1, 2, 3, 4]),
        keys: pick(4, &[1, 2]),
        overlap_percent: f64::from(pick(5, &[10, 50, 90, 100])),
        read_percent: f64::from(pick(6, &[30, 50, 70])),
        info_percent: f64::from(pick(7, &[0, 10, 30])),
        fail_percent: f64::from(pick(8, &[0, 10])),
        permits: pick(9, &[1, 2]),
        ..options(name)
    }
}

fn is_linearizable(options: &Options, lines: &[u8]) -> bool {
    let model = Model { name: options.model.name, permits: options.permits.into() };
    brute_force::is_linearizable(&model, &brute_force::read(lines))
}

#[test]
fn histories_without_a_plant_are_linearizable() {
    for model in generate::all() {
        for seed in 0..250 {
            let options = small(model.name, 10, seed);
            let (lines, _) = write(&options).expect("possible");
            let text = String::from_utf8_lossy(&lines);
            assert!(is_linearizable(&options, &lines), "{} seed {seed} is not linearizable:\n{text}", model.name);
        }
    }
}

#[test]
fn every_planted_violation_is_one() {
    for model in generate::all() {
        for &plant in model.plants {
            let planted = (0..2000).filter(|&seed| planted_is_violated(model.name, plant, seed)).take(50).count();
            assert_eq!(planted, 50, "'{plant}' finds a place in too few of 2000 small '{}' histories", model.name);
        }
    }
}

/// Whether the plant found a place in the history of this seed; if so the history is violated at the event
/// that the summary names.
fn planted_is_violated(name: &str, plant: Plant, seed: u64) -> bool {
    let mut options = Options { plant: Some(plant), ..small(name, 10 + seed % 8, seed) };
    if plant.needs_unique_values() {
        options.values = Values::Unique;
    }
    let (lines, summary) = match write(&options) {
        Ok(written) => written,
        Err(GenerateError::NoPlace { .. }) => return false,
        Err(other) => panic!("'{name}' with '{plant}', seed {seed}: {other}"),
    };
    let text = String::from_utf8_lossy(&lines);
    assert!(!is_linearizable(&options, &lines), "'{name}' with '{plant}', seed {seed} is linearizable:\n{text}");
    let planted = summary.planted.expect("a plant");
    assert!(planted.index < summary.events, "'{name}' with '{plant}', seed {seed}");
    true
}

#[test]
fn a_history_before_its_planted_violation_is_linearizable_where_the_plant_is_one_lie() {
    for (name, plant) in [
        ("register", Plant::StaleRead),
        ("register", Plant::GarbageRead),
        ("multi-register", Plant::StaleRead),
        ("kv-append", Plant::StaleRead),
        ("mutex", Plant::DoubleGrant),
        ("counter", Plant::PhantomIncrement),
        ("set", Plant::Resurrected),
        ("fifo-queue", Plant::Phantom),
    ] {
        for seed in 0..300 {
            // A refusal says only when it returns that its operation explains nothing.
            let options = Options { plant: Some(plant), fail_percent: 0.0, ..small(name, 12, seed) };
            let Ok((lines, summary)) = write(&options) else { continue };
            let certain = usize::try_from(summary.planted.expect("a plant").index).expect("small") + 1;
            let text = String::from_utf8(lines).expect("text");
            let prefix = |events: usize| text.lines().take(1 + events).collect::<Vec<_>>().join("\n");
            assert!(!is_linearizable(&options, prefix(certain).as_bytes()), "{name} {plant} seed {seed}:\n{text}");
            assert!(is_linearizable(&options, prefix(certain - 1).as_bytes()), "{name} {plant} seed {seed}:\n{text}");
        }
    }
}
