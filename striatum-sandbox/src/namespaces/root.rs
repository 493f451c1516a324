//! The fresh root: what of the host is there, and where.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use striatum_core::sandbox::{Access, Mount, SandboxError, SandboxErrorKind, SandboxSpec};

use super::{Parts, guard::Guard};

/// Where an agent is at home.
pub(crate) const HOME: &str = "/home/agent";
/// Where the shim lies inside.
pub(crate) const SHIM: &str = "/run/striatum/shim";
/// Who an agent is inside: nobody in particular, so that no program takes it for the administrator.
pub(crate) const AGENT: u32 = 1000;

/// What the host is called inside.
pub(crate) const NAME: &str = "striatum";

/// Folders in memory: what may be changed inside, beside the mounts.
pub(crate) const SCRATCH: [&str; 4] = [HOME, "/tmp", "/var/tmp", "/dev/shm"];

/// Folders of the system. Where one is a link (`/bin` to `usr/bin`), the link is made.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// What programs read in `/etc` that is no secret and does not tell whose host this is.
const SETTINGS: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "gss",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "protocols",
    "rpc",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Where nothing of the host may be changed.
const FIXED: [&str; 11] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/etc", "/boot", "/opt"];

/// Where a machine finds the root of those who work in it.
pub(crate) const EXPORT: &str = "/export";

/// What a session finds when it looks around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Where the few files of `/etc` are that are ours.
    settings: PathBuf,
    shim: PathBuf,
    tree: PathBuf,
    scratch_bytes: u64,
    /// From the outermost to the innermost.
    shown: Vec<Shown>,
    /// Of a machine: the root of those who work in it, which lies at [`EXPORT`].
    export: Option<Box<Root>>,
    /// Devices of the host.
    devices: Vec<PathBuf>,
}

/// Something of the host's, and where it is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) source: PathBuf,
    pub(crate) at: PathBuf,
    pub(crate) access: Access,
}

impl Root {
    /// Puts the root of a session together.
    ///
    /// # Errors
    /// [`SandboxErrorKind::MountRefused`], [`SandboxErrorKind::NotFound`].
    pub(crate) fn of(parts: &Parts, spec: &SandboxSpec) -> Result<Self, SandboxError> {
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(crate::failure::failed("tell where a folder is"));
        let (tree, folder) = (absolute(&spec.tree)?, absolute(&spec.folder)?);
        let mut shown = Vec::new();
        for Mount { path, access } in &parts.mounts {
            shown.push(Shown { source: parts.guard.admit(path)?, at: path.clone(), access: *access });
        }
        for Mount { path, access } in spec.mounts.iter().chain([&Mount::write(&tree)]) {
            let source = if *path == tree {
                parts.guard.admit_own(path, &tree)?
            } else if path.starts_with(&folder) && *path != folder {
                parts.guard.admit_own(path, &folder)?
            } else {
                parts.guard.admit(path)?
            };
            shown.push(Shown { source, at: path.clone(), access: *access });
        }
        refuse_records(&shown, &folder)?;
        refuse_changes_to_the_system(&shown)?;
        shown.sort_by_key(|shown| shown.at.components().count());
        let (settings, shim) = (folder.join("etc"), parts.shim.path().to_owned());
        let scratch_bytes = spec.limits.scratch_bytes;
        Ok(Self { settings, shim, tree, scratch_bytes, shown, export: None, devices: Vec::new() })
    }

    /// The root of a machine in which others work, who shall have this one. The files are the machine's own, and lie inside where they
    /// are said to.
    pub(crate) fn of_machine(&self, files: Vec<(PathBuf, PathBuf)>, devices: Vec<PathBuf>) -> Self {
        let files = files.into_iter();
        Self {
            tree: PathBuf::from("/"),
            shown: files.map(|(source, at)| Shown { source, at, access: Access::Read }).collect(),
            export: Some(Box::new(self.clone())),
            devices,
            ..self.clone()
        }
    }

