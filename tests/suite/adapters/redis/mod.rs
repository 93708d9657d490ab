//! The Redis adapter against real servers, every topology.
//!
//! Without redis-server the tests say so and pass, unless `REQUIRE_SYSTEMS` names redis.
#![cfg(feature = "redis")]
#![expect(clippy::print_stdout, reason = "a skip is visible, and ready times are worth seeing")]

use consistory::adapters;
use consistory::record::system::{
    Action, Answer, Backend, Certainty, Client, Cluster, Failure, Key, NodeId, ReadFrom, Reply, SystemError, Tls,
};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod existing;

const START: Duration = Duration::from_secs(120);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a skip is a failure.
fn required() -> bool {
    std::env::var("REQUIRE_SYSTEMS").is_ok_and(|systems| systems.split(',').any(|system| system.trim() == "redis"))
}

/// Says that a test is skipped; not by a macro for printing, which the test harness would hide, as the test passes.
fn skipped(what: &str) {
    writeln!(std::io::stderr().lock(), "SKIPPED {what}").expect("standard error is open");
}

/// Whether the servers are installed; says so if not.
fn installed() -> bool {
    let found = ["redis-server", "redis-sentinel"]
        .iter()
        .all(|program| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok());
    assert!(found || !required(), "redis is required and not installed");
    if !found {
        skipped("redis: not installed");
    }
    found
}

fn backend(topology: &str, folder: &Path) -> Backend {
    Backend {
        system: "redis".into(),
        topology: topology.into(),
        prefix: "run:".into(),
        folder: folder.to_owned(),
        timeout: TIMEOUT,
        ..Backend::default()
    }
}

fn with(mut backend: Backend, options: &[(&str, &str)]) -> Backend {
    backend.options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    backend
}

async fn try_start(backend: &Backend) -> Result<Box<dyn Cluster>, SystemError> {
    adapters::find("redis").expect("the feature is on").start(backend, Instant::now() + START).await
}

async fn start(backend: &Backend) -> Box<dyn Cluster> {
    let began = Instant::now();
    let cluster = try_start(backend).await.unwrap_or_else(|error| panic!("{}: {error}", backend.name()));
    println!("{} ready after {:.2?}", backend.name(), began.elapsed());
    cluster
}

async fn invoke(client: &mut Box<dyn Client>, action: Action) -> Result<Reply, Failure> {
    tokio::time::timeout(TIMEOUT * 2, client.invoke(&action)).await.expect("a healthy server answers")
}

async fn done(client: &mut Box<dyn Client>, action: Action) -> Reply {
    invoke(client, action.clone()).await.unwrap_or_else(|failure| panic!("{action:?}: {failure:?}"))
}

