//! The etcd adapter against real etcd processes on loopback.
//!
//! Without `etcd` and `etcdctl` every test prints a line that says it was skipped, or fails if the variable
//! `REQUIRE_SYSTEMS` names etcd.
#![cfg(feature = "etcd")]

use consistory::adapters;
use consistory::record::cluster::address::free_addresses;
use consistory::record::cluster::process::{Child, Launch};
use consistory::record::system::{
    Action, Answer, Backend, Certainty, Client, Cluster, Failure, Key, NodeId, ReadFrom, Reply, SystemError, Tls,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Whether etcd can be tested here; says so if not.
fn installed() -> bool {
    let found = |program| Command::new(program).arg("--help").output().is_ok();
    // etcdctl helps some of the tests; its package is not the server's.
    if found("etcd") && found("etcdctl") {
        return true;
    }
    let required = std::env::var("REQUIRE_SYSTEMS").unwrap_or_default();
    assert!(!required.split(',').any(|system| system.trim() == "etcd"), "REQUIRE_SYSTEMS wants etcd: not installed");
    // Past the capture of the test harness, which hides what a passing test prints.
    writeln!(std::io::stderr().lock(), "SKIPPED etcd: not installed").expect("standard error is open");
    false
}

fn backend(folder: &Path, options: &[(&str, &str)]) -> Backend {
    Backend {
        system: "etcd".into(),
        options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        prefix: "t/".into(),
        folder: folder.into(),
        timeout: Duration::from_secs(5),
        ..Backend::default()
    }
}

async fn start(backend: &Backend) -> Result<Box<dyn Cluster>, SystemError> {
    adapters::find("etcd").expect("the feature is on").start(backend, Instant::now() + PATIENCE).await
}

async fn started(backend: &Backend) -> Box<dyn Cluster> {
    start(backend).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The same cluster, reached as one that exists already.
fn existing(cluster: &dyn Cluster, folder: &Path, prefix: &str) -> Backend {
    let nodes = cluster.nodes().iter().map(|node| node.address.clone()).collect();
    Backend { nodes, prefix: prefix.into(), ..backend(folder, &[]) }
}

async fn client(cluster: &dyn Cluster, slot: usize) -> Box<dyn Client> {
    cluster.connect(slot).await.unwrap_or_else(|failure| panic!("{failure}"))
}

async fn done(client: &mut Box<dyn Client>, action: Action) -> Reply {
    client.invoke(&action).await.unwrap_or_else(|failure| panic!("{action:?}: {failure:?}"))
}

async fn failed(client: &mut Box<dyn Client>, action: Action) -> Failure {
    client.invoke(&action).await.expect_err("must fail")
}

fn read(key: u64) -> Action {
    Action::Read { key: Key(key) }
}

fn write(key: u64, value: i64) -> Action {
    Action::Write { key: Key(key), value }
}

fn cas(key: u64, from: i64, to: i64) -> Action {
    Action::Cas { key: Key(key), from, to }
}

fn add(key: u64, element: i64) -> Action {
    Action::Add { key: Key(key), element }
}

fn members(reply: Reply) -> Vec<i64> {
    let Answer::Members(mut members) = reply.answer else { panic!("not a set: {reply:?}") };
    members.sort_unstable();
    members
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("a process number")).expect("not zero");
    kill_process(pid, Signal::KILL).expect("our own child");
}

fn etcdctl(address: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", address])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("etcdctl is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("etcdctl reads it");
    let output = child.wait_with_output().expect("etcdctl ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "etcdctl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// One member started with arguments that the adapter does not use.
fn single(folder: &Path, scheme: &str, arguments: &[&str]) -> (Child, String) {
    let addresses = free_addresses(2).expect("free ports");
    let own = [
        "--data-dir=data".to_owned(),
        format!("--listen-client-urls={scheme}://{}", addresses[0]),
        format!("--advertise-client-urls={scheme}://{}", addresses[0]),
        format!("--listen-peer-urls=http://{}", addresses[1]),
        format!("--initial-advertise-peer-urls=http://{}", addresses[1]),
        format!("--initial-cluster=default=http://{}", addresses[1]),
    ];
    let launch = Launch {
        name: "single".into(),
        program: "etcd".into(),
        arguments: own.into_iter().chain(arguments.iter().map(|&argument| argument.to_owned())).collect(),
        environment: Vec::new(),
        folder: folder.into(),
        log: folder.join("single.log"),
        install: String::new(),
        namespace: None,
    };
    (launch.start().expect("etcd starts"), addresses[0].to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_action_does_what_it_says_on_every_node_and_nothing_is_left_after_stop() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut cluster = started(&backend(folder.path(), &[])).await;
    assert_eq!(cluster.nodes().iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    assert_eq!(cluster.nodes().iter().filter(|node| node.role == "leader").count(), 1);
    assert!(cluster.versions().iter().all(|(_, version)| version.starts_with("etcd 3.")), "{:?}", cluster.versions());
    assert!(cluster.config().contains(&("election-timeout".into(), "1000ms".into())));

    for slot in 0..3_u16 {
        let mut client = client(&*cluster, slot.into()).await;
        let key = u64::from(slot);
        let here = Some(NodeId(slot));
        let value = |value| Reply { answer: Answer::Value(value), node: here };
        let nothing = Reply { answer: Answer::Done, node: here };
        assert_eq!(done(&mut client, read(key)).await, value(None));
        assert_eq!(done(&mut client, write(key, i64::MIN)).await, nothing);
        assert_eq!(done(&mut client, read(key)).await, value(Some(i64::MIN)));
        assert_eq!(done(&mut client, cas(key, i64::MIN, 7)).await, nothing);
        let mismatch = Failure::definite(Failure::MISMATCH).at(NodeId(slot));
        assert_eq!(failed(&mut client, cas(key, 8, 9)).await, mismatch);
        assert_eq!(failed(&mut client, cas(100 + key, 8, 9)).await, mismatch, "of a register never written");
        assert_eq!(done(&mut client, read(key)).await, value(Some(7)));

        assert_eq!(members(done(&mut client, Action::Members { key: Key(10 + key) }).await), [0; 0]);
        for element in [3, -1, 2, 3] {
            assert_eq!(done(&mut client, add(10 + key, element)).await, nothing);
        }
        // A set and a register of one number, and sets of which one's number starts with the other's.
        done(&mut client, add(100 + 10 + key, 4)).await;
        done(&mut client, write(10 + key, 5)).await;
        assert_eq!(members(done(&mut client, Action::Members { key: Key(10 + key) }).await), [-1, 2, 3]);
    }

    let pids = cluster.pids();
    assert_eq!(pids.len(), 3);
    cluster.settle(Instant::now() + PATIENCE).await.unwrap();
    cluster.stop().await.unwrap();
    cluster.stop().await.expect("stopping twice is harmless");
    assert!(pids.iter().all(|(_, pid)| !runs(*pid)));
    assert!(cluster.pids().is_empty());
    for node in ["n1", "n2", "n3"] {
        assert!(!folder.path().join(node).exists(), "the data of {node} is gone");
        assert!(folder.path().join(format!("{node}.log")).metadata().unwrap().len() > 0, "the log of {node} stays");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_is_left_after_a_drop() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let cluster = started(&backend(folder.path(), &[("nodes", "1")])).await;
    let pids = cluster.pids();
    assert!(pids.len() == 1 && runs(pids[0].1));
    drop(cluster);
    assert!(!runs(pids[0].1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_sent_to_the_leader_the_followers_or_one_node_as_asked() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    // Slow to elect, so that a busy machine does not change the leader on the way.
    let cluster = started(&backend(folder.path(), &[("election-timeout", "3000")])).await;
    let leader = cluster.nodes().iter().position(|node| node.role == "leader").unwrap();
    for (read_from, expected) in [
        (ReadFrom::Primary, vec![leader, leader, leader, leader]),
        (ReadFrom::Replica, (0..3).filter(|node| *node != leader).cycle().take(4).collect()),
        (ReadFrom::Node(NodeId(2)), vec![2, 2, 2, 2]),
        (ReadFrom::Any, vec![0, 1, 2, 0]),
    ] {
        let again = started(&Backend { read_from, ..existing(&*cluster, folder.path(), "u/") }).await;
        let mut answered = Vec::new();
        for slot in 0..4 {
            let mut client = client(&*again, slot).await;
            done(&mut client, write(1, 1)).await;
            answered.push(usize::from(done(&mut client, read(1)).await.node.expect("a known member").0));
        }
        assert_eq!(answered, expected, "{read_from:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serializable_read_needs_no_majority_and_a_final_read_does() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut quick = backend(folder.path(), &[("reads", "serializable")]);
    quick.timeout = Duration::from_secs(2);
    let cluster = started(&quick).await;
    let mut first = client(&*cluster, 0).await;
    done(&mut first, write(1, 5)).await;
    let seen = async {
        while done(&mut first, read(1)).await.answer != Answer::Value(Some(5)) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("a member learns of a write soon");
    for (_, pid) in &cluster.pids()[1..] {
        kill(*pid);
    }
    let alone = Reply { answer: Answer::Value(Some(5)), node: Some(NodeId(0)) };
    assert_eq!(done(&mut first, read(1)).await, alone);
    let failure = cluster.connect_final(1).await.err().expect("no majority, no final read");
    assert_eq!(failure, Failure::definite("no majority").at(NodeId(0)).reconnecting());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_others_answer_and_the_dead_node_refuses() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let cluster = started(&backend(folder.path(), &[])).await;
    let mut dead = client(&*cluster, 1).await;
    done(&mut dead, write(1, 1)).await;
    kill(cluster.pids()[1].1);

    // What was under way when the connection broke is unknown; then the connection is refused.
    let refused = async {
        loop {
            // A killed process may answer once more: the signal arrives when the kernel gets to it.
            if let Err(failure) = dead.invoke(&write(1, 2)).await {
                assert_eq!(failure.node, Some(NodeId(1)));
                if failure.certainty == Certainty::Definite {
                    break failure;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let failure = tokio::time::timeout(PATIENCE, refused).await.expect("refused in the end");
    assert_eq!(failure, Failure::definite("connection refused").at(NodeId(1)).reconnecting());
    assert_eq!(cluster.connect(1).await.err(), Some(failure));

    for slot in [0, 2] {
        let answered = async {
            loop {
                // An election may be under way if the leader was killed.
                let mut client = client(&*cluster, slot).await;
                if client.invoke(&write(1, 3)).await.is_ok() {
                    break done(&mut client, read(1)).await.answer;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await.expect("two of three are a majority");
        assert_eq!(answer, Answer::Value(Some(3)));
    }
    let mut last = cluster.connect_final(1).await.expect("another node answers instead");
    assert_eq!(done(&mut last, read(1)).await.answer, Answer::Value(Some(3)));
    assert_eq!(cluster.pids().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["n1", "n3"]);
    let error = cluster.settle(Instant::now() + PATIENCE).await.unwrap_err();
    assert!(matches!(&error, SystemError::Died { what, .. } if what == "n2"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_cluster_loses_exactly_the_keys_under_the_prefix() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let owner = started(&backend(folder.path(), &[])).await;
    let address = owner.nodes()[0].address.clone();
    for foreign in ["a/run", "a/run.", "a/run0", "b"] {
        etcdctl(&address, &["put", foreign, "kept"], "");
    }
    let mut guest = started(&existing(&*owner, folder.path(), "a/run/")).await;
    assert!(guest.pids().is_empty());
    assert_eq!(guest.nodes(), owner.nodes());
    let mut client = client(&*guest, 2).await;
    done(&mut client, write(1, 1)).await;
    done(&mut client, add(2, 2)).await;
    assert_eq!(etcdctl(&address, &["get", "a/run/", "--prefix", "--keys-only"], "").split_whitespace().count(), 2);
    guest.stop().await.unwrap();
    let left = etcdctl(&address, &["get", "", "--prefix", "--keys-only"], "");
    assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["a/run", "a/run.", "a/run0", "b"]);
    assert_eq!(owner.pids().len(), 3, "its processes are not ours to end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_logs_in_and_may_do_what_is_permitted() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let owner = started(&backend(folder.path(), &[("nodes", "1")])).await;
    let address = owner.nodes()[0].address.clone();
    for arguments in [
        &["user", "add", "root:secret"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "reader"],
        &["role", "grant-permission", "reader", "read", "t/", "--prefix=true"],
        &["user", "add", "guest:open"],
        &["user", "grant-role", "guest", "reader"],
        &["auth", "enable"],
    ] {
        etcdctl(&address, arguments, "");
    }
    let login = |user: &str, password: &str| Backend {
        user: Some(user.into()),
        password: Some(password.into()),
        ..existing(&*owner, folder.path(), "t/")
    };
    let mut cluster = started(&login("root", "secret")).await;
    let mut root = client(&*cluster, 0).await;
    done(&mut root, write(1, 1)).await;

    let reading = started(&login("guest", "open")).await;
    let mut guest = client(&*reading, 0).await;
    assert_eq!(done(&mut guest, read(1)).await.answer, Answer::Value(Some(1)));
    for forbidden in [write(1, 2), cas(1, 1, 2), add(2, 2)] {
        let denied = Failure::definite("etcdserver: permission denied").at(NodeId(0));
        assert_eq!(failed(&mut guest, forbidden).await, denied);
    }
    assert_eq!(done(&mut root, read(1)).await.answer, Answer::Value(Some(1)), "denied writes had no effect");
    cluster.stop().await.unwrap();
    assert_eq!(done(&mut guest, read(1)).await.answer, Answer::Value(None));

    // Waiting cannot help, so these fail long before the deadline.
    let soon = Instant::now() + PATIENCE / 2;
    let wrong = start(&login("root", "guess")).await.err().expect("a wrong password").to_string();
    assert!(wrong.contains("authentication failed"), "{wrong}");
    let nobody = existing(&*owner, folder.path(), "t/");
    let nobody = start(&nobody).await.err().expect("no login").to_string();
    assert!(nobody.contains("user name is empty"), "{nobody}");
    assert!(Instant::now() < soon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_of_a_hundred_thousand_elements_is_read_whole() {
    const BATCHES: i64 = 10;
    const BATCH: i64 = 10_000;
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (_child, address) = single(folder.path(), "http", &["--max-txn-ops=10000"]);
    let prefix = "a-prefix-that-makes-the-answer-longer-than-four-megabytes/";
    let cluster = Backend { nodes: vec![address.clone()], prefix: prefix.into(), ..backend(folder.path(), &[]) };
    let cluster = started(&cluster).await;
    for batch in 0..BATCHES {
        let puts = (batch * BATCH..(batch + 1) * BATCH).map(|element| format!("put {prefix}1/{element} x\n"));
        // No comparisons, the puts, nothing otherwise: three parts that each end with an empty line.
        etcdctl(&address, &["txn"], &format!("\n{}\n\n", puts.collect::<String>()));
    }
    let mut client = client(&*cluster, 0).await;
    done(&mut client, add(1, -1)).await;
    let all = members(done(&mut client, Action::Members { key: Key(1) }).await);
    assert_eq!(all, (-1..BATCHES * BATCH).collect::<Vec<_>>());
}

/// An authority's certificate in `ca.pem`, and what it signed for the loopback address in `server.pem` and
/// `client.pem`, with their keys in `server.key` and `client.key`. etcd's own `--auto-tls` makes keys on the
/// curve P-521, which the TLS library does not know.
fn certify(folder: &Path) -> Result<(), rcgen::Error> {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("the folder is ours");
    let mut authority = CertificateParams::new([])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "test authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    write("ca.pem", authority.pem());
    for name in ["server", "client"] {
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(["127.0.0.1".to_owned()])?;
        leaf.distinguished_name.push(DnType::CommonName, name);
        write(&format!("{name}.pem"), leaf.signed_by(&key, &authority)?.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked_on_both_sides_unless_told_not_to() {
    if !installed() {
        return;
    }
    let folder = TempDir::new().unwrap();
    certify(folder.path()).unwrap();
    let arguments = ["--cert-file=server.pem", "--key-file=server.key", "--trusted-ca-file=ca.pem"];
    let (_child, address) = single(folder.path(), "https", &[&arguments[..], &["--client-cert-auth"]].concat());
    let file = |name| Some(folder.path().join(name));
    let with = |tls| Backend { nodes: vec![address.clone()], tls: Some(tls), ..backend(folder.path(), &[]) };
    let identity = || Tls { certificate: file("client.pem"), key: file("client.key"), ..Tls::default() };

    let careful = started(&with(Tls { ca: file("ca.pem"), ..identity() })).await;
    done(&mut client(&*careful, 0).await, write(1, 1)).await;
    let careless = started(&with(Tls { insecure: true, ..identity() })).await;
    assert_eq!(done(&mut client(&*careless, 0).await, read(1)).await.answer, Answer::Value(Some(1)));

    let refusal = async |tls| {
        let soon = Instant::now() + PATIENCE / 2;
        let error = start(&with(tls)).await.err().expect("a refusal");
        assert!(Instant::now() < soon, "waiting cannot help: {error}");
        assert!(matches!(error, SystemError::Unreachable { .. }), "{error}");
        error.to_string()
    };
    let unknown_authority = refusal(identity()).await;
    assert!(unknown_authority.contains("UnknownIssuer"), "{unknown_authority}");
    let no_certificate = refusal(Tls { ca: file("ca.pem"), ..Tls::default() }).await;
    assert!(no_certificate.to_lowercase().contains("certificate"), "{no_certificate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_succeed_says_why() {
    let folder = TempDir::new().unwrap();
    let unknown = start(&backend(folder.path(), &[("fsync", "never")])).await.err().expect("no such option");
    assert!(matches!(&unknown, SystemError::UnknownOption { option, .. } if option == "fsync"), "{unknown}");

    let nobody = free_addresses(1).unwrap()[0].to_string();
    let absent = Backend { nodes: vec![nobody], ..backend(folder.path(), &[]) };
    let soon = Instant::now() + Duration::from_secs(2);
    let absent = adapters::find("etcd").unwrap().start(&absent, soon).await.err().expect("nobody there");
    assert!(matches!(absent, SystemError::Unreachable { .. }) && absent.to_string().contains("refused"), "{absent}");

    if !installed() {
        return;
    }
    let at_once = adapters::find("etcd").unwrap();
    let local = backend(folder.path(), &[("nodes", "3")]);
    let late = at_once.start(&local, Instant::now()).await.err().expect("no time to get ready");
    assert!(matches!(&late, SystemError::NotReady { log, .. } if log.ends_with("n1.log")), "{late}");

    // A file where the data folder should be.
    std::fs::remove_dir_all(folder.path().join("n1")).unwrap();
    std::fs::create_dir(folder.path().join("n1")).unwrap();
    std::fs::write(folder.path().join("n1/data"), "").unwrap();
    let died = start(&backend(folder.path(), &[("nodes", "1")])).await.err().expect("etcd ends at once");
    assert!(matches!(&died, SystemError::Died { what, .. } if what == "n1"), "{died}");
}
