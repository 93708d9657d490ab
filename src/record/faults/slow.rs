//! Slow link: what comes to a node and what leaves it passes at a rate and no faster; what does not fit waits, and is
//! dropped when too much does. A token bucket at both ends of the node's wire,
//! or the proxies, where both directions share the rate. The evidence is what had to wait.

use super::journal::Undo;
use super::{Facts, Fault, FaultInfo, Scene, Unhealed, rules, setting};
use crate::history::Value;
use crate::record::cluster::links::{Effect, Ways};
use crate::record::cluster::network::command;
use crate::record::system::NodeId;
use serde_json::Value as Json;

/// What may pass at once, and for how long something may wait.
const BUCKET: [&str; 4] = ["burst", "16kb", "latency", "400ms"];

/// See the module.
pub(super) struct Slow {
    kilobits: u32,
}

/// What it is when nothing else is said.
pub(super) const SLOW: Slow = Slow { kilobits: 1000 };

/// One end of a node's wire: in the node's namespace, or outside.
#[derive(Clone, Copy)]
enum End {
    Inside,
    Outside,
}

impl Fault for Slow {
    fn info(&self) -> &'static FaultInfo {
        &FaultInfo {
            name: "slow",
            about: "the target's link carries so much a second in each direction, also of clients",
            undo: "remove the limits",
            target: "random",
            needs_network: true,
        }
    }

    fn setting(&self) -> Option<String> {
        Some(setting::rate_in_words(self.kilobits))
    }

    fn with(&self, text: &str) -> Result<Box<dyn Fault>, String> {
        Ok(Box::new(Self { kilobits: setting::kilobits(text)? }))
    }

    fn holds(&self) -> &'static str {
        "bandwidth"
    }

    fn acts_on_links(&self) -> bool {
        true
    }

    fn undo(&self, scene: &Scene, targets: &[NodeId]) -> Result<Vec<Undo>, String> {
        rules::undo(scene, targets)
    }

    fn strike(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, String> {
        if let Some(links) = &scene.links {
            let ways = Ways::Touching(rules::numbers(targets));
            links.put(&rules::table(self.info(), scene, targets), ways, Effect::Limit { rate: self.kilobits * 125 })?;
            return Ok(vec![("kilobits", Value::Int(self.kilobits.into()))]);
        }
        let rate = format!("{}kbit", self.kilobits);
        for &node in targets {
            for end in [End::Inside, End::Outside] {
                let words = [&["root", "tbf", "rate", &rate][..], &BUCKET].concat();
                traffic_control(scene, node, end, &["qdisc", "add"], &words)?;
            }
        }
        Ok(vec![("kilobits", Value::Int(self.kilobits.into()))])
    }

    fn heal(&self, scene: &Scene, targets: &[NodeId]) -> Result<Facts, Unhealed> {
        if let Some(links) = &scene.links {
            return match links.take(&rules::table(self.info(), scene, targets)).map_or(0, |held| held.packets) {
                0 => Err(Unhealed::Harmless("nothing had to wait".into())),
                waited => Ok(vec![("waited", Value::Int(i64::try_from(waited).unwrap_or(i64::MAX)))]),
            };
        }
        let (mut waited, mut dropped, mut bytes, mut stays) = (0, 0, 0, None);
        for &node in targets {
            for end in [End::Inside, End::Outside] {
                match passed(scene, node, end) {
                    Ok(passed) => {
                        let number = |name: &str| passed[name].as_i64().unwrap_or(0);
                        waited += number("overlimits");
                        dropped += number("drops");
                        bytes += number("bytes");
                    }
                    Err(why) => stays = Some(why),
                }
                if let Err(why) = traffic_control(scene, node, end, &["qdisc", "del"], &["root"]) {
                    stays = Some(why);
                }
            }
        }
        match stays {
            Some(why) => Err(Unhealed::Stays(why)),
            None if waited == 0 => Err(Unhealed::Harmless(format!("nothing had to wait: {bytes} bytes passed"))),
            None => {
                Ok(vec![("waited", Value::Int(waited)), ("dropped", Value::Int(dropped)), ("bytes", Value::Int(bytes))])
            }
        }
    }
}

/// What the token bucket at that end has counted.
fn passed(scene: &Scene, node: NodeId, end: End) -> Result<Json, String> {
    let text = traffic_control(scene, node, end, &["-s", "-j", "qdisc", "show"], &[])?;
    let listed: Json = serde_json::from_str(&text).map_err(|error| format!("tc: {error}"))?;
    let bucket = listed.as_array().into_iter().flatten().find(|one| one["kind"] == "tbf").cloned();
    bucket.ok_or_else(|| format!("{} has no limit any more", scene.name(node)))
}

/// Runs tc with the interface of that end between the words.
fn traffic_control(scene: &Scene, node: NodeId, end: End, before: &[&str], after: &[&str]) -> Result<String, String> {
    let outside = rules::network(scene)?.outer_end(usize::from(node.0));
    match end {
        End::Inside => rules::inside(scene, node, &[&["tc"], before, &["dev", "eth0"], after].concat(), ""),
        End::Outside => command("tc", &[before, &["dev", &outside], after].concat(), ""),
    }
}