/// Reads until the answer is the expected one: replicas are behind, by how much nobody promises.
async fn read_until(client: &mut Box<dyn Client>, key: Key, expected: i64) -> Reply {
    let deadline = Instant::now() + START;
    loop {
        let reply = done(client, Action::Read { key }).await;
        if reply.answer == Answer::Value(Some(expected)) {
            return reply;
        }
        assert!(Instant::now() < deadline, "the replica never got {expected}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every action, on as many keys as reach every shard of a cluster.
async fn exercise(cluster: &dyn Cluster) {
    let mut client = cluster.connect(0).await.expect("connects");
    for number in 0..24 {
        let key = Key(number);
        let node = done(&mut client, Action::Read { key }).await;
        assert_eq!(node.answer, Answer::Value(None), "an unwritten register");
        let node = node.node.expect("the node is reported");
        assert_eq!(cluster.nodes()[usize::from(node.0)].role, "primary");
        assert_eq!(done(&mut client, Action::Write { key, value: -5 }).await.answer, Answer::Done);
        assert_eq!(done(&mut client, Action::Cas { key, from: -5, to: 7 }).await.answer, Answer::Done);
        let failure = invoke(&mut client, Action::Cas { key, from: -5, to: 9 }).await.expect_err("it holds 7");
        assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, Failure::MISMATCH));
        assert_eq!((failure.reconnect, failure.node), (false, Some(node)));
        assert_eq!(done(&mut client, Action::Read { key }).await.answer, Answer::Value(Some(7)));
        let set = Key(1_000 + number);
        assert_eq!(done(&mut client, Action::Members { key: set }).await.answer, Answer::Members(Vec::new()));
        for element in [i64::MIN, 0, i64::MAX] {
            assert_eq!(done(&mut client, Action::Add { key: set, element }).await.answer, Answer::Done);
        }
        let Answer::Members(mut members) = done(&mut client, Action::Members { key: set }).await.answer else {
            panic!("not members")
        };
        members.sort_unstable();
        assert_eq!(members, [i64::MIN, 0, i64::MAX]);
    }
    let unwritten = Action::Cas { key: Key(99), from: 0, to: 1 };
    assert_eq!(invoke(&mut client, unwritten).await.expect_err("nothing there").error, Failure::MISMATCH);
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn expect_gone(pids: &[(String, u32)]) {
    for (name, pid) in pids {
        assert!(!is_running(*pid), "{name} is still running");
    }
}

async fn stop(mut cluster: Box<dyn Cluster>, folder: &Path) {
    let pids = cluster.pids();
    assert!(pids.iter().all(|(_, pid)| is_running(*pid)));
    cluster.stop().await.expect("stops");
    expect_gone(&pids);
    for (name, _) in pids {
        assert!(!folder.join(&name).exists(), "the data of {name} is removed");
        assert!(folder.join(format!("{name}.log")).exists(), "the log of {name} is kept");
    }
}

#[tokio::test]
async fn one_server_does_everything_and_leaves_only_its_log() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&with(backend("", folder.path()), &[("appendfsync", "always")])).await;
    assert_eq!(cluster.nodes().len(), 1);
    assert!(cluster.versions().iter().any(|(name, version)| name == "redis" && version.contains('.')));
    assert!(cluster.config().contains(&("appendfsync".into(), "always".into())));
    exercise(&*cluster).await;
    stop(cluster, folder.path()).await;
}

#[tokio::test]
async fn a_dropped_cluster_leaves_no_process() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&backend("", folder.path())).await;
    let pids = cluster.pids();
    assert_eq!(pids.len(), 1);
    drop(cluster);
    expect_gone(&pids);
}

#[tokio::test]
async fn a_killed_server_is_a_definite_failure_once_its_connection_is_known_to_be_closed() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&backend("", folder.path())).await;
    let mut client = cluster.connect(0).await.expect("connects");
    done(&mut client, Action::Write { key: Key(1), value: 1 }).await;
    kill(&*cluster, "n1");
    let deadline = Instant::now() + START;
    // The very first may be indefinite: the request may overtake the news of the closed connection.
    let failure = loop {
        let failure = invoke(&mut client, Action::Write { key: Key(1), value: 2 }).await.expect_err("it is dead");
        if failure.certainty == Certainty::Definite || Instant::now() >= deadline {
            break failure;
        }
    };
    assert_eq!(failure.certainty, Certainty::Definite);
    let refused = cluster.connect(1).await.err().expect("nothing listens");
    assert_eq!((refused.certainty, refused.error.as_str()), (Certainty::Definite, "connect: connection refused"));
    cluster.settle(Instant::now() + START).await.expect("it is started again");
    let mut client = cluster.connect(0).await.expect("connects");
    let reply = done(&mut client, Action::Read { key: Key(1) }).await;
    assert_eq!(reply.answer, Answer::Value(None), "nothing was kept on disk");
}

#[tokio::test]
async fn wrong_options_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = try_start(&with(backend("", folder.path()), &[("speed", "fast")])).await;
    assert!(matches!(unknown.err(), Some(SystemError::UnknownOption { .. })));
    let bad = try_start(&with(backend("", folder.path()), &[("wait", "-1")])).await;
    assert!(matches!(bad.err(), Some(SystemError::BadOption { .. })));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was written");
}

