//! The wall clock of one process, put wrong while it runs.
//!
//! Programs ask for the time through code that the kernel maps into each of them (the vDSO, vdso(7)). In the process
//! concerned, the first five bytes of its functions become jumps to code behind its last section that makes the real
//! system call and adds an offset to what comes back for `CLOCK_REALTIME`. Monotonic clocks stay right, and so does every
//! other process: the pages are copied when they are written to. Works for C, Go and Java alike; not for who makes the
//! system call himself, and only for x86-64.
//!
//! The process is stopped for the few milliseconds of the change, and no thread is in the code that changes. The original
//! bytes are those of consistory's own vDSO, which is the same.

use super::process;
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The functions, with the number of the system call of each.
const FUNCTIONS: [(&str, u32); 3] = [("__vdso_clock_gettime", 228), ("__vdso_gettimeofday", 96), ("__vdso_time", 201)];
/// Bytes of a jump.
const JUMP: usize = 5;
/// Bytes behind the last section that are needed: the offset, and code for each function.
const ROOM: usize = OFFSET_BYTES + FUNCTIONS.len() * CODE_BYTES;
/// Seconds, nanoseconds, microseconds.
const OFFSET_BYTES: usize = 32;
const CODE_BYTES: usize = 96;
/// How often is tried to stop a process outside of the code that changes.
const TRIES: usize = 200;
const STOP_MAX: Duration = Duration::from_secs(5);

/// The vDSO, as every process of this machine gets it.
pub(super) struct Vdso {
    image: Vec<u8>,
    /// Where the added code goes.
    free: usize,
    /// Where the functions begin that there are, each with its system call.
    functions: Vec<(usize, u32)>,
}

/// What keeps this machine from putting clocks wrong, in words; `None` if nothing does.
pub(super) fn missing_means() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the code for it is for x86-64 only".into());
    }
    Vdso::own().err()
}

