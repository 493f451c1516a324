//! Kernels, unpacked: a machine that is emulated takes longer to unpack its kernel than for everything else together.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::kernel::Kernel;
use crate::process::is_left;

/// What the names of files begin with that are not whole yet; the number of the program follows.
const DRAFT: &str = ".vmlinux-";

/// A draft that is younger may be that of a program whose number means something elsewhere.
const ABANDONED: Duration = Duration::from_secs(60);

/// The unpacked image of a kernel, kept in this folder; the image as it is, where it is packed in a way that is not known here.
pub(super) fn image(kernel: &Kernel, cache: &Path) -> io::Result<PathBuf> {
    let meta = fs::metadata(&kernel.image)?;
    let name = format!("vmlinux-{}-{}-{}.{}", kernel.release, meta.size(), meta.mtime(), meta.mtime_nsec());
    let kept = cache.join(name);
    if kept.is_file() {
        return Ok(kept);
    }
    let Some(unpacked) = unpack(&fs::read(&kernel.image)?)? else { return Ok(kernel.image.clone()) };
    fs::create_dir_all(cache)?;
    sweep(cache, ABANDONED);
    // Others may do the same at the same time: what counts is that the name only ever leads to a whole one.
    let (draft, mut file) = draft(cache)?;
    let written = file.write_all(&unpacked).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&draft, &kept)) {
        let _left = fs::remove_file(&draft);
        return Err(error);
    }
    Ok(kept)
}

/// Removes what programs left that were killed while they wrote. That something cannot be removed is no reason not to write.
fn sweep(cache: &Path, age: Duration) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let is_left = entry.file_name().to_str().is_some_and(|name| is_left(name, DRAFT));
        let modified = entry.metadata().and_then(|meta| meta.modified());
        let is_old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed >= age));
        if is_old && is_left {
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// A new file that nobody else writes to.
fn draft(cache: &Path) -> io::Result<(PathBuf, File)> {
    for number in 0..1000_u32 {
        let path = cache.join(format!("{DRAFT}{}-{number}", std::process::id()));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((path, made?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What is packed in an image for PCs; nothing if it is no such image, or packed in another way, or cannot be begun directly.
fn unpack(image: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let Some(payload) = payload(image) else { return Ok(None) };
    if !payload.starts_with(b"\xfd7zXZ\0") {
        return Ok(None);
    }
    let mut unpacked = Vec::new();
    // Behind the packed kernel stands its length, which belongs to no stream.
    lzma_rust2::XzReader::new(payload, false).read_to_end(&mut unpacked)?;
    Ok(can_be_begun(&unpacked).then_some(unpacked))
}

/// Where the boot protocol says that the packed kernel lies.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    // Zero sectors mean four, and the first sector is not counted.
    let sectors = match usize::from(*image.get(0x1f1)?) {
        0 => 4,
        sectors => sectors,
    };
    let begin = (sectors + 1) * 512 + word(0x248)?;
    image.get(begin..begin.checked_add(word(0x24c)?)?)
}

/// Whether an unpacked kernel has the note that tells a hypervisor where to begin.
fn can_be_begun(kernel: &[u8]) -> bool {
    // A length of four for "Xen", a length of four or eight, and XEN_ELFNOTE_PHYS32_ENTRY.
    let heads = [4_u32, 8].map(|length| [4, length, 18].map(u32::to_le_bytes).concat());
    let begins = |seen: &[u8]| heads.iter().any(|head| seen.starts_with(head)) && seen.ends_with(b"Xen\0");
    notes(kernel).is_some_and(|notes| notes.windows(16).any(begins))
}

/// The notes in a file of the executable and linkable format.
fn notes(file: &[u8]) -> Option<&[u8]> {
    const PT_NOTE: &[u8] = &[4, 0, 0, 0];
    let word = |at: usize| {
        let bytes = file.get(at..at.checked_add(8)?)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    if !file.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let headers = file.get(word(32)?..)?.chunks_exact(56).take(usize::from(*file.get(56)?));
    let at = headers.enumerate().find(|(_, header)| header.starts_with(PT_NOTE))?.0 * 56 + word(32)?;
    let begin = word(at + 8)?;
    file.get(begin..begin.checked_add(word(at + 32)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_kernel_is_left_as_it_is() {
        for image in [&b""[..], b"MZ", &[0; 4096]] {
            assert_eq!(unpack(image).expect("nothing to read"), None);
        }
        let mut image = vec![0; 4096];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(payload(&image), None, "it ends before its payload does");
        image[0x24c..0x250].copy_from_slice(&6_u32.to_le_bytes());
        image[2560..2566].copy_from_slice(b"\xfd7zXZ\0");
        unpack(&image).expect_err("its payload is cut");
    }

    #[test]
    fn what_a_killed_program_was_writing_is_removed() {
        let cache = tempfile::TempDir::new().expect("a folder");
        let (me, gone) = (std::process::id(), u32::MAX);
        let names = [format!("{DRAFT}{gone}-0"), format!("{DRAFT}{me}-0"), "vmlinux-6.1-1-1.1".to_owned()];
        for name in &names {
            fs::write(cache.path().join(name), "").expect("a file");
        }
        let there = || names.each_ref().map(|name| cache.path().join(name).exists());
        sweep(cache.path(), ABANDONED);
        assert_eq!(there(), [true, true, true], "it is too young");
        sweep(cache.path(), Duration::ZERO);
        assert_eq!(there(), [false, true, true]);
    }

    #[test]
    fn a_kernel_is_begun_directly_if_it_says_where() {
        let mut kernel = vec![0; 512];
        kernel[..5].copy_from_slice(b"\x7fELF\x02");
        kernel[32] = 64;
        kernel[56] = 2;
        // The second header is that of the notes, which lie at 256 and have 48 bytes.
        kernel[120] = 4;
        kernel[129] = 1;
        kernel[152] = 48;
        assert!(!can_be_begun(&kernel));
        kernel[272..288].copy_from_slice(b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0");
        assert!(can_be_begun(&kernel));
        assert!(!can_be_begun(b"\x7fELF"));
    }
}
