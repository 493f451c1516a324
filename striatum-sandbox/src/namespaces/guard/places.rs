//! Where secrets and sockets are.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

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
    ".config/doctl",
    ".config/hcloud",
    ".config/pypoetry/auth.toml",
    ".config/composer/auth.json",
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
    ".s3cfg",
    ".boto",
    ".oci",
    ".fly",
    ".git-credentials",
    ".gitconfig",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".composer/auth.json",
    ".gem/credentials",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".terraform.d",
    ".vault-token",
    ".cache/huggingface/token",
    ".password-store",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".local/share/opencode",
    ".local/share/kilo",
    ".mozilla",
    ".thunderbird",
    ".claude",
    ".claude.json",
    ".codex",
    ".copilot",
    ".gemini",
    ".hermes",
    ".kimi-code",
    ".qwen",
    ".vibe",
    ".bash_history",
    ".zsh_history",
    ".Xauthority",
];

/// Variables that put a part of a home elsewhere, and which part it is.
const MOVED: &[(&str, &str)] = &[
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_CACHE_HOME", ".cache"),
    ("CARGO_HOME", ".cargo"),
    ("GRADLE_USER_HOME", ".gradle"),
];

/// Of the host as a whole: secrets.
const HOST: &[&str] = &[
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/krb5.keytab",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/letsencrypt",
    "/etc/wireguard",
    "/etc/NetworkManager/system-connections",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/postgresql",
    "/var/lib/mysql",
    "/var/lib/sss",
    "/var/spool/cron",
];

/// What is no folder of files, and where sockets are.
const LIVE: &[&str] = &["/run", "/var/run", "/proc", "/sys", "/dev"];

/// Folders that others share with us, sockets among them: what lies in them may be shown, they themselves may not.
const SHARED: &[&str] = &["/tmp", "/var/tmp", "/home", "/etc", "/var", "/root"];

/// Variables that say where a socket or a secret lies.
const POINTERS: &[&str] = &[
    "SSH_AUTH_SOCK",
    "GPG_AGENT_INFO",
    "GNUPGHOME",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "REGISTRY_AUTH_FILE",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "XAUTHORITY",
    "KRB5CCNAME",
    "PGHOST",
    "PGDATA",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSSLKEY",
    "KUBECONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "AZURE_CONFIG_DIR",
    "GH_CONFIG_DIR",
    "GIT_CONFIG_GLOBAL",
    "NETRC",
    "NPM_CONFIG_USERCONFIG",
    "RCLONE_CONFIG",
    "SOPS_AGE_KEY_FILE",
    "VAULT_TOKEN_FILE",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "COPILOT_HOME",
    "HERMES_HOME",
    "KIMI_CODE_HOME",
    "QWEN_HOME",
    "VIBE_HOME",
];

/// From this number on users are people, but for [`NOBODY`].
const FIRST_PERSON: u32 = 1000;
const NOBODY: u32 = 65534;

/// What is kept from agents, by its kind.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Where secrets are, and sockets that variables tell of.
    pub(super) secret: Vec<PathBuf>,
    /// Where the kernel and sockets show themselves as files.
    pub(super) live: Vec<PathBuf>,
    /// Folders that may not be shown as a whole.
    pub(super) shared: Vec<PathBuf>,
}

impl Places {
    /// With these homes, and what variables point to.
    pub(super) fn new(homes: &[PathBuf], variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let in_homes = homes.iter().flat_map(|home| SECRETS.iter().map(move |name| home.join(name)));
        let moved = MOVED.iter().flat_map(|(name, part)| {
            let base = variable(name).map(PathBuf::from).filter(|base| base.is_absolute());
            base.into_iter().flat_map(move |base| {
                let parts = SECRETS.iter().filter_map(|secret| Path::new(secret).strip_prefix(part).ok());
                parts.map(move |rest| base.join(rest)).collect::<Vec<_>>()
            })
        });
        let pointed = POINTERS.iter().filter_map(|name| pointed_to(&variable(name)?));
        let host = HOST.iter().map(PathBuf::from);
        let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let live = LIVE.iter().map(PathBuf::from).chain(runtime);
        let shared = homes.iter().cloned().chain(SHARED.iter().map(PathBuf::from));
        Self {
            secret: in_homes.chain(moved).chain(pointed).chain(host).flat_map(both).collect(),
            live: live.flat_map(both).collect(),
            shared: shared.flat_map(both).collect(),
        }
    }
}

/// The homes of this host's people: of the present user, of the administrator, and of whoever has a folder here.
pub(super) fn homes(own: Option<PathBuf>) -> Vec<PathBuf> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = of_people(&users, rustix::process::geteuid().as_raw());
    let beside = fs::read_dir("/home").into_iter().flatten().flatten().map(|entry| entry.path());
    let all = own.into_iter().chain(["/root".into()]).chain(listed).chain(beside);
    let mut homes: Vec<PathBuf> = all.filter(|home| home.is_absolute()).collect();
    homes.sort_unstable();
    homes.dedup();
    homes
}

/// From a list of users.
fn of_people(users: &str, me: u32) -> Vec<PathBuf> {
    let home = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let (number, home) = (fields.get(2)?.parse::<u32>().ok()?, Path::new(fields.get(5)?));
        let is_person = number == 0 || number == me || (number >= FIRST_PERSON && number != NOBODY);
        // The root of everything is in nobody's way: it is never shown.
        (is_person && home.parent().is_some()).then(|| home.to_owned())
    };
    users.lines().filter_map(home).collect()
}

/// A place by its name and by its real path. One that is not there yet may come to be.
pub(super) fn both(path: PathBuf) -> [PathBuf; 2] {
    [real(&path), path]
}

/// The path with its links resolved, as far as it is there.
pub(super) fn real(path: &Path) -> PathBuf {
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
    let heads = ["unix://", "unix:path=", "unix:abstract=", "FILE:", "DIR:"];
    let address = heads.iter().find_map(|head| text.strip_prefix(head));
    let path = address.unwrap_or(text).split([',', ':']).next()?;
    (path.starts_with('/') && path.len() > 1).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sockets_are_read() {
        for (value, path) in [
            ("/run/user/0/agent", Some("/run/user/0/agent")),
            ("unix:///var/run/docker.sock", Some("/var/run/docker.sock")),
            ("unix:path=/run/user/1000/bus,guid=1", Some("/run/user/1000/bus")),
            ("/home/a/.gnupg/S.gpg-agent:0:1", Some("/home/a/.gnupg/S.gpg-agent")),
            ("FILE:/tmp/krb5cc_0", Some("/tmp/krb5cc_0")),
            ("tcp://127.0.0.1:2375", None),
            ("localhost", None),
            ("/", None),
        ] {
            assert_eq!(pointed_to(&value.into()).as_deref(), path.map(Path::new), "{value}");
        }
    }

    #[test]
    fn people_have_homes_and_services_have_none() {
        let users = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\nme:x:999:999::/srv/me:/bin/sh\n\
                     ann:x:1000:1000:Ann:/people/ann:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n\
                     odd:x:1001:1001::/:/bin/sh\nbroken\n";
        let homes = ["/root", "/srv/me", "/people/ann"].map(PathBuf::from);
        assert_eq!(of_people(users, 999), homes);
    }
}
