//! What stands around an agent in namespaces.

use std::num::NonZeroU32;

use striatum_core::sandbox::{Isolation, Level, Sandbox, SandboxErrorKind};

use crate::support::{Place, shell, until, walls, walls_with, works};

#[tokio::test]
async fn the_probe_finds_every_wall_that_is_promised() {
    let Some(sandbox) = walls("the_probe_finds_every_wall_that_is_promised").await else { return };
    let measured = sandbox.measured();
    assert_eq!(measured.breaches, [""; 0], "{measured}");
    let held = Isolation { resources: sandbox.offers().resources, ..Isolation::uniform(Level::Enforced) };
    assert_eq!(sandbox.offers(), held);
}

/// What makes the walls leaves one out, or shows too much: the probe finds it, and nobody who demands it gets in.
#[tokio::test]
async fn a_wall_that_does_not_stand_is_measured_and_not_offered() {
    let name = "a_wall_that_does_not_stand_is_measured_and_not_offered";
    if walls(name).await.is_none() {
        return;
    }
    let place = Place::new();
    let network = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
    let files = Isolation { file_system: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
    for (carelessness, demands, could) in [
        ("[ \"$word\" = --unshare-net ] && continue", network, "connect to the host's loopback"),
        ("[ \"$word\" = -- ] && set -- \"$@\" --bind /tmp /tmp", files, "write a file of the host"),
    ] {
        let bubblewrap = place.bubblewrap(&format!(
            "words=$#\nfor word in \"$@\"; do\n{carelessness}\nset -- \"$@\" \"$word\"\ndone\n\
             shift $words\nexec bwrap \"$@\"\n"
        ));
        let sandbox = walls_with(name, |builder| builder.bubblewrap(bubblewrap)).await.expect("walls");
        let measured = sandbox.measured();
        assert!(measured.breaches.iter().any(|breach| breach == could), "{measured}");
        let mut spec = place.spec.clone();
        spec.demands = demands;
        let error = sandbox.open(&spec).await.expect_err("it is demanded");
        assert_eq!(error.kind, SandboxErrorKind::Unsupported, "{error}");
        assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains(could)), "{error:?}");
        assert!(measured.to_string().contains(&format!("; a process could {could}")), "{measured}");
    }
}

#[tokio::test]
async fn an_agent_works_in_its_tree_and_talks_to_the_host_through_its_listener() {
    let name = "an_agent_works_in_its_tree_and_talks_to_the_host_through_its_listener";
    let Some(sandbox) = walls(name).await else { return };
    let place = Place::new();
    works(&sandbox, &place).await;
}

#[tokio::test]
async fn an_agent_has_no_more_of_the_processors_than_its_share() {
    let name = "an_agent_has_no_more_of_the_processors_than_its_share";
    let Some(sandbox) = walls(name).await else { return };
    let mut place = Place::new();
    place.spec.limits.processor_thousandths = NonZeroU32::new(50);
    place.spec.demands.resources = sandbox.offers().resources;
    if !sandbox.measured().bounds.processors {
        if sandbox.offers().resources == Level::Enforced {
            let refused = sandbox.open(&place.spec).await.expect_err("it cannot be held");
            assert_eq!(refused.kind, SandboxErrorKind::Unsupported);
            assert!(refused.remedy.expect("a remedy").contains("Delegate"));
        }
        return striatum_testkit::skip(name, "this host gives no control group for processors");
    }
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let process = session.spawn(&shell("while :; do :; done")).await.expect("it starts");
    // It asks for all of one processor, so it is held back in the first tenth of a second that it gets.
    let leader = place.leader().pid;
    let throttled = || {
        let own = std::fs::read_to_string(format!("/proc/{leader}/cgroup")).expect("it lives");
        let groups = own.lines().filter_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            Some(["", "unified", controllers].map(|folder| format!("/sys/fs/cgroup/{folder}{path}/cpu.stat")))
        });
        let texts = groups.flatten().filter_map(|path| std::fs::read_to_string(path).ok());
        texts.into_iter().any(|text| {
            text.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
        })
    };
    until("it is held back", throttled);
    drop(process);
    session.close().await.expect("nothing is left");
}