#[tokio::test]
async fn a_server_that_cannot_start_is_reported_with_its_log() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A file where the append-only files' folder should be.
    std::fs::create_dir(folder.path().join("n1")).unwrap();
    std::fs::write(folder.path().join("n1/appendonlydir"), "").unwrap();
    let error = try_start(&with(backend("", folder.path()), &[("appendfsync", "always")])).await.err();
    let Some(SystemError::Died { what, tail, .. }) = error else { panic!("{error:?}") };
    assert_eq!(what, "n1");
    assert!(!tail.is_empty());
}

fn kill(cluster: &dyn Cluster, name: &str) {
    let pids = cluster.pids();
    let (_, pid) = pids.iter().find(|(node, _)| node == name).expect("a local node");
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill is there");
    assert!(status.success());
    let deadline = Instant::now() + START;
    // Until it is reaped it is a zombie, state Z after the name in parentheses.
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "{name} survives SIGKILL");
        std::thread::yield_now();
    }
}

/// Writes with a client that has lived through a failover until one is acknowledged; the failures before it.
async fn write_until_done(client: &mut Box<dyn Client>, key: Key) -> (Reply, Vec<Failure>) {
    let mut failures = Vec::new();
    loop {
        match invoke(client, Action::Write { key, value: 70 }).await {
            Ok(reply) => return (reply, failures),
            Err(failure) => failures.push(failure),
        }
        assert!(failures.len() < 10, "{failures:?}");
    }
}

#[tokio::test]
async fn sentinel_does_everything_reads_replicas_and_waits_for_them() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plain = backend("sentinel", folder.path());
    let cluster = start(&Backend { read_from: ReadFrom::Replica, ..with(plain, &[("wait", "1")]) }).await;
    assert_eq!(cluster.pids().len(), 6);
    let roles: Vec<_> = cluster.nodes().iter().map(|node| node.role.as_str()).collect();
    assert_eq!(roles, ["primary", "replica", "replica"]);
    for (slot, replica) in [(0, 1), (1, 2), (2, 1)] {
        let mut client = cluster.connect(slot).await.expect("connects");
        let key = Key(slot as u64);
        let written = done(&mut client, Action::Write { key, value: 3 }).await;
        assert_eq!(written.node, Some(NodeId(0)), "writes go to the primary");
        let read = read_until(&mut client, key, 3).await;
        assert_eq!(read.node, Some(NodeId(replica)), "reads of client {slot}");
    }
    let mut last = cluster.connect_final(0).await.expect("connects");
    assert_eq!(done(&mut last, Action::Read { key: Key(0) }).await.node, Some(NodeId(0)));
    stop(cluster, folder.path()).await;
}

#[tokio::test]
async fn too_few_replicas_make_a_write_indefinite_and_it_is_there_all_the_same() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&with(backend("sentinel", folder.path()), &[("wait", "5")])).await;
    let mut client = cluster.connect(0).await.expect("connects");
    let failure = invoke(&mut client, Action::Write { key: Key(1), value: 4 }).await.expect_err("there are 2");
    assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Indefinite, "wait: 2 of 5 replicas"));
    assert_eq!(failure.node, Some(NodeId(0)));
    assert_eq!(done(&mut client, Action::Read { key: Key(1) }).await.answer, Answer::Value(Some(4)));
    drop(client);
    stop(cluster, folder.path()).await;
}

#[tokio::test]
async fn sentinels_replace_a_killed_primary_and_settling_brings_it_back_as_a_replica() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Not a second: see what the option says of it.
    let cluster = start(&with(backend("sentinel", folder.path()), &[("down-after", "1500")])).await;
    exercise(&*cluster).await;
    let mut old = cluster.connect(0).await.expect("connects");
    done(&mut old, Action::Write { key: Key(50), value: 1 }).await;
    kill(&*cluster, "s3");
    kill(&*cluster, "n1");
    let began = Instant::now();
    cluster.settle(Instant::now() + START).await.expect("settles");
    println!("settled {:.2?} after the primary was killed", began.elapsed());
    let (reply, failures) = write_until_done(&mut old, Key(50)).await;
    assert_ne!(reply.node, Some(NodeId(0)), "it asked the sentinels again");
    let (first, later) = failures.split_first().expect("its connection was closed");
    assert_eq!(first.error, "connection closed before the request");
    // A sentinel on a busy machine may answer too late.
    assert!(later.iter().all(|failure| failure.error == "no primary known"), "it asked before the next: {failures:?}");
    let mut client = cluster.connect(0).await.expect("connects");
    let reply = done(&mut client, Action::Read { key: Key(1) }).await;
    assert_ne!(reply.node, Some(NodeId(0)), "another node is the primary now");
    assert_eq!(reply.answer, Answer::Value(Some(7)), "the replicas had it");
    assert_eq!(done(&mut client, Action::Write { key: Key(1), value: 8 }).await.node, reply.node);
    stop(cluster, folder.path()).await;
}

