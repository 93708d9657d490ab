//! Whether a schedule can act on a cluster of so many nodes at all, told before anything is started.
//!
//! Refuses only what is certain: a node that is not there, a partition without another side, more faults at once than
//! there are nodes for them. Who leads, and who is drawn, is known when a fault strikes; what then turns out to be
//! impossible makes the run vacuous.

use super::schedule::{Schedule, Step};
use super::target::Target;

/// Why the schedule cannot be carried out on so many nodes, in words; `None` if it may.
#[must_use]
pub fn why_never(schedule: &Schedule, nodes: usize) -> Option<String> {
    let steps = schedule.steps();
    steps.iter().find_map(|step| why_step_never(step, nodes).or_else(|| crowd(step, steps, nodes)))
}

fn why_step_never(step: &Step, nodes: usize) -> Option<String> {
    let count = step.target.count(nodes);
    let why = if count > 0 {
        step.fault.why_never(nodes, count)?
    } else {
        match &step.target {
            Target::Node(name) if nodes == 1 => format!("there is no node {name}, only n1"),
            Target::Node(name) => format!("there is no node {name}; there are n1 to n{nodes}"),
            target => format!("{nodes} node{} ha{} no {target}", plural(nodes), if nodes == 1 { "s" } else { "ve" }),
        }
    };
    Some(format!("{step} cannot act: {why}"))
}

/// Why there are not enough nodes for all faults that act on the same of a node when this one strikes.
fn crowd(step: &Step, steps: &[Step], nodes: usize) -> Option<String> {
    let acting: Vec<&Step> =
        steps.iter().filter(|other| other.fault.holds() == step.fault.holds() && acts_at(other, step)).collect();
    let needed: usize = acting.iter().map(|step| step.target.count(nodes)).sum();
    let names: Vec<String> = acting.iter().map(ToString::to_string).collect();
    (needed > nodes).then(|| {
        format!(
            "{} act on the {} of {needed} nodes at once, and there {} {nodes}",
            names.join(" and "),
            step.fault.holds(),
            if nodes == 1 { "is" } else { "are" }
        )
    })
}

/// Whether the one acts when the other strikes.
fn acts_at(one: &Step, other: &Step) -> bool {
    one.start == other.start || one.start < other.start && other.start < one.end
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::faults::find;
    use crate::record::faults::schedule::{Rhythm, Volley, Wish};
    use std::time::Duration;

    /// `fault target start`, for three seconds each.
    fn why(faults: &[(&str, &str, u64)], nodes: usize) -> Option<String> {
        let second = Duration::from_secs;
        let wish = |&(fault, target, start): &(&str, &str, u64)| {
            let target = Target::parse(target).expect("a target");
            let fault = find(fault).expect("a fault");
            Volley(vec![Wish { fault, target, at: Some(second(start)), length: Some(second(3)) }])
        };
        let volleys: Vec<_> = faults.iter().map(wish).collect();
        let rhythm = Rhythm { warm_up: second(1), length: second(1), calm: second(1) };
        let (schedule, _) = Schedule::plan(&volleys, rhythm, None).expect("it can be kept");
        why_never(&schedule, nodes)
    }

    #[test]
    fn what_can_never_act_is_refused_with_the_reason() {
        for (fault, target, nodes, expected) in [
            ("partition", "leader", 1, "no other side"),
            ("partition", "majority", 1, "no other side"),
            ("partition", "all", 3, "no other side"),
            ("partition-ring", "all", 3, "a ring of 3 nodes"),
            ("kill", "n9", 3, "there are n1 to n3"),
            ("kill", "n2", 1, "only n1"),
            ("kill", "follower", 1, "1 node has no follower"),
            ("pause", "minority", 2, "2 nodes have no minority"),
        ] {
            let why = why(&[(fault, target, 1)], nodes).expect("it cannot act");
            assert!(why.contains(expected), "{fault}:{target} of {nodes}: {why}");
        }
    }

    #[test]
    fn what_may_act_is_not_refused() {
        for (fault, target, nodes) in [
            ("partition", "leader", 3),
            ("partition", "majority", 3),
            ("partition-ring", "all", 4),
            ("kill", "all", 1),
            ("kill", "n3", 3),
        ] {
            assert_eq!(why(&[(fault, target, 1)], nodes), None, "{fault}:{target} of {nodes}");
        }
    }

    #[test]
    fn faults_at_once_need_a_node_each() {
        let both = [("kill", "random", 1), ("pause", "leader", 2)];
        let why_one = why(&both, 1).expect("there is one node");
        assert!(why_one.contains("2 nodes at once"), "{why_one}");
        assert_eq!(why(&both, 2), None);
        assert_eq!(why(&[("kill", "random", 1), ("pause", "leader", 4)], 1), None, "one after the other");
        assert_eq!(why(&[("kill", "majority", 1), ("loss", "majority", 2)], 3), None, "not on the same");
    }
}
