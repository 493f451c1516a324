//! A shim for programs that are none themselves.

use std::process::ExitCode;

fn main() -> ExitCode {
    striatum_sandbox::shim::main_if_shim();
    let text =
        b"striatum-shim is run by Striatum, between bubblewrap and an agent; see striatum_sandbox::shim\n";
    let _unheard = std::io::Write::write_all(&mut std::io::stderr(), text);
    ExitCode::from(2)
}
