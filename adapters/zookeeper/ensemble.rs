//! The servers of a local cluster: their configuration, their processes and their folders.
//!
//! Each server runs in a Java virtual machine of its own, set up to start fast and stay small. The class
//! path is the one of Debian's package `libzookeeper-java`.

use super::settings::Settings;
use super::status::Role;
use crate::record::cluster::address::addresses;
use crate::record::cluster::disks::remove_data;
use crate::record::cluster::links::Links;
use crate::record::cluster::network::Network;
use crate::record::cluster::process::{Child, Launch};
use crate::record::system::{Program, SystemError};
use std::fmt::Write;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The jar with the server.
const SERVER_JAR: &str = "/usr/share/java/zookeeper.jar";
const JARS: &str = "/usr/share/java";
/// What the server loads at run time, next to [`SERVER_JAR`]; the package depends on all of them.
const LIBRARIES: [&str; 14] = [
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "metrics-core",
    "snappy-java",
    "commons-cli",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "netty-transport-native-epoll",
    "netty-transport-native-unix-common",
];
/// What names mean to a server, in its folder.
const HOSTS: &str = "hosts";
const INSTALL: &str = "apt-get install default-jre-headless libzookeeper-java";
/// The largest packet between servers and from clients. The default of one megabyte is enough for every
/// single operation here; the answer that lists a large set is not bounded by it, nor by the library.
const PACKET_BYTES_MAX: usize = 16 << 20;

/// What a local cluster needs.
pub(super) const PROGRAMS: &[Program] = &[
    Program { name: "java", package: "default-jre-headless" },
    Program { name: SERVER_JAR, package: "libzookeeper-java" },
];

/// The three addresses of a server.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    client: SocketAddr,
    quorum: SocketAddr,
    election: SocketAddr,
}

/// A server that this run started.
#[derive(Debug)]
pub(super) struct Server {
    /// `n1`, `n2`, …
    pub(super) name: String,
    /// Where clients connect.
    pub(super) address: String,
    folder: PathBuf,
    pub(super) child: Child,
}

impl Server {
    /// Its log, which outlives it.
    pub(super) fn log(&self) -> PathBuf {
        self.child.launch().log.clone()
    }

    /// Starts it again, after killing what may be left of it.
    pub(super) fn restart(&mut self) -> Result<(), SystemError> {
        self.child.kill();
        self.child = self.child.launch().start()?;
        Ok(())
    }

    /// Kills it and removes its data.
    pub(super) fn remove(mut self) -> Result<(), SystemError> {
        self.child.kill();
        remove_data(&self.folder).map_err(SystemError::io(format!("removing {}", self.folder.display())))
    }
}

/// Starts the servers in `folder`; they are not ready yet.
///
/// # Errors
/// When Java or ZooKeeper is not installed, or the operating system refuses something.
pub(super) fn launch(
    settings: &Settings,
    folder: &Path,
    network: Option<&Network>,
    links: Option<&Links>,
) -> Result<Vec<Server>, SystemError> {
    if !Path::new(SERVER_JAR).exists() {
        return Err(SystemError::NotInstalled { program: SERVER_JAR.into(), install: INSTALL.into() });
    }
    // The servers run in folders of their own, so no path may depend on ours.
    let folder = std::path::absolute(folder).map_err(SystemError::io("finding the current folder"))?;
    let free = addresses(network, settings.nodes, 3)?;
    let members: Vec<_> =
        free.iter().map(|free| Addresses { client: free[0], quorum: free[1], election: free[2] }).collect();
    if let Some(links) = links {
        connect_by_proxies(links, &members)?;
    }
    let namespace = |id: usize| network.map(|network| network.namespace(id - 1));
    let mut servers = Vec::new();
    for (id, addresses) in (1..).zip(&members) {
        let folder = configure(id, &members, settings, &folder, links.is_some())?;
        let mut server = start(id, addresses, folder, namespace(id), links.is_some())?;
        if let Some(links) = links {
            server.address = links.announce(id - 1, addresses.client)?.to_string();
        }
        servers.push(server);
    }
    Ok(servers)
}