    /// The same root once more, made inside a machine that has it as its own: what may change lies below `live`.
    pub(crate) fn in_machine(&self, live: &Path) -> Self {
        let again = |shown: &Shown| Shown { source: below(live, &shown.at), ..shown.clone() };
        Self {
            settings: PathBuf::from("/etc"),
            shim: PathBuf::from(SHIM),
            shown: self.shown.iter().map(again).collect(),
            ..self.clone()
        }
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Writes the files that are ours.
    pub(crate) fn furnish(&self) -> io::Result<()> {
        fs::create_dir_all(&self.settings)?;
        for (name, text) in self.own_settings() {
            fs::write(self.settings.join(name), text)?;
        }
        Ok(())
    }

    fn own_settings(&self) -> [(&'static str, String); 5] {
        [
            (
                "passwd",
                format!(
                    "root:x:0:0:root:/nonexistent:/bin/false\nagent:x:{AGENT}:{AGENT}:agent:{HOME}:/bin/sh\n"
                ),
            ),
            ("group", format!("root:x:0:\nagent:x:{AGENT}:\n")),
            ("hosts", "127.0.0.1 localhost\n".to_owned()),
            ("hostname", format!("{NAME}\n")),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
        ]
    }

    /// Where a program is inside, and the same root with it, should it not be there yet: as one file, and nothing around it.
    ///
    /// # Errors
    /// [`SandboxErrorKind::MountRefused`].
    pub(crate) fn with_program(&self, found: &Path, guard: &Guard) -> Result<Self, SandboxError> {
        let source =
            fs::canonicalize(found).map_err(crate::failure::failed(format!("find {}", found.display())))?;
        let mut root = self.clone();
        if self.shows(&source) && self.shows(found) {
            return Ok(root);
        }
        let source = guard.admit(&source)?;
        // A link that is there already leads to the real place.
        let at = if self.shows(found) { source.clone() } else { found.to_owned() };
        root.shown.push(Shown { source, at, access: Access::Read });
        Ok(root)
    }

    fn shows(&self, path: &Path) -> bool {
        SYSTEM.iter().any(|folder| path.starts_with(folder))
            || self.shown.iter().any(|shown| path.starts_with(&shown.at))
    }

    /// What may be changed inside.
    pub(crate) fn writable(&self) -> Vec<OsString> {
        let changed = |root: &Self| -> Vec<PathBuf> {
            let mounts = root.shown.iter().filter(|shown| shown.access == Access::Write);
            mounts.map(|shown| shown.at.clone()).collect()
        };
        let exported =
            self.export.iter().flat_map(|root| changed(root)).map(|at| below(Path::new(EXPORT), &at));
        let mounts = changed(self).into_iter().chain(exported).map(PathBuf::into_os_string);
        SCRATCH.into_iter().chain(["/dev"]).map(OsString::from).chain(mounts).collect()
    }

    /// The arguments of bubblewrap that make the root and every namespace.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.add(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]);
        arguments.add(["--unshare-net", "--unshare-cgroup", "--disable-userns", "--cap-drop", "ALL"]);
        arguments.add(["--new-session", "--die-with-parent", "--hostname", NAME]);
        arguments.add(["--uid", &AGENT.to_string(), "--gid", &AGENT.to_string()]);
        arguments.lay(self.system(), Path::new("/"));
        arguments.add(["--proc", "/proc", "--dev", "/dev"]);
        let size = self.scratch_bytes.to_string();
        for folder in SCRATCH {
            let mode = if folder == HOME { "0700" } else { "1777" };
            arguments.add(["--perms", mode, "--size", &size, "--tmpfs", folder]);
        }
        for device in &self.devices {
            arguments.bind("--dev-bind", device, device);
        }
        arguments.lay(self.beside(), Path::new("/"));
        if let Some(export) = &self.export {
            let at = Path::new(EXPORT);
            arguments.lay(export.system(), at);
            arguments.lay(export.beside(), at);
            for folder in ["proc", "sys", "dev", "tmp", "run/striatum/live"] {
                arguments.add([Path::new("--dir"), &at.join(folder)]);
            }
        }
        // What bubblewrap made on the way to the mounts shall not be written to.
        arguments.add(["--remount-ro", "/"]);
        arguments.0
    }

    /// What is there for whoever makes the root in another way than bubblewrap, beside [`SCRATCH`]: in the order in which it is to be
    /// mounted.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        self.system().into_iter().chain(self.beside()).collect()
    }

