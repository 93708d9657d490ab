//! Wrong clocks: the wall clock of a node's server, and of nobody else, jumps forward or falls behind, and is right again
//! when the fault ends. Its monotonic clock stays right. See [`super::vdso`] for how.

use super::journal::Undo;
use super::need::Need;
use super::vdso::Vdso;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, process};
use crate::history::Value;
use crate::record::system::NodeId;
use std::time::{Duration, Instant, SystemTime};

/// How often a server is asked for its time.
const ASK_TIMES: usize = 5;

/// A way to be wrong.
pub(super) struct WrongClock {
    offset_ms: i64,
    info: FaultInfo,
}

/// Far ahead: what has a time to live ends at once.
pub(super) const JUMP: WrongClock = WrongClock {
    offset_ms: 5_000,
    info: FaultInfo {
        name: "clock-jump",
        about: "the server's wall clock is 5 s ahead",
        undo: "put its clock right",
        target: "random",
        needs_network: false,
    },
};

/// A little behind the others.
pub(super) const SKEW: WrongClock = WrongClock {
    offset_ms: -500,
    info: FaultInfo {
        name: "clock-skew",
        about: "the server's wall clock is 0.5 s behind",
        undo: "put its clock right",
        target: "random",
        needs_network: false,
    },
};

impl Fault for WrongClock {
    fn info(&self) -> &'static FaultInfo {
        if self.offset_ms > 0 { &JUMP.info } else { &SKEW.info }
    }

    fn needs(&self) -> Need {
        Need::Clocks
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        let entry = |&node| {
            let pid = scene.pid(node)?;
            let started = process::started(pid).ok_or_else(|| format!("process {pid} has ended"))?;
            Ok(Undo::Clock { pid, started })
        };
        targets.iter().map(entry).collect()
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let vdso = Vdso::own()?;
        for &node in targets {
            vdso.put_wrong(scene.pid(node)?, self.offset_ms * 1_000_000)?;
        }
        let mut facts = vec![("offset_ms", Value::Int(self.offset_ms))];
        for &node in targets {
            // The server's own word, where it tells the time: within what asking takes.
            if let Some(ahead) = ahead_ms(scene, node) {
                if (ahead - self.offset_ms).abs() > self.offset_ms.abs() / 2 {
                    return Err(format!("{} tells a time that is {ahead} ms ahead", scene.name(node)));
                }
                facts.push(("ahead_ms", Value::Int(ahead)));
            }
        }
        Ok(facts)
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let vdso = Vdso::own().map_err(Unhealed::Stays)?;
        let mut was_wrong = false;
        for &node in targets {
            // Who was started anew has a clock of its own.
            let Ok(pid) = scene.pid(node) else { continue };
            was_wrong |= vdso.put_right(pid).map_err(Unhealed::Stays)?;
        }
        if was_wrong {
            Ok(vec![("right", Value::Bool(true))])
        } else {
            Err(Unhealed::Harmless("the clocks were right already".into()))
        }
    }
}

/// How far ahead of this process's clock a server says that its clock is, if it says anything: compared with the middle
/// of the time that asking took, of a few questions the one answered fastest (F. Cristian, Probabilistic clock
/// synchronization, Distributed Computing 3, 1989).
fn ahead_ms(scene: &Scene, node: NodeId) -> Option<i64> {
    let asked: Vec<_> = (0..ASK_TIMES).map_while(|_| ask_ahead_ms(scene, node)).collect();
    asked.into_iter().min().map(|(_, ahead)| ahead)
}

/// How long one question took, and what it told.
fn ask_ahead_ms(scene: &Scene, node: NodeId) -> Option<(Duration, i64)> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    let (began, before) = (Instant::now(), SystemTime::now());
    let asking = || runtime.block_on(scene.cluster.wall_clock(node));
    let told = std::thread::scope(|scope| scope.spawn(asking).join()).ok()??;
    let took = began.elapsed();
    let milliseconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    Some((took, milliseconds(told) - milliseconds(before + took / 2)))
}
