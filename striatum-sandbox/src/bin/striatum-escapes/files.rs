//! Files of the host.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::{
    lures::Lures,
    raw::{at, call, enter_new, number, only_if, text, unless_refused},
    run::{
        Attempt,
        Real::{Always, Host, Root},
    },
};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("read a file", Always, |lures| reads(lures, &lures.file())),
    Attempt::new("change a file", Always, |lures| opens_to_write(&lures.file())),
    Attempt::new("make a file beside it", Always, |lures| makes(&lures.folder.join("made"))),
    Attempt::new("delete a file", Always, |lures| {
        let victim = lures.folder.join("sacrifice");
        fs::metadata(&victim)?;
        fs::remove_file(&victim)?;
        fs::write(victim, "")
    }),
    Attempt::new("list a folder", Always, |lures| fs::read_dir(&lures.folder).map(drop)),
    Attempt::new("see that a file is there", Always, |lures| fs::symlink_metadata(lures.file()).map(drop)),
    Attempt::new("take the rights of a file", Always, |lures| {
        fs::set_permissions(lures.folder.join("sacrifice"), fs::Permissions::from_mode(0o600))
    }),
    Attempt::new("cut a file", Always, |lures| {
        let path = text(lures.folder.join("sacrifice"));
        call(libc::SYS_truncate, [at(&path), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("watch a folder", Always, |lures| {
        let watch = number(i32::try_from(call(libc::SYS_inotify_init1, [0; 6])?).unwrap_or(-1));
        let path = text(&lures.folder);
        call(libc::SYS_inotify_add_watch, [watch, at(&path), libc::IN_MODIFY as usize, 0, 0, 0]).map(drop)
    }),
    Attempt::new("run a program of the host", Always, |lures| {
        let ended = Command::new(lures.folder.join("script")).status()?;
        only_if(ended.success(), "it failed")
    }),
    Attempt::new("read through a symbolic link", Always, |lures| {
        through(lures, "link", |to| symlink(lures.file(), to))
    }),
    Attempt::new("read through a hard link", Always, |lures| {
        through(lures, "hard", |to| fs::hard_link(lures.file(), to))
    }),
    Attempt::new("read through a linked folder", Always, |lures| {
        let link = Path::new("folder");
        let _absent = fs::remove_file(link);
        symlink(&lures.folder, link)?;
        reads(lures, &link.join("secret"))
    }),
    Attempt::new("move a file here", Always, |lures| {
        let (from, to) = (lures.folder.join("sacrifice"), Path::new("moved"));
        fs::rename(&from, to)?;
        fs::rename(to, from)
    }),
    Attempt::new("climb out of the work tree", Always, |lures| {
        let here = std::env::current_dir()?;
        let up: String = here.components().map(|_| "../").collect();
        reads(lures, Path::new(&format!("{up}{}", lures.file().display())))
    }),
    Attempt::new("go by its own root", Always, |lures| by_proc(lures, "/proc/self/root")),
    Attempt::new("go by the root of another process", Always, |lures| {
        by_proc(lures, &format!("/proc/{}/root", lures.victim))
    }),
    Attempt::new("go by the root of its parent", Always, |lures| {
        by_proc(lures, &format!("/proc/{}/root", std::os::unix::process::parent_id()))
    }),
    Attempt::new("go by the root of the first process", Host, |lures| by_proc(lures, "/proc/1/root")),
    Attempt::new("take a descriptor of another process by its path", Always, |lures| {
        reads(lures, Path::new(&format!("/proc/{}/fd/{}", lures.victim, lures.descriptor)))
    }),
    Attempt::new("find a descriptor that was left open", Always, |lures| {
        let found =
            (3..1024).any(|fd| reads(lures, Path::new(&format!("/proc/self/fd/{fd}/secret"))).is_ok());
        only_if(found, "there is none")
    }),
    Attempt::new("find a descriptor in its parent", Always, |lures| {
        let parent = std::os::unix::process::parent_id();
        let found =
            (0..1024).any(|fd| reads(lures, Path::new(&format!("/proc/{parent}/fd/{fd}/secret"))).is_ok());
        only_if(found, "there is none")
    }),
    Attempt::new("open a file by its handle", Root, |lures| {
        // A handle of eight bytes, which is how file systems name an inode; that it names nothing is told only to the allowed.
        let _ = lures;
        let mut handle = [8_u32, 1, 0, 0];
        let folder = File::open(".")?;
        let descriptor = number(std::os::fd::AsRawFd::as_raw_fd(&folder));
        unless_refused(call(
            libc::SYS_open_by_handle_at,
            [descriptor, handle.as_mut_ptr().addr(), 0, 0, 0, 0],
        ))
    }),
    Attempt::new("make a file in /usr", Root, |_| makes(Path::new("/usr/striatum-escape"))),
    Attempt::new("make a file in /etc", Root, |_| makes(Path::new("/etc/striatum-escape"))),
    Attempt::new("make a file in the root", Root, |_| makes(Path::new("/striatum-escape"))),
    Attempt::new("read the host's passwords", Root, |_| fs::read("/etc/shadow").map(drop)),
    Attempt::new("make a device", Root, |_| {
        let path = text("device");
        call(
            libc::SYS_mknodat,
            [number(libc::AT_FDCWD), at(&path), (libc::S_IFBLK | 0o600) as usize, 0x800, 0, 0],
        )?;
        fs::remove_file("device")
    }),
    Attempt::new("write to the kernel's log", Host, |_| opens_to_write(Path::new("/dev/kmsg"))),
    Attempt::new("read the kernel's memory", Host, |_| File::open("/dev/mem").map(drop)),
    Attempt::new("look at the host's devices", Always, |_| {
        only_if(fs::read_dir("/sys")?.next().is_some(), "it is empty")
    }),
    Attempt::new("set where core dumps go", Root, |_| {
        opens_to_write(Path::new("/proc/sys/kernel/core_pattern"))
    }),
    Attempt::new("set who handles modules", Host, |_| opens_to_write(Path::new("/proc/sys/kernel/modprobe"))),
    Attempt::new("press a system key", Host, |_| opens_to_write(Path::new("/proc/sysrq-trigger"))),
    Attempt::new("mount a file system", Always, |_| {
        enter_new(libc::CLONE_NEWNS)?;
        mount("none", Path::new("/tmp"), "tmpfs", 0)
    }),
    Attempt::new("mount a folder of the host here", Always, |lures| {
        enter_new(libc::CLONE_NEWNS)?;
        fs::create_dir_all("mounted")?;
        mount(&lures.folder.to_string_lossy(), Path::new("mounted"), "none", libc::MS_BIND)?;
        reads(lures, Path::new("mounted/secret"))
    }),
    Attempt::new("mount what is read-only once more to be written", Root, |_| {
        enter_new(libc::CLONE_NEWNS)?;
        mount("none", Path::new("/"), "none", libc::MS_REMOUNT | libc::MS_BIND)
    }),
    Attempt::new("unmount what covers something", Root, |_| {
        enter_new(libc::CLONE_NEWNS)?;
        mount("none", Path::new("/"), "none", libc::MS_PRIVATE | libc::MS_REC)?;
        let path = text("/proc");
        call(libc::SYS_umount2, [at(&path), number(libc::MNT_DETACH), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("mount by the new calls", Always, |_| {
        enter_new(libc::CLONE_NEWNS)?;
        let kind = text("tmpfs");
        call(libc::SYS_fsopen, [at(&kind), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("clone a tree of mounts", Always, |lures| {
        enter_new(libc::CLONE_NEWNS)?;
        let path = text(&lures.folder);
        call(libc::SYS_open_tree, [number(libc::AT_FDCWD), at(&path), 1, 0, 0, 0]).map(drop)
    }),
    Attempt::new("change its root", Always, |lures| {
        enter_new(libc::CLONE_NEWUSER)?;
        let path = text(&lures.folder);
        call(libc::SYS_chroot, [at(&path), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("read the records of its session", Always, |lures| {
        fs::read(lures.session.join("session")).map(drop)
    }),
    Attempt::new("forge a record of its session", Always, |lures| makes(&lures.session.join("outcome.9"))),
    Attempt::new("put a hook into the repository", Always, |lures| makes(&lures.git("hooks/post-checkout"))),
    Attempt::new("change the repository's settings", Always, |lures| opens_to_write(&lures.git("config"))),
    Attempt::new("read the repository's remotes", Always, |lures| fs::read(lures.git("config")).map(drop)),
    Attempt::new("move a branch of the repository", Always, |lures| makes(&lures.git("refs/heads/evil"))),
    Attempt::new("lend objects to the repository", Always, |lures| {
        makes(&lures.git("objects/info/alternates"))
    }),
    Attempt::new("name filters in the repository", Always, |lures| makes(&lures.git("info/attributes"))),
    Attempt::new("point the repository elsewhere", Always, |lures| makes(&lures.git("worktrees/evil"))),
    Attempt::new("be another user for files", Root, |_| {
        let path = text("chowned");
        fs::write("chowned", "")?;
        call(libc::SYS_chown, [at(&path), 65_533, 65_533, 0, 0, 0])?;
        only_if(fs::metadata("chowned")?.uid() == 65_533, "it is not")
    }),
];

fn reads(lures: &Lures, path: &Path) -> io::Result<()> {
    only_if(fs::read_to_string(path)?.contains(&lures.secret), "it is another file")
}

fn by_proc(lures: &Lures, root: &str) -> io::Result<()> {
    reads(lures, Path::new(&format!("{root}{}", lures.file().display())))
}

fn through(lures: &Lures, name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let link = Path::new(name);
    let _absent = fs::remove_file(link);
    make(link)?;
    reads(lures, link)
}

fn opens_to_write(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path).map(drop)
}

fn makes(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    fs::remove_file(path)
}

fn mount(source: &str, target: &Path, kind: &str, flags: libc::c_ulong) -> io::Result<()> {
    let (source, target, kind) = (text(source), text(target), text(kind));
    let flags = usize::try_from(flags).unwrap_or_default();
    call(libc::SYS_mount, [at(&source), at(&target), at(&kind), flags, 0, 0]).map(drop)
}
