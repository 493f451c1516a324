//! What of a tree can be reached, and what cannot.

use std::{fs, os::unix::fs::symlink};

use super::*;

struct Place {
    _folder: tempfile::TempDir,
    tree: PathBuf,
    files: TreeFiles,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("src/deep")).expect("folders");
    fs::create_dir(tree.join(".git")).expect("a folder");
    fs::write(folder.path().join("secret"), "secret").expect("a file");
    fs::write(tree.join("src/a.txt"), "one\ntwo\nthree").expect("a file");
    symlink("../src/a.txt", tree.join("src/inner")).expect("a link");
    symlink(tree.join("src/a.txt"), tree.join("absolute")).expect("a link");
    symlink("../secret", tree.join("leak")).expect("a link");
    symlink("..", tree.join("up")).expect("a link");
    symlink("/etc", tree.join("etc")).expect("a link");
    symlink(".git", tree.join("git")).expect("a link");
    symlink("loop", tree.join("loop")).expect("a link");
    let files = TreeFiles::new(&tree);
    Place { _folder: folder, tree, files }
}

#[test]
fn a_file_of_the_tree_can_be_read_in_part() {
    let Place { tree, files, .. } = &place();
    let file = tree.join("src/a.txt");
    assert_eq!(files.read(&file, None, None).expect("text"), "one\ntwo\nthree");
    assert_eq!(files.read(&file, Some(2), Some(1)).expect("text"), "two\n");
    assert_eq!(files.read(&file, Some(9), None).expect("text"), "");
    for way in ["src/inner", "absolute", "src/deep/../a.txt"] {
        assert_eq!(files.read(&tree.join(way), None, Some(1)).expect(way), "one\n", "{way}");
    }
}

#[test]
fn nothing_outside_the_tree_can_be_reached() {
    let Place { tree, files, .. } = &place();
    for way in ["leak", "up/secret", "../secret", "src/../../secret", "etc/passwd", "loop", "git/x", ".git/x"]
    {
        let path = tree.join(way);
        let refused = files.read(&path, None, None).expect_err(way);
        assert!(matches!(refused, FileError::Outside | FileError::Git), "{way}: {refused:?}");
        let refused = files.write(&path, b"mine").expect_err(way);
        assert!(matches!(refused, FileError::Outside | FileError::Git), "{way}: {refused:?}");
    }
    for way in ["/etc/passwd", "../secret", "src/../../secret", "up/secret", "/"] {
        let refused = files.read(Path::new(way), None, None).expect_err(way);
        assert!(matches!(refused, FileError::Outside), "{way}: {refused:?}");
        files.write(Path::new(way), b"mine").expect_err(way);
    }
    let secret = fs::read_to_string(tree.with_file_name("secret")).expect("it is there");
    assert_eq!(secret, "secret");
}

#[test]
fn a_relative_path_starts_in_the_tree() {
    let Place { tree, files, .. } = &place();
    assert_eq!(files.read(Path::new("src/a.txt"), None, Some(1)).expect("text"), "one\n");
    files.write(Path::new("new/b.txt"), b"mine").expect("written");
    assert_eq!(fs::read_to_string(tree.join("new/b.txt")).expect("text"), "mine");
}

#[test]
fn a_file_is_made_with_its_folders_and_replaced_whole() {
    let Place { tree, files, .. } = &place();
    files.write(&tree.join("new/er/file"), b"long text").expect("written");
    files.write(&tree.join("new/er/file"), b"short").expect("written");
    assert_eq!(fs::read_to_string(tree.join("new/er/file")).expect("text"), "short");
    files.write(&tree.join("src/inner"), b"through").expect("written");
    assert_eq!(fs::read_to_string(tree.join("src/a.txt")).expect("text"), "through");
}

#[test]
fn what_is_written_lies_in_the_scope_wherever_its_name_does() {
    use striatum_core::workflow::WriteMode;

    let Place { tree, files, .. } = &place();
    symlink("../src", tree.join("src/deep/back")).expect("a link");
    symlink("src", tree.join("shortcut")).expect("a link");
    let scope = WriteScope {
        mode: WriteMode::RepoWrite,
        allowed_paths: vec!["src/".into(), "new/a".into()],
        forbidden_paths: vec!["src/deep".into()],
    };
    let files = files.clone().writing(scope);
    for way in
        ["src/b.txt", "src/new/er/c", "new/a", "shortcut/d", "src/inner", "absolute", "src/deep/back/e"]
    {
        files.write(&tree.join(way), b"mine").expect(way);
    }
    for way in ["b.txt", "new/b", "newer/and/newer/f", "src/deep/f", "shortcut/deep/f", "src/../x", "srcs/a"]
    {
        let refused = files.write(&tree.join(way), b"mine").expect_err(way);
        assert!(matches!(refused, FileError::OutOfScope), "{way}: {refused:?}");
    }
    assert!(!tree.join("newer").exists(), "no folder is left of what is refused");
    let refused = files.write(&tree.join("none/../src/g"), b"mine").expect_err("a folder that is not there");
    assert!(matches!(refused, FileError::NotFound), "{refused:?}");
    files.read(&tree.join("src/a.txt"), None, None).expect("what may not be written may be read");
}

#[test]
fn what_is_no_text_is_refused() {
    let Place { tree, files, .. } = &place();
    fs::write(tree.join("bytes"), [0xff, 0xfe]).expect("a file");
    let refused = files.read(&tree.join("bytes"), None, None).expect_err("no text");
    assert!(matches!(refused, FileError::NotText), "{refused:?}");
    assert_eq!(files.read_bytes(&tree.join("bytes")).expect("a file"), [0xff, 0xfe]);
    for way in ["src", ""] {
        let refused = files.read(&tree.join(way), None, None).expect_err(way);
        assert!(matches!(refused, FileError::NotPlain), "{way}: {refused:?}");
    }
    assert!(matches!(files.read(&tree.join("none"), None, None), Err(FileError::NotFound)));
}

#[test]
fn a_name_alone_tells_whether_it_leaves_the_tree() {
    let Place { tree, files, .. } = &place();
    assert!(files.hold(&tree.join("a/../b")));
    assert!(!files.hold(&tree.join("a/../../b")));
    assert!(!files.hold(Path::new("/etc/passwd")));
    assert!(files.hold(Path::new("a/b")));
    assert!(!files.hold(Path::new("../a")));
}
