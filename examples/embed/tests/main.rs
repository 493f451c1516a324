//! The example does what it says.

use std::process::Command;

#[test]
fn the_first_draft_is_sent_back_and_the_second_accepted() {
    let output = Command::new(env!("CARGO_BIN_EXE_embed")).output().unwrap();
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complaint}");
    let lines: Vec<&str> = said.lines().collect();
    let steps = [
        "draft attempt 1: wrote \"Hello.\"",
        "review attempt 1: sent back",
        "draft attempt 2: wrote \"Hello, reader!\"",
        "review attempt 2: accepted",
    ];
    assert_eq!(lines[..4], steps);
    assert!(lines[4].contains("completed; the chain verifies up to "), "{}", lines[4]);
    let head = lines[4].rsplit(' ').next().unwrap();
    assert!(head.parse::<striatum_core::chain::Position>().is_ok_and(|head| head.seq > 10), "{head}");
}
