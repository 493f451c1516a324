//! The suite that every transport passes, for plain commands.

use std::io;

use striatum::command::CommandTransport;
use striatum_core::{sandbox::Exit, transport::AgentTransport};
use striatum_testkit::transport::{Deed, Playing, Puppet, TransportFactory, Turns};

struct Command;

impl TransportFactory for Command {
    fn transport(&self) -> Box<dyn AgentTransport> {
        Box::new(CommandTransport::new())
    }

    fn turns(&self) -> Turns {
        Turns::One
    }

    fn play(&self, puppet: Puppet, script: Vec<Deed>) -> Playing {
        Box::pin(async move { play(puppet, script).await.unwrap_or(Exit::Code(0)) })
    }
}

async fn play(mut puppet: Puppet, script: Vec<Deed>) -> io::Result<Exit> {
    let mut task = String::new();
    for deed in script {
        match deed {
            // It has nothing to say before its task.
            Deed::Meet => {}
            Deed::HearTask => task = puppet.rest().await?,
            Deed::Echo => puppet.write(task.as_bytes()).await?,
            Deed::Say(text) => puppet.write(text.as_bytes()).await?,
            Deed::Complain(text) => puppet.complain(text.as_bytes()).await?,
            Deed::Raw(bytes) => puppet.write(&bytes).await?,
            Deed::EndTurn => return Ok(Exit::Code(0)),
            // It is killed.
            Deed::HeedCancel | Deed::Linger => return Ok(puppet.linger().await),
            Deed::CloseOutputs => puppet.close_outputs(),
            Deed::End(exit) => return Ok(exit),
        }
    }
    Ok(Exit::Code(0))
}

striatum_testkit::transport_conformance!(Command);
