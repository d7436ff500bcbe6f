import { parseReference } from '@callosum/fhir';
import { newId } from '@callosum/kernel';

import type { Decision, NewDecision, Verdict } from '../domain/decision.js';
import {
  DecisionContentionError,
  InactivePatientError,
  MergedPatientError,
  StaleDecisionError,
  UnknownDecisionError,
  UnknownPatientError,
} from '../domain/errors.js';
import { decisionIdentifier, isActive, isProvisional, provisionalPatient } from '../domain/patient.js';
import type { DecisionStore, PatientRecord, StudyDirectory } from './ports.js';

export type Resolution =
  | { readonly action: 'link'; readonly patient: string }
  | { readonly action: 'create-patient' }
  | { readonly action: 'reject' };

/** What a person decides about a quarantined study. */
export class ResolveQuarantine {
  constructor(
    private readonly directory: StudyDirectory,
    private readonly record: PatientRecord,
    private readonly decisions: DecisionStore,
  ) {}

  /**
   * The same request again gives the decision it made.
   * @throws {UnknownDecisionError} when there is no such decision
   * @throws {StaleDecisionError} when another decision, or another version of the study, came in between
   * @throws {UnknownPatientError} when the Patient to link to is not there
   * @throws {MergedPatientError} when it was merged into another one
   * @throws {InactivePatientError} when the record says that it is not to be used
   * @throws {BrokenMergeError} when it was merged into one that is not in the record
   */
  async run(decisionId: string, resolution: Resolution, decidedBy: string): Promise<Decision> {
    const quarantine = await this.decisions.find(decisionId);
    if (!quarantine) throw new UnknownDecisionError(decisionId);
    const action = resolution.action === 'link' ? `link ${resolution.patient}` : resolution.action;
    if (quarantine.supersededAt) return this.madeBefore(decisionId, action);
    if (quarantine.verdict.state !== 'quarantined') throw new StaleDecisionError(decisionId);
    const demographics = await this.directory.demographics(quarantine.studyInstanceUid);
    // The person saw other attributes than the study has now; it is about to be judged anew.
    if (demographics.identityDigest !== quarantine.identityDigest) throw new StaleDecisionError(decisionId);
    const decision: NewDecision = {
      decisionId: newId(),
      studyInstanceUid: quarantine.studyInstanceUid,
      identityDigest: quarantine.identityDigest,
      verdict: await this.verdictOf(resolution, quarantine),
      decider: { by: 'person', name: decidedBy, resolves: decisionId, action },
      evidence: quarantine.evidence,
    };
    try {
      await this.decisions.commit({ decision, expected: quarantine });
    } catch (error) {
      // Somebody decided in the same moment: then their decision is the answer, or the reason to refuse.
      if (error instanceof DecisionContentionError) return this.madeBefore(decisionId, action);
      throw error;
    }
    return (await this.decisions.find(decision.decisionId)) ?? raise(new UnknownDecisionError(decision.decisionId));
  }

  private async madeBefore(decisionId: string, action: string): Promise<Decision> {
    const successor = await this.decisions.successorOf(decisionId);
    if (successor?.decider.by === 'person' && successor.decider.action === action) return successor;
    throw new StaleDecisionError(decisionId);
  }

  private async verdictOf(resolution: Resolution, quarantine: Decision): Promise<Verdict> {
    switch (resolution.action) {
      case 'reject':
        return { state: 'quarantined', reasons: ['rejected-by-person'] };
      case 'link':
        return this.link(resolution.patient);
      case 'create-patient':
        return this.create(quarantine);
    }
  }

  private async link(reference: string): Promise<Verdict> {
    const parsed = parseReference(reference);
    if (parsed?.resourceType !== 'Patient' || parsed.base) throw new UnknownPatientError();
    const patient = await this.record.read(`Patient/${parsed.id}`);
    if (!patient) throw new UnknownPatientError();
    if (patient.id !== parsed.id) throw new MergedPatientError(`Patient/${parsed.id}`, `Patient/${patient.id}`);
    if (!isActive(patient)) throw new InactivePatientError(`Patient/${patient.id}`);
    return { state: 'linked', patient: `Patient/${patient.id}`, provisional: isProvisional(patient) };
  }

  /**
   * The new Patient carries an identifier of this decision, not the Patient ID that was contested: a second holder of
   * that would make every later study of the first ambiguous.
   */
  private async create(quarantine: Decision): Promise<Verdict> {
    const { demographics } = quarantine.evidence;
    if (!demographics) throw new StaleDecisionError(quarantine.decisionId);
    const identifier = decisionIdentifier(quarantine.decisionId);
    const found = await this.record.createUnlessKnown(provisionalPatient(demographics, identifier), identifier);
    if (!found) throw new UnknownPatientError();
    const { patient } = found;
    return { state: 'linked', patient: `Patient/${patient.id}`, provisional: isProvisional(patient) };
  }
}

function raise(error: Error): never {
  throw error;
}
