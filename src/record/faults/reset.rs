//! Reset: every connection of a node is cut off at once, and again in each period, those of clients too. Both ends see an
//! error (RST) and may connect anew at once. The evidence is how many were cut off.

use super::background::{Kept, Repeated};
use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, rules, setting};
use crate::history::Value;
use crate::record::cluster::network::command;
use crate::record::system::NodeId;
use std::time::Duration;

/// See the module.
pub(super) struct Reset {
    period: Duration,
}

/// What it is when nothing else is said.
pub(super) const RESET: Reset = Reset { period: Duration::from_secs(1) };

impl Fault for Reset {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "reset",
            about: "the target's connections are reset at once and again in each period, also those of clients",
            undo: "reset no more",
            target: "random",
            needs_network: true,
        }
    }

    fn setting(&self) -> Option<String> {
        Some(setting::in_words(self.period))
    }

    fn with(&self, text: &str) -> Result<Box<dyn Fault>, String> {
        Ok(Box::new(Self { period: setting::time(text)? }))
    }

    fn holds(&self) -> &'static str {
        "connections"
    }

    fn acts_on_links(&self) -> bool {
        true
    }

    /// Nothing is left over when nobody resets any more; the means must be there.
    fn undo(&self, scene: &Scene, _: &[NodeId]) -> Result<Vec<Undo>, String> {
        resetting(scene, &[]).map(|_| Vec::new())
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        let mut reset = resetting(scene, targets)?;
        let first = reset()?;
        if first == 0 {
            return Err("no connection could be reset: there is none, or the kernel cannot (INET_DIAG_DESTROY)".into());
        }
        let repeated = Repeated::start(self.period, reset)?;
        scene.background.keep(scene, self, targets, Kept::Repeated(repeated));
        Ok(vec![("reset", Value::Int(i64::try_from(first).unwrap_or(i64::MAX)))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        let Some(Kept::Repeated(repeated)) = scene.background.take(scene, self, targets) else {
            return Err(Unhealed::Harmless("nothing was reset".into()));
        };
        match repeated.end() {
            Ok(more) => Ok(vec![("reset", Value::Int(i64::try_from(more).unwrap_or(i64::MAX)))]),
            Err(why) => Err(Unhealed::Harmless(why)),
        }
    }
}

/// What resets the connections of those nodes and says how many they were.
fn resetting(scene: &Scene, targets: &[NodeId]) -> Result<Box<dyn FnMut() -> Result<u64, String> + Send>, String> {
    if let Some(links) = scene.links.clone() {
        let nodes = rules::numbers(targets);
        return Ok(Box::new(move || Ok(links.reset(&nodes))));
    }
    let network = rules::network(scene)?;
    let namespaces: Vec<_> = targets.iter().map(|node| network.namespace(usize::from(node.0))).collect();
    Ok(Box::new(move || reset(&namespaces)))
}

/// Resets the connections in those namespaces; how many.
fn reset(namespaces: &[String]) -> Result<u64, String> {
    let mut count = 0;
    for namespace in namespaces {
        // It prints those that it has closed.
        let words = ["netns", "exec", namespace, "ss", "-K", "-t", "-n", "-H", "state", "established"];
        count += command("ip", &words, "")?.lines().filter(|line| !line.trim().is_empty()).count();
    }
    Ok(count as u64)
}