impl Vdso {
    /// That of this process.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub(super) fn own() -> Result<Self, String> {
        let pid = std::process::id();
        let (base, length) = place(pid)?;
        let mut image = vec![0; length];
        memory(pid, false)?.read_exact_at(&mut image, base).map_err(|error| format!("reading the vDSO: {error}"))?;
        Self::of(image)
    }

    fn of(image: Vec<u8>) -> Result<Self, String> {
        let elf = Elf(&image);
        let (symbols, end) = elf.symbols().ok_or("the vDSO is not as it is known to be")?;
        let functions: Vec<_> = FUNCTIONS
            .iter()
            .filter_map(|(name, call)| symbols.iter().find(|(found, _)| found == name).map(|(_, at)| (*at, *call)))
            .collect();
        if functions.first().is_none_or(|(_, call)| *call != FUNCTIONS[0].1) {
            return Err("the vDSO has no clock_gettime".into());
        }
        let free = end.next_multiple_of(64);
        let is_free = image.get(free..free + ROOM).is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0));
        if is_free { Ok(Self { image, free, functions }) } else { Err("the vDSO has no room for it".into()) }
    }

    /// The bytes that put the clock wrong by so many nanoseconds, with their places, the jumps last.
    fn patches(&self, offset_ns: i64) -> Vec<(usize, Vec<u8>)> {
        let (seconds, nanoseconds) = (offset_ns.div_euclid(1_000_000_000), offset_ns.rem_euclid(1_000_000_000));
        let offset = [seconds, nanoseconds, nanoseconds / 1_000, 0].map(i64::to_le_bytes).concat();
        let mut patches = vec![(self.free, offset)];
        let mut jumps = Vec::new();
        for (number, &(function, call)) in self.functions.iter().enumerate() {
            let at = self.free + OFFSET_BYTES + number * CODE_BYTES;
            patches.push((at, code(call, at, self.free)));
            let distance = distance(function + JUMP, at);
            jumps.push((function, [&[0xe9][..], &distance].concat()));
        }
        patches.extend(jumps);
        patches
    }

    /// Puts the wall clock of a process wrong by so many nanoseconds, and reads back that it is.
    ///
    /// # Errors
    /// Why that is not possible, in words; the clock is right then, unless it says otherwise.
    pub(super) fn put_wrong(&self, pid: u32, offset_ns: i64) -> Result<(), String> {
        if !self.is_right(pid)? {
            return Err(format!("the clock of process {pid} is not as the kernel made it"));
        }
        self.change(pid, &self.patches(offset_ns))
    }

    /// Puts it right again, and reads back that it is; whether it was wrong.
    ///
    /// # Errors
    /// Why that is not possible, in words.
    pub(super) fn put_right(&self, pid: u32) -> Result<bool, String> {
        if self.is_right(pid)? {
            return Ok(false);
        }
        let original = |(at, bytes): (usize, Vec<u8>)| (at, self.image[at..at + bytes.len()].to_vec());
        // The jumps first: what they lead to is nobody's way any more then.
        let patches: Vec<_> = self.patches(0).into_iter().rev().map(original).collect();
        self.change(pid, &patches)?;
        if self.is_right(pid)? { Ok(true) } else { Err(format!("the clock of process {pid} is not as it was")) }
    }

    fn is_right(&self, pid: u32) -> Result<bool, String> {
        let (base, length) = place(pid)?;
        let mut image = vec![0; length];
        let read = memory(pid, false)?.read_exact_at(&mut image, base);
        read.map_err(|error| format!("reading process {pid}: {error}"))?;
        Ok(image == self.image)
    }

    fn change(&self, pid: u32, patches: &[(usize, Vec<u8>)]) -> Result<(), String> {
        let (base, _) = place(pid)?;
        let memory = memory(pid, true)?;
        stopped(pid, || {
            if !self.is_elsewhere(pid, base)? {
                return Ok(false);
            }
            for (at, bytes) in patches {
                let mut back = vec![0; bytes.len()];
                let written = memory.write_all_at(bytes, base + *at as u64);
                let read = written.and_then(|()| memory.read_exact_at(&mut back, base + *at as u64));
                read.map_err(|error| format!("writing to process {pid}: {error}"))?;
                if back != *bytes {
                    return Err(format!("process {pid} does not keep what is written to it"));
                }
            }
            Ok(true)
        })
    }

    /// Whether no thread of a stopped process is in the code that changes.
    fn is_elsewhere(&self, pid: u32, base: u64) -> Result<bool, String> {
        for thread in threads(pid)? {
            // A thread that stands ends its line with its stack pointer and its place.
            let line = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall"));
            let line = line.map_err(|error| format!("looking where thread {thread} is: {error}"))?;
            let place = line.split_whitespace().last().and_then(|word| word.strip_prefix("0x"));
            let Some(place) = place.and_then(|word| u64::from_str_radix(word, 16).ok()) else { return Ok(false) };
            let Some(inside) = place.checked_sub(base).and_then(|inside| usize::try_from(inside).ok()) else {
                continue;
            };
            let in_jump = self.functions.iter().any(|(function, _)| (function + 1..function + JUMP).contains(&inside));
            if in_jump || (self.free..self.free + ROOM).contains(&inside) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Does something while a process is stopped; again and again until it answers that it has.
fn stopped(pid: u32, act: impl Fn() -> Result<bool, String>) -> Result<(), String> {
    // Another fault may have stopped it.
    let is_ours = process::state(pid) != Some('T');
    for _ in 0..TRIES {
        if is_ours {
            process::signal(pid, Signal::STOP)?;
            let _ = process::until(pid, STOP_MAX, |state| state == Some('T'));
        }
        let done = act();
        if is_ours {
            process::signal(pid, Signal::CONT)?;
        }
        if done? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("a thread of process {pid} is always just asking for the time"))
}

fn threads(pid: u32) -> Result<Vec<String>, String> {
    let listed = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| format!("process {pid}: {error}"))?;
    Ok(listed.flatten().map(|thread| thread.file_name().to_string_lossy().into_owned()).collect())
}

fn memory(pid: u32, writes: bool) -> Result<File, String> {
    let opened = File::options().read(true).write(writes).open(format!("/proc/{pid}/mem"));
    opened.map_err(|error| format!("the memory of process {pid}: {error}"))
}

/// Where the vDSO of a process begins, and how many bytes it has.
fn place(pid: u32) -> Result<(u64, usize), String> {
    let maps =
        std::fs::read_to_string(format!("/proc/{pid}/maps")).map_err(|error| format!("process {pid}: {error}"))?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"));
    let range = line.and_then(|line| line.split(' ').next()).and_then(|range| range.split_once('-'));
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let found = range.and_then(|(start, end)| Some((number(start)?, number(end)?)));
    let found = found.and_then(|(start, end)| Some((start, usize::try_from(end.checked_sub(start)?).ok()?)));
    found.ok_or_else(|| format!("process {pid} has no vDSO"))
}

/// The four bytes of a distance from the end of an instruction.
fn distance(from: usize, to: usize) -> [u8; 4] {
    let apart = i64::try_from(to).unwrap_or(0) - i64::try_from(from).unwrap_or(0);
    i32::try_from(apart).expect("a vDSO has a few pages").to_le_bytes()
}

/// Code at place `at` that makes that system call and adds the offset at place `offset`.
fn code(call: u32, at: usize, offset: usize) -> Vec<u8> {
    let mut code = vec![0xb8]; // mov eax, call
    code.extend(call.to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    // An instruction of three bytes with a distance to a field of the offset.
    let from = |code: &mut Vec<u8>, opcode: [u8; 3], field: usize| {
        let distance = distance(at + code.len() + opcode.len() + 4, offset + field);
        code.extend(opcode);
        code.extend(distance);
    };
    if call == FUNCTIONS[2].1 {
        from(&mut code, [0x48, 0x03, 0x05], 0); // add rax, [seconds]
        code.extend([0x48, 0x85, 0xff, 0x74, 0x03]); // test rdi, rdi; jz over the next
        code.extend([0x48, 0x89, 0x07, 0xc3]); // mov [rdi], rax; ret
        return code;
    }
    let is_fine = call == FUNCTIONS[0].1;
    if is_fine {
        code.extend([0x85, 0xff, 0x74, 0x06]); // test edi, edi; jz over both of the next: CLOCK_REALTIME
        code.extend([0x83, 0xff, 0x05, 0x74, 0x01, 0xc3]); // cmp edi, 5; je over ret: CLOCK_REALTIME_COARSE; ret
    }
    let (pointer, field, unit) = if is_fine { (0x06, 8, 1_000_000_000_u32) } else { (0x07, 16, 1_000_000) };
    // The pointer is in rsi (ModRM 0x?6) for clock_gettime and in rdi (0x?7) for gettimeofday.
    code.extend([0x48, 0x85, if is_fine { 0xf6 } else { 0xff }, 0x75, 0x01, 0xc3]); // test ptr, ptr; jnz over ret; ret
    from(&mut code, [0x48, 0x8b, 0x0d], 0); // mov rcx, [seconds]
    code.extend([0x48, 0x01, 0x08 | pointer]); // add [ptr], rcx
    from(&mut code, [0x48, 0x8b, 0x0d], field); // mov rcx, [fraction]
    code.extend([0x48, 0x03, 0x48 | pointer, 0x08]); // add rcx, [ptr + 8]
    code.extend([0x48, 0x81, 0xf9]); // cmp rcx, unit
    code.extend(unit.to_le_bytes());
    code.extend([0x7c, 0x0a, 0x48, 0x81, 0xe9]); // jl over both of the next; sub rcx, unit
    code.extend(unit.to_le_bytes());
    code.extend([0x48, 0xff, pointer]); // inc qword [ptr]
    code.extend([0x48, 0x89, 0x48 | pointer, 0x08, 0xc3]); // mov [ptr + 8], rcx; ret
    code
}

/// A shared object of 64 bits in memory.
struct Elf<'i>(&'i [u8]);

impl Elf<'_> {
    fn number(&self, at: usize, bytes: usize) -> Option<usize> {
        let bytes = self.0.get(at..at.checked_add(bytes)?)?;
        let number = bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        usize::try_from(number).ok()
    }

    /// The dynamic symbols with their places, and where the last section or table ends.
    fn symbols(&self) -> Option<(Vec<(String, usize)>, usize)> {
        const DYNAMIC_SYMBOLS: usize = 11;
        const NO_BITS: usize = 8;
        let (table, size, count) = (self.number(0x28, 8)?, self.number(0x3a, 2)?, self.number(0x3c, 2)?);
        let section = |number: usize| {
            let at = table + number * size;
            // Its kind, its place, its length, and the section of its names.
            Some((
                self.number(at + 4, 4)?,
                self.number(at + 24, 8)?,
                self.number(at + 32, 8)?,
                self.number(at + 40, 4)?,
            ))
        };
        let sections = (0..count).map(section).collect::<Option<Vec<_>>>()?;
        let end = sections.iter().filter(|(kind, ..)| *kind != NO_BITS).map(|(_, at, length, _)| at + length).max()?;
        let &(_, at, length, names) = sections.iter().find(|(kind, ..)| *kind == DYNAMIC_SYMBOLS)?;
        let &(_, names, ..) = sections.get(names)?;
        let symbol = |at: usize| {
            let name = self.0.get(names + self.number(at, 4)?..)?;
            let name = name.split(|&byte| byte == 0).next()?;
            Some((String::from_utf8_lossy(name).into_owned(), self.number(at + 8, 8)?))
        };
        let symbols = (at..at + length).step_by(24).map(symbol).collect::<Option<Vec<_>>>()?;
        Some((symbols, end.max(table + count * size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_lands_on_its_code_and_the_code_reads_its_offset() {
        assert_eq!(distance(105, 200), 95_i32.to_le_bytes());
        assert_eq!(distance(200, 100), (-100_i32).to_le_bytes());
        // add rax, [seconds] ends 14 bytes behind the start at 1000, and the offset is at 900.
        let code = code(201, 1000, 900);
        assert_eq!(code[..7], [0xb8, 201, 0, 0, 0, 0x0f, 0x05]);
        assert_eq!(code[10..14], (-114_i32).to_le_bytes());
        for (_, call) in FUNCTIONS {
            assert!(super::code(call, 1000, 900).len() <= CODE_BYTES);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn an_offset_before_now_has_a_fraction_that_is_not_negative() {
        let vdso = Vdso { image: vec![0; 4096], free: 1024, functions: vec![(64, 228)] };
        let (at, offset) = vdso.patches(-1).remove(0);
        assert_eq!(at, 1024);
        assert_eq!(offset[..16], [(-1_i64).to_le_bytes(), 999_999_999_i64.to_le_bytes()].concat());
    }

    #[test]
    fn what_is_no_vdso_is_refused() {
        assert!(Vdso::of(Vec::new()).is_err());
        assert!(Vdso::of(vec![0x7f; 8192]).is_err());
        assert!(place(u32::MAX).is_err());
    }
}
