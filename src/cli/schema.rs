//! `consistory schema`.

use super::{Exit, Failed};
use crate::history::formats;

pub(super) fn schema() -> Result<Exit, Failed> {
    super::print(formats::schema())?;
    Ok(Exit::Holds)
}
