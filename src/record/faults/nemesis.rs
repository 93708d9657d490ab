//! The one that carries out a schedule: it strikes, heals, and writes what came of it into the history.
//!
//! Each fault makes two lines, `NAME-start` and `NAME-stop`, each with `acted` and the evidence, or why there is none.
//! A line `leaders` follows whenever other nodes lead than before, as far as their servers tell. When clients have
//! ended, a fault that still acts is healed at once; none outlives [`torment`].

use super::journal::Journal;
use super::schedule::{Schedule, Step};
use super::{Acting, Facts, Scene, Unhealed};
use crate::history::Value;
use crate::history::fault_windows::{START, STOP};
use crate::record::recorder::Recorder;
use crate::record::system::NodeId;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// How often it is looked who leads.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long one such look may take.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// How long a fault on a leader waits for one.
const LEADER_MAX: Duration = Duration::from_secs(5);
/// Keeps the draws of targets apart from those of clients.
const SEED: u64 = 0xFA17_5EED;

/// The line with who leads.
pub const LEADERS: &str = "leaders";
/// What became of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The fault with its target, as planned.
    pub step: String,
    /// The names of the nodes it acted on.
    pub targets: Vec<String>,
    /// Why it had no effect, if it had none.
    pub idle: Option<String>,
    /// Why it could not be undone, if it could not.
    pub stays: Option<String>,
}

/// What a nemesis works with.
pub(in crate::record) struct Torment<'a> {
    pub(in crate::record) schedule: &'a Schedule,
    pub(in crate::record) scene: Arc<Scene>,
    pub(in crate::record) journal: &'a Journal,
    pub(in crate::record) recorder: &'a Recorder,
    pub(in crate::record) started: Instant,
    pub(in crate::record) seed: u64,
    /// Hears of each strike and each healing, in words.
    pub(in crate::record) tell: &'a (dyn Fn(String) + Sync),
}

impl Torment<'_> {
    /// Carries out the schedule, until it is done and `over` has turned true.
    pub(in crate::record) async fn run(&self, over: watch::Receiver<bool>) -> Vec<Struck> {
        let (struck, ()) = tokio::join!(self.strike_all(over.clone()), self.watch_leaders(over));
        struck
    }

    async fn strike_all(&self, mut over: watch::Receiver<bool>) -> Vec<Struck> {
        let mut random = SmallRng::seed_from_u64(self.seed ^ SEED);
        let mut struck = Vec::new();
        for step in self.schedule.steps() {
            if sleep_until(self.started + step.start, &mut over).await {
                break;
            }
            struck.push(self.strike(step, &mut random, &mut over).await);
        }
        struck
    }

    async fn strike(&self, step: &Step, random: &mut SmallRng, over: &mut watch::Receiver<bool>) -> Struck {
        let leaders = self.leaders_for(step).await;
        let targets = step.target.choose(self.scene.cluster.nodes(), &leaders, random);
        let names = self.names(&targets);
        let mut struck = Struck { step: step.to_string(), targets: names.clone(), idle: None, stays: None };
        let about = |facts: Facts| {
            let list = |names: &[String]| Value::List(names.iter().map(|name| Value::text(name)).collect());
            let mut facts = facts;
            facts.extend([("targets", list(&names)), ("leaders", list(&self.names(&leaders)))]);
            facts
        };
        let (fault, scene, journal) = (step.fault, Arc::clone(&self.scene), self.journal.clone());
        let name = fault.info().name;
        let strike = spawn_blocking(move || Acting::strike(fault, scene, targets, &journal)).await;
        let acting = match strike.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok((acting, facts)) => {
                self.note(&format!("{name}{START}"), about(facts), None);
                acting
            }
            Err(why) => {
                self.note(&format!("{name}{START}"), about(Vec::new()), Some(&why));
                struck.idle = Some(why);
                return struck;
            }
        };
        sleep_until(self.started + step.end, over).await;
        let healed = spawn_blocking(move || acting.heal()).await;
        let healed = healed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.note_healing(name, healed, &mut struck);
        struck
    }

    fn note_healing(&self, name: &str, healed: Result<Facts, Unhealed>, struck: &mut Struck) {
        let line = format!("{name}{STOP}");
        match healed {
            Ok(facts) => self.note(&line, facts, None),
            Err(Unhealed::Harmless(why)) => {
                self.note(&line, Vec::new(), Some(&why));
                struck.idle = Some(why);
            }
            Err(Unhealed::Stays(why)) => {
                self.note(&line, vec![("stays", Value::text(&why))], None);
                struck.stays = Some(why);
            }
        }
    }

    /// Writes a line of the history and tells of it. `idle` is why it had no effect.
    fn note(&self, function: &str, mut facts: Facts, idle: Option<&str>) {
        facts.push(("acted", Value::Bool(idle.is_none())));
        facts.extend(idle.map(|why| ("why", Value::text(why))));
        let value = map(facts);
        self.recorder.note(function, &value);
        (self.tell)(format!("{function} {value}"));
    }

    /// Who leads. A fault that strikes whoever leads waits a while until somebody does.
    async fn leaders_for(&self, step: &Step) -> Vec<NodeId> {
        let deadline = Instant::now() + LEADER_MAX;
        loop {
            let leaders = self.leaders().await;
            let is_needed = step.target == super::target::Target::Leader && self.scene.cluster.nodes().len() > 1;
            if !leaders.is_empty() || !is_needed || Instant::now() >= deadline {
                return leaders;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn leaders(&self) -> Vec<NodeId> {
        tokio::time::timeout(LOOK_MAX, self.scene.cluster.leaders()).await.unwrap_or_default()
    }

    async fn watch_leaders(&self, mut over: watch::Receiver<bool>) {
        let mut last = None;
        loop {
            let leaders = self.leaders().await;
            if last.as_ref() != Some(&leaders) {
                let names = self.names(&leaders).iter().map(|name| Value::text(name)).collect();
                self.recorder.note(LEADERS, &Value::List(names));
                last = Some(leaders);
            }
            if sleep_until(Instant::now() + LOOK_EVERY, &mut over).await {
                return;
            }
        }
    }

    fn names(&self, nodes: &[NodeId]) -> Vec<String> {
        nodes.iter().map(|&node| self.scene.name(node).to_owned()).collect()
    }
}

/// A map with its pairs in key order.
fn map(facts: Facts) -> Value {
    let mut pairs: Vec<_> = facts.into_iter().map(|(name, value)| (Value::text(name), value)).collect();
    pairs.sort();
    Value::Map(pairs.into())
}

/// Sleeps until an instant, or until clients have ended: whether they have.
async fn sleep_until(instant: Instant, over: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        ended = over.wait_for(|over| *over) => { drop(ended); true }
        () = tokio::time::sleep_until(instant.into()) => false,
    }
}
