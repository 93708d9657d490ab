//! TLS settings of a session, in builds with the cargo feature `zookeeper-tls`.

use crate::record::system::{SystemError, Tls};
use std::path::Path;
use zookeeper_client::TlsOptions;

/// The library's form of the settings.
///
/// # Errors
/// When a file cannot be read, when there are no certificates to trust (the library does not know the
/// system's own), and when any certificate should be accepted, which the library cannot do.
pub(super) fn options(tls: &Tls) -> Result<TlsOptions, SystemError> {
    if tls.insecure {
        return Err(SystemError::Other("TLS to ZooKeeper cannot accept any certificate: give the one to trust".into()));
    }
    let Some(ca) = &tls.ca else {
        return Err(SystemError::Other("TLS to ZooKeeper needs a file with the certificates to trust".into()));
    };
    let refused = |error: zookeeper_client::Error| SystemError::Other(format!("TLS to ZooKeeper: {error}"));
    let options = TlsOptions::new().with_pem_ca(&text(ca)?).map_err(refused)?;
    match (&tls.certificate, &tls.key) {
        (None, None) => Ok(options),
        (Some(certificate), Some(key)) => options.with_pem_identity(&text(certificate)?, &text(key)?).map_err(refused),
        _ => Err(SystemError::Other("a client certificate and its key belong together: give both".into())),
    }
}

fn text(file: &Path) -> Result<String, SystemError> {
    std::fs::read_to_string(file).map_err(SystemError::io(format!("reading {}", file.display())))
}
