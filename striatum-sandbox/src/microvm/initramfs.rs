//! What a machine finds in its memory when it begins: the modules that its kernel lacks, and its first program.

use super::first::{Argument, Call, program};
use crate::{namespaces::root::SHIM, shim::CALL};

/// A module of the kernel.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) bytes: Vec<u8>,
    /// Whether the kernel has to unpack it.
    pub(super) packed: bool,
}

/// By which name the machine finds the host's files, to be read.
const SYSTEM: &str = "system";

/// How files of the host are read: what was read once is kept, for nothing of it changes.
const READING: &str = "trans=virtio,version=9p2000.L,cache=loose,access=client,msize=524288";

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;

/// `MODULE_INIT_COMPRESSED_FILE`.
const PACKED: u64 = 4;

/// An archive for the kernel, with a program that loads the modules, mounts the root and becomes the shim in it.
pub(super) fn pack(modules: &[Module]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.add("root", FOLDER, &[]);
    let mut calls = Vec::new();
    for (place, module) in modules.iter().enumerate() {
        let name = format!("{place}.ko");
        archive.add(&name, FILE, &module.bytes);
        let flags = if module.packed { PACKED } else { 0 };
        calls.push(call(libc::SYS_open, vec![format!("/{name}").as_str().into(), 0.into(), 0.into()]));
        calls.push(call(libc::SYS_finit_module, vec![Argument::Answer, "".into(), flags.into()]));
    }
    let arguments = [SHIM, CALL, "guest"].map(str::to_owned).to_vec();
    calls.extend([
        call(
            libc::SYS_mount,
            vec![SYSTEM.into(), "/root".into(), "9p".into(), libc::MS_RDONLY.into(), READING.into()],
        ),
        call(libc::SYS_chdir, vec!["/root".into()]),
        call(libc::SYS_mount, vec![".".into(), "/".into(), 0.into(), libc::MS_MOVE.into(), 0.into()]),
        call(libc::SYS_chroot, vec![".".into()]),
        call(libc::SYS_chdir, vec!["/".into()]),
        call(
            libc::SYS_execve,
            vec![
                SHIM.into(),
                Argument::Texts(arguments),
                Argument::Texts(vec!["PATH=/usr/bin:/bin".to_owned()]),
            ],
        ),
    ]);
    archive.add("init", PROGRAM, &program(&calls));
    archive.close()
}

fn call(number: i64, arguments: Vec<Argument>) -> Call {
    Call { number: u32::try_from(number).unwrap_or(u32::MAX), arguments }
}

/// An archive in the format "newc" of cpio.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, body: &[u8]) {
        self.entries += 1;
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields =
            [self.entries, mode, 0, 0, 1, 0, length(body.len()), 0, 0, 0, 0, length(name.len() + 1), 0];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.map(|field| format!("{field:08X}")).concat().bytes());
        self.bytes.extend(name.bytes().chain([0]));
        self.align();
        self.bytes.extend(body);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn close(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_what_was_added_at_whole_words() {
        let mut archive = Archive::default();
        archive.add("a", FILE, b"12345");
        let bytes = archive.close();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("0707010000000100008"), "{text}");
        // A header of 110 bytes and a name of two make 112, where the body begins.
        assert_eq!(bytes.get(112..117), Some(&b"12345"[..]));
        assert!(text.contains("TRAILER!!!"));
    }
}