#[tokio::test]
async fn a_primary_without_enough_replicas_refuses_writes_definitely() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&with(backend("", folder.path()), &[("min-replicas-to-write", "1")])).await;
    let mut client = cluster.connect(0).await.expect("connects");
    for action in [Action::Write { key: Key(1), value: 1 }, Action::Add { key: Key(2), element: 1 }] {
        let failure = invoke(&mut client, action).await.expect_err("there is no replica");
        assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "NOREPLICAS"));
    }
    assert_eq!(done(&mut client, Action::Read { key: Key(1) }).await.answer, Answer::Value(None));
}

#[tokio::test]
async fn redis_cluster_does_everything_on_every_shard() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&with(backend("cluster", folder.path()), &[("wait", "1")])).await;
    assert_eq!(cluster.pids().len(), 6);
    let roles: Vec<_> = cluster.nodes().iter().map(|node| node.role.as_str()).collect();
    assert_eq!(roles, ["primary", "primary", "primary", "replica", "replica", "replica"]);
    exercise(&*cluster).await;
    kill(&*cluster, "n1");
    let began = Instant::now();
    cluster.settle(Instant::now() + START).await.expect("settles");
    println!("settled {:.2?} after a primary was killed", began.elapsed());
    let mut client = cluster.connect(0).await.expect("connects");
    for number in 0..24 {
        let reply = done(&mut client, Action::Read { key: Key(number) }).await;
        assert_eq!(reply.answer, Answer::Value(Some(7)));
        assert_ne!(reply.node, Some(NodeId(0)), "the killed node is a replica now");
    }
    stop(cluster, folder.path()).await;
}

#[tokio::test]
async fn replicas_of_redis_cluster_answer_reads_and_one_node_only_its_own_slots() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&Backend { read_from: ReadFrom::Replica, ..backend("cluster", folder.path()) }).await;
    let mut client = cluster.connect(0).await.expect("connects");
    for number in 0..12 {
        let written = done(&mut client, Action::Write { key: Key(number), value: 6 }).await;
        let read = read_until(&mut client, Key(number), 6).await;
        let (NodeId(primary), NodeId(replica)) = (written.node.unwrap(), read.node.unwrap());
        assert_eq!(replica, primary + 3, "the primary's own replica");
    }
    let addresses: Vec<_> = cluster.nodes().iter().map(|node| node.address.clone()).collect();
    let one = Backend { nodes: addresses, read_from: ReadFrom::Node(NodeId(1)), ..backend("cluster", folder.path()) };
    let existing = start(&one).await;
    let mut reader = existing.connect(0).await.expect("connects");
    let mut redirected = 0;
    for number in 0..12 {
        match invoke(&mut reader, Action::Read { key: Key(number) }).await {
            Ok(reply) => assert_eq!((reply.answer, reply.node), (Answer::Value(Some(6)), Some(NodeId(1)))),
            Err(failure) => {
                assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "MOVED"));
                redirected += 1;
            }
        }
    }
    assert!((1..12).contains(&redirected), "a node holds some of the slots: {redirected} of 12 were redirected");
    stop(cluster, folder.path()).await;
}

