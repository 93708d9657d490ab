//! The ZooKeeper adapter against real servers.
//!
//! Without Java and ZooKeeper the tests say so and pass, unless `REQUIRE_SYSTEMS` names `zookeeper`.

#![cfg(feature = "zookeeper")]

use consistory::adapters;
use consistory::record::system::{
    Action, Answer, Backend, Certainty, Client, Cluster, Failure, Key, NodeId, ReadFrom, Reply, SystemError,
};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zookeeper_client::{Acls, CreateMode};

/// How long a cluster may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test that needs servers, if they are installed.
fn with_servers<T: Future<Output = ()>>(test: impl FnOnce() -> T) {
    let info = adapters::find("zookeeper").expect("the feature is on").info();
    let missing: Vec<_> = info.programs.iter().filter(|program| !is_installed(program.name)).collect();
    if missing.is_empty() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(test());
    }
    let required = std::env::var("REQUIRE_SYSTEMS").unwrap_or_default();
    assert!(!required.split(',').any(|system| system.trim() == "zookeeper"), "not installed: {missing:?}");
    // Not by a macro for printing: the test harness would hide it, as the test passes.
    let missing: Vec<_> = missing.iter().map(|program| program.name).collect();
    writeln!(std::io::stderr().lock(), "SKIPPED zookeeper: not installed: {}", missing.join(", ")).expect("it is open");
}

fn is_installed(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

fn backend(folder: &Path, options: &[(&str, &str)]) -> Backend {
    Backend {
        system: "zookeeper".into(),
        options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        prefix: "consistory-test/".into(),
        folder: folder.into(),
        timeout: Duration::from_secs(10),
        ..Backend::default()
    }
}

/// A backend that reaches the servers of another cluster.
fn existing(cluster: &dyn Cluster, folder: &Path, prefix: &str, options: &[(&str, &str)]) -> Backend {
    let nodes = cluster.nodes().iter().map(|node| node.address.clone()).collect();
    Backend { nodes, prefix: prefix.into(), ..backend(folder, options) }
}

async fn start(backend: &Backend) -> Result<Box<dyn Cluster>, SystemError> {
    adapters::find("zookeeper").expect("the feature is on").start(backend, Instant::now() + START).await
}

async fn started(backend: &Backend) -> Box<dyn Cluster> {
    start(backend).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn connected(cluster: &dyn Cluster, slot: usize) -> Box<dyn Client> {
    cluster.connect(slot).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

async fn invoke(client: &mut Box<dyn Client>, action: Action) -> Result<Reply, Failure> {
    tokio::time::timeout(PATIENCE, client.invoke(&action)).await.expect("it answers in time")
}

async fn answer(client: &mut Box<dyn Client>, action: Action) -> Answer {
    let text = format!("{action:?}");
    invoke(client, action).await.unwrap_or_else(|failure| panic!("{text}: {failure:?}")).answer
}

async fn failure(client: &mut Box<dyn Client>, action: Action) -> Failure {
    invoke(client, action).await.expect_err("it should fail")
}

/// A client of the library itself, as somebody else would use it.
async fn stranger(address: &str) -> zookeeper_client::Client {
    zookeeper_client::Client::connect(address).await.expect("the server is up")
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("it is running");
}

/// Polls until the process is in that state, as `/proc` shows it: signals take effect later than they are sent.
async fn await_state(pid: u32, states: &[char]) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state.is_some_and(|state| states.contains(&state)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("process {pid} never got into one of the states {states:?}");
}

const fn read(key: u64) -> Action {
    Action::Read { key: Key(key) }
}

const fn write(key: u64, value: i64) -> Action {
    Action::Write { key: Key(key), value }
}

const fn cas(key: u64, from: i64, to: i64) -> Action {
    Action::Cas { key: Key(key), from, to }
}

const fn add(key: u64, element: i64) -> Action {
    Action::Add { key: Key(key), element }
}

const fn members(key: u64) -> Action {
    Action::Members { key: Key(key) }
}

/// What every client must do, whichever way it reads.
async fn exercise(client: &mut Box<dyn Client>) {
    assert_eq!(answer(client, read(1)).await, Answer::Value(None), "nobody wrote it");
    assert_eq!(answer(client, write(1, -5)).await, Answer::Done);
    assert_eq!(answer(client, read(1)).await, Answer::Value(Some(-5)));
    assert_eq!(answer(client, write(1, i64::MAX)).await, Answer::Done);
    assert_eq!(answer(client, cas(1, i64::MAX, 6)).await, Answer::Done);
    assert_eq!(answer(client, read(1)).await, Answer::Value(Some(6)));
    for mismatch in [cas(1, 5, 7), cas(2, 0, 7)] {
        let failure = failure(client, mismatch).await;
        assert_eq!(failure.certainty, Certainty::Definite);
        assert_eq!(failure.error, Failure::MISMATCH);
        assert!(!failure.reconnect);
    }
    assert_eq!(answer(client, read(1)).await, Answer::Value(Some(6)), "a mismatch changes nothing");
    assert_eq!(answer(client, read(2)).await, Answer::Value(None), "a mismatch creates nothing");
    assert_eq!(answer(client, members(3)).await, Answer::Members(Vec::new()), "nobody added to it");
    for element in [10, -11, 12, 12] {
        assert_eq!(answer(client, add(3, element)).await, Answer::Done);
    }
    let Answer::Members(elements) = answer(client, members(3)).await else { panic!("a set has members") };
    assert_eq!(elements.len(), 3);
    assert_eq!(elements.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([10, -11, 12]));
}

#[test]
fn every_action_works_with_local_reads_and_with_sync() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[])).await;
        exercise(&mut connected(cluster.as_ref(), 0).await).await;
        assert!(cluster.config().contains(&("reads".into(), "local".into())));
        assert_eq!(cluster.versions().len(), 1, "one version of one server: {:?}", cluster.versions());

        let mut synced = started(&existing(cluster.as_ref(), folder.path(), "synced/", &[("reads", "sync")])).await;
        assert!(synced.config().contains(&("reads".into(), "sync".into())));
        exercise(&mut connected(synced.as_ref(), 0).await).await;
        // With sync, every other server has caught up with what was acknowledged.
        for slot in 0..3 {
            let mut client = connected(synced.as_ref(), slot).await;
            assert_eq!(answer(&mut client, read(1)).await, Answer::Value(Some(6)));
            let mut last = cluster.connect_final(slot).await.expect("the cluster is up");
            assert_eq!(answer(&mut last, read(1)).await, Answer::Value(Some(6)));
        }
        synced.stop().await.expect("it stops");
        cluster.stop().await.expect("it stops");
    });
}

