//! The one that carries out a schedule: it strikes, heals, and writes what came of it into the history.
//!
//! Each fault makes two lines, `NAME-start` and `NAME-stop`, each with its `step` of the plan, `acted` and the evidence, or
//! why there is none. Faults may act at once, never two on the same of one node: whom one holds, another does not choose.
//! A line `leaders` follows whenever other nodes lead than before, as far as their servers tell. When clients have
//! ended, a fault that still acts is healed at once; none outlives [`torment`].

use super::acting::NotStruck;
use super::journal::Journal;
use super::schedule::{Schedule, Step};
use super::target::Target;
use super::{Acting, Facts, Scene, Unhealed};
use crate::history::Value;
use crate::history::fault_windows::{START, STOP};
use crate::record::recorder::Recorder;
use crate::record::system::NodeId;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// How often it is looked who leads.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long one such look may take.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// How long a fault waits to hear who leads, if it does not strike whoever does: then what was heard last must do.
const LOOK_BRIEF: Duration = Duration::from_millis(300);
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

/// Faults that act, and what each holds.
#[derive(Default)]
struct Field<'t> {
    /// Each is done when its fault is healed, and has the place of its step in the schedule.
    acting: FuturesUnordered<BoxFuture<'t, (usize, Struck)>>,
    held: Vec<Held<'t>>,
    struck: Vec<(usize, Struck)>,
}

/// What a fault holds until it is healed.
struct Held<'t> {
    place: usize,
    step: &'t Step,
    nodes: Vec<NodeId>,
}

/// Whom a fault is to strike.
struct Chosen {
    targets: Vec<NodeId>,
    leaders: Vec<NodeId>,
    /// Why nobody was chosen, if nobody was.
    nobody: &'static str,
}

impl Field<'_> {
    /// Waits for something, and for faults meanwhile.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                biased;
                result = &mut awaited => return result,
                Some(ended) = self.acting.next(), if !self.acting.is_empty() => self.end(ended),
            }
        }
    }

    /// Waits until no fault acts any more for which that holds.
    async fn until_healed(&mut self, of: impl Fn(&Step) -> bool) {
        while self.held.iter().any(|held| of(held.step)) {
            let Some(ended) = self.acting.next().await else { return };
            self.end(ended);
        }
    }

    fn end(&mut self, (place, struck): (usize, Struck)) {
        self.held.retain(|held| held.place != place);
        self.struck.push((place, struck));
    }

    /// The nodes of which other faults hold what this one would act on.
    fn held_for(&self, step: &Step) -> Vec<NodeId> {
        let alike = |held: &&Held<'_>| held.step.fault.holds() == step.fault.holds();
        self.held.iter().filter(alike).flat_map(|held| held.nodes.iter().copied()).collect()
    }
}

