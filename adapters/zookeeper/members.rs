//! Taking a server out of a local ensemble by reconfiguration, and back in.
//!
//! A change is asked for until the configuration shows it: a leader that takes itself out cuts off the session through
//! which it was asked, and its successor takes a moment.

use super::access::Access;
use crate::record::system::{MembershipChange, SystemError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use zookeeper_client::{Client, EnsembleUpdate};

/// How long a change may take.
const CHANGE_MAX: Duration = Duration::from_secs(20);
/// How long one request for it may take.
const REQUEST_MAX: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);

/// The line of the configuration about the server of that index.
pub(super) async fn line(access: &Access, server: usize) -> Result<String, SystemError> {
    let client = another(access, server).await.map_err(SystemError::Other)?;
    let own = format!("server.{}=", server + 1);
    let line = lines(&client).await.map_err(SystemError::Other)?.into_iter().find(|line| line.starts_with(&own));
    line.ok_or_else(|| SystemError::Other(format!("server {} is no member", server + 1)))
}

/// Takes the server of that index out, which has that line.
pub(super) async fn remove(access: &Access, server: usize, line: &str) -> Result<MembershipChange, SystemError> {
    let client = another(access, server).await.map_err(SystemError::Other)?;
    let before = lines(&client).await.map_err(SystemError::Other)?;
    let id = (server + 1).to_string();
    let after = until(access, server, &[], &[&id], |lines| lines.iter().all(|found| found != line)).await?;
    Ok(MembershipChange { done: format!("reconfig -remove {id}"), before, after })
}

/// Makes the server of that index a member again, with its old line.
pub(super) async fn add_again(access: &Access, server: usize, line: &str) -> Result<MembershipChange, SystemError> {
    let client = another(access, server).await.map_err(SystemError::Other)?;
    let before = lines(&client).await.map_err(SystemError::Other)?;
    let after = until(access, server, &[line], &[], |lines| lines.iter().any(|found| found == line)).await?;
    Ok(MembershipChange { done: format!("reconfig -add {line}"), before, after })
}

/// Asks for a change, without that server, until the configuration is as wanted; what it is then.
async fn until(
    access: &Access,
    server: usize,
    joining: &[&str],
    leaving: &[&str],
    is_done: impl Fn(&[String]) -> bool,
) -> Result<Vec<String>, SystemError> {
    let end = Instant::now() + CHANGE_MAX;
    loop {
        let asked = timeout(REQUEST_MAX, async {
            let client = another(access, server).await?;
            let change = change(&client, joining, leaving).await;
            // The session may have ended with the change.
            let lines = lines(&another(access, server).await?).await?;
            if is_done(&lines) { Ok(lines) } else { Err(change.err().unwrap_or("it changed nothing".into())) }
        });
        let why = match asked.await {
            Ok(Ok(lines)) => return Ok(lines),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {REQUEST_MAX:?}"),
        };
        if Instant::now() >= end {
            return Err(SystemError::Other(why));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A session of the superuser at another server.
async fn another(access: &Access, server: usize) -> Result<Client, String> {
    let mut why = "there is no other server".to_owned();
    for other in (0..access.addresses.len()).filter(|&other| other != server) {
        match access.open_as_super(other).await {
            Ok(client) => return Ok(client),
            Err(refusal) => why = refusal,
        }
    }
    Err(why)
}

async fn change(client: &Client, joining: &[&str], leaving: &[&str]) -> Result<(), String> {
    let update = EnsembleUpdate::Incremental { joinings: joining.iter().copied(), leavings: leaving.iter().copied() };
    let changed = client.update_ensemble(update, None).await;
    changed.map(drop).map_err(|error| format!("reconfig: {error}"))
}

/// The lines about servers of the configuration in force.
async fn lines(client: &Client) -> Result<Vec<String>, String> {
    let (data, _) = client.get_config().await.map_err(|error| format!("the members: {error}"))?;
    let text = String::from_utf8_lossy(&data).into_owned();
    Ok(text.lines().filter(|line| line.starts_with("server.")).map(str::to_owned).collect())
}