#[test]
fn clients_are_answered_by_the_nodes_that_were_asked_for() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[])).await;
        let roles: Vec<_> = cluster.nodes().iter().map(|node| node.role.clone()).collect();
        assert_eq!(roles.iter().filter(|role| *role == "leader").count(), 1, "{roles:?}");
        assert_eq!(roles.iter().filter(|role| *role == "follower").count(), 2, "{roles:?}");

        let mut followers = BTreeSet::new();
        for (read_from, role) in [(ReadFrom::Replica, "follower"), (ReadFrom::Primary, "leader")] {
            let prefix = format!("from-{role}/");
            let backend = Backend { read_from, ..existing(cluster.as_ref(), folder.path(), &prefix, &[]) };
            let mut asked = started(&backend).await;
            for slot in 0..4 {
                let mut client = connected(asked.as_ref(), slot).await;
                let written = invoke(&mut client, write(1, 1)).await.expect("it is up");
                let node = written.node.expect("a session knows its server");
                assert_eq!(roles[usize::from(node.0)], role);
                assert!(is_served_by(&cluster.nodes()[usize::from(node.0)].address, role).await);
                if read_from == ReadFrom::Replica {
                    followers.insert(node);
                }
            }
            asked.stop().await.expect("it stops");
        }
        assert_eq!(followers.len(), 2, "clients are spread over the followers");

        let mut nodes = Vec::new();
        for slot in 0..4 {
            let mut client = connected(cluster.as_ref(), slot).await;
            nodes.push(invoke(&mut client, read(1)).await.expect("it is up").node);
        }
        assert_eq!(nodes, [0, 1, 2, 0].map(|node| Some(NodeId(node))), "clients are spread over all nodes");
        cluster.stop().await.expect("it stops");
    });
}

