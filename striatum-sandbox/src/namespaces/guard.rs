//! What may not be shown to an agent, not even to be read.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// Below a home: where programs keep what proves who their user is.
const SECRETS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/glab-cli",
    ".config/hub",
    ".config/git/credentials",
    ".config/op",
    ".config/containers",
    ".config/google-chrome",
    ".config/chromium",
    ".config/claude",
    ".config/codex",
    ".config/github-copilot",
    ".config/rclone",
    ".config/sops",
    ".docker",
    ".kube",
    ".netrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".gitconfig",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".terraform.d",
    ".vault-token",
    ".password-store",
    ".local/share/keyrings",
    ".mozilla",
    ".thunderbird",
    ".claude",
    ".claude.json",
    ".codex",
    ".gemini",
    ".bash_history",
    ".zsh_history",
    ".Xauthority",
];

/// Of the host as a whole: secrets, sockets, and what is no folder of files.
const HOST: &[&str] = &[
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/krb5.keytab",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/postgresql",
    "/var/spool/cron",
    "/run",
    "/var/run",
    "/proc",
    "/sys",
    "/dev",
];

/// Folders that others share with us, sockets among them: what lies in them may be shown, they themselves may not.
const SHARED: &[&str] = &["/tmp", "/var/tmp", "/home", "/etc", "/var", "/root"];

/// Variables that say where a socket or a secret lies.
const POINTERS: &[&str] = &[
    "SSH_AUTH_SOCK",
    "GPG_AGENT_INFO",
    "GNUPGHOME",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "PGHOST",
    "PGPASSFILE",
    "KUBECONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "AZURE_CONFIG_DIR",
    "NETRC",
    "NPM_CONFIG_USERCONFIG",
    "VAULT_TOKEN_FILE",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
];

/// Judges what is to be shown, by its real path and in both directions: what is protected, what lies in it, and what contains it.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Neither these, nor what is in them, nor what contains them.
    whole: Vec<PathBuf>,
    /// Neither these nor what contains them; what is in them may be shown.
    around: Vec<PathBuf>,
}

impl Guard {
    /// For the present user and environment, with folders of the engine's own.
    pub(crate) fn of_this_host(own: &[PathBuf]) -> Self {
        Self::new(own, env::var_os("HOME").map(PathBuf::from), |name| env::var_os(name))
    }

    fn new(own: &[PathBuf], home: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let homes: Vec<PathBuf> =
            home.into_iter().chain(["/root".into()]).filter(|it| it.is_absolute()).collect();
        let secrets = homes.iter().flat_map(|home| SECRETS.iter().map(move |name| home.join(name)));
        let pointed = POINTERS.iter().filter_map(|name| pointed_to(&variable(name)?));
        let whole = own.iter().cloned().chain(secrets).chain(pointed).chain(HOST.iter().map(PathBuf::from));
        let around = homes.iter().cloned().chain(SHARED.iter().map(PathBuf::from));
        // A place that is not there yet may come to be.
        let both = |path: PathBuf| [real(&path), path];
        Self { whole: whole.flat_map(both).collect(), around: around.flat_map(both).collect() }
    }

    /// The real path of something that may be shown.
    ///
    /// # Errors
    /// [`SandboxErrorKind::MountRefused`], [`SandboxErrorKind::NotFound`].
    pub(crate) fn admit(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        self.judge(path, &self.whole)
    }

    /// The same for a part of a session, which lies in a folder of the engine's own: it may lie in what is protected, and contain
    /// none of it.
    pub(crate) fn admit_own(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
            let doing = format!(
                "show {} to an agent: it is a link, where a folder of ours should be",
                path.display()
            );
            let remedy = "see who replaced it, and remove it: the next grant of the job gets a new tree";
            return Err(SandboxError::new(SandboxErrorKind::MountRefused, doing).with_remedy(remedy));
        }
        self.judge(path, &[])
    }

    fn judge(&self, path: &Path, closed: &[PathBuf]) -> Result<PathBuf, SandboxError> {
        let refused = |why: String| {
            let doing = format!("show {} to an agent: {why}", path.display());
            Err(SandboxError::new(SandboxErrorKind::MountRefused, doing).with_remedy(
                "mount the folder that is really needed, and nothing that contains secrets or sockets",
            ))
        };
        if !path.is_absolute() {
            return refused("its path is not absolute".to_owned());
        }
        let found = fs::canonicalize(path).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SandboxErrorKind::NotFound,
                _ => SandboxErrorKind::Denied,
            };
            SandboxError::new(kind, format!("show {} to an agent", path.display())).because(error)
        })?;
        if let Some(place) = closed.iter().find(|place| found.starts_with(place)) {
            return refused(format!("{} is not for agents", place.display()));
        }
        if let Some(place) = self.whole.iter().chain(&self.around).find(|place| place.starts_with(&found)) {
            return refused(match *place == found {
                true => "it is not for agents".to_owned(),
                false => format!("it contains {}", place.display()),
            });
        }
        let kind = fs::symlink_metadata(&found).map(|meta| meta.file_type());
        if !kind.is_ok_and(|kind| kind.is_dir() || (kind.is_file() && !kind.is_socket())) {
            return refused("it is neither a folder nor a file".to_owned());
        }
        match sockets().into_iter().find(|socket| socket.starts_with(&found)) {
            Some(socket) => refused(format!("somebody listens on {}, which is in it", socket.display())),
            None => Ok(found),
        }
    }
}

