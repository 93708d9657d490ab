//! Registers whose operations tell versions.
//!
//! The version is the place in the object's order (the *known write order* under which Gibbons and Korach, SIAM
//! Journal on Computing 26(4), 1997, §4, verify in linear time): replay the mutations by version, each read behind
//! the mutation that it saw, and let [`positions`] test real time. O(n log n).
//!
//! A mutation that never returned has no version. If a version was read that no completed mutation made, one of
//! these made it, and if only one wrote that value, it was that one. Those that are left over are left out. Exact
//! where this leaves no choice; does not apply if several may have made a version, if a left-over one may have filled
//! a gap between versions or come before a compare-and-set that fails in the replay, or if a completed operation
//! does not tell its version.

use super::positions;
use super::timeline::called_before_the_end;
use super::{Conflict, Decision, Wish};
use crate::check::budget::Budget;
use crate::check::models::{Model, VersionStep, VersionedCall, VersionedRegister};
use crate::check::problem::{NEVER, Problem};
use crate::history::ValueId;
use rustc_hash::{FxHashMap, FxHashSet};

/// Decides a register.
pub(super) fn decide(problem: &Problem<VersionedRegister>, wish: Wish, _: &Budget) -> Decision {
    match Versions::assign(problem).and_then(|versions| versions.order(problem)) {
        Ok(order) => Decision::Holds(wish.order.then_some(order)),
        Err(Fault::Unclear(why)) => Decision::NotApplicable(why),
        Err(Fault::Contradiction(core)) => Decision::Violated(evidence(problem, &core)),
    }
}

const MAYBE: &str = "whether an unfinished mutation happened decides it";

enum Fault {
    /// Not decided here.
    Unclear(&'static str),
    /// These operations have no order, together with what they need.
    Contradiction(Vec<u32>),
}

/// The operations and all that can have made what they found; where versions count the writes, all mutations. What
/// was called when the last of the operations had returned is enough.
fn evidence(problem: &Problem<VersionedRegister>, core: &[u32]) -> Conflict {
    let mut kept: Vec<bool> = vec![false; problem.len()];
    let mut makers: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
    for (place, call) in (0u32..).zip(&problem.calls[..called_before_the_end(problem, core)]) {
        if let Some(value) = call.written() {
            makers.entry(value).or_default().push(place);
            kept[place as usize] = problem.model.version_step() == VersionStep::One;
        }
    }
    let mut open = core.to_vec();
    while let Some(place) = open.pop() {
        kept[place as usize] = true;
        let found = problem.calls[place as usize].found().and_then(|value| makers.remove(&value));
        open.extend(found.into_iter().flatten().filter(|&maker| !kept[maker as usize]));
    }
    let places = (0..).zip(&kept).filter(|(_, kept)| **kept).map(|(place, _)| place).collect();
    Conflict { places, event: None }
}

/// Which operation made and which operations saw each version.
struct Versions {
    /// By version, then the mutation before the reads, then by place.
    entries: Vec<(u64, bool, u32)>,
    /// Whether some mutation that never returned may or may not have happened.
    uncertain: bool,
    /// The same of those that tell a version.
    maybe: bool,
}

impl Versions {
    fn assign(problem: &Problem<VersionedRegister>) -> Result<Self, Fault> {
        let mut entries: Vec<(u64, bool, u32)> = Vec::with_capacity(problem.len());
        let mut lost: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
        let mut maybe: Vec<(u64, bool, u32)> = Vec::new();
        for (place, call) in (0..).zip(&problem.calls) {
            let never = problem.returned[place as usize] == NEVER;
            match (call.version, call.written()) {
                (None, Some(value)) if never => lost.entry(value).or_default().push(place),
                (_, None) if never => {}
                (None, _) => return Err(Fault::Unclear("a completed operation does not tell its version")),
                (Some(version), Some(_)) if never => maybe.push((version, false, place)),
                (Some(version), written) => entries.push((version, written.is_none(), place)),
            }
        }
        // What has not returned but tells its version is taken to have happened as far as the others got.
        let reached = entries.iter().map(|entry| entry.0).max().unwrap_or(0);
        let telling = !maybe.is_empty();
        entries.extend(maybe.into_iter().filter(|entry| entry.0 <= reached));
        entries.sort_unstable();
        let found = match find_makers(problem, &entries, &lost) {
            Err(Fault::Contradiction(_)) if telling => return Err(Fault::Unclear(MAYBE)),
            found => found?,
        };
        let left_over = lost.values().map(Vec::len).sum::<usize>() > found.len();
        entries.extend(found);
        entries.sort_unstable();
        Ok(Self { entries, uncertain: telling || left_over, maybe: telling })
    }

