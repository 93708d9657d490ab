//! A hook between fork and exec, which has no safe form.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the kernel kill the child when the thread that starts it ends.
#[expect(unsafe_code, reason = "CommandExt::pre_exec has no safe form")]
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let hook = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have died before the line above; then nobody will send the signal.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::Interrupted.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The hook makes two system
    // calls (prctl, getppid) through rustix, which are plain system calls without locks or allocation, and
    // builds errors that hold no heap memory (an OS error code, an error kind).
    unsafe {
        command.pre_exec(hook);
    }
}
