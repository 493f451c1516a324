//! The kernel that a machine runs: one of the host's own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

use super::initramfs::Module;

const INSTALL: &str = "install one with: apt-get install linux-image-amd64 (the kernel for clouds, linux-image-cloud-amd64, has no 9p); \
     one that only the administrator may read: chmod a+r /boot/vmlinuz-*";

/// What a machine needs beside what every kernel has.
const NEEDED: [&str; 4] = ["virtio_mmio", "virtio_net", "9pnet_virtio", "9p"];

/// A kernel and what it needs.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// In the order in which they are loaded.
    pub(super) modules: Vec<Module>,
}

impl Kernel {
    /// The kernel in this file, or the newest of those that are installed and will do.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`].
    pub(super) fn find(given: Option<PathBuf>) -> Result<Self, SandboxError> {
        let candidates = match given {
            Some(image) => vec![image],
            None => installed(),
        };
        let mut unfit = Vec::new();
        for image in candidates {
            match Self::at(&image) {
                Ok(kernel) => return Ok(kernel),
                Err(error) => unfit.push(format!("{}: {error}", image.display())),
            }
        }
        let error = SandboxError::new(SandboxErrorKind::Unavailable, "find a kernel for a machine")
            .with_remedy(INSTALL);
        Err(if unfit.is_empty() {
            error.because("there is no /boot/vmlinuz-*")
        } else {
            error.because(unfit.join("; "))
        })
    }

    fn at(image: &Path) -> io::Result<Self> {
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let release = name
            .strip_prefix("vmlinuz-")
            .ok_or_else(|| io::Error::other("it is not named vmlinuz-RELEASE"))?;
        // Some hosts let nobody but the administrator read their kernel.
        fs::File::open(image)?;
        let modules = modules(&Path::new("/lib/modules").join(release))?;
        Ok(Self { release: release.to_owned(), image: image.to_owned(), modules })
    }
}

/// Kernels of this host, the newest first.
fn installed() -> Vec<PathBuf> {
    let entries = fs::read_dir("/boot").into_iter().flatten().flatten();
    let kernels = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"vmlinuz-"));
    let mut kernels: Vec<_> =
        kernels.map(|entry| (entry.metadata().and_then(|meta| meta.modified()).ok(), entry.path())).collect();
    kernels.sort();
    kernels.into_iter().rev().map(|(_, path)| path).collect()
}

fn modules(folder: &Path) -> io::Result<Vec<Module>> {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name))
            .map_err(|error| io::Error::other(format!("{}: {error}", folder.join(name).display())))
    };
    let (dependencies, builtin) = (read("modules.dep")?, read("modules.builtin").unwrap_or_default());
    let mut order = Vec::new();
    for name in NEEDED {
        match line_of(&dependencies, name) {
            // What is needed stands last in its line first.
            Some((path, needed)) => {
                let all = needed.split_ascii_whitespace().rev().chain([path]);
                let new: Vec<&str> = all.filter(|path| !order.contains(path)).collect();
                order.extend(new);
            }
            None if builtin.lines().any(|path| name_of(path) == name) => {}
            None => return Err(io::Error::other(format!("it has no {name}"))),
        }
    }
    let module =
        |path: &str| Ok(Module { bytes: fs::read(folder.join(path))?, packed: !path.ends_with(".ko") });
    order.into_iter().map(module).collect()
}

/// The path of a module and those that it needs.
fn line_of<'a>(dependencies: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    dependencies.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| name_of(path) == name)
}

fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(dependencies: &str) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().expect("a folder");
        fs::write(folder.path().join("modules.dep"), dependencies).expect("a file");
        fs::write(folder.path().join("modules.builtin"), "kernel/drivers/virtio/virtio_mmio.ko\n")
            .expect("a file");
        for name in ["ring.ko", "net-a.ko", "virtio_net.ko.xz", "9pnet.ko", "9pnet_virtio.ko", "9p.ko"] {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        folder
    }

    #[test]
    fn modules_are_loaded_after_those_that_they_need() {
        let folder = folder(
            "virtio_net.ko.xz: net-a.ko ring.ko\n9pnet_virtio.ko: 9pnet.ko ring.ko\n9p.ko: 9pnet.ko\nring.ko:\n",
        );
        let found = modules(folder.path()).expect("modules");
        let names: Vec<_> = found.iter().map(|module| String::from_utf8_lossy(&module.bytes)).collect();
        assert_eq!(
            names,
            ["ring.ko", "net-a.ko", "virtio_net.ko.xz", "9pnet.ko", "9pnet_virtio.ko", "9p.ko"]
        );
        assert_eq!(found.iter().filter(|module| module.packed).count(), 1);
    }

    #[test]
    fn a_kernel_that_lacks_something_is_refused_by_the_name_of_it() {
        let folder = folder("virtio_net.ko.xz: ring.ko\n");
        assert_eq!(modules(folder.path()).expect_err("no 9p").to_string(), "it has no 9pnet_virtio");
    }

    #[test]
    fn a_kernel_that_is_not_there_is_told_with_the_command_that_installs_one() {
        let error = Kernel::find(Some("/nowhere/vmlinuz-1".into())).expect_err("it is not there");
        assert_eq!(error.kind, SandboxErrorKind::Unavailable);
        assert!(error.remedy.expect("a remedy").contains("apt-get install linux-image-amd64"));
    }
}
