//! Packet filter rules inside the namespaces of nodes: a table in each for each fault, whose counters are the evidence.

use super::journal::Undo;
use super::{Facts, FaultInfo, Scene, Unhealed};
use crate::history::Value;
use crate::record::cluster::network::{Network, command};
use crate::record::system::NodeId;
use serde_json::Value as Json;
use std::net::Ipv4Addr;

/// The family of our tables: all protocols of the internet.
const FAMILY: &str = "inet";
/// The chain of a table that a packet queue may hang on.
pub(super) const HOLD: &str = "hold";

/// The network of a scene.
pub(super) fn network(scene: &Scene) -> Result<&Network, String> {
    scene.network.as_ref().ok_or_else(|| "the nodes run neither in namespaces nor behind proxies".to_owned())
}

/// The address of a node.
pub(super) fn ip(scene: &Scene, node: NodeId) -> Result<Ipv4Addr, String> {
    network(scene)?.ip(usize::from(node.0)).map_err(|error| error.to_string())
}

/// What undoing rules at those nodes means.
pub(super) fn undo(scene: &Scene, nodes: &[NodeId]) -> Result<Vec<Undo>, String> {
    if scene.links.is_some() {
        // They end with the run.
        return Ok(Vec::new());
    }
    let network = network(scene)?;
    Ok(nodes.iter().map(|node| Undo::Rules { namespace: network.namespace(usize::from(node.0)) }).collect())
}

/// The name of a fault's tables: faults that act at once have tables of their own.
pub(super) fn table(fault: &FaultInfo, scene: &Scene, targets: &[NodeId]) -> String {
    let names: Vec<&str> = targets.iter().map(|&node| scene.name(node)).collect();
    format!("consistory-{}-{}", fault.name, names.join("-"))
}

/// Puts rules at a node: what follows the chain's opening in nft's language, for packets that come in and for those
/// that go out. They may jump to the empty chain [`HOLD`].
///
/// # Errors
/// What nft refuses, as that the table is there.
pub(super) fn put(
    scene: &Scene,
    table: &str,
    node: NodeId,
    incoming: &[String],
    outgoing: &[String],
) -> Result<(), String> {
    let chain = |hook: &str, rules: &[String]| {
        format!("chain {hook} {{ type filter hook {hook} priority 0; {}; }}\n", rules.join("; "))
    };
    let (incoming, outgoing) = (chain("input", incoming), chain("output", outgoing));
    let chains = format!("chain {HOLD} {{ }}\n{incoming}{outgoing}");
    let text = format!("create table {FAMILY} {table}\ntable {FAMILY} {table} {{\n{chains}}}\n");
    inside(scene, node, &["nft", "-f", "-"], &text).map(drop)
}

/// Takes the rules of the nodes away; how many packets came to one that counts.
pub(super) fn take(scene: &Scene, table: &str, nodes: &[NodeId]) -> Result<i64, Unhealed> {
    let (mut counted, mut stays) = (0, None);
    for &node in nodes {
        match counted_at(scene, table, node) {
            Ok(packets) => counted += packets,
            Err(why) => stays = Some(why),
        }
        if let Err(why) = inside(scene, node, &["nft", "delete", "table", FAMILY, table], "") {
            stays = Some(why);
        }
    }
    stays.map_or(Ok(counted), |why| Err(Unhealed::Stays(why)))
}

/// The same for rules that drop: none dropped is no effect.
pub(super) fn take_dropping(scene: &Scene, table: &str, nodes: &[NodeId]) -> Result<Facts, Unhealed> {
    match take(scene, table, nodes)? {
        0 => Err(Unhealed::Harmless("no packet was dropped".into())),
        dropped => Ok(vec![("dropped", Value::Int(dropped))]),
    }
}

/// How many packets the counters of a node's rules have seen.
fn counted_at(scene: &Scene, table: &str, node: NodeId) -> Result<i64, String> {
    let text = inside(scene, node, &["nft", "-j", "list", "table", FAMILY, table], "")?;
    let listed: Json = serde_json::from_str(&text).map_err(|error| format!("nft: {error}"))?;
    let rules = listed["nftables"].as_array().into_iter().flatten();
    let parts = rules.flat_map(|rule| rule["rule"]["expr"].as_array().into_iter().flatten());
    Ok(parts.filter_map(|part| part["counter"]["packets"].as_i64()).sum())
}

/// Runs a program in the namespace of a node; what it printed.
///
/// # Errors
/// What it complained about.
pub(super) fn inside(scene: &Scene, node: NodeId, words: &[&str], input: &str) -> Result<String, String> {
    let namespace = network(scene)?.namespace(usize::from(node.0));
    let arguments: Vec<&str> = ["netns", "exec", &namespace].into_iter().chain(words.iter().copied()).collect();
    command("ip", &arguments, input)
}

/// Nodes as proxies number them.
pub(super) fn numbers(nodes: &[NodeId]) -> Vec<usize> {
    nodes.iter().map(|node| usize::from(node.0)).collect()
}

/// All nodes of a scene.
pub(super) fn nodes(scene: &Scene) -> Vec<NodeId> {
    (0..scene.cluster.nodes().len()).filter_map(|node| u16::try_from(node).ok()).map(NodeId).collect()
}
