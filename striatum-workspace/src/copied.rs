//! Copying the objects of an agent's repository as plain files, within bounds.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use striatum_core::id::CommitId;

use crate::{foreign::Foreign, inside, tree::Tree};

/// How many files may lie among the objects.
const FILES: usize = 200_000;
/// How many bytes are copied at most for each byte that a file may have.
const FILES_WORTH: u64 = 4;

/// What was copied.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Objects that lie by themselves, by the names that they have there. What they hold may be called otherwise.
    pub(crate) loose: Vec<CommitId>,
    /// Packs, without their indexes.
    pub(crate) packs: Vec<PathBuf>,
}

/// Copies objects and packs to a folder that does not exist yet, but for what the agent was given: packs that are marked to be
/// kept. (An agent that marks its own loses them.)
pub(crate) fn copy(tree: &Tree, to: &Path, max_file_bytes: u64) -> io::Result<Copied> {
    fs::create_dir_all(to)?;
    let mut copied = Copied::default();
    let Some(objects) = inside::repository_of(tree)?.map(|git| git.below("objects")).transpose()?.flatten()
    else {
        return Ok(copied);
    };
    let mut budget = Budget { files: FILES, bytes: max_file_bytes.saturating_mul(FILES_WORTH) };
    for name in objects.names(&mut budget.files)? {
        if let Some(first) = name.to_str().filter(|name| name.len() == 2 && is_digits(name))
            && let Some(folder) = objects.below(first)?
        {
            loose(&folder, first, to, &mut budget, &mut copied)?;
        }
    }
    if let Some(folder) = objects.below("pack")? {
        let names = folder.names(&mut budget.files)?;
        for name in names.iter().filter_map(|name| name.to_str()) {
            let Some(stem) = name.strip_suffix(".pack") else { continue };
            if folder.has(&format!("{stem}.keep"))? {
                continue;
            }
            let place = to.join(format!("{}.pack", copied.packs.len()));
            if budget.copy(&folder, name.as_ref(), &place)? {
                copied.packs.push(place);
            }
        }
    }
    Ok(copied)
}

fn loose(
    folder: &Foreign,
    first: &str,
    to: &Path,
    budget: &mut Budget,
    copied: &mut Copied,
) -> io::Result<()> {
    let names = folder.names(&mut budget.files)?;
    let ids = names.iter().filter_map(|name| {
        let rest = name.to_str().filter(|name| is_digits(name))?;
        Some((rest, CommitId::new(format!("{first}{rest}")).ok()?))
    });
    for (rest, id) in ids {
        let at = to.join(first);
        fs::create_dir_all(&at)?;
        if budget.copy(folder, rest.as_ref(), &at.join(rest))? {
            copied.loose.push(id);
        }
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// How much may still be copied.
struct Budget {
    files: usize,
    bytes: u64,
}

impl Budget {
    fn copy(&mut self, folder: &Foreign, name: &OsStr, to: &Path) -> io::Result<bool> {
        let Some(file) = folder.file(name)? else { return Ok(false) };
        let mut limited = file.take(self.bytes.saturating_add(1));
        let written = io::copy(&mut limited, &mut File::create(to)?)?;
        self.bytes = self.bytes.checked_sub(written).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(true)
    }
}
