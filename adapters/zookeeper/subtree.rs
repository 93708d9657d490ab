//! The one znode that everything of a run lies under, and its removal.
//!
//! It is created at the start and removed at the end, with whatever is under it. Anything that was there
//! before is not ours: a znode that already has children is refused at the start, and ancestors are removed
//! only if this run created them and nobody else uses them.

use crate::record::system::SystemError;
use zookeeper_client::{Client, CreateOptions, Error, MultiWriteError};

/// The name under an empty prefix: the root itself can be neither created nor removed.
const DEFAULT_NAME: &str = "consistory";
/// How many znodes one request removes: some ten kilobytes, far below a server's limit of one megabyte.
const REMOVED_AT_ONCE: usize = 500;
/// Clients whose last write is still under way may add znodes while they are being removed.
const REMOVE_ATTEMPTS: usize = 5;

/// A znode of our own.
#[derive(Clone, Debug)]
pub(super) struct Subtree {
    path: String,
    /// It and those of its ancestors that this run created, the outermost first.
    created: Vec<String>,
}

/// The path of the znode that stands for a key prefix: its last separator is not part of the name.
///
/// # Errors
/// When it is ZooKeeper's own `/zookeeper`.
pub(super) fn path_of(prefix: &str) -> Result<String, SystemError> {
    let name = prefix.trim_start_matches('/').trim_end_matches(['/', ':', '.']);
    let name = if name.is_empty() { DEFAULT_NAME } else { name };
    if name.split('/').next() == Some("zookeeper") {
        return Err(SystemError::BadOption {
            option: "prefix".into(),
            value: prefix.into(),
            expected: "a name outside /zookeeper, where the servers keep their own settings".into(),
        });
    }
    Ok(format!("/{name}"))
}

impl Subtree {
    /// Creates the znode at `path`, and its ancestors where needed.
    ///
    /// # Errors
    /// When it cannot be created, or has children already; then nothing of it is left behind.
    pub(super) async fn create(
        client: &Client,
        path: String,
        options: &CreateOptions<'_>,
    ) -> Result<Self, SystemError> {
        let mut subtree = Self { path, created: Vec::new() };
        match subtree.create_each(client, options).await {
            Ok(()) => Ok(subtree),
            Err(error) => {
                // The first error is the one to tell.
                let _ = subtree.remove_created(client).await;
                Err(error)
            }
        }
    }

    async fn create_each(&mut self, client: &Client, options: &CreateOptions<'_>) -> Result<(), SystemError> {
        let path = self.path.as_str();
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        for end in ends {
            match client.create(&path[..end], b"", options).await {
                Ok(_) => self.created.push(path[..end].to_owned()),
                Err(Error::NodeExists) => {}
                Err(error) => return Err(refused("creating", &path[..end], &error)),
            }
        }
        let children = client.list_children(path).await.map_err(|error| refused("listing", path, &error))?;
        if children.is_empty() {
            return Ok(());
        }
        Err(SystemError::Other(format!(
            "the znode {path} already has {} children: choose another prefix, or remove them first",
            children.len()
        )))
    }

    /// Removes everything under it, and then it and its ancestors as far as this run created them.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(super) async fn remove(&self, client: &Client) -> Result<(), SystemError> {
        // This server may lag behind the writes of other sessions.
        client.sync(&self.path).await.map_err(|error| refused("reaching", &self.path, &error))?;
        self.empty(client).await?;
        self.remove_created(client).await
    }

    async fn remove_created(&self, client: &Client) -> Result<(), SystemError> {
        for path in self.created.iter().rev() {
            match client.delete(path, None).await {
                Ok(()) | Err(Error::NoNode) => {}
                // An ancestor that somebody else uses by now.
                Err(Error::NotEmpty) if *path != self.path => break,
                Err(error) => return Err(refused("removing", path, &error)),
            }
        }
        Ok(())
    }

    async fn empty(&self, client: &Client) -> Result<(), SystemError> {
        for _ in 0..REMOVE_ATTEMPTS {
            let paths = descendants(client, &self.path).await?;
            if paths.is_empty() {
                return Ok(());
            }
            for some in paths.chunks(REMOVED_AT_ONCE) {
                if !remove_all(client, some).await? {
                    break;
                }
            }
        }
        Err(SystemError::Other(format!("the znode {} is still being written to: it was not removed", self.path)))
    }
}

/// Everything below `path`, children before their parents.
async fn descendants(client: &Client, path: &str) -> Result<Vec<String>, SystemError> {
    let mut found = Vec::new();
    let mut unread = vec![path.to_owned()];
    while let Some(parent) = unread.pop() {
        let children = match client.get_children(&parent).await {
            Ok((children, _)) => children,
            Err(Error::NoNode) => continue,
            Err(error) => return Err(refused("listing", &parent, &error)),
        };
        // The elements of a set, thousands of siblings, have no children: only the first two levels do.
        let has_children = parent == path;
        for child in children {
            let child = format!("{parent}/{child}");
            if has_children {
                unread.push(child.clone());
            }
            found.push(child);
        }
    }
    found.reverse();
    Ok(found)
}

/// Removes the znodes in one transaction; false if one of them is gone or has got children meanwhile.
async fn remove_all(client: &Client, paths: &[String]) -> Result<bool, SystemError> {
    let mut writer = client.new_multi_writer();
    for path in paths {
        writer.add_delete(path, None).map_err(|error| refused("removing", path, &error))?;
    }
    match writer.commit().await {
        Ok(_) => Ok(true),
        Err(MultiWriteError::OperationFailed { source: Error::NoNode | Error::NotEmpty, .. }) => Ok(false),
        Err(MultiWriteError::OperationFailed { index, source }) => Err(refused("removing", &paths[index], &source)),
        Err(MultiWriteError::RequestFailed { source }) => Err(refused("removing what is under", &paths[0], &source)),
    }
}

fn refused(doing: &str, path: &str, error: &Error) -> SystemError {
    SystemError::Other(format!("{doing} the znode {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_one_znode_without_its_separator() {
        let path = |prefix| path_of(prefix).expect("it is allowed");
        assert_eq!(path("consistory-17/"), "/consistory-17");
        assert_eq!(path("/apps/test/"), "/apps/test");
        assert_eq!(path("consistory:17:"), "/consistory:17");
        assert_eq!(path(""), "/consistory");
        assert_eq!(path("/"), "/consistory");
    }

    #[test]
    fn the_servers_own_znodes_are_out_of_bounds() {
        assert!(path_of("/zookeeper/config/").is_err());
        assert!(path_of("zookeeper:").is_err());
        assert!(path_of("zookeepers/").is_ok());
    }
}
