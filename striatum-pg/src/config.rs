//! How a store is reached, and how it behaves.

use std::{fmt, path::PathBuf, time::Duration};

use tokio_postgres::config::{Host, SslMode};

use crate::{error::SetupError, tls::Tls};

/// Whether it matters that a store runs with more rights than it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Hardening {
    /// A warning is logged.
    #[default]
    Warn,
    /// [`PgStore::connect`](crate::PgStore::connect) refuses.
    Require,
}

/// Where the database is, and how the store uses it.
///
/// ```
/// use std::time::Duration;
/// use striatum_pg::{Config, Hardening};
///
/// let config = Config::new("postgres://worker@db.example/app?sslmode=verify-full")?
///     .schema("striatum_team")?
///     .hardening(Hardening::Require)
///     .patience(Duration::from_secs(5));
/// # let _ = config;
/// # Ok::<(), striatum_pg::SetupError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) server: tokio_postgres::Config,
    pub(crate) tls: Tls,
    pub(crate) schema: String,
    pub(crate) runtime_role: String,
    pub(crate) hardening: Hardening,
    pub(crate) connections: usize,
    pub(crate) patience: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
}

impl Config {
    /// Takes an address: a `postgres://` URL or a `key=value` text, as `libpq` has them.
    ///
    /// `sslmode` is `disable`, `prefer` (the default), `require`, `verify-ca` or `verify-full`, and means what it means there:
    /// the first three do not check whom they speak to. `sslrootcert` is a file of certificates in PEM, or `system`, the
    /// default.
    ///
    /// # Errors
    /// [`SetupError::Config`]. The text is not repeated in it, since it may hold a password.
    pub fn new(address: &str) -> Result<Self, SetupError> {
        let Address { rest, mode, roots } = Address::parse(address)?;
        let mut server: tokio_postgres::Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            // The source names the key that is wrong, not its value.
            SetupError::Config(
                std::error::Error::source(&error).map_or("no address".to_owned(), ToString::to_string),
            )
        })?;
        let (mode, verify) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Tls::Unverified),
            None | Some("prefer") => (SslMode::Prefer, Tls::Unverified),
            // As `libpq` has it: who names a root wants it looked at.
            Some("require") if roots.is_some() => (SslMode::Require, Tls::Authority(roots)),
            Some("require") => (SslMode::Require, Tls::Unverified),
            Some("verify-ca") => (SslMode::Require, Tls::Authority(roots)),
            Some("verify-full") => (SslMode::Require, Tls::Full(roots)),
            Some(mode) => return Err(SetupError::Config(format!("there is no sslmode {mode:?}"))),
        };
        // On a socket of the same machine there is nobody in between; the server would only be asked in vain.
        let is_local = server.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        server.ssl_mode(if is_local { SslMode::Disable } else { mode });
        if server.get_application_name().is_none() {
            server.application_name("striatum");
        }
        // A server that has vanished without a word is given up within a minute.
        server
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
        Ok(Self {
            server,
            tls: verify,
            schema: "striatum".to_owned(),
            runtime_role: "striatum_runtime".to_owned(),
            hardening: Hardening::default(),
            connections: 8,
            patience: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        })
    }

    /// The schema that holds the store, so that several share a database. The default is `striatum`.
    ///
    /// # Errors
    /// [`SetupError::Config`] if it is not 1 to 48 of `a-z 0-9 _`, beginning with a letter or `_`.
    pub fn schema(mut self, name: &str) -> Result<Self, SetupError> {
        self.schema = identifier(name)?;
        Ok(self)
    }

    /// The role that [`PgStore::migrate`](crate::PgStore::migrate) lets use the store, and creates without a login if there is
    /// none; whoever connects is a member of it. The default is `striatum_runtime`.
    ///
    /// # Errors
    /// As [`schema`](Self::schema).
    pub fn runtime_role(mut self, name: &str) -> Result<Self, SetupError> {
        self.runtime_role = identifier(name)?;
        Ok(self)
    }

    /// What to do about a connection whose role could change events. The default is to warn.
    #[must_use]
    pub fn hardening(mut self, hardening: Hardening) -> Self {
        self.hardening = hardening;
        self
    }

    /// The largest number of connections, besides the one that listens. The default is 8.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// For how long to go on while the server cannot be reached, before the store counts as unavailable. The default is 10
    /// seconds.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The longest that the server may work on one statement. The default is 30 seconds.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The longest that a statement waits for a lock. The default is 10 seconds.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("hosts", &self.server.get_hosts())
            .field("database", &self.server.get_dbname())
            .field("user", &self.server.get_user())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Stands unquoted in statements, and together with a prefix names a channel.
