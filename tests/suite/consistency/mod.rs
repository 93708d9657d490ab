//! Claims below linearizable: against their definitions, the examples of the papers, and the formats they come in.

mod agreement;
mod command;
mod compiled;
mod definitions;
mod examples;
mod formats;
mod histories;
mod large;
