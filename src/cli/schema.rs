//! `consistory schema`.

use super::{Exit, Failed};


pub(super) fn schema() -> Result<Exit, Failed> {
    super::print("")?;
    Ok(Exit::Holds)
}
