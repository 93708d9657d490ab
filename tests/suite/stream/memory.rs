//! What is kept of a long history is what is open in it, counted in calls, configurations and values.

use super::Stream;
use consistory::check::judge::Question;
use consistory::check::stream::What;
use consistory::generate::{self, Options, Values};
use std::io::{self, Write};

/// Feeds a stream with what is written and remembers the most that was ever kept.
struct Watched {
    stream: Stream,
    written: usize,
    looked_at: usize,
    calls: usize,
    configurations: usize,
    values: usize,
}

/// So many bytes are written between two looks.
const LOOK_EVERY: usize = 1 << 16;

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.feed(bytes);
        self.written += bytes.len();
        if self.written - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.written;
            self.look();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Watched {
    fn look(&mut self) {
        let judge = self.stream.judge.as_ref().expect("there was a header");
        self.calls = self.calls.max(judge.stored().calls);
        self.configurations = self.configurations.max(judge.stored().configurations);
        self.values = self.values.max(judge.values());
    }
}

fn options(model: &str, ops: u64) -> Options {
    let model = generate::all().iter().find(|found| found.name == model).expect("the model is generated");
    Options {
        model,
        ops,
        clients: 10,
        keys: 5,
        overlap_percent: 50.0,
        values: Values::Unique,
        read_percent: 50.0,
        info_percent: 0.0,
        fail_percent: 1.0,
        permits: 2,
        plant: None,
        seed: 4711,
    }
}

/// Streams a linearizable history that fits the bounds: nothing must be said of it.
fn watch(options: &Options) -> Watched {
    let stream = Stream::new(Question::default(), false);
    let mut watched = Watched { stream, written: 0, looked_at: 0, calls: 0, configurations: 0, values: 0 };
    generate::generate(options, &mut watched).expect("it is generated");
    watched.stream.end();
    watched.look();
    let news = &watched.stream.news;
    assert!(news.is_empty(), "'{}' is linearizable and within bounds: {news:?}", options.model.name);
    let judge = watched.stream.judge.as_ref().expect("there was a header");
    assert_eq!(judge.operations(), options.ops, "everything was judged");
    watched
}

#[test]
fn a_million_operations_on_registers_with_unique_values_keep_only_what_is_open() {
    let watched = watch(&options("cas-register", 1_000_000));
    assert!(watched.calls < 2_000, "{} calls of a million are kept", watched.calls);
    assert_eq!(watched.configurations, 0, "nothing is searched");
    assert!(
        watched.values < 1 << 17,
        "{} values are kept: arguments of compare-and-sets are forgotten",
        watched.values
    );
}

#[test]
fn repeated_values_are_searched_and_keep_only_what_is_open() {
    let watched = watch(&Options { values: Values::Among(5), ..options("register", 200_000) });
    assert!(watched.calls < 2_000, "{} calls are kept", watched.calls);
    assert!((1..4_000).contains(&watched.configurations), "{} configurations are kept", watched.configurations);
}

#[test]
fn a_queue_that_is_emptied_often_is_searched_and_keeps_only_what_is_open() {
    let watched = watch(&Options { clients: 4, keys: 2, read_percent: 75.0, ..options("fifo-queue", 100_000) });
    assert!(watched.calls < 2_000, "{} calls are kept", watched.calls);
    assert!((1..20_000).contains(&watched.configurations), "{} configurations are kept", watched.configurations);
}

#[test]
fn what_is_in_doubt_is_open_for_ever_and_only_that_is_kept() {
    let one_percent = Options { info_percent: 1.0, ..options("register", 100_000) };
    let watched = watch(&one_percent);
    assert!(watched.calls < 1_000 + 2_000, "{} calls are kept", watched.calls);
}

#[test]
fn an_object_beyond_the_bounds_is_unjudged_and_never_said_to_hold() {
    let crowded = Options {
        clients: 400,
        keys: 1,
        overlap_percent: 100.0,
        values: Values::Among(3),
        ..options("register", 4_000)
    };
    let mut stream = Stream::new(Question::default(), false);
    let mut lines = Vec::new();
    generate::generate(&crowded, &mut lines).expect("it is generated");
    stream.feed(&lines);
    stream.end();
    assert!(matches!(stream.news[..], [ref news] if matches!(news.what, What::Unjudged(_))), "{:?}", stream.news);
    assert_eq!(stream.judge.expect("there was a header").unjudged(), 1);
}