/// Whether the server at that address is in that role and has a session of somebody, by its own account.
async fn is_served_by(address: &str, role: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    stream.write_all(b"mntr").await.expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("it answers");
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let connections: u32 = field("zk_num_alive_connections").and_then(|count| count.parse().ok()).expect("a count");
    field("zk_server_state").as_deref() == Some(role) && connections >= 1
}

#[test]
fn a_single_replica_or_a_missing_node_is_refused_at_the_start() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        for read_from in [ReadFrom::Replica, ReadFrom::Node(NodeId(1))] {
            let backend = Backend { read_from, ..backend(folder.path(), &[("nodes", "1")]) };
            let error = start(&backend).await.err().expect("there is one node").to_string();
            assert!(error.contains("none of the 1 nodes") || error.contains("no node 1"), "{error}");
        }
    });
}

#[test]
fn unknown_options_and_tls_are_refused_before_anything_starts() {
    let folder = TempDir::new().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut with_tls = backend(folder.path(), &[]);
    with_tls.nodes = vec!["127.0.0.1:1".into()];
    with_tls.tls = Some(consistory::record::system::Tls::default());
    for (refused, word) in [(backend(folder.path(), &[("readz", "sync")]), "'readz'"), (with_tls, "TLS")] {
        let error = runtime.block_on(start(&refused)).err().expect("it is refused").to_string();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "nothing was started");
}

#[test]
fn an_unreachable_cluster_is_an_error_at_the_deadline_and_names_the_address() {
    let folder = TempDir::new().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Nothing listens on port 1.
    let backend = Backend { nodes: vec!["127.0.0.1:1".into()], ..backend(folder.path(), &[]) };
    let adapter = adapters::find("zookeeper").expect("the feature is on");
    let start = adapter.start(&backend, Instant::now() + Duration::from_millis(300));
    let error = runtime.block_on(start).err().expect("nobody is there");
    assert!(matches!(&error, SystemError::Unreachable { address, .. } if address == "127.0.0.1:1"), "{error}");
}

#[test]
fn in_an_existing_cluster_only_what_the_run_created_is_removed() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[("nodes", "1")])).await;
        let stranger = stranger(&cluster.nodes()[0].address).await;
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        for path in ["/foreign", "/apps", "/apps/other", "/apps/empty"] {
            stranger.create(path, b"theirs", &options).await.expect("it is new");
        }
        // Ancestors that exist or not, and a znode that is there but empty.
        for prefix in ["apps/test/", "fresh/deep/", "apps/empty/"] {
            let mut run = started(&existing(cluster.as_ref(), folder.path(), prefix, &[])).await;
            assert!(run.pids().is_empty(), "an existing cluster has no children of ours");
            exercise(&mut connected(run.as_ref(), 0).await).await;
            let key = format!("/{prefix}1");
            assert_eq!(stranger.get_data(&key).await.expect("it was written").0, b"6");
            run.stop().await.expect("it stops");
            assert!(stranger.check_stat(&key).await.expect("it answers").is_none(), "{key} is gone");
        }
        for (path, stays) in [
            ("/foreign", true),
            ("/apps/other", true),
            ("/apps/empty", true),
            ("/apps/test", false),
            ("/fresh", false),
            ("/consistory-test", true),
        ] {
            let found = stranger.check_stat(path).await.expect("it answers").is_some();
            assert_eq!(found, stays, "{path}");
        }
        let refused = start(&existing(cluster.as_ref(), folder.path(), "apps/", &[])).await;
        let error = refused.err().expect("somebody's znodes are there").to_string();
        assert!(error.contains("/apps already has 2 children"), "{error}");
        assert!(stranger.check_stat("/apps/other").await.expect("it answers").is_some());
        cluster.stop().await.expect("it stops");
    });
}

#[test]
fn with_a_user_and_a_password_nobody_else_can_read_what_the_run_writes() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[("nodes", "1")])).await;
        let mut backend = existing(cluster.as_ref(), folder.path(), "secret/", &[]);
        backend.user = Some("alice".into());
        backend.password = Some("open sesame".into());
        let mut run = started(&backend).await;
        exercise(&mut connected(run.as_ref(), 0).await).await;
        let stranger = stranger(&cluster.nodes()[0].address).await;
        assert_eq!(stranger.get_data("/secret/1").await.expect_err("it is secret"), zookeeper_client::Error::NoAuth);
        run.stop().await.expect("its owner removes it");
        assert!(stranger.check_stat("/secret").await.expect("it answers").is_none());
        cluster.stop().await.expect("it stops");
    });
}

