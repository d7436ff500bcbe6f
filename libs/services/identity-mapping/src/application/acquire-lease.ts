import { newId } from '@callosum/kernel';

import type { Decision, Loss, NewDecision, Verdict } from '../domain/decision.js';
import { BrokenMergeError, NotCurrentLinkError } from '../domain/errors.js';
import { objectionsToSurvivor } from '../domain/judgement.js';
import { isActive, isProvisional } from '../domain/patient.js';
import type { Lease, LeaseRequest, LeaseStore } from './leases.js';
import type { DecisionStore, PatientRecord, RecordPatient } from './ports.js';

/**
 * Gives the right to write under a decision. A link is asked of the record first: its Patient may have been merged away
 * or deleted since, and nothing tells of that but the record (rule 3).
 */
export class AcquireLease {
  constructor(
    private readonly decisions: Pick<DecisionStore, 'find' | 'commit'>,
    private readonly record: Pick<PatientRecord, 'read'>,
    private readonly leases: Pick<LeaseStore, 'acquire'>,
    /** Told of each decision that took the place of a link. */
    private readonly onDecided: (decision: NewDecision) => void = () => undefined,
  ) {}

  /**
   * One read of the Patient for each lease to publish; none for one to withdraw. A record that does not answer is an
   * outage: its error goes to the holder, who tries again.
   * @throws {NotCurrentLinkError} when the decision is not the study's current one, not of the purpose's kind, is
   *   changing, or no longer holds: then another one has taken its place
   */
  async run(request: LeaseRequest): Promise<Lease> {
    if (request.purpose === 'publish') await this.affirm(request);
    return this.leases.acquire(request);
  }

  private async affirm({ decisionId, studyInstanceUid }: LeaseRequest): Promise<void> {
    const decision = await this.decisions.find(decisionId);
    if (decision?.studyInstanceUid !== studyInstanceUid || decision.supersededAt !== null)
      throw new NotCurrentLinkError(decisionId);
    if (decision.verdict.state !== 'linked') throw new NotCurrentLinkError(decisionId);
    const { patient } = decision.verdict;
    const survivor = await this.record.read(patient).catch(brokenMerge);
    const loss = lossOf(patient, survivor);
    if (!loss) return;
    const next = successor(decision, patient, loss, survivor);
    await this.decisions.commit({ decision: next, expected: decision });
    this.onDecided(next);
    throw new NotCurrentLinkError(decisionId);
  }
}

function brokenMerge(error: unknown): 'broken-merge' {
  if (error instanceof BrokenMergeError) return 'broken-merge';
  throw error;
}

type Found = RecordPatient | 'broken-merge' | undefined;

/** What became of the Patient; undefined when it is there as it was. */
function lossOf(patient: string, found: Found): Loss | undefined {
  if (!found) return 'gone';
  if (found === 'broken-merge') return found;
  if (!isActive(found)) return 'inactive';
  return referenceOf(found) === patient ? undefined : 'merged';
}

/** The decision that takes the place of a link which the record no longer bears out: its evidence, and why. */
function successor(before: Decision, patient: string, loss: Loss, found: Found): NewDecision {
  const { decisionId, decider, evidence } = before;
  const chosenByPerson = decider.by === 'person' || evidence.follows?.chosenBy === 'person';
  const follows = { decisionId, patient, loss, chosenBy: chosenByPerson ? 'person' : 'rules' } as const;
  const next = (verdict: Verdict, candidates = evidence.candidates): NewDecision => ({
    decisionId: newId(),
    studyInstanceUid: before.studyInstanceUid,
    identityDigest: before.identityDigest,
    verdict,
    decider: { by: 'rules' },
    evidence: { ...evidence, candidates, follows },
  });
  const quarantined = {
    gone: 'patient-gone',
    inactive: 'patient-inactive',
    'broken-merge': 'ambiguous-patient',
  } as const;
  if (loss !== 'merged') return next({ state: 'quarantined', reasons: [quarantined[loss]] });
  const survivor = found as RecordPatient;
  const { corroboration, reasons } = objectionsToSurvivor(evidence.demographics, survivor, chosenByPerson);
  const candidates = [{ patient: referenceOf(survivor), ...(corroboration ? { corroboration } : {}) }];
  if (reasons.length > 0) return next({ state: 'quarantined', reasons }, candidates);
  return next({ state: 'linked', patient: referenceOf(survivor), provisional: isProvisional(survivor) }, candidates);
}

const referenceOf = ({ id }: RecordPatient): string => `Patient/${id}`;
