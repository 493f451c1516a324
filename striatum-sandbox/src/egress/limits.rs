//! How much, and for how long.

use std::time::Duration;

/// What one session may ask of its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EgressLimits {
    /// How many connections there may be at a time. Whoever comes then waits.
    pub connections: usize,
    /// How many bytes the head of a request or of an answer may have; 8192 at least.
    pub head_bytes: usize,
    /// How many bytes a request's body may have, or what goes up through one tunnel.
    pub up_bytes: u64,
    /// How many bytes an answer's body may have, or what comes down through one tunnel.
    pub down_bytes: u64,
    /// By when a head, or a client's first message of TLS, must be there.
    pub head_time: Duration,
    /// By when a name must be resolved and a host connected to.
    pub connect_time: Duration,
    /// By when a host must have begun to answer.
    pub answer_time: Duration,
    /// How long nothing may move within a body or a tunnel.
    pub idle_time: Duration,
    /// How long a connection may last in all.
    pub connection_time: Duration,
}

impl Default for EgressLimits {
    /// 64 connections, heads of 64 KiB, 256 MiB up and 4 GiB down; ten seconds for a head, ten to connect, two minutes for an answer,
    /// one of silence, and an hour in all.
    fn default() -> Self {
        Self {
            connections: 64,
            head_bytes: 64 << 10,
            up_bytes: 256 << 20,
            down_bytes: 4 << 30,
            head_time: Duration::from_secs(10),
            connect_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(120),
            idle_time: Duration::from_secs(60),
            connection_time: Duration::from_secs(3600),
        }
    }
}
