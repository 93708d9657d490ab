//! Delay and jitter: packets that come to a node are held for a while, those of clients too.
//!
//! The evidence is how many were held and for how long, and the time of a request to the node before and during it.

use super::background::Kept;
use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, probe, rules, setting};
use crate::history::Value;
use crate::record::cluster::links::{Effect, Ways};
use crate::record::cluster::packet_queue::{Held, Hold, PacketQueue};
use crate::record::system::NodeId;
use std::time::Duration;

/// How long a request may take that is not held.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How often a request to a delayed node travels to it: to connect, to ask, and what the system adds to that.
const TRIPS: u32 = 10;

/// A kind of delay.
pub(super) struct Delay {
    info: &'static FaultInfo,
    time: Duration,
    /// Whether each packet is held for a time of its own, from nothing to `time`.
    varies: bool,
}

/// Every packet for the same time.
pub(super) const DELAY: Delay = Delay {
    info: &FaultInfo {
        name: "delay",
        about: "what comes to the target is held for a time, also from clients",
        undo: "let go what is held, and hold no more",
        target: "random",
        needs_network: true,
    },
    time: Duration::from_millis(100),
    varies: false,
};

/// Every packet for a time of its own.
pub(super) const JITTER: Delay = Delay {
    info: &FaultInfo {
        name: "jitter",
        about: "each packet that comes to the target is held for a time from nothing to this, and may be overtaken",
        undo: "let go what is held, and hold no more",
        target: "random",
        needs_network: true,
    },
    time: Duration::from_millis(100),
    varies: true,
};

impl Delay {
    fn hold(&self) -> Hold {
        Hold { least: if self.varies { Duration::ZERO } else { self.time }, most: self.time }
    }

    fn start(&self, scene: &Scene, targets: &[NodeId]) -> Result<(), String> {
        let table = rules::table(self.info, scene, targets);
        if let Some(links) = &scene.links {
            return links.put(&table, Ways::To(rules::numbers(targets)), Effect::Hold(self.hold()));
        }
        let network = rules::network(scene)?;
        let mut queues = Vec::new();
        for &node in targets {
            rules::put(scene, &table, node, &[format!("iif != lo counter jump {}", rules::HOLD)], &[])?;
            let namespace = network.namespace(usize::from(node.0));
            queues.push(PacketQueue::open(&namespace, &table, rules::HOLD, self.hold(), node.0.into())?);
        }
        scene.background.keep(scene, self, targets, Kept::Queues(queues));
        Ok(())
    }

    /// What a request to the node takes now, if it shows the delay. It has to come to the node at least once.
    fn seen(&self, scene: &Scene, node: NodeId) -> Result<String, String> {
        match probe::ask(scene, node, ANSWER_MAX + self.time * TRIPS) {
            Ok(time) if time < self.hold().least => {
                Err(format!("a request to {} took {time:.1?} only", scene.name(node)))
            }
            Ok(time) => Ok(format!("{time:.1?}")),
            Err(why) => Ok(why),
        }
    }
}

impl Fault for Delay {
    fn info(&self) -> &'static FaultInfo {
        self.info
    }

    fn setting(&self) -> Option<String> {
        Some(setting::in_words(self.time))
    }

    fn with(&self, text: &str) -> Result<Box<dyn Fault>, String> {
        Ok(Box::new(Self { time: setting::time(text)?, ..*self }))
    }

    fn holds(&self) -> &'static str {
        "time of packets"
    }

    fn acts_on_links(&self) -> bool {
        true
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        rules::undo(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let usual = |&node| probe::usual(scene, node, ANSWER_MAX).map_or_else(|why| why, |time| format!("{time:.1?}"));
        let before: Vec<_> = targets.iter().map(usual).collect();
        self.start(scene, targets)?;
        let during = targets.iter().map(|&node| self.seen(scene, node)).collect::<Result<Vec<_>, _>>()?;
        let list = |times: &[String]| Value::List(times.iter().map(|time| Value::text(time)).collect());
        Ok(vec![("request-before", list(&before)), ("request-during", list(&during))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let table = rules::table(self.info, scene, targets);
        if let Some(links) = &scene.links {
            return told(links.take(&table).unwrap_or_default());
        }
        // First the rules: what comes after them is not held.
        let taken = rules::take(scene, &table, targets);
        let mut held = Held::default();
        if let Some(Kept::Queues(queues)) = scene.background.take(scene, self, targets) {
            for queue in queues {
                held.add(queue.close());
            }
        }
        taken?;
        told(held)
    }
}

/// What was held, or that nothing was.
fn told(held: Held) -> Result<Facts, Unhealed> {
    if held.packets == 0 {
        return Err(Unhealed::Harmless("nothing was held".into()));
    }
    let micros = i64::try_from(held.mean().as_micros()).unwrap_or(i64::MAX);
    let packets = i64::try_from(held.packets).unwrap_or(i64::MAX);
    Ok(vec![("held", Value::Int(packets)), ("mean-us", Value::Int(micros))])
}
