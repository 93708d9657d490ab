//! What the adapter says about itself: topologies, options and the promises of Redis's documentation.
//!
//! Static text only; the failure table is in `failure.rs`, beside the code that applies it.

use super::failure::DEFINITE;
use crate::record::system::{AdapterInfo, Function, OptionInfo, Program, Promise, Topology};

/// The catalogue entry.
pub(super) static INFO: AdapterInfo = AdapterInfo {
    name: "redis",
    about: "Redis: one server, a primary with replicas and sentinels, or Redis Cluster",
    topologies: &[
        Topology { name: "", about: "one server" },
        Topology { name: "sentinel", about: "a primary, two replicas and three sentinels" },
        Topology { name: "cluster", about: "Redis Cluster: three primaries with one replica each" },
    ],
    functions: &[
        Function::Read,
        Function::Write,
        Function::Cas,
        Function::Add,
        Function::Members,
        Function::Acquire,
        Function::Release,
    ],
    options: OPTIONS,
    promises: PROMISES,
    definite_failures: DEFINITE,
    programs: &[
        Program { name: "redis-server", package: "redis-server" },
        Program { name: "redis-sentinel", package: "redis-sentinel" },
    ],
};

/// Every option, of any topology.
pub(super) const OPTIONS: &[OptionInfo] = &[
    OptionInfo {
        name: "wait",
        values: "0..=100",
        default: "0",
        about: "send WAIT after each write and acknowledge only what so many replicas confirmed",
    },
    OptionInfo {
        name: "lock-ttl",
        values: "1..=60 (seconds)",
        default: "2",
        about: "when a lock ends by itself; nothing prolongs it",
    },
    OptionInfo {
        name: "appendfsync",
        values: "none|no|everysec|always",
        default: "none",
        about: "keep an append-only file, forced to disk so often; none keeps nothing on disk",
    },
    OptionInfo {
        name: "min-replicas-to-write",
        values: "0..=100",
        default: "0",
        about: "a primary refuses writes while it has fewer connected replicas",
    },
    OptionInfo {
        name: "down-after",
        values: "100..=600000 (milliseconds)",
        default: "2000",
        about: "redis:sentinel only: silence after which a sentinel calls a server down; with 1000 or less it may call a \
                new primary down at once, whose first ping it sends after a second",
    },
    OptionInfo {
        name: "node-timeout",
        values: "100..=600000 (milliseconds)",
        default: "2000",
        about: "redis:cluster only: silence after which a node calls another failing",
    },
    OptionInfo {
        name: "master",
        values: "a name",
        default: "mymaster",
        about: "redis:sentinel only: the name under which the sentinels watch the primary",
    },
];

const PROMISES: &[Promise] = &[
    Promise {
        when: "one server",
        promises: "commands run one after another, each of them whole; so does a script",
        url: "https://redis.io/docs/latest/develop/reference/eval-intro/",
    },
    Promise {
        when: "one server without appendfsync=always",
        promises: "a crash may lose acknowledged writes: all of them without an append-only file, about the last \
                   second's with everysec",
        url: "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
    },
    Promise {
        when: "replicas",
        promises: "replication is asynchronous: a replica may answer with an older state, and a primary acknowledges \
                   before its replicas have the write",
        url: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
    },
    Promise {
        when: "wait=N",
        promises: "an acknowledged write had reached N replicas; the store is still not strongly consistent, and a \
                   failover can lose such a write",
        url: "https://redis.io/docs/latest/commands/wait/",
    },
    Promise {
        when: "redis:sentinel",
        promises: "one primary wins in the end; acknowledged writes that its replicas lack are lost at a failover, \
                   and so is what clients write to an old primary behind a partition",
        url: "https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/",
    },
    Promise {
        when: "min-replicas-to-write=N",
        promises: "a primary cut off from its replicas stops accepting writes after min-replicas-max-lag seconds, \
                   which bounds the loss without preventing it",
        url: "https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/",
    },
    Promise {
        when: "redis:cluster",
        promises: "writes are kept with best effort and the last failover wins: acknowledged writes may be lost, more \
                   of them on the minority side of a partition until the node timeout",
        url: "https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/",
    },
];
