//! The stable codes of findings.

/// Declares `FindingCode`: each kind of finding with its code and its remedy.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $remedy:literal;)*) => {
        /// A kind of finding. Its text is stable: programs may match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingCode {
            $($(#[$doc])* $variant,)*
        }

        impl FindingCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }

        impl ::std::fmt::Display for FindingCode {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for FindingCode {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use codes;

codes! {
    /// The bytes are not JSON, or something follows the document.
    InvalidJson, "invalid_json", "Correct the syntax at the line and column that the message gives.";
    /// The document is over a limit: 4 MiB, 500,000 values, 10,000 keys in one object, 1,024 bytes in a key, 10,000 jobs, 100,000 edges, 10,000 cycles.
    DocumentTooLarge, "document_too_large", "Split the work into several workflows, and move long texts into prompt files.";
    /// Values are nested more than 64 deep.
    NestedTooDeep, "nested_too_deep", "Flatten the value; the format itself needs fewer than ten levels.";
    /// An object has one key twice.
    DuplicateKey, "duplicate_key", "Keep one of the two.";
    /// The format's version is not known.
    UnsupportedSchemaVersion, "unsupported_schema_version", "Use striatum.workflow.v1, striatum.workflow.v1.1 or striatum.workflow.v2.";
    /// The format has this, and it has no effect in this version.
    NotYetSupported, "not_yet_supported", "Take the feature out, or do without it until a version has it.";
    /// The key belongs to a later version of the format than the document.
    NewerVersionNeeded, "newer_version_needed", "Raise schema_version to the one that is suggested, or take the key out.";
    /// The format has no such key here; in strict mode an error.
    UnknownKey, "unknown_key", "Correct the spelling, remove the key, or begin it with x_ if it is your own.";
    /// The key belongs to another kind of job or lane and has no effect here.
    MisplacedKey, "misplaced_key", "Remove the key, or change the type of the job or the adapter of the lane.";
    /// Something that must be there is not.
    MissingKey, "missing_key", "Add the key.";
    /// The value has the wrong JSON type.
    WrongType, "wrong_type", "Write a value of the type that the message names.";
    /// The text is none of the values that are possible here.
    UnknownValue, "unknown_value", "Use one of the values that the message lists.";
    /// The number is outside its bounds.
    OutOfRange, "out_of_range", "Choose a number within the bounds that the message gives.";
    /// A text or list that must have content is empty.
    EmptyValue, "empty_value", "Fill it in, or remove the key if it is optional.";
    /// The text cannot be a name.
    InvalidName, "invalid_name", "Use 1 to 128 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _.";
    /// The path is absolute, leaves the repository, reaches into .git or is not in plain form.
    InvalidPath, "invalid_path", "Write a path relative to the repository, with / between plain components.";
    /// Git would not take the text as the name of a branch.
    InvalidBranchName, "invalid_branch_name", "Choose a name that `git check-ref-format --branch` accepts.";
    /// The text cannot be the name or the value of an environment variable.
    InvalidVariable, "invalid_variable", "Use letters, digits and _ for the name, and no NUL in the value.";
    /// The variable belongs to the orchestrator.
    ReservedVariable, "reserved_variable", "Remove it: PATH comes from the orchestrator's configuration, STRIATUM_* from the run.";
    /// There is no such role.
    UnknownRole, "unknown_role", "Declare the role under roles, or correct the spelling.";
    /// There is no such lane.
    UnknownLane, "unknown_lane", "Declare the lane under lanes, or correct the spelling.";
    /// There is no such job.
    UnknownJob, "unknown_job", "Declare the job under jobs, or correct the spelling.";
    /// There is no such phase.
    UnknownPhase, "unknown_phase", "Declare the phase under phases, or correct the spelling.";
    /// There is no such profile of a coding tool.
    UnknownProfile, "unknown_profile", "Declare the profile under harness_profiles, or correct the spelling.";
    /// A list that is a set has an entry twice.
    DuplicateEntry, "duplicate_entry", "Remove one of the two.";
    /// Two jobs have one id.
    DuplicateJob, "duplicate_job", "Rename one of them.";
    /// An edge is declared twice; it counts once.
    DuplicateEdge, "duplicate_edge", "Remove one of the two.";
    /// A way back is declared twice.
    DuplicateCycle, "duplicate_cycle", "Keep one, with the number of iterations that is meant.";
    /// A job has two artifacts of one name.
    DuplicateArtifact, "duplicate_artifact", "Rename one of them.";
    /// Jobs wait for one another.
    DependencyCycle, "dependency_cycle", "Remove an edge of the ring; ways back are declared under cycles.";
    /// `needs` is not what the edges say.
    NeedsMismatch, "needs_mismatch", "Make needs equal to the sources of the edges that enter the job, or remove it.";
    /// A job takes as input what is not finished when it starts.
    InputNotUpstream, "input_not_upstream", "Add an edge from the one to the other, or remove the input.";
    /// An input that is no job's id, and so a path, is almost the id of a job.
    InputLooksLikeJob, "input_looks_like_job", "Correct the spelling if the job is meant.";
    /// A way back begins at a job that gives no verdict.
    CycleSourceNotReview, "cycle_source_not_review", "Let the cycle begin at the review that may ask for a revision.";
    /// A way back leads to a job that the review does not depend on.
    CycleTargetNotUpstream, "cycle_target_not_upstream", "Let the cycle lead to a job from which edges lead to the review.";
    /// Two phases have one id.
    DuplicatePhase, "duplicate_phase", "Rename one of them.";
    /// No job of the phase is of type phase_synthesis.
    PhaseWithoutSynthesis, "phase_without_synthesis", "Add a job of type phase_synthesis to the phase.";
    /// A phase has a second job of type phase_synthesis.
    SecondPhaseSynthesis, "second_phase_synthesis", "Keep one, or divide the phase.";
    /// A phase has no job but its synthesis.
    PhaseWithoutPeers, "phase_without_peers", "Give the phase the jobs that are to be adjudicated, or remove it.";
    /// `synthesis_job_id` names another job than the synthesis of the phase.
    PhaseSynthesisMismatch, "phase_synthesis_mismatch", "Name the job of type phase_synthesis that has this phase_id, or remove the key.";
    /// An edge crosses phases other than from a synthesis to the phase behind it.
    CrossPhaseEdge, "cross_phase_edge", "Let the edge begin at the synthesis of the phase just before.";
    /// Jobs of one parallel group may write to one place.
    ScopesOverlap, "scopes_overlap", "Give each job of the group paths of its own, or forbid the common ones to all but one.";
    /// A parallel group has jobs that write to the repository and jobs that do not.
    MixedParallelGroup, "mixed_parallel_group", "Put the jobs that only leave artifacts into a group of their own.";
    /// A quorum stands on a job that no gating review leads to, or on a phase synthesis, which hears everybody.
    QuorumWithoutSeats, "quorum_without_seats", "Put the quorum on the job that the edges of the reviews enter, or remove it.";
    /// A quorum wants more acceptances than there are gating reviews.
    QuorumExceedsSeats, "quorum_exceeds_seats", "Lower k, or add reviews.";
    /// A role has a veto, and no gating review of the quorum has the role.
    VetoWithoutSeat, "veto_without_seat", "Give a review of the quorum that role, or take the role out.";
    /// More reviews may be missing than there are.
    AbstentionsExceedSeats, "abstentions_exceed_seats", "Lower max_gating_abstentions to the number of gating reviews at most.";
    /// A posture is required that no gating review before or behind the job has.
    PostureNotGiven, "posture_not_given", "Give a gating review of the job that review_posture, or do not require it.";
    /// A job is to be asked that does not offer it.
    TargetNotInterrogable, "target_not_interrogable", "Set interrogable on the job that is to be asked.";
    /// A job is to be asked that is not finished when the one that asks starts.
    TargetNotUpstream, "target_not_upstream", "Ask a job from which edges lead to this one.";
    /// Every job is an advisory review, so that nothing decides how a run ends.
    NoExit, "no_exit", "Let one of the reviews be gating, or add the work that is reviewed.";
    /// Two keys of one object say different things.
    Contradiction, "contradiction", "Keep the one of the two that is meant.";
    /// Author and reviewer are declared to be of one family of models, and the document wants them to differ.
    ModelsNotIndependent, "models_not_independent", "Give the review a lane with another model, allow the pair, or set independence.model.";
    /// A path is allowed that lies inside a forbidden one.
    AllowedPathForbidden, "allowed_path_forbidden", "Remove the path from one of the two lists.";
    /// An artifact lies where its job may not write.
    ArtifactOutsideScope, "artifact_outside_scope", "Move the artifact into an allowed path, or allow its path.";
    /// Two artifacts would lie at one path, or one inside the other.
    ArtifactPathShared, "artifact_path_shared", "Give each artifact a path of its own.";
    /// A lane demands a level of enforcement that its adapter and sandbox do not give.
    EnforcementUnavailable, "enforcement_unavailable", "Run it with a sandbox that enforces this, or lower the demand.";
    /// Author and reviewer use the same model.
    SameModelReviewPair, "same_model_review_pair", "Give the review a lane with another model, or set allow_same_model_review_pairing.";
    /// A review may be done by a session that already knows the work.
    ReviewWithoutFreshContext, "review_without_fresh_context", "Set fresh_session_required, or reviewer_context_policy to fresh.";
    /// A job may write everywhere.
    BroadWriteScope, "broad_write_scope", "Name the folders that the job needs.";
    /// Author and reviewer use the same model, and the work goes back and forth between them.
    SameModelRevisionCycle, "same_model_revision_cycle", "Give the review a lane with another model, or set allow_same_model on the cycle.";
    /// A review that wants a revision has no way back, and nothing says that a person will be asked.
    MissingReviewEscalationPath, "missing_review_escalation_path", "Add a cycle from the review, or say in review_revision_policy what happens.";
    /// A job writes to the repository beside others, on a lane without a tree per job.
    RepoWriteWithoutWorktreeIsolation, "repo_write_without_worktree_isolation", "Set worktree_isolation of the lane to per_job, or max_active_jobs to 1.";
    /// A rejection that should end one branch ends every branch.
    UnreachableExit, "unreachable_exit", "Set on_reject to fail_run or checkpoint, or add an exit that does not depend on the review.";
}
