//! Every model that can be judged while a history grows, against the ordinary judge at the end of the history.

use super::Stream;
use consistory::check::budget::Budget;
use consistory::check::judge::{Question, judge};
use consistory::check::stream::{NotStreamed, StreamJudge, What};
use consistory::check::verdict::Verdict;
use consistory::generate::{self, GenerateError, Options, Plant, Values};
use consistory::history::Header;
use consistory::history::formats::{self, ReadOptions};

/// Models that must see the whole history before they understand an operation.
const NOT_STREAMED: [&str; 4] = ["counter", "owner-mutex", "reentrant-mutex", "fenced-mutex"];

fn options(model: &'static generate::Generated, plant: Option<Plant>, seed: u64) -> Options {
    let pick = |choices: &[u32]| choices[usize::try_from(seed).expect("small") % choices.len()];
    Options {
        model,
        ops: 40,
        clients: pick(&[2, 3, 4, 5]),
        keys: pick(&[1, 2, 2]),
        overlap_percent: f64::from(pick(&[30, 60, 90])),
        values: if pick(&[0, 1]) == 0 || plant.is_some() { Values::Unique } else { Values::Among(3) },
        read_percent: 50.0,
        info_percent: f64::from(pick(&[0, 0, 10])),
        fail_percent: f64::from(pick(&[0, 5, 0, 10])),
        permits: 2,
        plant,
        seed,
    }
}

/// The verdict of the ordinary judge, in words.
fn ordinary(lines: &[u8]) -> &'static str {
    let history = formats::read(lines, "generated", None, &ReadOptions::default()).expect("well formed");
    let findings = judge(&history, &Question::default(), &Budget::unlimited()).expect("the model is known");
    match findings[0].verdict {
        Verdict::Holds(_) => "holds",
        Verdict::Violated(_) => "violated",
        Verdict::Undecided(_) => "undecided",
    }
}

#[test]
fn the_stream_says_at_the_end_what_the_ordinary_judge_says() {
    for model in generate::all().iter().filter(|model| !NOT_STREAMED.contains(&model.name)) {
        let plants: Vec<Option<Plant>> = std::iter::once(None).chain(model.plants.iter().copied().map(Some)).collect();
        let (mut holding, mut violated) = (0, 0);
        for seed in 0..60 {
            let plant = plants[usize::try_from(seed).expect("small") % plants.len()];
            let mut lines = Vec::new();
            match generate::generate(&options(model, plant, seed), &mut lines) {
                Ok(_) => {}
                Err(GenerateError::NoPlace { .. }) => continue,
                Err(other) => panic!("'{}', seed {seed}: {other}", model.name),
            }
            let mut stream = Stream::new(Question::default(), false);
            lines.chunks(97).for_each(|piece| stream.feed(piece));
            stream.end();
            let text = String::from_utf8_lossy(&lines);
            let about = format!("'{}', {plant:?}, seed {seed}: {:?}\n{text}", model.name, stream.news);
            assert!(!stream.news.iter().any(|news| matches!(news.what, What::Unjudged(_))), "unjudged: {about}");
            let said = if stream.news.is_empty() { "holds" } else { "violated" };
            assert_eq!(said, ordinary(&lines), "{about}");
            *(if said == "holds" { &mut holding } else { &mut violated }) += 1;
        }
        println!("{}: {holding} hold, {violated} violated", model.name);
        assert!(holding > 5 && violated > 5, "{}: {holding} hold, {violated} violated", model.name);
    }
}

#[test]
fn what_is_only_known_at_the_end_is_refused_with_a_reason() {
    let header = |model: &str, claim: &str| Header {
        model: Some(model.into()),
        claims: vec![claim.into()],
        ..Header::default()
    };
    let refusal = |header: &Header| StreamJudge::new(header, &Question::default()).err();
    for model in NOT_STREAMED {
        assert_eq!(refusal(&header(model, "linearizable")), Some(NotStreamed::Model(model.into())));
    }
    for other in ["lost-acks", "session"] {
        assert_eq!(refusal(&header("set", other)), Some(NotStreamed::OtherClaims), "{other}");
    }
    assert_eq!(refusal(&header("set", "strong")), None);
    assert_eq!(refusal(&Header::default()), Some(NotStreamed::NoModel));
    assert_eq!(refusal(&header("set", "linearizable")), None);
}
