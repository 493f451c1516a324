//! The tools of a grant.

use std::sync::Arc;

use striatum_core::transport::AgentIdentity;
use tokio_util::sync::CancellationToken;

use crate::{
    Refusal,
    agents::{Conclusion, Mode, Receipt, session::Live},
    toolbox::{Entry, Toolbox},
};

mod arguments;
mod catalogue;

use catalogue::{CATALOGUE, Call, PacketForm};

const INSTRUCTIONS: &str = "These tools are the only way to hand in your work. Read the task with get_packet. \
    End it with exactly one of complete_work, submit_review, report_failure, release_work, block_work, ask_human, ask_upstream \
    or answer: only what a tool \
    has accepted counts, whatever you say otherwise. A call that is refused says what to do about it; do that and call again.";

/// The names of all tools of a grant.
pub fn tool_names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().flat_map(|entry| entry.names).copied()
}

impl Toolbox for Live {
    type Call = Call;

    fn catalogue() -> &'static [Entry<Call>] {
        CATALOGUE
    }

    fn instructions() -> &'static str {
        INSTRUCTIONS
    }

    fn note_connected(&self, client: Option<AgentIdentity>) {
        Live::note_connected(self, client);
    }

    fn note_call(&self) {
        Live::note_call(self);
    }

    async fn answer(self: Arc<Self>, call: Call, _gone: CancellationToken) -> Result<String, Refusal> {
        match call {
            Call::Packet(PacketForm::Text) => Ok(self.task().await?.prompt),
            Call::Packet(PacketForm::Json) => Ok(text(&self.task().await?.packet)),
            Call::Read(digest) => Ok(text(&self.read(&digest).await?)),
            Call::Act(act, mode) => Ok(said(&self.act(act, mode).await?, mode)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(receipt: &Receipt, mode: Mode) -> String {
    let Receipt { sentence, conclusion } = receipt;
    match (mode, conclusion) {
        (Mode::DryRun, _) => format!("would be accepted: {sentence}. Nothing was done."),
        (Mode::Perform, Conclusion::GoesOn) => format!("accepted: {sentence}."),
        (Mode::Perform, Conclusion::Over) => {
            format!(
                "accepted: {sentence}. Your work on this task is over: stop now, and change nothing more."
            )
        }
    }
}
