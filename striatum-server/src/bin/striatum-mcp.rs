//! Carries the Model Context Protocol between standard input and output and the tools of a grant, for agents that cannot reach a server
//! over HTTP. The address stands in the variable `STRIATUM_MCP_URL` and the token in `STRIATUM_MCP_TOKEN`.

use std::process::ExitCode;

use striatum_server::{agents::Endpoint, bridge};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(endpoint) = Endpoint::of_environment() else {
        return fail(&format!("set {}", Endpoint::VARIABLES.join(" and ")));
    };
    match bridge(&endpoint, tokio::io::stdin(), tokio::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    // Standard output belongs to the protocol.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("striatum-mcp: {why}\n"));
    ExitCode::FAILURE
}
