//! The pure heart of Striatum: workflows, runs, leases, verdicts and the hash chain.
