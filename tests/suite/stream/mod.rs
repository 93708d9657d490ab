//! Histories judged while they grow.
//!
//! - `agreement`: both ways to judge a register against brute force at every event
//! - `command`: `check --follow` and `run --fail-fast`
//! - `memory`: what is kept of long histories, counted
//! - `models`: other objects against the ordinary judge at the end

mod agreement;
mod command;
mod memory;
mod models;

use consistory::check::judge::Question;
use consistory::check::stream::{News, StreamJudge};
use consistory::history::formats::consistory::Tail;

/// A stream of lines and what it has shown so far.
struct Stream {
    tail: Tail,
    judge: Option<StreamJudge>,
    question: Question,
    searching: bool,
    news: Vec<News>,
}

impl Stream {
    fn new(question: Question, searching: bool) -> Self {
        Self { tail: Tail::new(), judge: None, question, searching, news: Vec::new() }
    }

    /// Takes bytes, which may end anywhere.
    fn feed(&mut self, bytes: &[u8]) {
        let Some(batch) = self.tail.feed(bytes).expect("the history is well formed") else { return };
        let header = self.tail.header().expect("the first line is a header").clone();
        let (question, searching) = (&self.question, self.searching);
        let judge = self.judge.get_or_insert_with(|| {
            let judge = if searching { StreamJudge::searching } else { StreamJudge::new };
            judge(&header, question).expect("the model can be judged as it grows")
        });
        self.news.extend(judge.take(&batch).expect("the history is well formed"));
    }

    fn end(&mut self) {
        let judge = self.judge.as_mut().expect("there was a header");
        self.news.extend(judge.end().expect("the history is well formed"));
    }
}
