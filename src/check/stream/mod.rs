//! Judging a history while it is recorded: linearizability, event by event, in memory bounded by what is open.
//!
//! A [`StreamJudge`] reads what a [`Tail`](crate::history::formats::consistory::Tail) reads, keeps for each object
//! what can still matter, and forgets the rest: registers whose writers can be told apart go into blocks without any
//! search ([`unique_writers`], [`blocks`]), everything else goes through a search by layers ([`layers`]).
//!
//! Both are sound and complete at every event, so an early violation is a violation. It is early news and no verdict:
//! the verdict, its words and its counterexample come from judging the whole file. An object that cannot be judged
//! within bounds is said to be unjudged, and never to hold. Not judged while they grow: claims other than
//! linearizability, and models that must see the whole history before they understand an operation.
//!
//! What an object keeps, besides what is open: its last values, and the operations in doubt, which are open for ever.
//! Values that are no small whole numbers are forgotten for registers only; for other objects each distinct one is
//! kept.

mod antichain;
mod blocks;
mod layers;
mod object;
mod objects;
mod register;
mod unique_writers;

pub use object::{Conflict, Stored};

use super::guarantee::{self, Claim};
use super::judge::Question;
use super::models::NotThisModel;
use crate::history::formats::consistory::Batch;
use crate::history::{Defect, Header, LiveHistory, LiveStep, Value, ValueId};
use objects::{Objects, Shown, objects};

/// So many values may be forgotten later than they could be.
const VALUES_SPARE: usize = 1 << 16;

/// Why a history is not judged while it grows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStreamed {
    /// Linearizability is not asked for.
    #[error("only linearizability is judged while a history grows, and that is not claimed here")]
    OtherClaims,
    /// Neither the header nor the question names a model.
    #[error("the history's first line names no model; name it with --model")]
    NoModel,
    /// The model cannot be judged event by event.
    #[error("objects of model '{0}' with this initial value are only judged when the history is whole")]
    Model(String),
}

/// Why judging stopped before the end of the stream. Reading the whole file says more.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// An event that no recorder can have written.
    #[error("line {}: {}", .0.place.line, .0)]
    Defect(#[from] Defect),
    /// An operation that the model does not have.
    #[error("line {}: {}", .0.line, .0)]
    NotThisModel(#[from] NotThisModel),
}

/// News of an object; nothing more will be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Which object; `None` if the history has only one.
    pub key: Option<Value>,
    /// What became certain.
    pub what: What,
    /// How many operations had ended by then.
    pub operations: u64,
    /// The line on which the operation that showed it was invoked, from 1.
    pub line: u32,
}

/// What became certain of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is not linearizable.
    Violated(Conflict),
    /// It cannot be judged within bounds, for this reason.
    Unjudged(&'static str),
}

/// Judges a history as it comes.
pub struct StreamJudge {
    history: LiveHistory,
    objects: Box<dyn Objects>,
    steps: Vec<LiveStep>,
    events: u64,
    operations: u64,
    violated: usize,
    unjudged: usize,
    rename_at: usize,
}

impl StreamJudge {
    /// A judge for a history that begins with that header.
    ///
    /// # Errors
    /// When that question about that history can only be answered at its end.
    pub fn new(header: &Header, question: &Question) -> Result<Self, NotStreamed> {
        Self::with_strategy(header, question, false)
    }

    /// Like [`Self::new`], but every object is searched, even where that is not necessary: for comparison.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn searching(header: &Header, question: &Question) -> Result<Self, NotStreamed> {
        Self::with_strategy(header, question, true)
    }

    fn with_strategy(header: &Header, question: &Question, search_always: bool) -> Result<Self, NotStreamed> {
        let of_header: Vec<Claim> =
            header.claims.iter().filter_map(|name| guarantee::find_all(name)).flatten().collect();
        let claims = if question.claims.is_empty() { &of_header } else { &question.claims };
        if !claims.is_empty() && !claims.contains(&Claim::Linearizable) {
            return Err(NotStreamed::OtherClaims);
        }
        let model = question.model.as_ref().or(header.model.as_ref()).ok_or(NotStreamed::NoModel)?;
        let initial = question.initial.as_ref().or(header.initial.as_ref());
        let mut history = LiveHistory::new();
        let objects = objects(model, initial, question, search_always, &mut history)
            .ok_or_else(|| NotStreamed::Model(model.clone()))?;
        Ok(Self {
            history,
            objects,
            steps: Vec::new(),
            events: 0,
            operations: 0,
            violated: 0,
            unjudged: 0,
            rename_at: VALUES_SPARE,
        })
    }

    /// Judges some events more; the result is what they show.
    ///
    /// # Errors
    /// The first event that cannot be judged. The judge is then of no further use.
    pub fn take(&mut self, batch: &Batch) -> Result<Vec<News>, StreamError> {
        let mut news = Vec::new();
        for event in batch.events_for(&mut self.history) {
            self.history.push(&event, &mut self.steps)?;
            self.judge_steps(&mut news)?;
        }
        if self.objects.renames() && self.history.values().count() > self.rename_at {
            let objects = &mut self.objects;
            self.history.rename_values(|name| objects.rename(name));
            self.rename_at = VALUES_SPARE + 2 * self.history.values().count();
        }
        Ok(news)
    }

    /// Nothing follows: judges what had to wait for a later time.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn end(&mut self) -> Result<Vec<News>, StreamError> {
        let mut news = Vec::new();
        self.history.end(&mut self.steps);
        self.judge_steps(&mut news)?;
        Ok(news)
    }

    /// How many operations have ended.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// How many objects there are.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.objects.count()
    }

    /// How many objects are violated.
    #[must_use]
    pub fn violated(&self) -> usize {
        self.violated
    }

    /// How many objects are not judged any more although they are not violated.
    #[must_use]
    pub fn unjudged(&self) -> usize {
        self.unjudged
    }

    /// What is kept of all objects together. O(objects).
    #[must_use]
    pub fn stored(&self) -> Stored {
        let mut stored = self.objects.stored();
        stored.calls += self.history.rows();
        stored
    }

    /// How many values are kept in tables; small whole numbers need none.
    #[must_use]
    pub fn values(&self) -> usize {
        self.history.values().count()
    }

    fn judge_steps(&mut self, news: &mut Vec<News>) -> Result<(), NotThisModel> {
        for at in 0..self.steps.len() {
            let step = self.steps[at];
            self.events += 1;
            let (LiveStep::Invoked(id) | LiveStep::Returned(id) | LiveStep::InDoubt(id)) = step;
            let ended = !matches!(step, LiveStep::Invoked(_));
            self.operations += u64::from(ended);
            if let Some((key, shown)) = self.objects.take(&self.history, step, self.events)? {
                let what = match shown {
                    Shown::Violated(conflict) => What::Violated(conflict),
                    Shown::GaveUp(why) => What::Unjudged(why),
                };
                *(if matches!(what, What::Violated(_)) { &mut self.violated } else { &mut self.unjudged }) += 1;
                let line = self.history.operation(id).line();
                news.push(News { key: self.key(key), what, operations: self.operations, line });
            }
            if ended {
                self.history.release(id);
            }
        }
        self.steps.clear();
        Ok(())
    }

    fn key(&self, key: ValueId) -> Option<Value> {
        (!key.is_absent()).then(|| self.history.values().to_value(key))
    }
}
