//! A fault that acts: the guard that heals it.

use super::journal::{Entry, Journal};
use super::{Facts, Fault, Scene, Unhealed};
use crate::record::system::NodeId;
use std::sync::Arc;

/// A fault that acts, until it is healed or dropped.
pub struct Acting {
    fault: &'static dyn Fault,
    scene: Arc<Scene>,
    targets: Vec<NodeId>,
    entries: Vec<Entry>,
    healed: bool,
}

/// A fault that did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStruck {
    /// Why, in words.
    pub why: String,
    /// Why what was done so far could not be undone, if it could not.
    pub stays: Option<String>,
}

impl From<String> for NotStruck {
    fn from(why: String) -> Self {
        Self { why, stays: None }
    }
}

impl Acting {
    /// Writes into the journal how to undo the fault, and strikes.
    ///
    /// # Errors
    /// Why it has no effect, and what of it could not be undone.
    pub fn strike(
        fault: &'static dyn Fault,
        scene: Arc<Scene>,
        targets: Vec<NodeId>,
        journal: &Journal,
    ) -> Result<(Self, Facts), NotStruck> {
        if targets.is_empty() {
            return Err("there is no such node".to_owned().into());
        }
        let undo = fault.undo(&scene, &targets)?;
        let entries = undo.iter().map(|undo| journal.open(undo)).collect::<Result<_, _>>();
        let entries = entries.map_err(|error| error.to_string())?;
        let acting = Self { fault, scene, targets, entries, healed: false };
        match fault.strike(&acting.scene, &acting.targets) {
            Ok(facts) => Ok((acting, facts)),
            Err(why) => {
                let stays = match acting.heal() {
                    Err(Unhealed::Stays(stays)) => Some(stays),
                    // There was less to undo than there would have been.
                    Ok(_) | Err(Unhealed::Harmless(_)) => None,
                };
                Err(NotStruck { why, stays })
            }
        }
    }

    /// Undoes it; what it did.
    ///
    /// # Errors
    /// See [`Fault::heal`].
    pub fn heal(mut self) -> Result<Facts, Unhealed> {
        self.undo()
    }

    fn undo(&mut self) -> Result<Facts, Unhealed> {
        self.healed = true;
        let result = self.fault.heal(&self.scene, &self.targets);
        // What stays stays in the journal too.
        if !matches!(result, Err(Unhealed::Stays(_))) {
            self.entries.drain(..).for_each(Entry::done);
        }
        result
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if !self.healed {
            // Whoever drops it has an error of its own to tell; the journal keeps what could not be undone.
            let _ = self.undo();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::faults::{find, process};
    use crate::record::system::{Client, Cluster, Failure, Node, SystemError};
    use futures_util::future::BoxFuture;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    /// A cluster of one process that does nothing.
    struct Sleeper(Vec<Node>, u32);

    impl Cluster for Sleeper {
        fn nodes(&self) -> &[Node] {
            &self.0
        }

        fn versions(&self) -> Vec<(String, String)> {
            Vec::new()
        }

        fn config(&self) -> Vec<(String, String)> {
            Vec::new()
        }

        fn connect(&self, _: usize) -> BoxFuture<'_, Result<Box<dyn Client>, Failure>> {
            Box::pin(async { Err(Failure::definite("nobody listens")) })
        }

        fn settle(&self, _: Instant) -> BoxFuture<'_, Result<(), SystemError>> {
            Box::pin(async { Ok(()) })
        }

        fn stop(&mut self) -> BoxFuture<'_, Result<(), SystemError>> {
            Box::pin(async { Ok(()) })
        }

        fn pids(&self) -> Vec<(String, u32)> {
            vec![("n1".into(), self.1)]
        }
    }

    fn sleeper() -> (Child, Arc<Scene>) {
        let child = Command::new("sleep").arg("600").spawn().expect("sleep is there");
        let node = Node { name: "n1".into(), address: String::new(), role: String::new() };
        let cluster = Arc::new(Sleeper(vec![node], child.id()));
        (child, Arc::new(Scene::new(cluster, None, None)))
    }

    #[test]
    fn a_dropped_fault_is_undone_and_its_journal_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(folder.path()).expect("created");
        let (mut child, scene) = sleeper();
        let pause = find("pause").expect("it is in the list");
        let text = || std::fs::read_to_string(folder.path().join("undo.jsonl")).expect("readable");
        let (acting, _) = Acting::strike(pause, scene, vec![NodeId(0)], &journal).expect("it acts");
        assert_eq!(process::state(child.id()), Some('T'));
        assert!(text().contains("continue") && !text().contains("done"), "{}", text());
        drop(acting);
        let state = process::until(child.id(), Duration::from_secs(5), |state| state != Some('T'));
        assert!(state.is_some_and(|state| state != 'T'), "{state:?}");
        assert!(text().contains("done"), "{}", text());
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    #[test]
    fn a_fault_on_what_has_ended_or_goes_on_by_itself_has_no_effect_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(folder.path()).expect("created");
        let (mut child, scene) = sleeper();
        let pause = find("pause").expect("it is in the list");
        let (acting, _) = Acting::strike(pause, Arc::clone(&scene), vec![NodeId(0)], &journal).expect("it acts");
        process::signal(child.id(), rustix::process::Signal::CONT).expect("sent");
        let _ = process::until(child.id(), Duration::from_secs(5), |state| state != Some('T'));
        assert!(matches!(acting.heal(), Err(Unhealed::Harmless(_))));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        for name in ["kill", "pause", "partition"] {
            let fault = find(name).expect("it is in the list");
            assert!(Acting::strike(fault, Arc::clone(&scene), vec![NodeId(0)], &journal).is_err(), "{name}");
        }
        assert!(Acting::strike(pause, scene, Vec::new(), &journal).is_err(), "nobody is no target");
    }
}