/// Where one server reaches another behind a proxy: an address of the loopback network for each of such pairs, by their
/// numbers from 1, with the port of the server itself.
fn proxy_ip(from: usize, to: usize) -> Ipv4Addr {
    let byte = |id| u8::try_from(id).expect("an ensemble has a handful of servers");
    Ipv4Addr::new(127, 77, byte(from), byte(to))
}

/// Puts a proxy between each server and each other, for both ports.
fn connect_by_proxies(links: &Links, members: &[Addresses]) -> Result<(), SystemError> {
    for from in 1..=members.len() {
        for (to, member) in (1..).zip(members).filter(|(to, _)| *to != from) {
            for own in [member.quorum, member.election] {
                let at = SocketAddr::from((proxy_ip(from, to), own.port()));
                links.announce_to(from - 1, to - 1, at, own)?;
            }
        }
    }
    Ok(())
}

/// What each name of a server means to the one with that number: itself, or a proxy. A server tells others its own
/// name, so that they ask their own proxies for it.
fn hosts(id: usize, members: usize) -> String {
    let mut lines = "127.0.0.1 localhost\n".to_owned();
    for other in 1..=members {
        let ip = if other == id { Ipv4Addr::LOCALHOST } else { proxy_ip(id, other) };
        let _infallible = writeln!(lines, "{ip} {}", host_name(other));
    }
    lines
}

/// What the servers behind proxies call each other.
fn host_name(id: usize) -> String {
    format!("n{id}.consistory")
}

/// Whether those servers, all of them, form an ensemble that serves clients.
pub(super) fn is_formed(roles: &[Role]) -> bool {
    let primaries = roles.iter().filter(|role| role.is_primary()).count();
    primaries == 1 && roles.iter().all(|role| role.is_primary() || *role == Role::Follower)
}

/// Makes the folder of a server with its files.
fn configure(
    id: usize,
    members: &[Addresses],
    settings: &Settings,
    runs: &Path,
    by_name: bool,
) -> Result<PathBuf, SystemError> {
    let folder = runs.join(format!("n{id}"));
    // A run always begins with empty servers, whatever an earlier one left in this folder.
    remove_data(&folder).map_err(SystemError::io(format!("removing {}", folder.display())))?;
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(SystemError::io(format!("creating {}", data.display())))?;
    for (file, text) in [
        (data.join("myid"), id.to_string()),
        (folder.join("members.cfg"), member_lines(members, by_name)),
        (folder.join(HOSTS), hosts(id, members.len())),
        (folder.join("zoo.cfg"), configuration(settings, &folder)),
    ] {
        std::fs::write(&file, text)
            .and_then(|()| File::open(&file)?.sync_all())
            .map_err(SystemError::io(format!("writing {}", file.display())))?;
    }
    // A power cut may take what a server has not made sure of, but not what was there before it.
    for folder in [&data, &folder] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(SystemError::io(format!("syncing {}", folder.display())))?;
    }
    Ok(folder)
}

fn start(
    id: usize,
    addresses: &Addresses,
    folder: PathBuf,
    namespace: Option<String>,
    by_name: bool,
) -> Result<Server, SystemError> {
    let name = format!("n{id}");
    let mut arguments = arguments(&folder.join("zoo.cfg"));
    if by_name {
        arguments.insert(0, format!("-Djdk.net.hosts.file={}", folder.join(HOSTS).display()));
    }
    let launch = Launch {
        name: name.clone(),
        program: "java".into(),
        arguments,
        environment: Vec::new(),
        log: folder.with_extension("log"),
        folder: folder.clone(),
        install: INSTALL.into(),
        namespace,
    };
    Ok(Server { name, address: addresses.client.to_string(), folder, child: launch.start()? })
}

fn arguments(configuration: &Path) -> Vec<String> {
    let libraries = LIBRARIES.map(|library| format!("{JARS}/{library}.jar")).join(":");
    let mut arguments: Vec<_> = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        .into_iter()
        // No file in the shared folder for temporary files.
        .chain(["-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.showDateTime=true"])
        .map(str::to_owned)
        .collect();
    arguments.push(format!("-Djute.maxbuffer={PACKET_BYTES_MAX}"));
    arguments.push(format!("-Dzookeeper.DigestAuthenticationProvider.superDigest={}", super::access::SUPER_DIGEST));
    arguments.push("-cp".into());
    arguments.push(format!("{SERVER_JAR}:{libraries}"));
    arguments.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".into());
    arguments.push(configuration.display().to_string());
    arguments
}