fn identifier(name: &str) -> Result<String, SetupError> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let characters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && characters && name.len() <= 48 && !name.starts_with("pg_") {
        return Ok(name.to_owned());
    }
    Err(SetupError::Config(format!(
        "{name:?} is not a name (1 to 48 of a-z 0-9 _, not beginning with a digit or pg_)"
    )))
}

/// An address without what the driver does not know.
struct Address {
    rest: String,
    mode: Option<String>,
    roots: Option<PathBuf>,
}

impl Address {
    fn parse(address: &str) -> Result<Self, SetupError> {
        let mut parsed = Self { rest: String::new(), mode: None, roots: None };
        let is_url = address.starts_with("postgres://") || address.starts_with("postgresql://");
        let (head, options, between) = match address.split_once('?') {
            Some((head, query)) if is_url => (head, query, '&'),
            _ if is_url => (address, "", '&'),
            _ => ("", address, ' '),
        };
        let mut rest = Vec::new();
        for option in options.split(between) {
            match option.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some(("sslmode", mode)) => parsed.mode = Some(mode.to_owned()),
                Some(("sslrootcert", "system")) => parsed.roots = None,
                Some(("sslrootcert", file)) => parsed.roots = Some(decoded(file, is_url)?.into()),
                _ => rest.push(option),
            }
        }
        let rest = rest.join(&between.to_string());
        parsed.rest =
            if is_url && !rest.is_empty() { format!("{head}?{rest}") } else { format!("{head}{rest}") };
        Ok(parsed)
    }
}

fn decoded(text: &str, is_url: bool) -> Result<String, SetupError> {
    let wrong = || SetupError::Config("sslrootcert is not a path".to_owned());
    if !is_url {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(code, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sslmode_is_what_libpq_makes_of_it() {
        let roots = || Some(PathBuf::from("/etc/my ca.pem"));
        for (address, mode, tls) in [
            ("postgres://a@b/c", SslMode::Prefer, Tls::Unverified),
            ("host=b user=a", SslMode::Prefer, Tls::Unverified),
            ("host=/run/postgresql sslmode=require", SslMode::Disable, Tls::Unverified),
            ("host=b sslmode=disable", SslMode::Disable, Tls::Unverified),
            ("postgres://a@b/c?sslmode=require&connect_timeout=3", SslMode::Require, Tls::Unverified),
            (
                "postgres://b?sslrootcert=%2Fetc%2Fmy%20ca.pem&sslmode=require",
                SslMode::Require,
                Tls::Authority(roots()),
            ),
            ("postgres://b?sslmode=verify-ca", SslMode::Require, Tls::Authority(None)),
            ("host=b sslmode=verify-full sslrootcert=/x", SslMode::Require, Tls::Full(Some("/x".into()))),
            ("host=b sslmode=verify-full sslrootcert=system", SslMode::Require, Tls::Full(None)),
        ] {
            let config = Config::new(address).unwrap();
            assert_eq!((config.server.get_ssl_mode(), config.tls), (mode, tls), "{address}");
        }
    }

    #[test]
    fn what_is_not_sound_is_refused_without_the_password() {
        for address in
            ["host=b sslmode=maybe password=secret", "host=b port=secret", "postgres://a:secret@b:port"]
        {
            let error = Config::new(address).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let config = Config::new("postgres://a:secret@b/c").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        for name in ["", "Team", "1st", "a-b", "a\"b", "pg_mine", &"x".repeat(49)] {
            assert!(config.clone().schema(name).is_err(), "{name}");
        }
    }
}