    /// How much fits into each folder in memory.
    pub(crate) const fn scratch_bytes(&self) -> u64 {
        self.scratch_bytes
    }

    /// What of the host's system is there.
    fn system(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for folder in SYSTEM.map(Path::new) {
            match fs::read_link(folder) {
                Ok(target) => pieces.push(Piece::Link { target, at: folder.to_owned() }),
                Err(_) if folder.is_dir() => pieces.push(Piece::same(folder)),
                Err(_) => {}
            }
        }
        let settings = SETTINGS.iter().map(|setting| Path::new("/etc").join(setting));
        pieces.extend(settings.filter(|place| place.exists()).map(|place| Piece::same(&place)));
        for (name, _) in self.own_settings() {
            let at = Path::new("/etc").join(name);
            pieces.push(Piece::Bind(Shown { source: self.settings.join(name), at, access: Access::Read }));
        }
        pieces
    }

    /// What is there beside the system.
    fn beside(&self) -> impl Iterator<Item = Piece> {
        let shim = Shown { source: self.shim.clone(), at: SHIM.into(), access: Access::Read };
        self.shown.iter().cloned().chain([shim]).map(Piece::Bind)
    }
}

/// Something in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A link to somewhere in it.
    Link { target: PathBuf, at: PathBuf },
    /// Something of the host's.
    Bind(Shown),
}

impl Piece {
    /// Where it is inside.
    pub(crate) fn at(&self) -> &Path {
        match self {
            Self::Link { at, .. } => at,
            Self::Bind(shown) => &shown.at,
        }
    }

    /// Something of the host's at its own place, to be read.
    fn same(path: &Path) -> Self {
        Self::Bind(Shown { source: path.to_owned(), at: path.to_owned(), access: Access::Read })
    }
}

/// An absolute path, as seen from outside a root that lies here.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[derive(Debug, Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    /// Has these things in a root that lies here.
    fn lay(&mut self, pieces: impl IntoIterator<Item = Piece>, root: &Path) {
        for piece in pieces {
            match piece {
                Piece::Link { target, at } => {
                    self.add([Path::new("--symlink"), &target, &below(root, &at)]);
                }
                Piece::Bind(Shown { source, at, access }) => {
                    let bind = if access == Access::Write { "--bind" } else { "--ro-bind" };
                    self.bind(bind, &source, &below(root, &at));
                }
            }
        }
    }

    fn add<A: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.0.extend(arguments.into_iter().map(Into::into));
    }

    fn bind(&mut self, how: &str, source: &Path, at: &Path) {
        self.add([Path::new(how), source, at]);
    }
}

/// An agent that could write our records could have any process ended in our name.
fn refuse_records(shown: &[Shown], folder: &Path) -> Result<(), SandboxError> {
    let real =
        fs::canonicalize(folder).map_err(crate::failure::failed("tell where the session's folder is"))?;
    match shown.iter().find(|shown| real.starts_with(&shown.source)) {
        Some(Shown { source, .. }) => {
            let doing =
                format!("show {} to an agent: it contains the records of its session", source.display());
            Err(SandboxError::new(SandboxErrorKind::MountRefused, doing)
                .with_remedy("keep the folders of sessions outside work trees and mounts"))
        }
        None => Ok(()),
    }
}

fn refuse_changes_to_the_system(shown: &[Shown]) -> Result<(), SandboxError> {
    let touches = |shown: &&Shown| {
        let places = FIXED.map(Path::new);
        shown.access == Access::Write
            && places.iter().any(|place| shown.source.starts_with(place) || shown.at.starts_with(place))
    };
    match shown.iter().find(touches) {
        Some(Shown { source, .. }) => {
            let doing = format!("let an agent change {}: it belongs to the system", source.display());
            Err(SandboxError::new(SandboxErrorKind::MountRefused, doing).with_remedy("mount it to be read"))
        }
        None => Ok(()),
    }
}