/// A plain connection for what the adapter would never do.
async fn ask<T: redis::FromRedisValue>(address: &str, words: &[&str]) -> T {
    try_ask(address, words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

async fn try_ask<T: redis::FromRedisValue>(address: &str, words: &[&str]) -> Result<T, redis::RedisError> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    // Half a second is the library's own bound on a reply; a busy machine needs more.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(START));
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(&mut connection).await
}

/// What a server refuses must be as it was: the reason why such failures count as definite.
async fn expect_refused(client: &mut Box<dyn Client>, word: &str, actions: &[Action]) {
    for action in actions {
        let failure = invoke(client, action.clone()).await.expect_err(word);
        assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, word), "{action:?}");
        assert!(!failure.reconnect, "{word}");
    }
}

/// Lets a server fail to save its data, which its folder's absence has made impossible.
async fn fail_to_save(address: &str) {
    ask::<redis::Value>(address, &["CONFIG", "SET", "save", "3600 1"]).await;
    ask::<redis::Value>(address, &["BGSAVE"]).await;
    let deadline = Instant::now() + START;
    while !ask::<String>(address, &["INFO", "persistence"]).await.contains("rdb_last_bgsave_status:err") {
        assert!(Instant::now() < deadline, "saving into a removed folder fails");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_a_server_refuses_before_execution_is_definite_and_changes_nothing() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&backend("", folder.path())).await;
    let address = cluster.nodes()[0].address.clone();
    let mut client = cluster.connect(0).await.expect("connects");
    done(&mut client, Action::Write { key: Key(1), value: 1 }).await;
    done(&mut client, Action::Add { key: Key(2), element: 1 }).await;
    std::fs::remove_dir_all(folder.path().join("n1")).unwrap();
    let writes = [
        Action::Write { key: Key(1), value: 2 },
        Action::Cas { key: Key(1), from: 1, to: 2 },
        Action::Add { key: Key(2), element: 2 },
    ];
    ask::<()>(&address, &["CONFIG", "SET", "maxmemory", "1"]).await;
    expect_refused(&mut client, "OOM", &writes).await;
    ask::<()>(&address, &["CONFIG", "SET", "maxmemory", "0"]).await;
    ask::<()>(&address, &["REPLICAOF", "127.0.0.1", "1"]).await;
    expect_refused(&mut client, "READONLY", &writes).await;
    // A replica that has lost its primary refuses writes as any replica does; only its reads say why.
    ask::<()>(&address, &["CONFIG", "SET", "replica-serve-stale-data", "no"]).await;
    let reads = [Action::Read { key: Key(1) }, Action::Members { key: Key(2) }];
    expect_refused(&mut client, "MASTERDOWN", &reads).await;
    ask::<()>(&address, &["REPLICAOF", "NO", "ONE"]).await;
    fail_to_save(&address).await;
    expect_refused(&mut client, "MISCONF", &writes).await;
    ask::<()>(&address, &["CONFIG", "SET", "save", ""]).await;
    ask::<()>(&address, &["CONFIG", "SET", "busy-reply-threshold", "1"]).await;
    let there = address.clone();
    let endless = tokio::spawn(async move { try_ask::<()>(&there, &["EVAL", "while true do end", "0"]).await });
    let deadline = Instant::now() + START;
    while try_ask::<redis::Value>(&address, &["DBSIZE"]).await.is_ok() {
        assert!(Instant::now() < deadline, "the script keeps the server busy");
    }
    expect_refused(&mut client, "BUSY", &writes).await;
    ask::<()>(&address, &["SCRIPT", "KILL"]).await;
    assert!(endless.await.expect("it ends").is_err(), "the script was killed");
    assert_eq!(done(&mut client, Action::Read { key: Key(1) }).await.answer, Answer::Value(Some(1)));
    assert_eq!(done(&mut client, Action::Members { key: Key(2) }).await.answer, Answer::Members(vec![1]));
    let wrong = invoke(&mut client, Action::Add { key: Key(1), element: 1 }).await.expect_err("not a set");
    assert_eq!((wrong.certainty, wrong.error.as_str()), (Certainty::Definite, "WRONGTYPE"));
    ask::<()>(&address, &["ACL", "SETUSER", "default", "-set"]).await;
    let forbidden = invoke(&mut client, Action::Write { key: Key(1), value: 2 }).await.expect_err("not allowed");
    assert_eq!((forbidden.certainty, forbidden.error.as_str()), (Certainty::Definite, "NOPERM"));
    assert_eq!(done(&mut client, Action::Read { key: Key(1) }).await.answer, Answer::Value(Some(1)));
}

