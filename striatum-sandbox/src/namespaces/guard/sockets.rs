//! Sockets with a path on which somebody listens.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use super::places::real;

/// The sockets that this host has open now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    /// By their real paths.
    placed: Vec<PathBuf>,
    /// By the names of those that were bound where their programs were at the time, which nobody tells.
    named: BTreeSet<OsString>,
}

impl Sockets {
    /// As the kernel lists them.
    pub(super) fn of_this_host() -> io::Result<Self> {
        Ok(Self::parse(&fs::read("/proc/net/unix")?))
    }

    fn parse(table: &[u8]) -> Self {
        let mut sockets = Self::default();
        for path in table.split(|byte| *byte == b'\n').skip(1).filter_map(path_in) {
            match path.strip_prefix(b"/") {
                Some(_) => sockets.placed.push(real(Path::new(OsStr::from_bytes(path)))),
                // Those that begin so have a name and no file.
                None if path.starts_with(b"@") => {}
                None => {
                    let name = Path::new(OsStr::from_bytes(path)).file_name();
                    sockets.named.extend(name.map(OsStr::to_owned));
                }
            }
        }
        sockets
    }

    /// One that is this or lies in it.
    pub(super) fn within(&self, found: &Path) -> io::Result<Option<PathBuf>> {
        if let Some(placed) = self.placed.iter().find(|socket| socket.starts_with(found)) {
            return Ok(Some(placed.clone()));
        }
        if self.named.is_empty() { Ok(None) } else { self.search(found) }
    }

    /// Looks for one by its name.
    fn search(&self, folder: &Path) -> io::Result<Option<PathBuf>> {
        if !fs::symlink_metadata(folder)?.is_dir() {
            return Ok(None);
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_socket() && self.named.contains(&entry.file_name()) {
                return Ok(Some(entry.path()));
            }
            if kind.is_dir()
                && let Some(found) = self.search(&entry.path())?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The last field of `Num RefCount Protocol Flags Type St Inode Path`, which may have spaces in it.
fn path_in(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..7 {
        let begin = rest.iter().position(|byte| *byte != b' ')?;
        let end = begin + rest.get(begin..)?.iter().position(|byte| *byte == b' ')?;
        rest = rest.get(end..)?;
    }
    rest.get(1..).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn paths_are_read_with_their_spaces_and_abstract_names_are_none() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff: 00000002 00000000 00010000 0001 01 12345 /nowhere/my project/a  b.sock\n\
            ffff: 00000002 00000000 00010000 0001 01     7 /nowhere/plain\n\
            ffff: 00000003 00000000 00000000 0001 03 12346\n\
            ffff: 00000002 00000000 00010000 0001 01 12347 @abstract name\n\
            ffff: 00000002 00000000 00010000 0001 01 12348 ./.s.PGSQL.5432\n";
        let placed = ["/nowhere/my project/a  b.sock", "/nowhere/plain"].map(PathBuf::from).to_vec();
        let expected = Sockets { placed, named: BTreeSet::from([".s.PGSQL.5432".into()]) };
        assert_eq!(Sockets::parse(table), expected);
    }

    #[test]
    fn a_socket_that_was_bound_by_a_name_alone_is_found_where_it_lies() {
        let root = tempfile::TempDir::new().expect("a folder");
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).expect("a folder");
        fs::write(inner.join("here.sock"), "no socket").expect("a file");
        let sockets = Sockets { placed: Vec::new(), named: BTreeSet::from(["here.sock".into()]) };
        assert_eq!(sockets.within(root.path()).expect("it can be read"), None);
        fs::remove_file(inner.join("here.sock")).expect("it is there");
        let _listener = UnixListener::bind(inner.join("here.sock")).expect("a socket");
        assert_eq!(sockets.within(root.path()).expect("it can be read"), Some(inner.join("here.sock")));
        assert_eq!(Sockets::default().within(root.path()).expect("it can be read"), None);
    }
}
