//! Taking a server out of a local ensemble by reconfiguration, and back in.

use super::access::Access;
use crate::record::system::{MembershipChange, SystemError};
use zookeeper_client::{Client, EnsembleUpdate};

/// Takes the server of that index out; the line of the configuration that it had, too.
pub(super) async fn remove(access: &Access, server: usize) -> Result<(MembershipChange, String), SystemError> {
    let client = another(access, server).await?;
    let before = lines(&client).await?;
    let id = (server + 1).to_string();
    let own = format!("server.{id}=");
    let line = before.iter().find(|line| line.starts_with(&own)).cloned();
    let line = line.ok_or_else(|| SystemError::Other(format!("server {id} is no member")))?;
    change(&client, &[], &[&id]).await?;
    let after = lines(&client).await?;
    Ok((MembershipChange { done: format!("reconfig -remove {id}"), before, after }, line))
}

/// Makes the server of that index a member again, with its old line.
pub(super) async fn add_again(access: &Access, server: usize, line: &str) -> Result<MembershipChange, SystemError> {
    let client = another(access, server).await?;
    let before = lines(&client).await?;
    change(&client, &[line], &[]).await?;
    let after = lines(&client).await?;
    Ok(MembershipChange { done: format!("reconfig -add {line}"), before, after })
}

/// A session of the superuser at another server.
async fn another(access: &Access, server: usize) -> Result<Client, SystemError> {
    let other = (0..access.addresses.len()).find(|&other| other != server);
    let other = other.ok_or_else(|| SystemError::Other("there is no other server".into()))?;
    access.open_as_super(other).await.map_err(SystemError::Other)
}

async fn change(client: &Client, joining: &[&str], leaving: &[&str]) -> Result<(), SystemError> {
    let update = EnsembleUpdate::Incremental { joinings: joining.iter().copied(), leavings: leaving.iter().copied() };
    let changed = client.update_ensemble(update, None).await;
    changed.map(drop).map_err(|error| SystemError::Other(format!("reconfig: {error}")))
}

/// The lines about servers of the configuration in force.
async fn lines(client: &Client) -> Result<Vec<String>, SystemError> {
    let (data, _) = client.get_config().await.map_err(|error| SystemError::Other(format!("the members: {error}")))?;
    let text = String::from_utf8_lossy(&data).into_owned();
    Ok(text.lines().filter(|line| line.starts_with("server.")).map(str::to_owned).collect())
}