/// What a nemesis works with.
pub(in crate::record) struct Torment<'a> {
    pub(in crate::record) schedule: &'a Schedule,
    pub(in crate::record) scene: Arc<Scene>,
    pub(in crate::record) journal: &'a Journal,
    pub(in crate::record) recorder: &'a Recorder,
    pub(in crate::record) started: Instant,
    pub(in crate::record) seed: u64,
    /// Who led when it was last looked.
    pub(in crate::record) seen: Mutex<Vec<NodeId>>,
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
        let mut field = Field::default();
        for (place, step) in self.schedule.steps().iter().enumerate() {
            if field.meanwhile(sleep_until(self.started + step.start, &mut over)).await {
                break;
            }
            // What was to end by now lets go first.
            field.until_healed(|other| other.fault.holds() == step.fault.holds() && other.end <= step.start).await;
            let held = field.held_for(step);
            let chosen = field.meanwhile(self.choose(step, &held, &mut random)).await;
            field.held.push(Held { place, step, nodes: chosen.targets.clone() });
            let mut over = over.clone();
            field.acting.push(Box::pin(async move { (place, self.strike(step, chosen, &mut over).await) }));
        }
        field.until_healed(|_| true).await;
        field.struck.sort_by_key(|&(place, _)| place);
        field.struck.into_iter().map(|(_, struck)| struck).collect()
    }

    async fn strike(&self, step: &Step, chosen: Chosen, over: &mut watch::Receiver<bool>) -> Struck {
        let Chosen { targets, leaders, nobody } = chosen;
        let names = self.names(&targets);
        let mut struck = Struck { step: step.to_string(), targets: names.clone(), idle: None, stays: None };
        let about = |mut facts: Facts| {
            let list = |names: &[String]| Value::List(names.iter().map(|name| Value::text(name)).collect());
            facts.extend([("targets", list(&names)), ("leaders", list(&self.names(&leaders)))]);
            facts
        };
        let (fault, scene, journal) = (step.fault, Arc::clone(&self.scene), self.journal.clone());
        let strike = spawn_blocking(move || match targets.as_slice() {
            [] => Err(nobody.to_owned().into()),
            _ => Acting::strike(fault, scene, targets, &journal),
        });
        let acting = match strike.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok((acting, facts)) => {
                self.note(step, START, about(facts), None);
                acting
            }
            Err(NotStruck { why, stays }) => {
                self.note(step, START, about(Vec::new()), Some(&why));
                (struck.idle, struck.stays) = (Some(why), stays);
                return struck;
            }
        };
        // One that comes late still acts for a while: healed at once it would show nothing.
        let end = (self.started + step.end).max(Instant::now() + step.end.saturating_sub(step.start) / 2);
        sleep_until(end, over).await;
        let healed = spawn_blocking(move || acting.heal()).await;
        let healed = healed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.note_healing(step, healed, &mut struck);
        struck
    }

    fn note_healing(&self, step: &Step, healed: Result<Facts, Unhealed>, struck: &mut Struck) {
        match healed {
            Ok(facts) => self.note(step, STOP, facts, None),
            Err(Unhealed::Harmless(why)) => {
                self.note(step, STOP, Vec::new(), Some(&why));
                struck.idle = Some(why);
            }
            Err(Unhealed::Stays(why)) => {
                self.note(step, STOP, vec![("stays", Value::text(&why))], None);
                struck.stays = Some(why);
            }
        }
    }

    /// Writes a line of the history and tells of it. `idle` is why it had no effect.
    fn note(&self, step: &Step, end: &str, mut facts: Facts, idle: Option<&str>) {
        let function = format!("{}{end}", step.fault.info().name);
        facts.extend([("acted", Value::Bool(idle.is_none())), ("step", Value::text(&step.to_string()))]);
        facts.extend(idle.map(|why| ("why", Value::text(why))));
        let value = map(facts);
        self.recorder.note(&function, &value);
        (self.tell)(format!("{function} {value}"));
    }

    /// Whom it strikes: nobody of whom another fault holds the same. A fault that strikes whoever leads waits a while
    /// until somebody does.
    async fn choose(&self, step: &Step, held: &[NodeId], random: &mut SmallRng) -> Chosen {
        let nodes = self.scene.cluster.nodes();
        let is_needed = step.target == Target::Leader && nodes.len() > 1;
        let deadline = Instant::now() + LEADER_MAX;
        let leaders = loop {
            let look = self.leaders();
            let leaders = if is_needed {
                look.await
            } else {
                // A node that is silent by now must not delay what is to strike another.
                let brief = tokio::time::timeout(LOOK_BRIEF, look).await;
                brief.unwrap_or_else(|_| self.seen.lock().clone())
            };
            let is_free = leaders.iter().any(|leader| !held.contains(leader));
            if is_free || !is_needed || Instant::now() >= deadline {
                break leaders;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let targets = step.target.choose(nodes, &leaders, held, random);
        let nobody = if held.is_empty() { "there is no such node" } else { "another fault acts on every such node" };
        Chosen { targets, leaders, nobody }
    }

    async fn leaders(&self) -> Vec<NodeId> {
        let Ok(leaders) = tokio::time::timeout(LOOK_MAX, self.scene.cluster.leaders()).await else { return Vec::new() };
        self.seen.lock().clone_from(&leaders);
        leaders
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