#[tokio::test]
async fn a_redirection_is_not_followed_but_heeded_by_the_next_operation() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(&backend("cluster", folder.path())).await;
    let addresses: Vec<_> = cluster.nodes().iter().map(|node| node.address.clone()).collect();
    let mut client = cluster.connect(0).await.expect("connects");
    let mut key = Key(0);
    while done(&mut client, Action::Write { key, value: 1 }).await.node != Some(NodeId(0)) {
        key = Key(key.0 + 1);
    }
    ask::<redis::Value>(&addresses[3], &["CLUSTER", "FAILOVER"]).await;
    let deadline = Instant::now() + START;
    loop {
        let role: String = ask(&addresses[0], &["INFO", "replication"]).await;
        if role.contains("role:slave") {
            break;
        }
        assert!(Instant::now() < deadline, "n4 took over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let failure = invoke(&mut client, Action::Write { key, value: 2 }).await.expect_err("n1 is a replica");
    assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "MOVED"));
    assert_eq!((failure.node, failure.reconnect), (Some(NodeId(0)), false));
    let reply = done(&mut client, Action::Read { key }).await;
    assert_eq!((reply.answer, reply.node), (Answer::Value(Some(1)), Some(NodeId(3))), "the write was not made");
    cluster.settle(Instant::now() + START).await.expect("settles");
    let slot: String = ask(&addresses[3], &["CLUSTER", "KEYSLOT", &format!("run:{}", key.0)]).await;
    let receiver: String = ask(&addresses[1], &["CLUSTER", "MYID"]).await;
    ask::<()>(&addresses[3], &["DEL", &format!("run:{}", key.0)]).await;
    ask::<()>(&addresses[3], &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &receiver]).await;
    let failure = invoke(&mut client, Action::Write { key, value: 3 }).await.expect_err("the slot is on its way");
    assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "ASK"));
    ask::<()>(&addresses[3], &["CLUSTER", "SETSLOT", &slot, "STABLE"]).await;
    assert_eq!(done(&mut client, Action::Read { key }).await.answer, Answer::Value(None));
    ask::<()>(&addresses[3], &["CLUSTER", "DELSLOTS", &slot]).await;
    let failure = invoke(&mut client, Action::Write { key, value: 3 }).await.expect_err("nobody has the slot");
    assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "CLUSTERDOWN"));
    ask::<()>(&addresses[3], &["CLUSTER", "ADDSLOTS", &slot]).await;
    cluster.settle(Instant::now() + START).await.expect("settles");
    assert_eq!(done(&mut client, Action::Read { key }).await.answer, Answer::Value(None));
}

#[tokio::test]
async fn a_paused_server_is_noticed_before_anything_is_sent() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let quick = Backend { timeout: TIMEOUT, ..backend("", folder.path()) };
    let cluster = start(&quick).await;
    let (_, pid) = cluster.pids()[0].clone();
    let mut before = cluster.connect(0).await.expect("connects");
    let signal = |name: &str| Command::new("kill").args([name, &pid.to_string()]).status().expect("kill is there");
    assert!(signal("-STOP").success());
    let deadline = Instant::now() + START;
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") T ")) {
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::yield_now();
    }
    let failure = cluster.connect(1).await.err().expect("it does not answer");
    assert_eq!((failure.certainty, failure.error.as_str()), (Certainty::Definite, "connect: timeout"));
    let write = Action::Write { key: Key(1), value: 1 };
    let given_up = tokio::time::timeout(Duration::from_millis(300), before.invoke(&write)).await;
    assert!(given_up.is_err(), "the runner's bound ends it, not one of the adapter's");
    assert!(signal("-CONT").success());
    cluster.settle(Instant::now() + START).await.expect("settles");
}
