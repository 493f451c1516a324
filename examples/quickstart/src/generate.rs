//! Documents to start from.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use striatum::core::workflow::{ScaffoldFile, Shape};

use crate::{args::Scaffolding, failure::Failure, work::print};

/// Shows what a shape gives, or writes it.
pub(crate) fn generate(wanted: &Scaffolding) -> Result<ExitCode, Failure> {
    let unknown =
        || Failure::new("shape_unknown", format!("there is no shape {:?}", wanted.shape), "see --help");
    let scaffold = Shape::named(&wanted.shape).ok_or_else(unknown)?.generate(&wanted.workflow_id, "");
    let root = &wanted.scaffold_root;
    let missing = missing(root, &scaffold.files)?;
    let tree = tree(root, &scaffold.files);
    if !wanted.write {
        let (document, count) = (scaffold.document, scaffold.files.len());
        return print(&format!(
            "{tree}\n{document}\nnothing is written; --write writes these {count} files\n"
        ));
    }
    for (path, text) in &missing {
        write(path, text).map_err(|error| Failure::io("write", path, &error))?;
    }
    let (document, there) = (root.join("workflow.json"), scaffold.files.len() - missing.len());
    print(&format!(
        "{tree}\nwritten: {} files; {there} were there already, with the same text\n\n\
         what to try next\n  \
         cargo run -p quickstart -- --check {document}\n  \
         cargo run -p quickstart -- --scripted --workflow {document}\n",
        missing.len(),
        document = document.display(),
    ))
}

/// The files that are not there. Nothing is written over what is: if something else is in the place of a file, that is told.
fn missing<'a>(root: &Path, files: &'a [ScaffoldFile]) -> Result<Vec<(PathBuf, &'a str)>, Failure> {
    let mut missing = Vec::new();
    let mut different = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        match fs::read(&path) {
            Ok(bytes) if bytes == file.text.as_bytes() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((path, file.text.as_str())),
            Ok(_) | Err(_) => different.push(path.display().to_string()),
        }
    }
    if different.is_empty() {
        return Ok(missing);
    }
    Err(Failure::new(
        "files_differ",
        format!("something else is there already, and nothing was written: {}", different.join(", ")),
        "choose another --scaffold-root, or move these away",
    ))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(text.as_bytes())
}

/// Files as a tree, those of the folder itself first.
fn tree(root: &Path, files: &[ScaffoldFile]) -> String {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let (folder, name) = file.path.split_once('/').unwrap_or(("", &file.path));
        folders.entry(folder).or_default().push(name);
    }
    let mut tree = format!("{}\n", root.display());
    let count = folders.len();
    for (place, (folder, names)) in folders.iter_mut().enumerate() {
        let is_last = place + 1 == count;
        names.sort_unstable();
        let stem = match (*folder, is_last) {
            ("", _) => "",
            (_, true) => "   ",
            (_, false) => "│  ",
        };
        if !folder.is_empty() {
            tree += &format!("{} {folder}/\n", if is_last { "└─" } else { "├─" });
        }
        for (place, name) in names.iter().enumerate() {
            let ends = place + 1 == names.len() && (!folder.is_empty() || is_last);
            tree += &format!("{stem}{} {name}\n", if ends { "└─" } else { "├─" });
        }
    }
    tree
}
