//! A proxy between a client and hosts on loopback.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use striatum_sandbox::{
    credential::{Credential, CredentialSource},
    egress::{
        Egress, EgressAudit, EgressLimits, EgressRecord, EgressRules, EgressServing, Fate, Refusal, Resolve,
    },
};
use tempfile::{NamedTempFile, TempDir};
use tokio::{net::TcpSocket, sync::watch, time::timeout};

use super::upstream::{Log, Manner, Pki, Running, Shared, host};

/// Only ever reached by a test that hangs.
const HANG: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(200);

pub(super) const SECRET: &str = "the-real-secret-of-the-host";

/// The names of the tests, and where they lead.
const NAMES: &[(&str, &[&str])] = &[
    ("spliced.test", &["127.0.0.1"]),
    ("inspected.test", &["127.0.0.1"]),
    ("secret.test", &["127.0.0.1"]),
    ("partial.test", &["127.0.0.1"]),
    ("other.test", &["127.0.0.1"]),
    ("stranger.test", &["127.0.0.1"]),
    ("plain.test", &["127.0.0.1"]),
    ("mute.test", &["127.0.0.1"]),
    ("mute-inside.test", &["127.0.0.1"]),
    ("below.wild.test", &["127.0.0.1"]),
    ("loopback.test", &["127.0.0.1"]),
    ("loopback6.test", &["::1"]),
    ("metadata.test", &["169.254.169.254"]),
    ("private.test", &["10.0.0.1"]),
    ("carrier.test", &["100.64.0.1"]),
    ("unique.test", &["fd00::1"]),
    ("mapped.test", &["::ffff:127.0.0.1"]),
    ("mapped-allowed.test", &["::ffff:127.0.0.1"]),
    ("closed.test", &["127.0.0.1"]),
    ("nowhere.test", &["0.0.0.0"]),
    ("many.test", &["224.0.0.1"]),
    ("mixed.test", &["127.0.0.1", "10.0.0.1"]),
];

pub(super) struct Stage {
    pub(super) pki: Pki,
    pub(super) log: Log,
    /// What is served below `/git/`.
    pub(super) files: TempDir,
    secret: NamedTempFile,
    /// A port on which nobody listens.
    closed: TcpSocket,
    tls: Running,
    plain: Running,
    mute: Running,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let names: Vec<&str> =
            NAMES.iter().map(|(name, _)| *name).filter(|name| *name != "stranger.test").collect();
        let (pki, log) = (Pki::new(&names), Log::default());
        let files = TempDir::new().expect("a folder");
        let tls = host(Manner::tls(&pki, files.path()), log.clone()).await;
        let plain = host(Manner::Plain, log.clone()).await;
        let mute = host(Manner::Mute, log.clone()).await;
        let closed = TcpSocket::new_v4().expect("a socket");
        closed.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let secret = NamedTempFile::new().expect("a file");
        std::fs::write(&secret, SECRET).expect("a secret");
        Self { pki, log, files, secret, closed, tls, plain, mute }
    }

    /// A text with the ports in it.
    pub(super) fn fill(&self, text: &str) -> String {
        let ports = [
            ("{tls}", self.tls.port),
            ("{plain}", self.plain.port),
            ("{mute}", self.mute.port),
            ("{closed}", self.closed.local_addr().expect("an address").port()),
        ];
        ports.iter().fold(text.to_owned(), |text, (name, port)| text.replace(name, &port.to_string()))
    }

    fn rules(&self) -> EgressRules {
        let here = r#""addresses": ["127.0.0.1"]"#;
        let special = [
            "loopback",
            "loopback6",
            "metadata",
            "private",
            "carrier",
            "unique",
            "mapped",
            "nowhere",
            "many",
        ];
        let special: Vec<String> = special.iter().map(|name| format!(r#""{name}.test:{{tls}}""#)).collect();
        let rules = format!(
            r#"{{"allow": [
                {{"to": "spliced.test:{{tls}}", {here}}},
                {{"to": "inspected.test:{{tls}}/open", "methods": ["GET", "POST", "HEAD"], {here}}},
                {{"to": "secret.test:{{tls}}", "secrets": ["TOKEN"], {here}}},
                {{"to": "secret.test:{{tls}}", {here}}},
                {{"to": "partial.test:{{tls}}/with", "secrets": ["TOKEN"], {here}}},
                {{"to": "partial.test:{{tls}}/without", {here}}},
                {{"to": "other.test:{{tls}}", "inspect": true, {here}}},
                {{"to": "stranger.test:{{tls}}", "inspect": true, {here}}},
                {{"to": "http://plain.test:{{plain}}/open", {here}}},
                {{"to": "mute.test:{{mute}}", {here}}},
                {{"to": "mute-inside.test:{{mute}}", "inspect": true, {here}}},
                {{"to": "*.wild.test:{{tls}}", {here}}},
                {{"to": "mixed.test:{{tls}}", {here}}},
                {{"to": "mapped-allowed.test:{{tls}}", {here}}},
                "unknown.test:{{tls}}",
                {{"to": "closed.test:{{closed}}", {here}}},
                {}
            ]}}"#,
            special.join(", ")
        );
        EgressRules::parse(&self.fill(&rules)).expect("rules")
    }

    pub(super) async fn proxy(&self, limits: EgressLimits) -> Proxy {
        let records = Records::default();
        let resolver = Arc::new(Names::default());
        let egress = Egress::builder(self.rules())
            .secret("TOKEN", Credential::new(CredentialSource::File(self.secret.path().to_owned())))
            .trust(self.pki.trust())
            .resolver(resolver.clone())
            .audit(Arc::new(records.clone()))
            .limits(limits)
            .open()
            .await
            .expect("a proxy");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let serving = egress.serve(listener).expect("it is served");
        Proxy { address, records, resolver, egress, _serving: serving }
    }
}