/// The server's own settings. One server is an ensemble of one rather than a standalone server, so that the
/// same code runs at every size.
fn configuration(settings: &Settings, folder: &Path) -> String {
    // The file is read as Java properties, where a backslash escapes.
    let folder = folder.display().to_string().replace('\\', r"\\");
    let force_sync = if settings.force_sync { "yes" } else { "no" };
    format!(
        "tickTime={tick}\n\
         initLimit=10\n\
         syncLimit=5\n\
         dataDir={folder}/data\n\
         dynamicConfigFile={folder}/members.cfg\n\
         forceSync={force_sync}\n\
         maxClientCnxns=0\n\
         standaloneEnabled=false\n\
         reconfigEnabled=true\n\
         admin.enableServer=false\n\
         4lw.commands.whitelist=*\n",
        tick = settings.tick_time_ms,
    )
}

fn member_lines(members: &[Addresses], by_name: bool) -> String {
    let mut lines = String::new();
    for (id, member) in (1..).zip(members) {
        let Addresses { client, quorum, election } = member;
        let host = if by_name { host_name(id) } else { quorum.ip().to_string() };
        let (quorum, election) = (quorum.port(), election.port());
        let _infallible = writeln!(lines, "server.{id}={host}:{quorum}:{election}:participant;{client}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::system::Backend;

    fn settings(options: &[(&str, &str)]) -> Settings {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::of(&Backend { options, ..Backend::default() }).expect("they are valid")
    }

    #[test]
    fn the_configuration_holds_the_options_and_the_folders_of_the_node() {
        let text = configuration(&settings(&[("tick-time", "300"), ("force-sync", "no")]), Path::new("/runs/1/n2"));
        for line in [
            "tickTime=300",
            "forceSync=no",
            "dataDir=/runs/1/n2/data",
            "dynamicConfigFile=/runs/1/n2/members.cfg",
            "admin.enableServer=false",
            "4lw.commands.whitelist=*",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_backslash_in_a_path_is_escaped() {
        let text = configuration(&settings(&[]), Path::new(r"/runs/a\b"));
        assert!(text.contains(r"dataDir=/runs/a\\b/data"), "{text}");
    }

    #[test]
    fn every_member_has_its_three_ports_on_one_line() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let members: Vec<_> = [100, 200]
            .map(|base| Addresses { client: address(base), quorum: address(base + 1), election: address(base + 2) })
            .into();
        let expected = "server.1=127.0.0.1:101:102:participant;127.0.0.1:100\n\
                        server.2=127.0.0.1:201:202:participant;127.0.0.1:200\n";
        assert_eq!(member_lines(&members, false), expected);
        let named = member_lines(&members, true);
        assert!(named.contains("server.2=n2.consistory:201:202:participant;127.0.0.1:200\n"), "{named}");
        assert_eq!(hosts(2, 2), "127.0.0.1 localhost\n127.77.2.1 n1.consistory\n127.0.0.1 n2.consistory\n");
    }

    #[test]
    fn the_main_class_follows_the_class_path_and_the_configuration_comes_last() {
        let arguments = arguments(Path::new("/runs/1/n1/zoo.cfg"));
        let main = arguments.iter().position(|argument| argument.ends_with("QuorumPeerMain")).expect("it is there");
        assert!(arguments[main - 1].starts_with(SERVER_JAR));
        assert_eq!(arguments.last().map(String::as_str), Some("/runs/1/n1/zoo.cfg"));
    }

    #[test]
    fn an_ensemble_has_one_leader_and_followers_otherwise() {
        use Role::{Follower, Leader, Observer, Standalone};
        assert!(is_formed(&[Follower, Leader, Follower]));
        assert!(is_formed(&[Leader]) && is_formed(&[Standalone]));
        assert!(!is_formed(&[Follower, Follower, Follower]));
        assert!(!is_formed(&[Leader, Leader, Follower]));
        assert!(!is_formed(&[Leader, Observer]));
    }
}
