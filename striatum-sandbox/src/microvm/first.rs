//! The first program of a machine: system calls in a row.
//!
//! Before there is a root there is no loader and no library, so the first program has to bring everything along. What it has to do is
//! so little (load modules, mount the root, become the shim that lies there) that it needs no branch but one: a call that fails ends
//! it, with the number of the call as its status, which the kernel then tells on the console.

/// Where the program lies in memory.
const BASE: u64 = 0x40_0000;
/// The headers of the file and of its one segment.
const HEADERS: u64 = 64 + 56;

/// `exit`, on x86-64.
const EXIT: u32 = 60;

/// A system call of x86-64.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) arguments: Vec<Argument>,
}

/// What a call is given.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Number(u64),
    /// The address of a text.
    Text(String),
    /// The address of a list of texts.
    Texts(Vec<String>),
    /// What the call before has answered.
    Answer,
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A program that makes these calls, as a file in the executable and linkable format.
pub(super) fn program(calls: &[Call]) -> Vec<u8> {
    // The code's length does not depend on the addresses in it.
    let length = code(calls, &mut Data::at(0)).len();
    let mut data = Data::at(BASE + HEADERS + number(length));
    let code = code(calls, &mut data);
    let size = HEADERS + number(code.len() + data.bytes.len());

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    // An executable for x86-64, version 1.
    file.extend([2_u16, 62].into_iter().flat_map(u16::to_le_bytes));
    file.extend(1_u32.to_le_bytes());
    // Where it begins; the header of the segment behind this one; no sections.
    file.extend([BASE + HEADERS, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    // To be loaded, readable and executable, as a whole.
    file.extend([1_u32, 5].into_iter().flat_map(u32::to_le_bytes));
    file.extend([0, BASE, BASE, size, size, 0x1000].into_iter().flat_map(u64::to_le_bytes));
    file.extend(code);
    file.extend(data.bytes);
    file
}

fn code(calls: &[Call], data: &mut Data) -> Vec<u8> {
    // mov into rdi, rsi, rdx, r10 and r8.
    const MOVES: [[u8; 2]; 5] = [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8]];
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for (step, call) in (1_u32..).zip(calls) {
        // mov ebx, step
        let mut block = vec![0xbb];
        block.extend(step.to_le_bytes());
        for (order, argument) in MOVES.iter().zip(&call.arguments) {
            let value = match argument {
                Argument::Answer => {
                    // mov rdi, rax: only ever the first.
                    block.extend([0x48, 0x89, 0xc7]);
                    continue;
                }
                Argument::Number(number) => *number,
                Argument::Text(text) => data.text(text),
                Argument::Texts(texts) => data.texts(texts),
            };
            block.extend(order);
            block.extend(value.to_le_bytes());
        }
        // mov eax, number; syscall; test rax, rax; js to the end
        block.push(0xb8);
        block.extend(call.number.to_le_bytes());
        block.extend([0x0f, 0x05, 0x48, 0x85, 0xc0, 0x0f, 0x88]);
        blocks.push(block);
    }
    // mov edi, ebx; mov eax, exit; syscall
    let mut end = vec![0x89, 0xdf, 0xb8];
    end.extend(EXIT.to_le_bytes());
    end.extend([0x0f, 0x05]);
    let mut left: usize = blocks.iter().map(|block| block.len() + 4).sum();
    let mut code = Vec::new();
    for block in blocks {
        left -= block.len() + 4;
        code.extend(block);
        code.extend(u32::try_from(left).unwrap_or_default().to_le_bytes());
    }
    code.extend(end);
    code
}

/// What the code refers to, behind it.
struct Data {
    address: u64,
    bytes: Vec<u8>,
}

impl Data {
    fn at(address: u64) -> Self {
        Self { address, bytes: Vec::new() }
    }

    fn put(&mut self, bytes: impl IntoIterator<Item = u8>) -> u64 {
        let place = self.address + number(self.bytes.len());
        self.bytes.extend(bytes);
        place
    }

    fn text(&mut self, text: &str) -> u64 {
        self.put(text.bytes().chain([0]))
    }

    fn texts(&mut self, texts: &[String]) -> u64 {
        let addresses: Vec<u64> = texts.iter().map(|text| self.text(text)).chain([0]).collect();
        self.put(addresses.into_iter().flat_map(u64::to_le_bytes))
    }
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    /// What becomes of the calls when this host makes them.
    fn run(calls: &[Call]) -> std::process::Output {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("first");
        fs::write(&path, program(calls)).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        loop {
            match Command::new(&path).output() {
                // Another test has just become a process of its own, and holds for a moment what was open here.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                said => return said.expect("it runs"),
            }
        }
    }

    fn call(number: i64, arguments: impl IntoIterator<Item = Argument>) -> Call {
        Call { number: u32::try_from(number).expect("a number"), arguments: arguments.into_iter().collect() }
    }

    #[test]
    fn calls_are_made_in_order_until_the_program_is_another() {
        let texts = ["sh", "-c", "echo \"$0 $A\"; exit 7", "said"].map(str::to_owned).to_vec();
        let said = run(&[
            call(libc::SYS_chdir, ["/usr".into()]),
            call(libc::SYS_open, ["/usr".into(), 0.into(), 0.into()]),
            call(libc::SYS_fchdir, [Argument::Answer]),
            call(
                libc::SYS_execve,
                ["/bin/sh".into(), Argument::Texts(texts), Argument::Texts(vec!["A=b c".to_owned()])],
            ),
        ]);
        assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(7), &b"said b c\n"[..]));
    }

    #[test]
    fn a_call_that_fails_is_told_by_its_number() {
        let wrong = [
            call(libc::SYS_chdir, ["/usr".into()]),
            call(libc::SYS_chdir, ["/nowhere".into()]),
            call(libc::SYS_exit, [99.into()]),
        ];
        assert_eq!(run(&wrong).status.code(), Some(2));
    }
}
