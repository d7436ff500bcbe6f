import { newId } from '@callosum/kernel';

import type { Decision, Evidence, NewDecision, Verdict } from '../domain/decision.js';
import { identifierOf, isMalformed, type IssuersOfSources, type PatientIdentifier } from '../domain/identifier.js';
import { BrokenMergeError } from '../domain/errors.js';
import { corroborate, objections, type Reason, type StudyDemographics } from '../domain/judgement.js';
import { isActive, isProvisional, provisionalPatient, saysTheSame } from '../domain/patient.js';
import type { DecisionStore, IdentifierLock, PatientRecord, RecordPatient, StudyDirectory } from './ports.js';

interface Judgement {
  readonly verdict: Verdict;
  readonly candidates: Evidence['candidates'];
}

/** Decides whose a study is, by rules. */
export class JudgeStudy {
  constructor(
    private readonly directory: StudyDirectory,
    private readonly record: PatientRecord,
    private readonly decisions: DecisionStore,
    private readonly site: string,
    private readonly issuers: IssuersOfSources,
  ) {}

  /**
   * Judges the study as it is now. A decision holds as long as the identity attributes it was made on do, so the
   * same study judged again changes nothing. A study that has no instances any more (its identity digest is '') is
   * nobody's: it is judged when one comes back. What becomes of its Patient is asked when somebody is about to publish
   * (AcquireLease).
   * @returns the new decision, or undefined when the current one holds
   */
  async run(studyInstanceUid: string): Promise<NewDecision | undefined> {
    const demographics = await this.directory.demographics(studyInstanceUid);
    if (demographics.identityDigest === '') return undefined;
    const expected = await this.decisions.current(studyInstanceUid);
    if (expected?.identityDigest === demographics.identityDigest) return undefined;
    const identifier = identifierOf(demographics, this.site, this.issuers);
    if (!identifier || demographics.inconsistent) {
      // Of contradicting accounts the first one is shown, which may be the one without an identifier.
      const reasons = [demographics.inconsistent ? 'inconsistent-study' : unnamed(demographics)] as const;
      const judgement: Judgement = { verdict: { state: 'quarantined', reasons }, candidates: [] };
      return this.decide(studyInstanceUid, demographics, expected, judgement);
    }
    // Studies that share an identifier are judged one after the other: the second sees the Patient the first made.
    return this.decisions.withLock(identifier, async (lock) => {
      const judgement = await this.judge(studyInstanceUid, demographics, identifier).catch(unlessBroken);
      return this.decide(studyInstanceUid, demographics, expected, judgement, { lock, identifier });
    });
  }

  private async judge(
    studyUid: string,
    demographics: StudyDemographics,
    identifier: PatientIdentifier,
  ): Promise<Judgement> {
    const known = await this.decisions.identifier(identifier);
    const mapped = known?.patient ? await this.record.read(known.patient) : undefined;
    const candidates = mapped ? [mapped] : await this.record.findByIdentifier(identifier);
    const [only, ...others] = candidates;
    if (others.length > 0) return ambiguous(candidates);
    if (!only) return this.create(studyUid, demographics, identifier);
    // Made for this very study by an attempt that did not come to its end.
    const made = provisionalPatient(demographics, identifier);
    if (
      !known?.patient &&
      known?.createdFor === studyUid &&
      isProvisional(only) &&
      isActive(only) &&
      saysTheSame(only, made)
    )
      return linked(only);
    return compare(demographics, only);
  }

  private async create(
    studyUid: string,
    demographics: StudyDemographics,
    identifier: PatientIdentifier,
  ): Promise<Judgement> {
    await this.decisions.reserve(identifier, studyUid);
    const found = await this.record.createUnlessKnown(provisionalPatient(demographics, identifier), identifier);
    if (!found) return ambiguous(await this.record.findByIdentifier(identifier));
    // Somebody else may have registered the patient a moment ago: then that record is judged like any known one.
    return found.created ? linked(found.patient) : compare(demographics, found.patient);
  }

  private async decide(
    studyInstanceUid: string,
    demographics: StudyDemographics,
    expected: Decision | undefined,
    { verdict, candidates }: Judgement,
    under?: { lock: IdentifierLock; identifier: PatientIdentifier },
  ): Promise<NewDecision> {
    const decision: NewDecision = {
      decisionId: newId(),
      studyInstanceUid,
      identityDigest: demographics.identityDigest,
      verdict,
      decider: { by: 'rules' },
      evidence: { demographics, candidates },
    };
    await this.decisions.commit({
      decision,
      expected,
      ...(under ? { lock: under.lock } : {}),
      ...(under && verdict.state === 'linked'
        ? { mapping: { identifier: under.identifier, patient: verdict.patient } }
        : {}),
    });
    return decision;
  }
}

const unnamed = (demographics: StudyDemographics): Reason =>
  isMalformed(demographics) ? 'malformed-patient-id' : 'missing-patient-id';

const referenceOf = ({ id }: RecordPatient): string => `Patient/${id}`;

const linked = (patient: RecordPatient): Judgement => ({
  verdict: { state: 'linked', patient: referenceOf(patient), provisional: isProvisional(patient) },
  candidates: [{ patient: referenceOf(patient) }],
});

const ambiguous = (patients: readonly RecordPatient[]): Judgement => ({
  verdict: { state: 'quarantined', reasons: ['ambiguous-patient'] },
  candidates: patients.map((patient) => ({ patient: referenceOf(patient) })),
});

/** Whose the identifier is cannot be said while a merge leads nowhere: a person looks at it. */
function unlessBroken(error: unknown): Judgement {
  if (!(error instanceof BrokenMergeError)) throw error;
  return {
    verdict: { state: 'quarantined', reasons: ['ambiguous-patient'] },
    candidates: [{ patient: error.patient }],
  };
}

function compare(demographics: StudyDemographics, patient: RecordPatient): Judgement {
  const corroboration = corroborate(demographics, patient);
  const reasons: Reason[] = [
    ...(isActive(patient) ? [] : (['patient-inactive'] as const)),
    ...objections(corroboration),
  ];
  const candidates = [{ patient: referenceOf(patient), corroboration }];
  if (reasons.length > 0) return { verdict: { state: 'quarantined', reasons }, candidates };
  return { ...linked(patient), candidates };
}