#[test]
fn a_set_of_fifty_thousand_elements_is_read_and_removed() {
    const ELEMENTS: i64 = 50_000;
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[("nodes", "1")])).await;
        let mut run = started(&existing(cluster.as_ref(), folder.path(), "large/", &[("reads", "sync")])).await;
        let mut client = connected(run.as_ref(), 0).await;
        answer(&mut client, add(1, 0)).await;
        // The others in thousands, as one at a time takes long; their names are as long as names get.
        let stranger = stranger(&cluster.nodes()[0].address).await;
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let elements: Vec<_> = (1..ELEMENTS).map(|element| i64::MIN + element).collect();
        for thousand in elements.chunks(1_000) {
            let mut writer = stranger.new_multi_writer();
            for element in thousand {
                writer.add_create(&format!("/large/1/{element}"), b"", &options).expect("a valid path");
            }
            writer.commit().await.expect("they are new");
        }
        let Answer::Members(members) = answer(&mut client, members(1)).await else { panic!("a set has members") };
        let expected: BTreeSet<_> = elements.into_iter().chain([0]).collect();
        assert_eq!(members.len(), expected.len());
        assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), expected);
        run.stop().await.expect("it removes them all");
        assert!(stranger.check_stat("/large").await.expect("it answers").is_none());
        cluster.stop().await.expect("it stops");
    });
}

#[test]
fn racing_first_writes_all_succeed_and_racing_compare_and_sets_succeed_once() {
    const CLIENTS: usize = 6;
    const ROUNDS: u64 = 20;
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[])).await;
        let mut clients = Vec::new();
        for slot in 0..CLIENTS {
            clients.push(connected(cluster.as_ref(), slot).await);
        }
        for key in 0..ROUNDS {
            let writes = clients.iter_mut().map(|client| invoke(client, write(key, 1)));
            for written in futures_util::future::join_all(writes).await {
                assert_eq!(written.expect("a race is not a failure").answer, Answer::Done);
            }
            let sets = (2..).zip(&mut clients).map(|(to, client)| invoke(client, cas(key, 1, to)));
            let sets = futures_util::future::join_all(sets).await;
            assert_eq!(sets.iter().filter(|set| set.is_ok()).count(), 1, "{sets:?}");
            for lost in sets.iter().filter_map(|set| set.as_ref().err()) {
                assert_eq!(lost.certainty, Certainty::Definite, "{lost:?}");
                assert!([Failure::MISMATCH, "bad version"].contains(&lost.error.as_str()), "{lost:?}");
            }
        }
        cluster.stop().await.expect("it stops");
    });
}

#[test]
fn after_the_leader_is_killed_the_rest_serves_and_settling_waits_for_every_node() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[])).await;
        cluster.settle(Instant::now() + PATIENCE).await.expect("it is healthy");
        let leader = cluster.nodes().iter().position(|node| node.role == "leader").expect("there is one");
        let mut client = connected(cluster.as_ref(), leader).await;
        answer(&mut client, write(1, 1)).await;

        let pids = cluster.pids();
        assert_eq!(pids.len(), 3);
        let victim = pids[leader].1;
        signal(victim, Signal::KILL);
        await_state(victim, &['Z', 'X']).await;

        // Either the request goes out on the broken connection, or the break is seen before.
        let failure = failure(&mut client, write(1, 2)).await;
        assert!(failure.reconnect, "{failure:?}");
        assert_eq!(failure.node, Some(NodeId(u16::try_from(leader).expect("a small number"))));
        let refused = cluster.connect(leader).await.err().expect("nobody listens there");
        assert_eq!((refused.certainty, refused.reconnect), (Certainty::Definite, true), "{refused:?}");

        let deadline = Instant::now() + PATIENCE;
        let survivor = (leader + 1) % 3;
        loop {
            assert!(Instant::now() < deadline, "two of three servers are a quorum");
            if let Ok(mut client) = cluster.connect(survivor).await
                && invoke(&mut client, write(1, 3)).await.is_ok()
            {
                assert_eq!(answer(&mut client, read(1)).await, Answer::Value(Some(3)));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let unsettled = cluster.settle(Instant::now() + Duration::from_secs(1)).await.expect_err("one is dead");
        let name = &cluster.nodes()[leader].name;
        assert!(matches!(&unsettled, SystemError::NotReady { last, .. } if last.contains(name)), "{unsettled}");
        assert_eq!(cluster.pids().len(), 2, "only those that run");
        cluster.stop().await.expect("it stops");
        assert!(pids.iter().all(|(_, pid)| !is_running(*pid)), "no process is left");
    });
}

