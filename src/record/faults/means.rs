//! By which means faults act on the links between nodes: namespaces where they can be had, proxies otherwise.

use super::schedule::Schedule;
use super::{Fault, words};
use crate::record::cluster::network;

/// How links are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Each node in a network namespace of its own: packets.
    Namespaces,
    /// A proxy in front of each node: streams.
    Proxies,
}

impl Means {
    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Proxies => "proxies",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Namespaces, Self::Proxies].into_iter().find(|means| means.name() == word)
    }
}

/// The means for a schedule, if it needs any: the wish, or else the best that this machine has.
///
/// # Errors
/// Why there are none, in words.
pub fn choose(schedule: &Schedule, wish: Option<Means>) -> Result<Option<Means>, String> {
    let reaching: Vec<_> = schedule.steps().iter().map(|step| step.fault).collect();
    let reaching: Vec<_> = reaching.into_iter().filter(|fault| fault.info().needs_network).collect();
    if reaching.is_empty() {
        return Ok(None);
    }
    choose_for(&reaching, wish, &network::missing_means).map(Some)
}

fn choose_for(
    faults: &[&dyn Fault],
    wish: Option<Means>,
    missing: &dyn Fn() -> Option<String>,
) -> Result<Means, String> {
    let packets = faults.iter().find(|fault| !fault.acts_on_links()).map(|fault| words(*fault));
    if wish == Some(Means::Proxies) {
        return match packets {
            None => Ok(Means::Proxies),
            Some(fault) => Err(format!("{fault} acts on packets, which proxies do not see")),
        };
    }
    match (missing(), packets) {
        (None, _) => Ok(Means::Namespaces),
        (Some(_), None) if wish.is_none() => Ok(Means::Proxies),
        (Some(why), None) => Err(format!("network namespaces cannot be had: {why}")),
        (Some(why), Some(fault)) => Err(format!("{fault} needs network namespaces: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::faults::find;

    #[test]
    fn namespaces_are_taken_where_they_are_and_proxies_where_they_can_stand_in() {
        let fault = |name| find(name).expect("it is in the list");
        let (cut, loss) = (fault("partition"), fault("loss"));
        let (none, root) = (|| None, || Some("needs root".to_owned()));
        assert_eq!(choose_for(&[cut, loss], None, &none), Ok(Means::Namespaces));
        assert_eq!(choose_for(&[cut], None, &root), Ok(Means::Proxies));
        assert_eq!(choose_for(&[cut], Some(Means::Proxies), &none), Ok(Means::Proxies));
        for (faults, wish, missing) in [
            (&[cut, loss][..], None, &root as &dyn Fn() -> Option<String>),
            (&[loss], Some(Means::Proxies), &none),
            (&[cut], Some(Means::Namespaces), &root),
        ] {
            assert!(choose_for(faults, wish, missing).is_err());
        }
    }

    #[test]
    fn a_means_is_printed_as_it_is_read() {
        for means in [Means::Namespaces, Means::Proxies] {
            assert_eq!(Means::parse(means.name()), Some(means));
        }
        assert_eq!(Means::parse("magic"), None);
    }
}
