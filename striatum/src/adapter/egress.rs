//! The way of agents to named hosts.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Write as _},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use striatum_core::{
    id::LaneId,
    sandbox::Mount,
    workflow::{Constraint, Workflow},
};
use striatum_sandbox::{
    credential::{Credential, CredentialSource},
    egress::{
        Egress, EgressAudit, EgressError, EgressErrorKind, EgressRecord, EgressRules, EgressServing, Fate,
        Rule, Traced,
    },
    upstream::Trust,
};

use crate::adapter::{AdapterError, Assignment, Gateway, Passage, Porter, Seen};

/// By what name the sandbox hands over the listener of the proxy.
const EGRESS: &str = "egress";
/// What was asked of the proxy, in a session's folder: a line of JSON for each request.
const LOG: &str = "egress.jsonl";
/// How much of that is kept, in bytes. Whoever asks for more is refused.
const LOG_BYTES: usize = 64 << 20;

/// Lets agents reach named hosts through an [`Egress`] proxy, by rules for every lane and for single ones.
///
/// An agent whose lane has rules gets the address of its proxy, a file of certificates to trust, and placeholders under the names of
/// secrets; variables of its lane with these names it does not get. What it asked for stands in `egress.jsonl` in its session's folder.
/// A lane that is held to `network: forbidden` reaches nothing, whatever the rules say.
#[derive(Debug, Clone, Default)]
pub struct EgressGateway {
    everywhere: Vec<Rule>,
    lanes: BTreeMap<LaneId, Vec<Rule>>,
    secrets: BTreeMap<String, Credential>,
    trust: Option<Trust>,
}

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    allow: Vec<serde_json::Value>,
    #[serde(default)]
    lanes: BTreeMap<LaneId, Vec<serde_json::Value>>,
    #[serde(default)]
    secrets: BTreeMap<String, CredentialSource>,
}

impl EgressGateway {
    /// Reads `{"allow": […], "lanes": {"author": […]}, "secrets": {"GITHUB_TOKEN": {"env": "GITHUB_TOKEN"}}}`: rules for every lane as
    /// [`EgressRules::parse`] reads them, more of them for single lanes, and where secrets come from.
    ///
    /// # Errors
    /// [`EgressError`].
    pub fn parse(json: &str) -> Result<Self, EgressError> {
        let unreadable = |error| {
            EgressError::new(EgressErrorKind::Unreadable, "the rules are not in their format").because(error)
        };
        let text: Text = serde_json::from_str(json).map_err(unreadable)?;
        if text.allow.is_empty() && text.lanes.is_empty() {
            return Err(EgressError::new(EgressErrorKind::Empty, "no rule allows anything"));
        }
        let mut gateway = Self::default();
        for entry in text.allow {
            gateway = gateway.allow(Rule::read(entry)?);
        }
        for (lane, entries) in text.lanes {
            for rule in EgressRules::read(entries)?.iter() {
                gateway = gateway.allow_in(lane.clone(), rule.clone());
            }
        }
        for (name, source) in text.secrets {
            gateway = gateway.secret(name, Credential::new(source));
        }
        Ok(gateway)
    }

    /// Lets agents of every lane reach this.
    #[must_use]
    pub fn allow(mut self, rule: Rule) -> Self {
        self.everywhere.push(rule);
        self
    }

    /// Lets agents of one lane reach this.
    #[must_use]
    pub fn allow_in(mut self, lane: LaneId, rule: Rule) -> Self {
        self.lanes.entry(lane).or_default().push(rule);
        self
    }

    /// Takes a secret of the rules from there.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: Credential) -> Self {
        self.secrets.insert(name.into(), value);
        self
    }

    /// Believes these authorities of hosts, and not those of this host.
    #[must_use]
    pub fn trust(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// Opens each proxy once, so that what is missing is told before an agent is started.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn check(&self) -> Result<(), EgressError> {
        let lanes = self.lanes.keys().map(Some).chain([None]);
        for lane in lanes {
            if let Some(rules) = self.rules(lane)? {
                self.open(rules, Arc::new(Traced)).await?;
            }
        }
        Ok(())
    }

    /// Refuses rules for single lanes of which one is none of this workflow: nobody would ever be held to them.
    ///
    /// # Errors
    /// [`EgressErrorKind::Lane`].
    pub fn check_lanes(&self, workflow: &Workflow) -> Result<(), EgressError> {
        let Some(unknown) = self.lanes.keys().find(|lane| !workflow.lanes.contains_key(*lane)) else {
            return Ok(());
        };
        let known: Vec<&str> = workflow.lanes.keys().map(LaneId::as_str).collect();
        let (id, known) = (&workflow.workflow_id, known.join(", "));
        let message = format!("there are rules for the lane {unknown}, and {id} has the lanes {known}");
        Err(EgressError::new(EgressErrorKind::Lane, message))
    }

    /// What agents of a lane may reach; nothing if no rule is about them.
    fn rules(&self, lane: Option<&LaneId>) -> Result<Option<EgressRules>, EgressError> {
        let of_lane = lane.and_then(|lane| self.lanes.get(lane)).into_iter().flatten();
        let rules: Vec<Rule> = self.everywhere.iter().chain(of_lane).cloned().collect();
        if rules.is_empty() { Ok(None) } else { EgressRules::new(rules).map(Some) }
    }

    async fn open(&self, rules: EgressRules, audit: Arc<dyn EgressAudit>) -> Result<Egress, EgressError> {
        let mut builder = Egress::builder(rules).audit(audit);
        for (name, secret) in &self.secrets {
            builder = builder.secret(name, secret.clone());
        }
        if let Some(trust) = &self.trust {
            builder = builder.trust(trust.clone());
        }
        builder.open().await
    }
}

