//! What a verdict must be, and who may give it.

use std::collections::BTreeSet;

use striatum_core::{
    run::{Event, Ruling, VerdictRecorded},
    workflow::IndependenceModel,
};

use super::Oracle;
use crate::simulation::property::{Holds, Property};

const RULES: Property = Property::Rules;

impl Oracle {
    pub(super) fn judged(&mut self, event: &VerdictRecorded, kind: &Event) -> Holds {
        let index = self.job(&event.job)?;
        self.expect_at_work(index, event.epoch, event.session, kind)?;
        RULES.holds(self.plan.judges(index), || format!("{} is no review and judged", event.job))?;
        self.expect_artifacts(index)?;
        let job = &self.model.jobs[index];
        RULES.holds(event.attempt == job.attempt && self.model.live_verdict(index).is_none(), || {
            format!("{} judged twice, or at another attempt", event.job)
        })?;
        let named: Vec<usize> = event.judged.iter().filter_map(|it| self.plan.index(&it.job)).collect();
        self.expect_other_model(index, event)?;
        self.expect_new_words(index, event)?;
        RULES.holds(named.iter().copied().collect::<BTreeSet<_>>() == self.plan.judged(index), || {
            format!("{} judged {named:?} and was to judge others", event.job)
        })?;
        for (judged, index) in event.judged.iter().zip(named) {
            let live = &self.model.jobs[index];
            let artifacts = judged.artifacts.iter().cloned().collect();
            let same = judged.attempt == live.attempt
                && judged.manifest == live.manifest
                && live.live_artifacts() == artifacts;
            Property::Reopening.holds(same, || format!("{} judged what {} is not", event.job, judged.job))?;
        }
        self.model.jobs[index].verdict = Some(event.clone());
        self.block.spoke = Some(index);
        Ok(())
    }

    /// A dissent is left to a person when all were heard and there is no round left.
    pub(super) fn expect_asking(&self, review: usize) -> Holds {
        let job = &self.model.jobs[review];
        RULES.holds(self.model.dissents(&self.plan, review), || {
            format!("{} asks about a dissent that there is not, and is {}", self.name(review), job.status)
        })?;
        let mut targets = self.plan.ways_back(review).into_iter();
        let left = targets.any(|(to, ..)| self.model.has_round_left(&self.plan, to));
        RULES.holds(!left, || format!("{} asks although a round is left", self.name(review)))
    }

    /// Whether the lanes of a review and of somebody whose work it judges declare models of one family, where the workflow compares
    /// what is declared and nobody gave leave.
    pub(super) fn declared_same(&self, review: usize) -> bool {
        let workflow = &self.plan.workflow;
        let family = |job: usize| {
            let lane = workflow.lanes.get(&self.plan.job(job).lane_id)?;
            lane.display_model.as_deref().map(|model| workflow.family_of(model))
        };
        let (spec, own) = (self.plan.job(review), family(review));
        let mut authors = self.plan.under_judgement(review).into_iter().filter(|job| {
            let author = self.plan.job(*job);
            author.kind.has_author() && !workflow.allows_same_model(&spec.id, &author.id)
        });
        workflow.independence_model() == IndependenceModel::Declared
            && own.is_some()
            && self.last_ruling(review) != Some(Ruling::Accept)
            && authors.any(|author| family(author) == own)
    }

    /// What a principal ruled last on a review at its present attempt.
    fn last_ruling(&self, review: usize) -> Option<Ruling> {
        let attempt = self.model.jobs[review].attempt;
        let mut rulings = self.model.decisions.iter().rev();
        rulings.find(|it| (it.job, it.attempt) == (review, attempt)).map(|it| it.ruling)
    }

    /// Author and reviewer are of different families, where the workflow says so and nobody gave leave.
    fn expect_other_model(&self, review: usize, event: &VerdictRecorded) -> Holds {
        let workflow = &self.plan.workflow;
        let label = |session| {
            let (_, lane) = self.model.sessions.get(&session)?;
            workflow.lanes.get(lane)?.display_model.clone()
        };
        let reported = |session| self.model.agents.get(&session).and_then(|agent| agent.model.clone());
        let model = |session| match workflow.independence_model() {
            IndependenceModel::Off => None,
            IndependenceModel::Declared => reported(session).or_else(|| label(session)),
            IndependenceModel::Reported => reported(session),
        };
        if !self.plan.binds(review) || self.last_ruling(review) == Some(Ruling::Accept) {
            return Ok(());
        }
        let own = model(event.session).map(|model| workflow.family_of(&model).into_owned());
        let mut authors = self.plan.under_judgement(review).into_iter().filter(|job| {
            let spec = self.plan.job(*job);
            spec.kind.has_author() && !workflow.allows_same_model(&event.job, &spec.id)
        });
        let same = authors.find(|job| {
            let mut families = self.model.jobs[*job].hands.iter().filter_map(|it| model(*it));
            families.any(|model| own.as_deref() == Some(&*workflow.family_of(&model)))
        });
        Property::Independence.holds(same.is_none(), || {
            format!("{} was judged by a model of the family of its author, {own:?}", event.job)
        })
    }
}
