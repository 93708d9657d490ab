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
    let invented = match counted.invented {
        0 => String::new(),
        invented => format!(" · {} present that nobody added", grouped(invented)),
    };
    let [acknowledged, lost, failed, resurrected, unknown, present, duplicated] = [
        counted.acknowledged,
        counted.lost,
        counted.failed,
        counted.resurrected,
        counted.unknown,
        counted.unknown_present,
        counted.duplicated,
    ]
    .map(grouped);
    format!(
        "  additions  {acknowledged} acknowledged, {lost} lost · {failed} failed, {resurrected} of them present · \
         {unknown} unknown, {present} of them present · {duplicated} present twice{invented}\n"
    )
}