/// What may be reached, in one line.
impl fmt::Display for EgressGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everywhere = self.everywhere.iter().map(Rule::to_string);
        let in_lanes = self
            .lanes
            .iter()
            .flat_map(|(lane, rules)| rules.iter().map(move |rule| format!("{rule} ({lane})")));
        f.write_str(&everywhere.chain(in_lanes).collect::<Vec<_>>().join(", "))
    }
}

#[async_trait]
impl Gateway for EgressGateway {
    async fn prepare(&self, assignment: &Assignment) -> Result<Option<Passage>, AdapterError> {
        let constraint = assignment.lane.constraints.get(&Constraint::Network);
        if constraint.is_some_and(|value| value == "forbidden") {
            return Ok(None);
        }
        let unopened = || AdapterError::new("open a proxy for an agent");
        let rules = self.rules(Some(&assignment.lane_id)).map_err(|error| unopened().because(error))?;
        let Some(rules) = rules else { return Ok(None) };
        let kept = Kept::new(&assignment.folder.join(LOG)).map_err(|error| unopened().because(error))?;
        let egress = self.open(rules, Arc::new(kept)).await.map_err(|error| unopened().because(error))?;
        let trust = assignment.folder.join("egress.pem");
        egress.write_trust(&trust).map_err(|error| unopened().because(error))?;
        let listen = Egress::listen(EGRESS);
        let env = egress.variables(&trust);
        let announced = listen.announce.iter().map(|(name, _)| name);
        let withheld = env.iter().map(|variable| &variable.name).chain(announced).cloned().collect();
        let mounts = vec![Mount::read(trust)];
        Ok(Some(Passage { env, withheld, mounts, ..Passage::new(listen, Door { egress, serving: None }) }))
    }
}

/// The proxy of one agent.
#[derive(Debug)]
struct Door {
    egress: Egress,
    serving: Option<EgressServing>,
}

impl Porter for Door {
    fn open(&mut self, listener: TcpListener) -> Result<(), AdapterError> {
        let serving = self.egress.serve(listener);
        let serving = serving.map_err(|error| AdapterError::new("serve an agent's proxy").because(error))?;
        self.serving = Some(serving);
        Ok(())
    }

    fn seen(&self) -> Seen {
        Seen::default()
    }
}

/// Keeps records in a file, and tells `tracing` of them.
#[derive(Debug)]
struct Kept(Mutex<Book>);

#[derive(Debug)]
struct Book {
    file: File,
    /// How many bytes it may still take.
    room: usize,
    /// The last line may have been written in part.
    is_torn: bool,
}

impl Kept {
    fn new(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new(Book { file, room: LOG_BYTES, is_torn: false })))
    }
}

impl EgressAudit for Kept {
    fn record(&self, record: EgressRecord) -> io::Result<()> {
        let line = line(&record).to_string();
        Traced.record(record)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&line)
    }
}

impl Book {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{}{line}\n", if self.is_torn { "\n" } else { "" });
        let room = self.room.checked_sub(line.len());
        // Once there is none for one, there is none for a shorter one.
        self.room = room.unwrap_or(0);
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, "a session has no more room for records");
        room.ok_or_else(full)?;
        let written = self.file.write_all(line.as_bytes());
        self.is_torn = written.is_err();
        written
    }
}

fn line(record: &EgressRecord) -> serde_json::Value {
    let fate = match record.fate {
        Fate::Answered(status) => json!({"status": status}),
        Fate::Refused(refusal) => json!({"refused": refusal.code()}),
        Fate::Tunnelled => json!("tunnelled"),
        _ => json!("abandoned"),
    };
    let since = record.begun_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "method": record.method.as_ref().map(AsRef::<str>::as_ref),
        "scheme": record.scheme.to_string(),
        "destination": record.destination,
        "rule": record.rule,
        "fate": fate,
        "up_bytes": record.up_bytes,
        "down_bytes": record.down_bytes,
        "begun_at_us": u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        "time_ms": u64::try_from(record.time.as_millis()).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_kept_is_told_and_the_next_is_a_line_of_its_own() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join(LOG);
        let Kept(book) = Kept::new(&path).expect("a file");
        let mut book = book.into_inner().expect("nobody else has it");
        book.write("one").expect("there is room");
        book.is_torn = true;
        book.write("two").expect("there is room");
        book.room = 5;
        for line in ["three", "4"] {
            assert_eq!(book.write(line).expect_err("there is none").kind(), io::ErrorKind::QuotaExceeded);
        }
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "one\n\ntwo\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told() {
        let Kept(book) = Kept::new(Path::new("/dev/full")).expect("a device");
        let mut book = book.into_inner().expect("nobody else has it");
        assert_eq!(book.write("one").expect_err("it is full").kind(), io::ErrorKind::StorageFull);
        assert!(book.is_torn);
    }
}
