//! What an agent may cost us.

use std::time::Duration;

/// What is kept of an agent's messages, and how long is waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcpLimits {
    /// The longest line, in bytes.
    pub line_bytes: usize,
    /// How many lines that are no messages are passed over.
    pub stray_lines: usize,
    /// How many requests an agent may have open.
    pub requests: usize,
    /// How many updates wait for [`next`](striatum_core::transport::AgentSession::next); then the agent is not read any more.
    pub updates: usize,
    /// How much of the standard error is kept for a report, in bytes.
    pub stderr_bytes: usize,
    /// How many terminals an agent may have open at once.
    pub terminals: usize,
    /// How much of what a command in a terminal writes is kept, in bytes: the end of it.
    pub terminal_bytes: usize,
    /// How long a command may run in a terminal; then it is ended.
    pub command: Duration,
    /// How long each step may take that leads to a session.
    pub start: Duration,
    /// How long an agent may leave a message unread.
    pub write: Duration,
    /// How long a turn may go on after it was cancelled.
    pub cancel: Duration,
    /// How long a person may think about a request; then it is rejected.
    pub ask: Duration,
    /// How long a process may go on after its connection is closed; then it is killed.
    pub end: Duration,
}

impl Default for AcpLimits {
    fn default() -> Self {
        Self {
            line_bytes: 8 << 20,
            stray_lines: 16,
            requests: 64,
            updates: 256,
            stderr_bytes: 64 << 10,
            terminals: 16,
            terminal_bytes: 1 << 20,
            command: Duration::from_secs(60 * 60),
            start: Duration::from_secs(60),
            write: Duration::from_secs(30),
            cancel: Duration::from_secs(20),
            ask: Duration::from_secs(60 * 60),
            end: Duration::from_secs(5),
        }
    }
}
