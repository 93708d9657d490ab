//! Discussions: clients post, comment on the post that they have read, and read a comment and then the post. Whoever sees
//! a comment must find the post that its author had read, or a newer one.
//!
//! A topic is two registers: key `2t` holds the post, key `2t + 1` the comment. Every text is unique in the run.

use super::keys::Keys;
use super::register::Values;
use super::{Workload, WorkloadInfo, WorkloadOptions};
use crate::record::system::{Action, Answer, Function, Key};
use crate::record::work::{Generator, Plan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// The workload of causal consistency.
pub(super) struct Causal;

impl Workload for Causal {
    fn info(&self) -> &'static WorkloadInfo {
        &WorkloadInfo {
            name: "causal",
            about: "posts, comments on what was read, reads of a comment and then of its post",
            model: "register",
            claims: &["causal"],
            needs: &[Function::Read, Function::Write],
        }
    }

    fn plan(&self, options: &WorkloadOptions) -> Box<dyn Plan> {
        // A topic is two keys, and a scene about two operations.
        let topics = options.keys.div_ceil(2);
        let keys = Arc::new(Keys::new(topics, options.ops_per_key, options.choice));
        Box::new(CausalPlan { keys, options: options.clone() })
    }
}

struct CausalPlan {
    keys: Arc<Keys>,
    options: WorkloadOptions,
}

impl Plan for CausalPlan {
    fn generator(&self, client: u64) -> Box<dyn Generator> {
        Box::new(CausalClient {
            keys: Arc::clone(&self.keys),
            random: SmallRng::seed_from_u64(self.options.seed.wrapping_add(client.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            read_share: self.options.read_share,
            values: Values { client, clients: self.options.clients, written: 0, domain: self.options.values },
            topic: 0,
            scene: Scene::Over,
        })
    }

    fn final_reads(&self) -> Vec<Action> {
        Vec::new()
    }
}

/// What a client does next in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Nothing: it looks for another topic.
    Over,
    /// It reads a post to comment on it.
    Looks,
    /// It has read the comment and goes on to the post.
    ReadsPost,
    /// It has read a post and comments on it.
    Comments,
}

struct CausalClient {
    keys: Arc<Keys>,
    random: SmallRng,
    /// The share of scenes in which nothing is written.
    read_share: f64,
    values: Values,
    topic: u64,
    scene: Scene,
}

impl CausalClient {
    fn post(&self) -> Key {
        Key(2 * self.topic)
    }

    fn comment(&self) -> Key {
        Key(2 * self.topic + 1)
    }

    /// The first operation of another scene.
    fn begin(&mut self) -> Action {
        let (_, Key(topic)) = self.keys.pick(&mut self.random);
        self.topic = topic;
        if self.random.random_bool(self.read_share) {
            Action::Read { key: self.comment() }
        } else if self.random.random_bool(0.5) {
            Action::Write { key: self.post(), value: self.values.next(&mut self.random) }
        } else {
            self.scene = Scene::Looks;
            Action::Read { key: self.post() }
        }
    }
}

impl Generator for CausalClient {
    fn next(&mut self) -> Action {
        match std::mem::replace(&mut self.scene, Scene::Over) {
            // What it looked at did not answer.
            Scene::Over | Scene::Looks => self.begin(),
            Scene::ReadsPost => Action::Read { key: self.post() },
            Scene::Comments => Action::Write { key: self.comment(), value: self.values.next(&mut self.random) },
        }
    }

    fn observe(&mut self, action: &Action, answer: &Answer) {
        let (Action::Read { key }, Answer::Value(Some(_))) = (action, answer) else { return };
        self.scene = match self.scene {
            Scene::Looks => Scene::Comments,
            _ if *key == self.comment() => Scene::ReadsPost,
            _ => Scene::Over,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::keys::KeyChoice;

    #[test]
    fn comments_follow_a_post_that_was_read_and_posts_are_read_after_their_comments() {
        let options = WorkloadOptions {
            keys: 4,
            ops_per_key: 50,
            choice: KeyChoice::Uniform,
            clients: 1,
            read_share: 0.5,
            values: None,
            hold: std::time::Duration::ZERO,
            seed: 1,
        };
        let mut client = Causal.plan(&options).generator(0);
        let mut store = std::collections::BTreeMap::new();
        let mut before: Option<(Action, Answer)> = None;
        let (mut comments, mut looked_up) = (0, 0);
        for _ in 0..2_000 {
            let action = client.next();
            let key = action.key();
            let answer = match &action {
                Action::Write { value, .. } => {
                    store.insert(key, *value);
                    Answer::Done
                }
                _ => Answer::Value(store.get(&key).copied()),
            };
            let post = Key(key.0 / 2 * 2);
            if matches!(action, Action::Write { .. }) && key != post {
                comments += 1;
                let (read, saw) = before.as_ref().expect("something came before");
                assert_eq!(*read, Action::Read { key: post });
                assert!(matches!(saw, Answer::Value(Some(_))), "there was a post");
            }
            if let Some((Action::Read { key: comment }, Answer::Value(Some(_)))) = &before
                && comment.0 % 2 == 1
            {
                looked_up += 1;
                assert_eq!(action, Action::Read { key: Key(comment.0 - 1) });
            }
            client.observe(&action, &answer);
            before = Some((action, answer));
        }
        assert!(comments > 100 && looked_up > 100, "{comments} comments, {looked_up} looked up");
    }
}
