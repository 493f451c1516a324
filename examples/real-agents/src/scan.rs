//! Looks for a text wherever an agent could have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use memchr::memmem::Finder;

/// A page of memory, in bytes.
const PAGE: u64 = 4096;

/// No more of a process's memory is read at once.
const PART: usize = 1 << 20;

/// No text that is looked for is longer, in bytes.
const LONGEST: usize = 512;

/// How many pages are looked up at once.
const PAGES: usize = 1 << 16;

/// Texts that are looked for together, and where each was found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    wanted: Vec<Wanted>,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Wanted {
    /// As it is, and as a program has it that keeps two bytes for each character.
    finders: [Finder<'static>; 2],
    places: BTreeSet<String>,
}

impl Search {
    /// Looks for these.
    pub(crate) fn of(texts: &[&str]) -> Self {
        let wanted = texts.iter().map(|text| {
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let finders = [text.as_bytes(), &wide].map(|needle| Finder::new(needle).into_owned());
            Wanted { finders, places: BTreeSet::new() }
        });
        Self { wanted: wanted.collect(), bytes: 0 }
    }

    /// Where the nth of them was found.
    pub(crate) fn places(&self, nth: usize) -> Vec<&str> {
        self.wanted.get(nth).into_iter().flat_map(|wanted| &wanted.places).map(String::as_str).collect()
    }

    pub(crate) fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for Wanted { finders, places } in &mut self.wanted {
            if finders.iter().any(|finder| finder.find(bytes).is_some()) {
                places.insert(place.to_owned());
            }
        }
    }

    /// Every file below a folder. What goes while it is looked at is passed over.
    pub(crate) fn files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.files(&path),
                Ok(kind) if kind.is_file() => {
                    let bytes = fs::read(&path).unwrap_or_default();
                    self.bytes(&path.display().to_string(), &bytes);
                }
                _ => {}
            }
        }
    }

    /// What a process has: its memory, its environment, its arguments, and the files that only it and its like can see.
    pub(crate) fn process(&mut self, pid: i32) -> io::Result<()> {
        for part in ["environ", "cmdline"] {
            let bytes = fs::read(format!("/proc/{pid}/{part}"))?;
            self.bytes(&format!("{part} of {pid}"), &bytes);
        }
        self.memory(pid)?;
        // What started the walls stands outside of them, where every file is the host's.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let (theirs, ours) = (fs::metadata(&root)?, fs::metadata("/")?);
        if (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()) {
            return Ok(());
        }
        for folder in ["home/agent", "tmp", "var/tmp", "dev/shm"] {
            self.files(&root.join(folder));
        }
        Ok(())
    }

    /// What is there of a process's memory. Agents reserve far more than that.
    fn memory(&mut self, pid: i32) -> io::Result<()> {
        let (memory, pages) =
            (File::open(format!("/proc/{pid}/mem"))?, File::open(format!("/proc/{pid}/pagemap"))?);
        let place = format!("memory of {pid}");
        let mut entries = vec![0; PAGES * 8];
        for (start, end) in mappings(&fs::read_to_string(format!("/proc/{pid}/smaps"))?) {
            let mut page = start / PAGE;
            while page < end / PAGE {
                let want = usize::try_from(end / PAGE - page).unwrap_or(PAGES).min(PAGES) * 8;
                let length = pages.read_at(entries.get_mut(..want).unwrap_or_default(), page * 8)?;
                if length < 8 {
                    break;
                }
                let here: Vec<bool> =
                    entries.get(..length).unwrap_or_default().chunks_exact(8).map(is_there).collect();
                let mut at = page * PAGE;
                for run in here.chunk_by(|one, next| one == next) {
                    let bytes = run.len() as u64 * PAGE;
                    if run.first() == Some(&true) {
                        self.stretch(&memory, &place, at, bytes);
                    }
                    at += bytes;
                }
                page += length as u64 / 8;
            }
        }
        Ok(())
    }

    /// Memory without gaps.
    fn stretch(&mut self, memory: &File, place: &str, mut at: u64, mut left: u64) {
        let mut buffer = vec![0; PART];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(PART).min(PART);
            let part = buffer.get_mut(..want).unwrap_or_default();
            // Pages that go meanwhile hold nothing any more.
            let Ok(length @ 1..) = memory.read_at(part, at) else { return };
            self.bytes(place, part.get(..length).unwrap_or_default());
            if length as u64 == left {
                return;
            }
            // A text may lie across two parts.
            let next = length.saturating_sub(LONGEST).max(1) as u64;
            (at, left) = (at + next, left - next);
        }
    }
}

/// Whether a page is in memory or was put aside, as the kernel's `pagemap` has it.
fn is_there(entry: &[u8]) -> bool {
    entry.last().is_some_and(|flags| flags & 0b1100_0000 != 0)
}

/// The parts of a process's memory of which something is there, and which are no unchanged part of a file.
fn mappings(smaps: &str) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut present = None;
    for line in smaps.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            // address rights offset device inode
            [range, rights, _, _, inode, ..] if range.contains('-') => {
                let is_own = rights.contains('w') || (rights.starts_with('r') && *inode == "0");
                let range = range.split_once('-').and_then(|(start, end)| {
                    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
                });
                present = range.filter(|_| is_own);
            }
            ["Rss:" | "Swap:", kilobytes, ..] if *kilobytes != "0" => found.extend(present.take()),
            _ => {}
        }
    }
    found
}

/// These processes and all that descend from them.
pub(crate) fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name of a program may hold anything, parentheses too.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found: Vec<i32> = Vec::new();
    let mut next = roots.to_vec();
    while let Some(pid) = next.pop() {
        next.extend(children.remove(&pid).unwrap_or_default());
        if Path::new(&format!("/proc/{pid}")).exists() && !found.contains(&pid) {
            found.push(pid);
        }
    }
    found
}
