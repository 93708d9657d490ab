//! One network namespace for each node of a local cluster, all on one bridge, where links between nodes can be cut.
//!
//! Consistory itself, and with it every client, stays outside and reaches each node over the bridge: what is cut between
//! nodes does not cut off clients. Needs root, `ip` and `nft`; [`missing_means`] says what is not there.
//!
//! Contract: dropping a [`LaidNetwork`] removes it; what a killed consistory leaves is removed by its journal. A bridge
//! carries its run's token in its hardware address, set as it is made, so that nobody removes a network that is
//! another's. Nothing outside of `10.83.0.0/16` is routed into it.

use super::super::faults::journal::{Entry, Journal, Undo};
use super::super::system::SystemError;
use rand::Rng;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Places in a network: more nodes than any local cluster has.
pub const NODES_MAX: usize = 6;
/// The first two bytes of every address.
const SUBNET: [u8; 2] = [10, 83];
/// The last byte of the address of consistory's side.
const OWN: u8 = 254;
const TRIES: usize = 50;

/// Where the nodes of a local cluster are to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The third byte of the addresses, and the number in the names.
    number: u8,
    /// The hardware address of the bridge.
    token: String,
}

impl Network {
    /// The network that a journal names, if its words can be one.
    #[must_use]
    pub fn named(number: u8, token: &str) -> Option<Self> {
        let is_token = token.len() == 17 && token.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        is_token.then(|| Self { number, token: token.to_owned() })
    }

    /// The number and the token, for a journal.
    #[must_use]
    pub fn name(&self) -> (u8, &str) {
        (self.number, &self.token)
    }

    /// The address of a node, by its number from 0.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn ip(&self, node: usize) -> Result<Ipv4Addr, SystemError> {
        let place = u8::try_from(node + 1).ok().filter(|&place| usize::from(place) <= NODES_MAX);
        let place = place.ok_or_else(|| SystemError::Other(format!("a network has {NODES_MAX} places")))?;
        Ok(Ipv4Addr::new(SUBNET[0], SUBNET[1], self.number, place))
    }

    /// The namespace of a node, by its number from 0.
    #[must_use]
    pub fn namespace(&self, node: usize) -> String {
        format!("cy{}n{}", self.number, node + 1)
    }

    /// The end outside of a node's wire, by its number from 0.
    #[must_use]
    pub fn outer_end(&self, node: usize) -> String {
        format!("cy{}v{}", self.number, node + 1)
    }

    fn bridge(&self) -> String {
        format!("cy{}", self.number)
    }

    /// Removes it, if it is still there and its own.
    ///
    /// # Errors
    /// What could not be removed, in words.
    pub fn remove(&self) -> Result<(), String> {
        let address = std::fs::read_to_string(format!("/sys/class/net/{}/address", self.bridge())).unwrap_or_default();
        if address.trim() != self.token {
            return Ok(());
        }
        for node in 0..NODES_MAX {
            let namespace = self.namespace(node);
            if Path::new("/var/run/netns").join(&namespace).exists() {
                command("ip", &["netns", "del", &namespace], "")?;
            }
            // The pair of an interface goes with its namespace, but not at once.
            let end = self.outer_end(node);
            if Path::new("/sys/class/net").join(&end).exists() {
                // It may go by itself meanwhile; the bridge below shows whether all is gone.
                let _ = command("ip", &["link", "del", &end], "");
            }
        }
        command("ip", &["link", "del", &self.bridge()], "").map(drop)
    }
}

/// A network that goes when this is dropped.
#[derive(Debug)]
pub struct LaidNetwork {
    network: Network,
    entry: Option<Entry>,
}

