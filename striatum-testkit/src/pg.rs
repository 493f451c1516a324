//! Throw-away Postgres clusters, made of the binaries on the machine.
//!
//! A cluster listens on a socket in a folder of its own and on no port. It is gone when its value is dropped, and also when
//! the process ends without dropping it: a keeper, a small shell script of a process group of its own, waits for the end of
//! the pipe that leads to it.
//!
//! ```no_run
//! use striatum_testkit::pg::Cluster;
//!
//! let cluster = Cluster::start()?;
//! println!("{}", cluster.url());
//! # Ok::<(), striatum_testkit::pg::ClusterError>(())
//! ```

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread,
};

/// Names a running server whose `postgres` superuser tests may use, so that they start none of their own.
pub const URL: &str = "STRIATUM_PG_URL";

const KEEPER: &str = include_str!("pg/keeper.sh");

/// Why there is no cluster.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterError {
    /// `initdb` and `pg_ctl` are neither in `PATH` nor where distributions put them.
    NoBinaries,
    /// It is not known as which user to run the server: Postgres refuses to run as root.
    NoUser,
    /// A step failed, with what it said.
    Failed(String),
}

impl std::fmt::Display for ClusterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBinaries => f.write_str("there are no Postgres binaries on this machine"),
            Self::NoUser => {
                f.write_str("Postgres does not run as root, and there is no user postgres or nobody")
            }
            Self::Failed(what) => write!(f, "a private Postgres cluster could not be started: {what}"),
        }
    }
}

impl std::error::Error for ClusterError {}

impl From<io::Error> for ClusterError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A running server with a folder of its own.
#[derive(Debug)]
pub struct Cluster {
    binaries: PathBuf,
    user: Option<User>,
    folder: PathBuf,
    // Closed before the answers are, which tells the keeper to clean up.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    keeper: Child,
}

