//! What became of additions to sets, for people and for scripts.

use super::grouped;
use crate::check::invariants::additions::Additions;
use serde::Serialize;

/// [`Additions`] as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AdditionsWire {
    acknowledged: u64,
    lost: u64,
    failed: u64,
    resurrected: u64,
    unknown: u64,
    unknown_present: u64,
    duplicated: u64,
    invented: u64,
}

/// For scripts.
#[must_use]
pub fn wire(counted: &Additions) -> AdditionsWire {
    let Additions { acknowledged, lost, failed, resurrected, unknown, unknown_present, duplicated, invented } =
        *counted;
    AdditionsWire { acknowledged, lost, failed, resurrected, unknown, unknown_present, duplicated, invented }
}

/// For people, one line.
#[must_use]
pub fn text(counted: &Additions) -> String {
    let [acknowledged, lost] = [counted.acknowledged, counted.lost].map(grouped);
    let mut parts = vec![format!("{acknowledged} acknowledged, {lost} lost")];
    for (what, count, present) in
        [("failed", counted.failed, counted.resurrected), ("unknown", counted.unknown, counted.unknown_present)]
    {
        parts.extend((count > 0).then(|| format!("{} {what}, {} of them present", grouped(count), grouped(present))));
    }
    for (count, what) in [(counted.duplicated, "present twice"), (counted.invented, "present that nobody added")] {
        parts.extend((count > 0).then(|| format!("{} {what}", grouped(count))));
    }
    format!("  additions  {}\n", parts.join(" · "))
}