impl LaidNetwork {
    /// Makes a network, after writing into the journal how to undo that.
    ///
    /// # Errors
    /// When there is no free number, or the operating system refuses something.
    pub fn lay(journal: &Journal) -> Result<Self, SystemError> {
        let mut random = rand::rng();
        for _ in 0..TRIES {
            let bytes: [u8; 4] = random.random();
            let token = format!("02:63:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
            let network = Network { number: random.random_range(1..=250), token };
            if is_routed(network.number) {
                continue;
            }
            let (number, token) = network.name();
            let entry = journal.open(&Undo::Network { number, token: token.to_owned() })?;
            let bridge = network.bridge();
            // Fails where another run has taken the number: making the bridge is what takes it.
            let claimed = command("ip", &["link", "add", &bridge, "address", token, "type", "bridge"], "");
            let laid = Self { network, entry: Some(entry) };
            match claimed {
                Ok(_) => return laid.furnish().map(|()| laid).map_err(SystemError::Other),
                Err(why) if why.contains("File exists") => {}
                Err(why) => return Err(SystemError::Other(format!("cannot make a bridge: {why}"))),
            }
        }
        Err(SystemError::Other(format!("no free network below {}.{}.0.0/16", SUBNET[0], SUBNET[1])))
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    fn furnish(&self) -> Result<(), String> {
        let number = self.network.number;
        let (bridge, net) = (self.network.bridge(), format!("{}.{}.{number}", SUBNET[0], SUBNET[1]));
        let mut outside = format!("addr add {net}.{OWN}/24 dev {bridge}\nlink set {bridge} up\n");
        for node in 0..NODES_MAX {
            let (namespace, end) = (self.network.namespace(node), self.network.outer_end(node));
            let lines = [
                format!("netns add {namespace}"),
                format!("link add {end} type veth peer name eth0 netns {namespace}"),
                format!("link set {end} master {bridge} up\n"),
            ];
            outside.push_str(&lines.join("\n"));
        }
        command("ip", &["-batch", "-"], &outside)?;
        for node in 0..NODES_MAX {
            let inside = format!("addr add {net}.{}/24 dev eth0\nlink set eth0 up\nlink set lo up\n", node + 1);
            command("ip", &["-n", &self.network.namespace(node), "-batch", "-"], &inside)?;
        }
        Ok(())
    }
}

impl Drop for LaidNetwork {
    fn drop(&mut self) {
        // What cannot be removed stays in the journal for `consistory heal`.
        if self.network.remove().is_ok()
            && let Some(entry) = self.entry.take()
        {
            entry.done();
        }
    }
}

/// Whether this machine reaches other addresses of that number already.
fn is_routed(number: u8) -> bool {
    let wanted = u32::from_le_bytes([SUBNET[0], SUBNET[1], number, 0]);
    let hexadecimal = |text: &str| u32::from_str_radix(text, 16).ok();
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    table.lines().skip(1).any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(to), Some(mask)) =
            (fields.get(1).and_then(|field| hexadecimal(field)), fields.get(7).and_then(|field| hexadecimal(field)))
        else {
            return false;
        };
        // The default route leads everywhere.
        mask != 0 && wanted & mask == to & mask
    })
}

/// What keeps this machine from running nodes in namespaces, in words; `None` if nothing does.
#[must_use]
pub fn missing_means() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".into());
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if let Err(why) = command(program, &["-V"], "") {
            return Some(format!("{why}: apt-get install {package}"));
        }
    }
    // A table in a namespace of its own shows that the kernel can do both, and leaves nothing behind.
    let probe = ["--net", "nft", "add", "table", "inet", "consistory"];
    command("unshare", &probe, "").err().map(|why| format!("the kernel refuses: {why}"))
}

/// Runs a program to its end with `input`; what it printed.
///
/// # Errors
/// What it complained about.
pub fn command(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let start = || {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for consistory, which undoes things in order.
            .process_group(0)
            .spawn()?;
        child.stdin.take().expect("was asked for").write_all(input.as_bytes())?;
        child.wait_with_output()
    };
    let output = start().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}", said.lines().next().unwrap_or("it failed without a word")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_cannot_name_what_is_no_network() {
        assert!(Network::named(7, "02:63:00:11:22:ff").is_some());
        for token in ["", "02:63:00:11:22", "02:63:00:11:22:f/", "../../etc/passwd1"] {
            assert!(Network::named(7, token).is_none(), "{token}");
        }
    }

    #[test]
    fn a_network_whose_bridge_is_another_s_is_left_alone() {
        let network = Network::named(251, "02:63:00:00:00:00").expect("a token");
        assert_eq!(network.remove(), Ok(()));
    }

    #[test]
    fn a_network_has_an_address_and_a_namespace_for_each_node_and_no_more() {
        let network = Network::named(9, "02:63:00:00:00:00").expect("a token");
        assert_eq!(network.ip(5).expect("the last place"), Ipv4Addr::new(10, 83, 9, 6));
        assert_eq!(network.namespace(0), "cy9n1");
        assert!(network.ip(NODES_MAX).is_err());
    }
}
