//! The disk is full.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    history::History,
    place::{Place, run},
};

/// A small file system of its own, as long as it is held.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], place).then(|| Self(place.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], place: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(place).output();
    mounted.is_ok_and(|mounted| mounted.status.success())
}

#[test]
fn a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_space() {
    for size in ["200k", "500k", "800k"] {
        let place = Place::new();
        let Some(disk) = Disk::mount(&place.data(), size) else {
            let test = "a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_space";
            return striatum_testkit::skip(test, "a file system can be mounted by root only");
        };
        let said = run(place.marked("", ""));
        assert_eq!(said.code, Some(1), "{size}: {said:?}");
        assert!(said.err.starts_with("error[") && said.err.contains("what to do"), "{size}: {said:?}");
        assert!(mount(&["-o", "remount,size=64m"], &place.data()));
        let before = History::read(&place.data());
        let again = run(place.marked("", ""));
        assert_eq!(again.code, Some(0), "{size}: {again:?}");
        let after = History::read(&place.data());
        assert_eq!(after.events[..before.events.len()], before.events[..], "{size}");
        for step in before.acknowledged() {
            assert_eq!(after.grants()[&step], before.grants()[&step], "{size}: {step:?}");
        }
        place.assert_tidy(&place.demo(), size);
        drop(disk);
    }
}
