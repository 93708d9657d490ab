//! Locks that know their owner: reentrant or not, with fencing tokens or without.
//!
//! A session (one owner, from its outermost acquisition to the release that ends it) certainly holds the lock from
//! the return of the acquisition to the call of the release: its *core*. Without tokens an order exists exactly if
//! no two cores overlap: then every session can be placed on its core, and a core is held in every order. This is
//! the sweep over certain intervals of Gibbons and Korach (SIAM Journal on Computing 26(4), 1997, §4), forward zones.
//! With tokens the order of the sessions is known, and [`positions`] tests it.
//!
//! Operations that never returned: an acquisition is left out (nothing of its process can follow), a release may
//! end its session at any time after its call. O(n log n). Exact; does not apply if the operations of a session
//! overlap or are not in the order that makes them one, which no sequential process can produce.

use super::positions::{self, Inversion};
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{OwnedMutex, OwnedMutexCall, OwnedMutexKind};
use crate::check::problem::{NEVER, Problem};
use rustc_hash::FxHashMap;

/// Decides a lock that knows its owner.
pub(super) fn decide(problem: &Problem<OwnedMutex>, wish: Wish, _: &Budget) -> Decision {
    let sessions = match collect(problem) {
        Ok(sessions) => sessions,
        Err(decision) => return decision,
    };
    let found = match problem.model.kind() {
        OwnedMutexKind::Fenced => by_token(problem, &sessions),
        OwnedMutexKind::Owner | OwnedMutexKind::Reentrant => by_core(problem, &sessions),
    };
    match found {
        Ok(order) => Decision::Holds(wish.order.then_some(order)),
        Err(clash) => Decision::Violated(evidence(problem, &clash)),
    }
}

struct Session {
    number: u32,
    /// The return of its outermost acquisition.
    held_from: u32,
    /// The call of the release that ends it, or [`NEVER`].
    held_to: u32,
    token: Option<i64>,
    /// Its operations in order, without those that have no effect.
    places: Vec<u32>,
    depth: u32,
    /// Nothing of it can be called before this.
    busy_until: u32,
}

/// Sessions that cannot all have been.
struct Clash(Vec<u32>);

fn evidence(problem: &Problem<OwnedMutex>, clash: &Clash) -> Conflict {
    let member = |call: &OwnedMutexCall| clash.0.contains(&call.session());
    let places = (0..).zip(&problem.calls).filter(|(_, call)| member(call)).map(|(place, _)| place).collect();
    Conflict { places, event: None }
}

/// The sessions of completed acquisitions, in order of their first calls.
fn collect(problem: &Problem<OwnedMutex>) -> Result<Vec<Session>, Decision> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut index: FxHashMap<u32, usize> = FxHashMap::default();
    let mut without_acquisition = None;
    for (place, call) in (0..).zip(&problem.calls) {
        let number = call.session();
        let at = *index.entry(number).or_insert_with(|| {
            sessions.push(Session::new(number));
            sessions.len() - 1
        });
        let ends = Ends { called: problem.invoked[place as usize], returned: problem.returned[place as usize] };
        match sessions[at].add(place, *call, ends, problem.model.kind()) {
            Ok(true) => {}
            Ok(false) => without_acquisition = without_acquisition.or(Some(number)),
            Err(why) => return Err(Decision::NotApplicable(why)),
        }
    }
    if let Some(number) = without_acquisition {
        return Err(Decision::Violated(evidence(problem, &Clash(vec![number]))));
    }
    sessions.retain(|session| !session.places.is_empty());
    Ok(sessions)
}

#[derive(Clone, Copy)]
struct Ends {
    called: u32,
    returned: u32,
}

impl Session {
    fn new(number: u32) -> Self {
        let places = Vec::new();
        Self { number, held_from: NEVER, held_to: NEVER, token: None, places, depth: 0, busy_until: 0 }
    }

    /// Adds its next operation; `false` for a completed release of what was not acquired.
    fn add(
        &mut self,
        place: u32,
        call: OwnedMutexCall,
        ends: Ends,
        kind: OwnedMutexKind,
    ) -> Result<bool, &'static str> {
        if self.busy_until > ends.called {
            return Err("operations of one session overlap");
        }
        self.busy_until = ends.returned;
        let lost = ends.returned == NEVER;
        match call {
            OwnedMutexCall::Acquire { token, .. } => {
                if self.held_to != NEVER || self.depth > 0 && kind != OwnedMutexKind::Reentrant {
                    return Err("a session goes on after its end");
                }
                if lost {
                    return Ok(true);
                }
                if self.depth == 0 {
                    self.held_from = ends.returned;
                    self.token = token;
                }
                self.depth += 1;
            }
            OwnedMutexCall::Release { .. } if self.depth == 0 => return Ok(lost),
            OwnedMutexCall::Release { .. } => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.held_to = ends.called;
                }
            }
        }
        self.places.push(place);
        Ok(true)
    }
}

fn by_core(problem: &Problem<OwnedMutex>, sessions: &[Session]) -> Result<Vec<u32>, Clash> {
    let mut by_start: Vec<&Session> = sessions.iter().collect();
    by_start.sort_unstable_by_key(|session| session.held_from);
    for pair in by_start.windows(2) {
        if pair[0].held_to > pair[1].held_from {
            return Err(Clash(vec![pair[0].number, pair[1].number]));
        }
    }
    let mut order = Vec::with_capacity(problem.len());
    order.extend(by_start.iter().flat_map(|session| &session.places));
    Ok(order)
}

fn by_token(problem: &Problem<OwnedMutex>, sessions: &[Session]) -> Result<Vec<u32>, Clash> {
    let mut by_token: Vec<&Session> = sessions.iter().collect();
    by_token.sort_by_key(|session| session.token);
    for pair in by_token.windows(2) {
        // Equal tokens, or held for ever by the one with the smaller token.
        if pair[0].token == pair[1].token || pair[0].held_to == NEVER {
            return Err(Clash(vec![pair[0].number, pair[1].number]));
        }
    }
    let mut keys = vec![None; problem.len()];
    for (key, &place) in (0..).zip(by_token.iter().flat_map(|session| &session.places)) {
        keys[place as usize] = Some(key);
    }
    let session = |place: u32| problem.calls[place as usize].session();
    positions::order(problem, &keys)
        .map_err(|Inversion { earlier, later }| Clash(vec![session(earlier), session(later)]))
}
