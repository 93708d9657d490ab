//! What can be chosen at a place of the order: which calls are there, and which of them to use.

use super::super::register_view::Act;
use super::configuration::{Configuration, DEAD};
use super::mask::SlotMask;
use super::moves::{Step, Who};
use super::open_calls::OpenCalls;
use super::supply::Supply;

/// Where a walk of compare-and-sets takes place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// At the end of the order.
    Present,
    /// Before the last blind write.
    Excursion,
}

impl Ground {
    pub(super) fn step(self, who: Who) -> Step {
        match self {
            Self::Present => Step::Forward(who),
            Self::Excursion => Step::Walk(who),
        }
    }
}

/// Which members of a class a use takes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// Invoked before the last blind write was linearized.
    Early,
    /// After it.
    Late,
}

impl Member {
    pub(super) fn is_late(self) -> bool {
        self == Self::Late
    }
}

/// An unused indeterminate call of that class, a late one if there is one.
pub(super) fn spare<M: SlotMask>(
    at: Configuration<M>,
    class: u32,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> Option<Member> {
    let available = open.available[class as usize];
    if available == 0 || supply.unlimited {
        return (available > 0).then_some(Member::Early);
    }
    let early = open.available_before(class, at.point);
    let (used_early, used_late) = supply.used(at.used, class);
    if available - early > used_late { Some(Member::Late) } else { (early > used_early).then_some(Member::Early) }
}

/// The same, but for an excursion only an early one will do.
pub(super) fn spare_on<M: SlotMask>(
    at: Configuration<M>,
    class: u32,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> Option<Member> {
    if ground == Ground::Present {
        return spare(at, class, open, supply);
    }
    let early = open.available_before(class, at.point);
    let enough = early > 0 && (supply.unlimited || early > supply.used(at.used, class).0);
    enough.then_some(Member::Early)
}

/// The call to write `value` with: the open one that returns first, else an indeterminate one.
pub(super) fn writer<M: SlotMask>(
    at: &Configuration<M>,
    value: u32,
    among: M,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> Option<Who> {
    let writes = open.writes_of[value as usize].and(among).minus(at.done);
    if let Some(slot) = writes.slots().min_by_key(|&slot| open.returned[slot]) {
        return Some(Who::Open(slot));
    }
    let class = open.write_class[value as usize]?;
    spare_on(*at, class, ground, open, supply).map(|_| Who::Indeterminate(class))
}

/// Whether another call that does the same is to be used before the one in `slot`: it returns earlier, and it can do
/// without nothing that this one can.
pub(super) fn is_exchangeable<M: SlotMask>(
    at: &Configuration<M>,
    slot: usize,
    candidates: M,
    open: &OpenCalls<'_, M>,
) -> bool {
    let to = open.target(slot);
    candidates.slots().any(|other| {
        open.returned[other] < open.returned[slot]
            && open.target(other) == to
            && (at.free.has(slot) || !at.free.has(other))
            && (at.pool.has(slot) || !at.pool.has(other))
    })
}

/// Whether some compare-and-set leads on from `value`.
pub(super) fn can_step<M: SlotMask>(
    at: &Configuration<M>,
    value: u32,
    among: M,
    ground: Ground,
    open: &OpenCalls<'_, M>,
    supply: &Supply,
) -> bool {
    !open.cas_from[value as usize].and(among).minus(at.done).is_empty()
        || open.cas_classes[value as usize].iter().any(|&class| spare_on(*at, class, ground, open, supply).is_some())
}

/// Linearizes the observers in `among` for whom `value` is right; whether there were any.
pub(super) fn observe<M: SlotMask>(at: &mut Configuration<M>, value: u32, among: M, open: &OpenCalls<'_, M>) -> bool {
    let mut seeing = open.reads_of[value as usize];
    for slot in open.differing.minus(at.done).slots() {
        if open.act(slot) != Act::Differs(value) {
            seeing = seeing.or(M::bit(slot));
        }
    }
    let seeing = seeing.and(among).minus(at.done);
    at.done = at.done.or(seeing);
    at.pool = at.pool.minus(seeing);
    !seeing.is_empty()
}

/// Linearizes the observers in an excursion for whom `value` is right.
pub(super) fn observe_in_excursion<M: SlotMask>(at: &mut Configuration<M>, value: u32, open: &OpenCalls<'_, M>) {
    let pool = at.pool;
    observe(at, value, pool, open);
}

/// The register now holds `value`, set by `call`.
pub(super) fn enter<M: SlotMask>(at: &mut Configuration<M>, call: u32, value: u32, open: &OpenCalls<'_, M>) {
    at.state = if open.timeline.is_dead(call, value, open.now) { DEAD } else { value };
    observe(at, value, open.all(), open);
    let same = open.writes_of[value as usize].minus(at.done).minus(at.pool);
    at.free = at.free.or(same);
}