impl Cluster {
    /// Starts a cluster with the server's defaults.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start() -> Result<Self, ClusterError> {
        Self::start_with(&[])
    }

    /// Starts a cluster with these settings, `("fsync", "off")` say.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Self, ClusterError> {
        let cluster = Self::empty()?;
        let data = cluster.data();
        cluster.run(
            Command::new(cluster.binaries.join("initdb"))
                .args([
                    "--no-sync",
                    "--auth=trust",
                    "--username=postgres",
                    "--encoding=UTF8",
                    "--locale=C",
                    "-D",
                ])
                .arg(&data),
        )?;
        cluster.begin(settings)
    }

    /// Starts another server that follows this one by streaming replication.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn standby(&self, name: &str) -> Result<Self, ClusterError> {
        let standby = Self::empty()?;
        let source = format!("host={} user=postgres application_name={name}", self.folder.display());
        standby.run(
            Command::new(standby.binaries.join("pg_basebackup"))
                .args(["--write-recovery-conf", "--no-sync", "--checkpoint=fast", "-d", &source, "-D"])
                .arg(standby.data()),
        )?;
        standby.begin(&[])
    }

    /// How to connect as its superuser.
    pub fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.display())
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The server's first process.
    ///
    /// # Errors
    /// [`ClusterError`] if it does not run.
    pub fn pid(&self) -> Result<u32, ClusterError> {
        let file = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let pid = file.lines().next().and_then(|line| line.parse().ok());
        pid.ok_or_else(|| ClusterError::Failed("the server's pid file has no pid".to_owned()))
    }

    /// Kills the server as a crash would: the processes at once, nothing written down.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn kill(&mut self) -> Result<(), ClusterError> {
        self.order("kill")
    }

    /// Starts the server again after a kill.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.order("start")
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn promote(&mut self) -> Result<(), ClusterError> {
        self.order("promote")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A folder and its keeper.
    fn empty() -> Result<Self, ClusterError> {
        let binaries = binaries().ok_or(ClusterError::NoBinaries)?;
        // A socket's path has at most some hundred bytes, and the place for temporary files may have a long name.
        let place = Some(PathBuf::from("/tmp")).filter(|tmp| tmp.is_dir()).unwrap_or_else(env::temp_dir);
        let folder = tempfile::Builder::new().prefix("striatum-pg-").tempdir_in(place)?;
        let user = server_user(folder.path())?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(folder.path()).arg(&binaries);
        keeper.process_group(0).current_dir("/");
        let keeper =
            as_user(&mut keeper, user).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = keeper.spawn()?;
        let (Some(orders), Some(answers)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err(ClusterError::Failed("the keeper has no pipes".to_owned()));
        };
        // From here on the keeper removes it.
        let folder = folder.keep();
        Ok(Self { binaries, user, folder, orders: Some(orders), answers: BufReader::new(answers), keeper })
    }

    fn begin(mut self, settings: &[(&str, &str)]) -> Result<Self, ClusterError> {
        let mut lines = format!("unix_socket_directories = '{}'\n", self.folder.display());
        lines.push_str("listen_addresses = ''\nport = 5432\nmax_connections = 200\n");
        for (name, value) in settings {
            lines.push_str(&format!("{name} = '{value}'\n"));
        }
        let mut file = fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(lines.as_bytes())?;
        self.order("start")?;
        Ok(self)
    }

    fn run(&self, command: &mut Command) -> Result<(), ClusterError> {
        let output = as_user(command, self.user).current_dir("/").stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(ClusterError::Failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn order(&mut self, order: &str) -> Result<(), ClusterError> {
        if let Some(orders) = &mut self.orders {
            writeln!(orders, "{order}")?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.trim_end() == "done" {
            return Ok(());
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(10).collect();
        Err(ClusterError::Failed(end.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        // The keeper bounds how long it waits for the server.
        drop(self.keeper.wait());
    }
}

/// How to connect as superuser to the server that the tests of a process share: the one that [`URL`] names, or one that is
/// started by the first call and ends with the process.
///
/// # Errors
/// [`ClusterError`], the same at every call.
pub fn shared() -> Result<&'static str, &'static ClusterError> {
    static SHARED: OnceLock<Result<(String, Option<Cluster>), ClusterError>> = OnceLock::new();
    let start = || match env::var(URL) {
        Ok(url) if !url.is_empty() => Ok((url, None)),
        // What is tested here is the processes' death, not the machine's.
        _ => Cluster::start_with(&[("fsync", "off")]).map(|cluster| (cluster.url(), Some(cluster))),
    };
    SHARED.get_or_init(start).as_ref().map(|(url, _)| url.as_str())
}

/// [Skips](crate::skip) the test of this thread.
pub fn skip(reason: &ClusterError) {
    crate::skip(thread::current().name().unwrap_or("a test"), &reason.to_string());
}

/// Where `initdb` and `pg_ctl` are.
fn binaries() -> Option<PathBuf> {
    let complete = |folder: &Path| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = env::split_paths(&path).find(|folder| complete(folder)) {
        // It may hold links to some of them only.
        let initdb = fs::canonicalize(folder.join("initdb")).ok()?;
        return initdb.parent().map(Path::to_owned);
    }
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok());
    if let Some(folder) = told.map(|text| PathBuf::from(text.trim_end())).filter(|folder| complete(folder)) {
        return Some(folder);
    }
    let mut installed: Vec<_> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| complete(folder))
        .collect();
    installed.sort();
    installed.pop()
}

#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

/// As whom to run the server: as oneself, unless that is root, as the owner of what was just made tells.
fn server_user(made: &Path) -> Result<Option<User>, ClusterError> {
    if fs::metadata(made)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let mut fields = users.lines().map(|line| line.split(':'));
        let mut fields = fields.find_map(|mut line| (line.next() == Some(name)).then_some(line))?;
        Some(User { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or(ClusterError::NoUser)
}

fn as_user(command: &mut Command, user: Option<User>) -> &mut Command {
    match user {
        Some(User { uid, gid }) => command.uid(uid).gid(gid),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_serves_and_leaves_nothing_behind() {
        let mut cluster = match Cluster::start_with(&[("fsync", "off")]) {
            Ok(cluster) => cluster,
            Err(error @ ClusterError::NoBinaries) => return skip(&error),
            Err(error) => panic!("{error}"),
        };
        let (folder, socket) = (cluster.folder.clone(), cluster.socket());
        assert!(socket.exists());
        cluster.kill().unwrap();
        cluster.restart().unwrap();
        assert!(socket.exists());
        drop(cluster);
        assert!(!folder.exists());
    }
}