#[test]
fn a_silent_server_leaves_the_outcome_open_and_the_next_operation_is_not_held_back() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[("nodes", "1"), ("session-timeout", "5000")])).await;
        let mut client = connected(cluster.as_ref(), 0).await;
        answer(&mut client, write(1, 1)).await;
        let pid = cluster.pids()[0].1;
        signal(pid, Signal::STOP);
        await_state(pid, &['T']).await;

        let open = failure(&mut client, write(1, 2)).await;
        assert_eq!((open.certainty, open.reconnect), (Certainty::Indefinite, true), "{open:?}");
        let next = failure(&mut client, write(1, 3)).await;
        assert_eq!((next.certainty, next.error.as_str()), (Certainty::Definite, "not connected"));
        assert!(next.reconnect);

        signal(pid, Signal::CONT);
        cluster.settle(Instant::now() + PATIENCE).await.expect("it goes on");
        let mut client = connected(cluster.as_ref(), 0).await;
        let seen = answer(&mut client, read(1)).await;
        assert!([Answer::Value(Some(1)), Answer::Value(Some(2))].contains(&seen), "{seen:?}");
        cluster.stop().await.expect("it stops");
    });
}

/// The processes whose command line holds that text.
fn processes_of(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("a Linux system").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    pids.filter(holds).collect()
}

#[test]
fn a_server_that_dies_while_starting_is_told_at_once_and_the_others_are_stopped() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let name = folder.path().to_str().expect("it is plain text");
        let backend = backend(folder.path(), &[]);
        let started = Instant::now();
        let starting = tokio::spawn(async move { start(&backend).await });
        let configuration = format!("{name}/n2/zoo.cfg");
        let victim = loop {
            assert!(started.elapsed() < PATIENCE, "it starts three servers");
            if let [pid] = processes_of(&configuration)[..] {
                break pid;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        signal(victim, Signal::KILL);
        let error = starting.await.expect("no panic").err().expect("one of three is dead");
        assert!(matches!(&error, SystemError::Died { what, .. } if what == "n2"), "{error}");
        assert_eq!(processes_of(name), [0; 0], "the others were stopped");
    });
}

#[test]
fn a_start_that_takes_too_long_ends_at_the_deadline_and_leaves_no_process() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let backend = backend(folder.path(), &[]);
        let adapter = adapters::find("zookeeper").expect("the feature is on");
        let error = adapter.start(&backend, Instant::now() + Duration::from_millis(100)).await.err();
        assert!(matches!(error, Some(SystemError::NotReady { .. })), "no server starts that fast: {error:?}");
        assert_eq!(processes_of(folder.path().to_str().expect("it is plain text")), [0; 0]);
    });
}

#[test]
fn stopping_removes_the_data_and_keeps_the_logs() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let mut cluster = started(&backend(folder.path(), &[])).await;
        let pids = cluster.pids();
        assert!(pids.iter().all(|(_, pid)| is_running(*pid)));
        cluster.stop().await.expect("it stops");
        assert!(pids.iter().all(|(_, pid)| !is_running(*pid)), "no process is left");
        let left: BTreeSet<_> = std::fs::read_dir(folder.path())
            .expect("it is there")
            .map(|entry| entry.expect("it is readable").file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(left, ["n1.log", "n2.log", "n3.log"].map(str::to_owned).into());
        cluster.stop().await.expect("stopping twice is harmless");
    });
}

#[test]
fn no_process_outlives_a_dropped_cluster() {
    with_servers(|| async {
        let folder = TempDir::new().expect("a folder");
        let cluster = started(&backend(folder.path(), &[("nodes", "1")])).await;
        let pids = cluster.pids();
        assert_eq!(pids.len(), 1);
        drop(cluster);
        assert!(pids.iter().all(|(_, pid)| !is_running(*pid)));
    });
}