    fn order(self, problem: &Problem<VersionedRegister>) -> Result<Vec<u32>, Fault> {
        self.replay(problem)?;
        let mut keys = vec![None; problem.len()];
        let mut key = 0;
        let mut before = None;
        for &(version, reads, place) in &self.entries {
            key += u64::from(before != Some((version, reads)));
            before = Some((version, reads));
            keys[place as usize] = Some(key);
        }
        positions::order(problem, &keys).map_err(|inversion| {
            if self.maybe {
                return Fault::Unclear(MAYBE);
            }
            let core = [inversion.earlier, inversion.later];
            // What made a version without telling is known from a read of that version.
            let told = core.iter().filter_map(|&place| self.reader_of(problem, place));
            Fault::Contradiction(core.into_iter().chain(told).collect())
        })
    }

    fn reader_of(&self, problem: &Problem<VersionedRegister>, place: u32) -> Option<u32> {
        if problem.calls[place as usize].version.is_some() {
            return None;
        }
        let made = self.entries.iter().find(|entry| entry.2 == place)?;
        self.entries.iter().find(|entry| entry.0 == made.0 && entry.1).map(|entry| entry.2)
    }

    /// Steps through all operations by version.
    fn replay(&self, problem: &Problem<VersionedRegister>) -> Result<(), Fault> {
        let mut state = problem.model.initial();
        let mut before: Option<u32> = None;
        for &(version, reads, place) in &self.entries {
            let call = VersionedCall { version: Some(version), ..problem.calls[place as usize] };
            let Some(next) = problem.model.step(&state, &call) else {
                if self.uncertain {
                    return Err(Fault::Unclear(MAYBE));
                }
                // What made a version without telling is bound to it by a read.
                let bound = self.entries.iter().filter_map(|entry| self.reader_of(problem, entry.2));
                return Err(Fault::Contradiction(before.into_iter().chain([place]).chain(bound).collect()));
            };
            state = next;
            before = if reads { before } else { Some(place) };
        }
        Ok(())
    }
}

/// Who made the versions that were read and that no completed mutation made.
fn find_makers(
    problem: &Problem<VersionedRegister>,
    entries: &[(u64, bool, u32)],
    lost: &FxHashMap<ValueId, Vec<u32>>,
) -> Result<Vec<(u64, bool, u32)>, Fault> {
    let mut made = Vec::new();
    let mut taken: FxHashSet<u32> = FxHashSet::default();
    for version in entries.chunk_by(|a, b| a.0 == b.0) {
        let mut mutations = version.iter().filter(|entry| !entry.1).map(|entry| entry.2);
        let maker = mutations.next();
        if let (Some(one), Some(other)) = (maker, mutations.next()) {
            return Err(Fault::Contradiction(vec![one, other]));
        }
        let number = version[0].0;
        let value = maker.and_then(|maker| problem.calls[maker as usize].written());
        let first = version.iter().find(|entry| entry.1).map(|entry| entry.2);
        let Some(first) = first else { continue };
        let seen = |place: u32| problem.calls[place as usize].found();
        let value = value.or_else(|| if number == 0 { Some(problem.model.initial_value()) } else { seen(first) });
        let other = version.iter().filter(|entry| entry.1).map(|entry| entry.2).find(|&place| seen(place) != value);
        if let Some(other) = other {
            return Err(Fault::Contradiction(vec![maker.unwrap_or(first), other]));
        }
        if maker.is_some() || number == 0 {
            continue;
        }
        match value.and_then(|value| lost.get(&value)).map_or(&[][..], Vec::as_slice) {
            [] => return Err(Fault::Contradiction(vec![first])),
            &[only] if taken.insert(only) => made.push((number, false, only)),
            _ => return Err(Fault::Unclear("several unfinished mutations may have made a version that was read")),
        }
    }
    Ok(made)
}
