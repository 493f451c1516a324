//! What a review leans on.

use serde::{Deserialize, Serialize};

/// What a review leans on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Posture {
    Neutral,
    DevilsAdvocate,
    Security,
    ThreatModel,
    LatencyPerformance,
    ErgonomicsDx,
    Accessibility,
    ComplianceLicense,
    SupplyChain,
    /// One that the author named.
    Custom(String),
}

impl Posture {
    pub(in crate::workflow) const NAMED: [(Self, &'static str); 9] = [
        (Self::Neutral, "neutral"),
        (Self::DevilsAdvocate, "devils_advocate"),
        (Self::Security, "security"),
        (Self::ThreatModel, "threat_model"),
        (Self::LatencyPerformance, "latency_performance"),
        (Self::ErgonomicsDx, "ergonomics_dx"),
        (Self::Accessibility, "accessibility"),
        (Self::ComplianceLicense, "compliance_license"),
        (Self::SupplyChain, "supply_chain"),
    ];
}

/// The text is not a posture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a posture; write custom:<name> for one of your own")]
pub struct UnknownPosture(String);

impl TryFrom<String> for Posture {
    type Error = UnknownPosture;
    fn try_from(text: String) -> Result<Self, UnknownPosture> {
        let named = Self::NAMED.into_iter().find_map(|(posture, name)| (name == text).then_some(posture));
        match (named, text.strip_prefix("custom:")) {
            (Some(posture), _) => Ok(posture),
            (None, Some(name)) if !name.is_empty() => Ok(Self::Custom(name.to_owned())),
            _ => Err(UnknownPosture(text)),
        }
    }
}

impl From<Posture> for String {
    fn from(posture: Posture) -> Self {
        let named = Posture::NAMED.into_iter().find_map(|(known, name)| (known == posture).then_some(name));
        match (named, posture) {
            (Some(name), _) => name.to_owned(),
            (None, Posture::Custom(name)) => format!("custom:{name}"),
            (None, _) => String::new(),
        }
    }
}
