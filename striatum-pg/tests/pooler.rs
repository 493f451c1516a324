//! A pooler between the store and the server: one of sessions is nothing, one of transactions is refused.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use striatum_core::store::{Mark, RunHead, Store, Wait};
use striatum_pg::{PgStore, SetupError};
use striatum_testkit::fixture::{Draft, run};

use crate::server::{OWNER, RUNTIME, Schema, chain};

/// A PgBouncer with a folder of its own.
struct Bouncer {
    address: String,
    child: Child,
    folder: PathBuf,
}

impl Bouncer {
    /// One that pools like this in front of a server.
    fn start(program: &Path, server: &str, mode: &str) -> Self {
        let config: tokio_postgres::Config = server.parse().unwrap();
        let [tokio_postgres::config::Host::Unix(socket)] = config.get_hosts() else {
            panic!("no socket: {server}")
        };
        let place = striatum_testkit::store::Place::unused();
        let folder = PathBuf::from(format!("/tmp/striatum-bouncer-{place}"));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let (users, settings) = (folder.join("users"), folder.join("settings"));
        fs::write(&users, format!("\"{OWNER}\" \"\"\n\"{RUNTIME}\" \"\"\n")).unwrap();
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_port = 5432\nlisten_addr =\n\
                 unix_socket_dir = {}\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n",
                socket.display(),
                folder.display(),
                users.display(),
            ),
        )
        .unwrap();
        // Like the server it does not run as root; it runs as the server does.
        let owner = fs::metadata(socket).unwrap();
        let mut command = Command::new(program);
        if fs::metadata(&folder).unwrap().uid() != owner.uid() {
            chown(&folder, Some(owner.uid()), Some(owner.gid())).unwrap();
            command.uid(owner.uid()).gid(owner.gid());
        }
        let mut child = command.arg(&settings).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let is_up = said.by_ref().any(|line| line.unwrap().contains("process up"));
        assert!(is_up, "PgBouncer ended");
        // It goes on talking.
        std::thread::spawn(move || said.for_each(drop));
        let host = format!("host={}", socket.display());
        Self { address: server.replace(&host, &format!("host={}", folder.display())), child, folder }
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A schema, and PgBouncer; without one of them, a word about it.
async fn set_up(test: &str) -> Option<(Schema, PathBuf)> {
    let schema = Schema::new().await?;
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let program = places.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file());
    if program.is_none() {
        striatum_testkit::skip(test, "there is no PgBouncer on this machine");
    }
    Some((schema, program?))
}

#[tokio::test]
async fn a_pooler_of_transactions_or_statements_is_refused() {
    let Some((schema, program)) = set_up("a_pooler_of_transactions_or_statements_is_refused").await else {
        return;
    };
    for mode in ["transaction", "statement"] {
        let bouncer = Bouncer::start(&program, &schema.address, mode);
        let pooled = schema.at(bouncer.address.clone());
        for _ in 0..3 {
            let refused = PgStore::connect(&pooled.runtime()).await.unwrap_err();
            assert!(matches!(refused, SetupError::Pooler), "{mode}: {refused:?}");
            let refused = PgStore::migrate(&pooled.config(OWNER)).await.unwrap_err();
            assert!(matches!(refused, SetupError::Pooler), "{mode}: {refused:?}");
        }
        // Nothing was set on connections that others are given.
        let client = crate::server::client(&bouncer.address, RUNTIME).await;
        let answer = client.simple_query("SHOW search_path").await.unwrap();
        let path = answer.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(path, Some("\"$user\", public"), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_sessions_will_do() {
    let Some((schema, program)) = set_up("a_pooler_of_sessions_will_do").await else { return };
    let bouncer = Bouncer::start(&program, &schema.address, "session");
    let pooled = schema.at(bouncer.address.clone());
    PgStore::migrate(&pooled.config(OWNER)).await.unwrap();
    let (direct, store) = (schema.store().await, PgStore::connect(&pooled.runtime()).await.unwrap());
    let wait = Wait { chain: Some(chain()), after: Mark::default() };
    let after = store.changed(&wait).await.unwrap();
    let head = direct.append(&Draft::new(&chain(), run(1), RunHead::START).batch()).await.unwrap();
    let wait = Wait { chain: Some(chain()), after };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), store.changed(&wait)).await.unwrap().unwrap() > after
    );
    assert_eq!(store.append(&Draft::new(&chain(), run(1), head).batch()).await.unwrap().version, 2);
}
