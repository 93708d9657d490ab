//! Claims below linearizable: against their definitions, the examples of the papers, and the formats they come in.

mod agreement;
mod definitions;
mod examples;
mod histories;
