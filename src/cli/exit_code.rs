//! The only place that chooses an exit status. The codes are stable; scripts rely on them.

use crate::check::verdict::{Finding, Verdict};
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// No claim is violated, thresholds are met.
    Holds,
    /// A claim is violated.
    Violated,
    /// The budget ended first.
    Undecided,
    /// Claims hold, but a threshold is broken.
    Thresholds,
    /// Too little was tested to say anything good.
    Vacuous,
    /// The environment failed: a system could not be started, reached or healed, or a file not be read.
    Environment,
    /// The command line is wrong.
    Usage,
    /// A defect of this program.
    Internal,
    /// Interrupted; what was recorded is kept.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Holds,
        Self::Violated,
        Self::Undecided,
        Self::Thresholds,
        Self::Vacuous,
        Self::Environment,
        Self::Usage,
        Self::Internal,
        Self::Interrupted,
    ];

    /// The status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Violated => 1,
            Self::Undecided => 2,
            Self::Thresholds => 3,
            Self::Vacuous => 4,
            Self::Environment => 5,
            Self::Usage => 64,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Holds => "no claim violated, thresholds met",
            Self::Violated => "a claim is violated; a counterexample was shown",
            Self::Undecided => "undecided within the budget",
            Self::Thresholds => "only thresholds broken (latency, availability)",
            Self::Vacuous => "vacuous: too few operations, or a fault without effect",
            Self::Environment => "environment: could not start, reach or heal a system, or read a file",
            Self::Usage => "wrong usage",
            Self::Internal => "internal error: a defect of consistory",
            Self::Interrupted => "interrupted; the history is kept",
        }
    }

    /// The verdict of findings together: the worst wins.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        findings
            .iter()
            .map(|finding| match finding.verdict {
                Verdict::Holds(_) => Self::Holds,
                Verdict::Violated(_) => Self::Violated,
                Verdict::Undecided(_) => Self::Undecided,
            })
            .fold(Self::Holds, Self::worse)
    }

    /// The worse of two: violated, then usage, environment, vacuous, undecided, thresholds, holds: nothing that went
    /// wrong elsewhere hides a violation. Only internal errors and interrupts outweigh it.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Thresholds => 1,
            Self::Undecided => 2,
            Self::Vacuous => 3,
            Self::Environment => 4,
            Self::Usage => 5,
            Self::Violated => 6,
            Self::Interrupted => 7,
            Self::Internal => 8,
        }
    }

    /// The word of a verdict in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Undecided => "undecided",
            Self::Thresholds => "thresholds",
            Self::Vacuous => "vacuous",
            Self::Environment => "environment",
            Self::Usage => "usage",
            Self::Internal => "internal",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of codes for `--help` and the man page.
#[must_use]
pub fn help() -> String {
    let rows: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning())).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn nothing_but_a_defect_or_an_interrupt_hides_a_violation() {
        let order = [
            Exit::Holds,
            Exit::Thresholds,
            Exit::Undecided,
            Exit::Vacuous,
            Exit::Environment,
            Exit::Usage,
            Exit::Violated,
            Exit::Interrupted,
            Exit::Internal,
        ];
        for (better, worse) in order.iter().zip(&order[1..]) {
            assert_eq!(better.worse(*worse), *worse);
            assert_eq!(worse.worse(*better), *worse);
        }
        assert_eq!(order.len(), Exit::ALL.len());
    }
}
