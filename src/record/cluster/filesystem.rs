//! Three requests to the kernel about a mounted file system, which no safe interface offers.

use rustix::ioctl::{NoArg, Opcode, Setter, ioctl};
use std::fs::File;
use std::path::Path;

/// `FIFREEZE` of linux/fs.h.
const FREEZE: Opcode = 0xC004_5877;
/// `FITHAW` of linux/fs.h.
const THAW: Opcode = 0xC004_5878;
/// `FS_IOC_SHUTDOWN` of linux/fs.h, the same number for ext4 and xfs.
const SHUT_DOWN: Opcode = 0x8004_587D;
/// `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: nothing more is written, not even the journal.
const NOTHING_MORE: u32 = 2;

/// Writes everything out and then keeps all writers waiting, until [`thaw`].
///
/// # Errors
/// The kernel's refusal; `EBUSY` if it is frozen already.
#[expect(unsafe_code, reason = "an ioctl has no safe form")]
pub fn freeze(mount_point: &Path) -> std::io::Result<()> {
    let folder = File::open(mount_point)?;
    // SAFETY: FIFREEZE takes no argument (the kernel ignores the pointer), so no memory of ours is touched.
    unsafe { ioctl(&folder, NoArg::<FREEZE>::new()) }.map_err(Into::into)
}

/// Lets writers go on.
///
/// # Errors
/// The kernel's refusal; `EINVAL` if it is not frozen.
#[expect(unsafe_code, reason = "an ioctl has no safe form")]
pub fn thaw(mount_point: &Path) -> std::io::Result<()> {
    let folder = File::open(mount_point)?;
    // SAFETY: FITHAW takes no argument (the kernel ignores the pointer), so no memory of ours is touched.
    unsafe { ioctl(&folder, NoArg::<THAW>::new()) }.map_err(Into::into)
}

/// Cuts the file system off from its device: from now on every write fails, and what was not on the device is lost.
///
/// # Errors
/// The kernel's refusal.
#[expect(unsafe_code, reason = "an ioctl has no safe form")]
pub fn shut_down(mount_point: &Path) -> std::io::Result<()> {
    let folder = File::open(mount_point)?;
    // SAFETY: FS_IOC_SHUTDOWN reads one u32 through the pointer, which is what `Setter` passes it, alive for the call.
    unsafe { ioctl(&folder, Setter::<SHUT_DOWN, u32>::new(NOTHING_MORE)) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_frozen_or_shut_down_is_an_error() {
        // A file system without those requests: whoever asks changes nothing.
        for request in [freeze, thaw, shut_down] {
            assert!(request(Path::new("/proc")).is_err());
            assert!(request(Path::new("/no/such/folder")).is_err());
        }
    }
}