/// Small enough that a test can go beyond them; the times are longer than any test.
pub(super) fn limits() -> EgressLimits {
    let mut limits = EgressLimits::default();
    limits.head_bytes = 8 << 10;
    limits.up_bytes = 32 << 10;
    limits.down_bytes = 64 << 10;
    limits.head_time = HANG;
    limits.idle_time = HANG;
    limits.answer_time = HANG;
    limits
}

/// So impatient with clients that they can wait for the end.
pub(super) fn impatient() -> EgressLimits {
    let mut limits = limits();
    limits.head_time = SHORT;
    limits.idle_time = SHORT;
    limits
}

/// As impatient with hosts.
pub(super) fn demanding() -> EgressLimits {
    let mut limits = limits();
    limits.answer_time = SHORT;
    limits
}

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) records: Records,
    pub(super) resolver: Arc<Names>,
    pub(super) egress: Egress,
    _serving: EgressServing,
}

impl Proxy {
    /// What an agent has in the place of the secret.
    pub(super) fn placeholder(&self) -> String {
        let variables = self.egress.variables("unused".as_ref());
        let token = variables.into_iter().find(|variable| variable.name == "TOKEN").expect("a placeholder");
        token.value.into_string().expect("text")
    }
}

/// The records, as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    kept: watch::Sender<Vec<EgressRecord>>,
    /// So many cannot be kept from now on.
    pub(super) lost: Arc<AtomicUsize>,
}

impl EgressAudit for Records {
    fn record(&self, record: EgressRecord) -> io::Result<()> {
        let lose = |lost: usize| lost.checked_sub(1);
        if self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose).is_ok() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.send_modify(|records| records.push(record));
        Ok(())
    }
}

impl Records {
    /// Waits for the first refusal.
    pub(super) async fn refusal(&self) -> Refusal {
        let refusal = |records: &[EgressRecord]| {
            records.iter().find_map(|record| match record.fate {
                Fate::Refused(refusal) => Some(refusal),
                _ => None,
            })
        };
        let mut records = self.kept.subscribe();
        let found = records.wait_for(|records| refusal(records).is_some()).await;
        refusal(&found.expect("records")).expect("a refusal")
    }

    /// So many of them.
    pub(super) async fn finished(&self, count: usize) -> Vec<EgressRecord> {
        let mut records = self.kept.subscribe();
        records.wait_for(|records| records.len() >= count).await.expect("records").clone()
    }
}

/// Resolves the names of the tests, and writes down which were asked for. A name that was set leads to each of its answers in turn.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) asked: Shared<String>,
    pub(super) turns: Mutex<HashMap<String, Vec<IpAddr>>>,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("a list").push(name.to_owned());
        if let Some(turns) = self.turns.lock().expect("answers").get_mut(name) {
            return Ok(vec![turns.remove(0)]);
        }
        let (_, addresses) = NAMES.iter().find(|(other, _)| *other == name).ok_or(io::ErrorKind::NotFound)?;
        Ok(addresses.iter().map(|address| address.parse().expect("an address")).collect())
    }
}

/// Waits, but not for ever.
pub(super) async fn soon<T>(what: &str, act: impl Future<Output = T>) -> T {
    timeout(HANG, act).await.unwrap_or_else(|_| panic!("{what} takes for ever"))
}