/// Sockets with a path, as this host has them open now, by their real paths.
fn sockets() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    // Num RefCount Protocol Flags Type St Inode Path
    let paths = table.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(7));
    paths.filter(|path| path.starts_with('/')).map(|path| real(Path::new(path))).collect()
}

/// The path with its links resolved, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(found) = fs::canonicalize(there) {
            return missing.into_iter().rev().fold(found, |path: PathBuf, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

/// The path in a variable, which may be an address such as `unix:path=/run/user/0/bus,guid=…`.
fn pointed_to(value: &OsString) -> Option<PathBuf> {
    let text = value.to_str()?;
    let address = ["unix://", "unix:path=", "unix:abstract="].iter().find_map(|head| text.strip_prefix(head));
    let path = address.unwrap_or(text).split([',', ':']).next()?;
    (path.starts_with('/') && path.len() > 1).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn kind(guard: &Guard, path: &Path) -> Result<PathBuf, SandboxErrorKind> {
        guard.admit(path).map_err(|error| error.kind)
    }

    #[test]
    fn what_is_protected_is_refused_in_both_directions_and_through_links() {
        let root = tempfile::TempDir::new().expect("a folder");
        let root = fs::canonicalize(root.path()).expect("a path");
        let home = root.join("home");
        for folder in ["home/.ssh/keys", "home/.config/gcloud", "home/code/project", "data/trees", "agent"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        fs::write(home.join(".netrc"), "secret").expect("a file");
        fs::write(root.join("agent.sock.d"), "").expect("a file");
        symlink(home.join(".ssh"), root.join("innocent")).expect("a link");
        symlink(&home, root.join("elsewhere")).expect("a link");
        let pointed = root.join("agent");
        let variable = |name: &str| match name {
            "SSH_AUTH_SOCK" => Some(pointed.join("socket").into()),
            "DOCKER_HOST" => Some(format!("unix://{}", root.join("docker/sock").display()).into()),
            _ => None,
        };
        let guard = Guard::new(&[root.join("data")], Some(home.clone()), variable);
        for refused in [
            "",
            "home",
            "home/.ssh",
            "home/.ssh/keys",
            "home/.config",
            "home/.netrc",
            "innocent",
            "innocent/keys",
            "elsewhere",
            "elsewhere/.ssh",
            "data",
            "data/trees",
            "agent",
        ] {
            let path = root.join(refused);
            assert_eq!(kind(&guard, &path), Err(SandboxErrorKind::MountRefused), "{}", path.display());
        }
        for host in ["/", "/run", "/proc/self", "/sys", "/dev/null", "/tmp", "/etc", "/root", "/var"] {
            assert_eq!(kind(&guard, Path::new(host)), Err(SandboxErrorKind::MountRefused), "{host}");
        }
        assert_eq!(kind(&guard, Path::new("home/code")), Err(SandboxErrorKind::MountRefused), "relative");
        assert_eq!(kind(&guard, &root.join("gone")), Err(SandboxErrorKind::NotFound));
        assert_eq!(kind(&guard, &home.join("code/project")), Ok(home.join("code/project")));
        assert_eq!(kind(&guard, &root.join("elsewhere/code")), Ok(home.join("code")));
        assert_eq!(guard.admit_own(&root.join("data/trees")).expect("a part"), root.join("data/trees"));
        guard.admit_own(&root).expect_err("it contains the data folder");
    }

    #[test]
    fn a_folder_in_which_somebody_listens_is_refused() {
        let root = tempfile::TempDir::new().expect("a folder");
        fs::create_dir(root.path().join("inner")).expect("a folder");
        let guard = Guard::new(&[], None, |_| None);
        guard.admit(root.path()).expect("nobody listens");
        let _listener = UnixListener::bind(root.path().join("inner/socket")).expect("a socket");
        for path in [root.path().to_owned(), root.path().join("inner"), root.path().join("inner/socket")] {
            assert_eq!(kind(&guard, &path), Err(SandboxErrorKind::MountRefused), "{}", path.display());
        }
    }

    #[test]
    fn addresses_of_sockets_are_read() {
        for (value, path) in [
            ("/run/user/0/agent", Some("/run/user/0/agent")),
            ("unix:///var/run/docker.sock", Some("/var/run/docker.sock")),
            ("unix:path=/run/user/1000/bus,guid=1", Some("/run/user/1000/bus")),
            ("/home/a/.gnupg/S.gpg-agent:0:1", Some("/home/a/.gnupg/S.gpg-agent")),
            ("tcp://127.0.0.1:2375", None),
            ("localhost", None),
            ("/", None),
        ] {
            assert_eq!(pointed_to(&value.into()).as_deref(), path.map(Path::new), "{value}");
        }
    }
}
