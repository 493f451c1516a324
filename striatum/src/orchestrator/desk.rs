//! Where a reviewer works that may see what it judges and nothing else of the repository.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use striatum_core::{digest::Digest, id::CommitId, run::PacketInput, workflow::ReviewAccess};
use striatum_workspace::{Manifest, Tree};

use crate::orchestrator::{Error, ErrorKind, grant::Work, owed};

impl Work<'_> {
    /// The folder in the session's own in which the agent works instead of the tree, if it may see only what it judges.
    pub(super) fn desk(&self) -> Option<PathBuf> {
        let access = self.packet.review.as_ref().and_then(|review| review.access);
        (access == Some(ReviewAccess::DocumentOnly))
            .then(|| self.shared.session_folder(&self.grant).join("desk"))
    }

    /// Lays out what is judged.
    pub(super) async fn lay_out(&self, base: &CommitId) -> Result<(), Error> {
        let Some(desk) = self.desk() else { return Ok(()) };
        let mut paths = Vec::new();
        for input in &self.packet.inputs {
            match input {
                PacketInput::Path(path) => paths.push(path.clone()),
                PacketInput::Job { artifacts, manifest, .. } => {
                    paths.extend(artifacts.iter().map(|artifact| artifact.path.clone()));
                    if let Some(manifest) = manifest {
                        paths.extend(self.changed(manifest).await?);
                    }
                }
                _ => {}
            }
        }
        paths.sort();
        paths.dedup();
        self.shared.repository.export(base, &paths, &desk).await?;
        Ok(())
    }

    /// The paths that a manifest lists.
    async fn changed(&self, manifest: &Digest) -> Result<Vec<String>, Error> {
        let bytes = self.shared.engine.blobs().get(manifest).await?;
        let unreadable = |error| Error::new(ErrorKind::Defect, "read a manifest").because(error);
        Ok(Manifest::parse(&bytes).map_err(unreadable)?.paths().map(str::to_owned).collect())
    }

    /// Takes the artifacts that the agent left at the desk into the tree, in place of those of an earlier attempt. Nothing else that
    /// lies there counts.
    pub(super) fn clear_desk(&self, tree: &Tree) -> Result<(), Error> {
        let Some(desk) = self.desk().filter(|desk| desk.is_dir()) else { return Ok(()) };
        for artifact in &self.packet.expected_artifacts {
            take(&desk, tree.path(), &artifact.path)
                .map_err(|error| owed::folder_error(self.shared, error))?;
        }
        Ok(())
    }
}

/// Copies a plain file to the same place below another folder. What is reached through a link on either side is passed over, as is
/// what may not be read: it counts as not left.
fn take(from: &Path, to: &Path, path: &str) -> io::Result<()> {
    let (Some(source), Some(target)) = (place(from, path)?, vacate(to, path)?) else { return Ok(()) };
    let is_plain = fs::symlink_metadata(&source).is_ok_and(|meta| meta.is_file());
    if !is_plain || fs::File::open(&source).is_err() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(&source, &target).map(drop)
}

/// Takes away the file or link at a place below a folder, and tells the place; nothing if there is a folder, or a link on the way.
pub(super) fn vacate(root: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let Some(target) = place(root, path)? else { return Ok(None) };
    match fs::symlink_metadata(&target) {
        Ok(meta) if meta.is_dir() => return Ok(None),
        Ok(_) => fs::remove_file(&target)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(Some(target))
}

/// The path below a folder, if every folder on the way is one or is not there.
fn place(root: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let mut place = root.to_owned();
    let mut components = Path::new(path).components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { return Ok(None) };
        place.push(name);
        if components.peek().is_none() {
            break;
        }
        match fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_through_a_link() {
        let root = tempfile::TempDir::new().expect("a folder");
        let [desk, tree, other] = ["desk", "tree", "other"].map(|name| root.path().join(name));
        for folder in [&desk, &tree, &other] {
            fs::create_dir(folder).expect("a folder");
        }
        fs::write(other.join("secret"), "secret").expect("a file");
        fs::create_dir(desk.join("plain")).expect("a folder");
        fs::write(desk.join("plain/a.md"), "good").expect("a file");
        let link = |at: PathBuf| std::os::unix::fs::symlink(&other, at).expect("a link");
        link(desk.join("reach"));
        std::os::unix::fs::symlink(other.join("secret"), desk.join("direct")).expect("a link");
        link(tree.join("plain"));
        for path in ["reach/secret", "direct", "plain/a.md", "absent/b.md"] {
            take(&desk, &tree, path).expect(path);
        }
        let left = |folder: &Path| fs::read_dir(folder).expect("it is there").count();
        assert_eq!((left(&tree), left(&other)), (1, 1));

        fs::remove_file(tree.join("plain")).expect("a link");
        take(&desk, &tree, "plain/a.md").expect("it is taken");
        assert_eq!(fs::read_to_string(tree.join("plain/a.md")).expect("it is there"), "good");
    }
}
