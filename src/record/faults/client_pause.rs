//! Client pause: the clients that hold a lock sleep, as processes do in a long garbage collection or on a stopped machine;
//! what they do in the background sleeps with them. When they go on they do not know that time has passed. The servers
//! are left alone.

use super::journal::Undo;
use super::need::Need;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::system::NodeId;
use std::time::{Duration, Instant};

/// How long is waited until somebody holds a lock.
const HOLDER_MAX: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct ClientPause;

impl Fault for ClientPause {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "client-pause",
            about: "the clients that hold a lock of the target sleep; the servers are left alone",
            undo: "wake them",
            target: "all",
            needs_network: false,
        }
    }

    fn needs(&self) -> Need {
        Need::Clients
    }

    fn holds(&self) -> &'static str {
        "clients"
    }

    /// Clients end with consistory, asleep or not.
    fn undo(&self, _: &Scene, _: &[NodeId]) -> Result<Vec<Undo>, String> {
        Ok(Vec::new())
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let end = Instant::now() + HOLDER_MAX;
        loop {
            let asleep = scene.clients.put_holders_to_sleep(targets);
            if !asleep.is_empty() {
                let slots = asleep.iter().filter_map(|&slot| i64::try_from(slot).ok()).map(Value::Int);
                return Ok(vec![("asleep", Value::List(slots.collect()))]);
            }
            if Instant::now() >= end {
                return Err("no client holds a lock".into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn heal(&self, scene: &Scene, _: &[NodeId]) -> Result<Facts, Unhealed> {
        match i64::try_from(scene.clients.wake()).unwrap_or(i64::MAX) {
            0 => Err(Unhealed::Harmless("no client had anything to do meanwhile".into())),
            waited => Ok(vec![("woken", Value::Int(waited))]),
        }
    }
}
