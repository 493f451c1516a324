//! Every public document, and every starter document, gives the result that it must give.

use std::collections::BTreeSet;

use striatum_core::{
    rehearsal::{Answer, JobReport, Options, Report, rehearse},
    run::{Checkpoint, RunStatus, Verdict},
    sandbox::Level,
    workflow::{Constraint, Finding, FindingCode, Findings, Offers, Rules, Severity, Validated, Workflow},
};

use crate::support::{names, public_workflows, read, repository_file, repository_folder};

/// A document, where it is run, and what must come of it.
struct Case {
    name: &'static str,
    offers: fn() -> Offers,
    required: Required,
}

enum Required {
    Refused(FindingCode),
    /// It is valid, whatever a run would come to is played without a finding, and this holds.
    Sound(fn(&Played)),
}

/// What was seen of a document that was played.
struct Played {
    name: String,
    workflow: Workflow,
    warnings: Vec<Finding>,
    report: Report,
}

impl Played {
    fn job(&self, id: &str) -> &JobReport {
        let job = self.report.jobs.iter().find(|job| job.id.as_str() == id);
        job.unwrap_or_else(|| panic!("{} has no job {id}", self.name))
    }

    /// Runs come to completion by themselves, with a job at each of these attempts and at no other.
    fn completes_at(&self, id: &str, attempts: &[u32]) {
        let seen: Vec<u32> = self.job(id).completed_at.iter().copied().collect();
        assert_eq!(seen, attempts, "{}: {id}", self.name);
    }

    /// A person is asked this about a job, and each of these answers leads to an end.
    fn asks(&self, id: &str, checkpoint: Checkpoint, answers: &[Answer]) {
        let possible = self.job(id).answers_to(checkpoint);
        assert_eq!(possible, answers.iter().copied().collect(), "{}: {id}", self.name);
    }

    fn lints(&self) -> usize {
        self.warnings.iter().filter(|found| found.fingerprint.is_some()).count()
    }
}

const ALL_BUT_RESUME: [Answer; 3] = [Answer::Continue, Answer::Override, Answer::Cancel];

fn walled() -> Offers {
    Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced)
}

const PUBLIC: &[Case] = &[
    Case {
        name: "minimal-self-hosting-proof",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("write_proof", &[1])),
    },
    Case {
        name: "docs-review-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            assert!(it.lints() > 0);
            it.completes_at("apply_docs", &[1]);
        }),
    },
    Case {
        name: "failed-review-revision-cycle",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("draft_change", &[1, 2]);
            it.asks("review_change", Checkpoint::RevisionsExhausted, &ALL_BUT_RESUME);
        }),
    },
    Case {
        name: "code-change-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("draft_change", &[1, 2]);
            it.completes_at("apply_change", &[1]);
        }),
    },
    Case {
        name: "human-checkpoint-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("decide", &[1]);
            it.asks("decide", Checkpoint::Planned, &ALL_BUT_RESUME);
        }),
    },
    Case {
        name: "adapter-unavailable-flow",
        offers: Offers::process,
        required: Required::Refused(FindingCode::EnforcementUnavailable),
    },
    Case {
        name: "adapter-unavailable-flow",
        offers: walled,
        required: Required::Sound(|it| it.completes_at("review", &[1])),
    },
    Case {
        name: "support-ledger-flow",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("final_review", &[1])),
    },
    Case {
        name: "rfc-ledger-cleanup",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("synthesis", &[1, 2]);
            it.completes_at("findings_ledger", &[1]);
        }),
    },
    Case {
        name: "divergent-ideation-flow",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("final_synthesis", &[1])),
    },
    Case {
        name: "falsification-gate-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("final_summary", &[1]);
            it.completes_at("holder", &[1]);
            it.completes_at("falsifier_1", &[1, 2]);
            assert_eq!(it.job("falsifier_1").most_attempts, 2, "sent back once");
            it.asks("adjudicate", Checkpoint::RevisionsExhausted, &ALL_BUT_RESUME);
            let adjudicate = it.workflow.jobs.iter().find(|job| job.id.as_str() == "adjudicate").unwrap();
            let ledger = &adjudicate.expected_artifacts[0];
            let names = [1, 2].map(|attempt| ledger.name_at(attempt).unwrap().to_string());
            assert_eq!(names, ["collaboration_ledger_cycle_1", "collaboration_ledger_cycle_2"]);
        }),
    },
    Case {
        name: "rfc-0103-floor",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("present", &[1, 2])),
    },
];

/// Judges and plays a document.
fn play(name: &str, json: &[u8], offers: Offers) -> Result<Played, Findings> {
    let Validated { workflow, warnings, .. } = Workflow::parse(json, &Rules::strict().with_offers(offers))?;
    let report = rehearse(&workflow, &Options::default()).unwrap();
    assert_eq!(report.findings, [], "{name}");
    assert!(report.ends[&RunStatus::Completed] > 0, "{name}");
    assert!(report.most_grants <= report.grants_bound, "{name}");
    for (spec, job) in
        workflow.jobs.iter().zip(&report.jobs).filter(|(spec, _)| spec.kind.is_verdict_capable())
    {
        // Alone it comes to its first attempt, and to one more for each time that it sends work back.
        let ways = workflow.cycles.iter().filter(|way| way.from == spec.id);
        let rounds = ways.map(|way| way.max_iterations).max().unwrap_or(0);
        for attempt in 1..=rounds + 1 {
            assert_eq!(job.verdicts[&attempt], Verdict::ALL, "{name}: {} at attempt {attempt}", job.id);
        }
    }
    Ok(Played { name: name.to_owned(), workflow, warnings, report })
}

fn errors(findings: &Findings) -> BTreeSet<FindingCode> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

#[test]
fn every_public_document_gives_its_required_result() {
    let test = "every_public_document_gives_its_required_result";
    let Some(folder) = public_workflows(test) else { return };
    let there = names(&folder).into_iter().filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()));
    let required: BTreeSet<String> = PUBLIC.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(required, there.collect(), "each document has its row");
    for Case { name, offers, required } in PUBLIC {
        let json = read(&folder, &format!("{name}.json"));
        match (play(name, &json, offers()), required) {
            (Ok(played), Required::Sound(holds)) => holds(&played),
            (Err(refused), Required::Refused(code)) => {
                assert_eq!(errors(&refused), BTreeSet::from([*code]), "{name}");
            }
            (Ok(_), Required::Refused(code)) => panic!("{name} is not refused with {code}"),
            (Err(refused), Required::Sound(_)) => panic!("{name}: {refused}"),
        }
    }
}

#[test]
fn every_starter_document_plays_to_its_ends() {
    for name in repository_folder("examples/workflows") {
        let json = repository_file(&format!("examples/workflows/{name}/workflow.json"));
        let played = play(&name, json.as_bytes(), Offers::process());
        let played = played.unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(played.warnings, [], "{name}");
        for way in &played.workflow.cycles {
            // Of those who are asked together, one is answered.
            let asked = played.report.jobs.iter().map(|job| job.answers_to(Checkpoint::RevisionsExhausted));
            assert!(
                asked.into_iter().any(|answers| answers == ALL_BUT_RESUME.into()),
                "{name}: {}",
                way.from
            );
            assert!(played.job(way.to.as_str()).completed_at.contains(&2), "{name}: {}", way.to);
        }
    }
}
