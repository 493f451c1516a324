//! `sslmode`, against a server with a certificate.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use striatum_pg::{Config, PgStore};
use striatum_testkit::pg::{self, Cluster, ClusterError};

use crate::server::{self, RUNTIME, Schema};

/// Run by the server, in its data folder: an authority, a certificate of the name `localhost`, and an authority that gave out
/// nothing.
const CERTIFICATES: &str = "
    new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2' &&
    openssl req -x509 $new -subj /CN=authority -keyout ca.key -out ca.crt &&
    openssl req -x509 $new -subj /CN=stranger -keyout other.key -out other.crt &&
    openssl req $new -subj /CN=localhost -keyout server.key -out server.csr &&
    echo subjectAltName=DNS:localhost > names &&
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt &&
    chmod 600 server.key";

struct Encrypted {
    _cluster: Cluster,
    schema: Schema,
    port: u16,
    folder: PathBuf,
}

impl Encrypted {
    async fn start() -> Option<Self> {
        let mut cluster = server::found(Cluster::start_with(&[("fsync", "off")]))?;
        let schema = Schema::on(&cluster.url()).await;
        let admin = server::client(&cluster.url(), "postgres").await;
        let make = format!("COPY (SELECT) TO PROGRAM $$({CERTIFICATES}) >/dev/null 2>&1$$");
        if admin.batch_execute(&make).await.is_err() {
            pg::skip(&ClusterError::Failed("openssl makes no certificates here".to_owned()));
            return None;
        }
        // Free a moment ago; there is no other way to have the server choose.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for setting in ["listen_addresses = '127.0.0.1'", &format!("port = {port}"), "ssl = on"] {
            admin.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        let folder = Path::new("/tmp").join(format!("striatum-tls-{}", schema.name));
        std::fs::create_dir(&folder).unwrap();
        for name in ["ca.crt", "other.crt"] {
            let row = admin.query_one("SELECT pg_read_file($1)", &[&name]).await.unwrap();
            std::fs::write(folder.join(name), row.get::<_, String>(0)).unwrap();
        }
        cluster.kill().unwrap();
        cluster.restart().unwrap();
        Some(Self { _cluster: cluster, schema, port, folder })
    }

    async fn connect(&self, host: &str, mode: &str, roots: Option<&str>) -> Result<PgStore, String> {
        let roots = roots.map(|name| format!(" sslrootcert={}", self.folder.join(name).display()));
        let address = format!(
            "host={host} hostaddr=127.0.0.1 port={} dbname=postgres user={RUNTIME} sslmode={mode}{}",
            self.port,
            roots.unwrap_or_default()
        );
        let config = Config::new(&address).unwrap().schema(&self.schema.name).unwrap();
        PgStore::connect(&config.patience(Duration::ZERO)).await.map_err(|error| format!("{error:?}"))
    }

    /// Whether connections of the runtime role are encrypted.
    async fn is_encrypted(&self) -> bool {
        let address = format!("host=127.0.0.1 port={} dbname=postgres", self.port);
        let admin = server::client(&address, "postgres").await;
        let select =
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1";
        admin.query_one(select, &[&RUNTIME]).await.unwrap().get(0)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test]
async fn an_sslmode_encrypts_and_checks_what_it_says() {
    let Some(server) = Encrypted::start().await else { return };
    for (host, mode, roots) in [
        ("localhost", "prefer", None),
        ("localhost", "require", None),
        ("127.0.0.1", "verify-ca", Some("ca.crt")),
        ("localhost", "verify-full", Some("ca.crt")),
    ] {
        let store = server.connect(host, mode, roots).await;
        assert!(store.is_ok(), "{mode} {host}: {store:?}");
        assert!(server.is_encrypted().await, "{mode}");
    }
    for (host, mode, roots) in [
        ("localhost", "require", Some("other.crt")),
        ("localhost", "verify-ca", Some("other.crt")),
        ("localhost", "verify-full", Some("other.crt")),
        // The certificate does not name it.
        ("127.0.0.1", "verify-full", Some("ca.crt")),
    ] {
        let refused = server.connect(host, mode, roots).await.unwrap_err();
        assert!(
            refused.contains("certificate") || refused.contains("Certificate"),
            "{mode} {host}: {refused}"
        );
    }
    let store = server.connect("localhost", "disable", None).await.unwrap();
    assert!(!server.is_encrypted().await);
    drop(store);
}
