//! Landlock: what of the files that are there may be changed.
//!
//! The fresh root decides what is there at all; this is the second wall, which stands even if a mount were wrong.

use std::{ffi::OsString, io};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

/// The versions that are known, newest first. A kernel has all that its newest one has.
const KNOWN: [(ABI, u32); 6] =
    [(ABI::V6, 6), (ABI::V5, 5), (ABI::V4, 4), (ABI::V3, 3), (ABI::V2, 2), (ABI::V1, 1)];

/// What the kernel enforces, as far as it is used here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    abi: ABI,
    pub(super) version: u32,
}

/// The newest version that this kernel has in full.
pub(super) fn interface() -> io::Result<Interface> {
    let found = KNOWN.into_iter().find(|(abi, _)| ruleset(*abi).and_then(Ruleset::create).is_ok());
    let none = || io::Error::other("this kernel has no Landlock");
    found.map(|(abi, version)| Interface { abi, version }).ok_or_else(none)
}

/// From here on this process and all that it starts change only what lies beneath these paths.
pub(super) fn restrict(interface: Interface, writable: &[OsString]) -> io::Result<()> {
    let status = restricted(interface.abi, writable).map_err(io::Error::other)?;
    if status == RulesetStatus::FullyEnforced {
        Ok(())
    } else {
        Err(io::Error::other("it is enforced in part only"))
    }
}

fn ruleset(abi: ABI) -> Result<Ruleset, landlock::RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    let scope = Scope::from_all(abi);
    if scope.is_empty() { Ok(ruleset) } else { ruleset.scope(scope) }
}

fn restricted(
    abi: ABI,
    writable: &[OsString],
) -> Result<RulesetStatus, Box<dyn std::error::Error + Send + Sync>> {
    let mut created = ruleset(abi)?.create()?;
    created = created.add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(abi)))?;
    for path in writable {
        let file = PathFd::new(path)?;
        let is_folder = std::fs::metadata(path)?.is_dir();
        let access = if is_folder {
            AccessFs::from_all(abi)
        } else {
            AccessFs::from_all(abi) & AccessFs::from_file(abi)
        };
        created = created.add_rule(PathBeneath::new(file, access))?;
    }
    Ok(created.restrict_self()?.ruleset)
}
