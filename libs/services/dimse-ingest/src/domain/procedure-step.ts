import { createHash } from 'node:crypto';

import type { DicomJson } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';

import {
  AttributeNotSettableError,
  InvalidAttributeValueError,
  InvalidProcedureStepUidError,
  MissingAttributeError,
  MissingAttributeValueError,
  ProcedureStepEndedError,
} from './procedure-step-errors.js';
import { attributeRules, fixedTags, isEmpty, itemsOf, shortfallsOf, tags, textOf } from './step-attributes.js';

/** Performed Procedure Step Status (0040,0252), in the standard's words (PS3.3 C.4.14). */
export type StepStatus = 'IN PROGRESS' | 'DISCONTINUED' | 'COMPLETED';

/** A step as it is kept. */
export interface ProcedureStepState {
  readonly sopInstanceUid: string;
  /** 1 when created, rising with each change. */
  readonly revision: number;
  /** Calling AE title that created it. */
  readonly source: string;
  /** In the DICOM JSON Model: text in Unicode, whatever character set each request came in (F.7.2.2.3). */
  readonly attributes: DicomJson;
  /** Of the attribute list of N-CREATE. */
  readonly createdDigest: string;
  /** Of the last N-SET that changed something; '' before the first. */
  readonly setDigest: string;
}

/** What a step made of one series. */
export interface PerformedSeries {
  readonly seriesInstanceUid: string;
  /** Distinct, ascending. */
  readonly sopInstanceUids: readonly string[];
}

export interface ReasonCode {
  readonly value: string;
  readonly scheme: string;
}

/** All series of a step stand in one fact, which holds 900 kB. */
const seriesMax = 2_000;
/** Each study is told by a fact of its own. */
const studiesMax = 100;
/** All series stand in each of them, with some 150 bytes: what one request writes stays below 2 MB. */
const toldSeriesMax = 10_000;
/** Schemes whose codes are public. Any other code is what somebody at a site wrote, and stays here. */
const publicSchemes: ReadonlySet<string> = new Set(['DCM', 'SCT', 'SRT']);

/** A modality performed procedure step (PS3.4 F.7): what exists of it obeys the state and attribute rules. */
export class ProcedureStep {
  private constructor(readonly state: ProcedureStepState) {}

  /**
   * Of an N-CREATE (F.7.2.1).
   * @throws {MissingAttributeError} @throws {MissingAttributeValueError} @throws {InvalidAttributeValueError}
   * @throws {InvalidProcedureStepUidError}
   */
  static create(sopInstanceUid: string, source: string, given: DicomJson): ProcedureStep {
    if (!isUid(sopInstanceUid)) throw new InvalidProcedureStepUidError();
    const attributes = withoutCharacterSet(given);
    assertComplete(attributes, 'create');
    if (textOf(attributes, tags.status) !== 'IN PROGRESS')
      throw new InvalidAttributeValueError(tags.status, 'a procedure step is created IN PROGRESS');
    const createdDigest = digestOf(attributes);
    const step = new ProcedureStep({
      sopInstanceUid,
      revision: 1,
      source,
      attributes,
      createdDigest,
      setDigest: '',
    });
    step.assertReferences();
    return step;
  }

  static rehydrate(state: ProcedureStepState): ProcedureStep {
    return new ProcedureStep(state);
  }

  get status(): StepStatus {
    return textOf(this.state.attributes, tags.status) as StepStatus;
  }

  /** True when an N-CREATE says again what created this step: its response was lost. */
  repeatsCreation(given: DicomJson): boolean {
    return digestOf(withoutCharacterSet(given)) === this.state.createdDigest;
  }

  /**
   * After an N-SET (F.7.2.2): each attribute in it takes the place of the one before, sequences as a whole. The same step
   * where nothing changes, and where it repeats the N-SET that ended the step, whose response was lost.
   * @throws {ProcedureStepEndedError} @throws {AttributeNotSettableError} @throws {MissingAttributeError}
   * @throws {MissingAttributeValueError} @throws {InvalidAttributeValueError}
   */
  set(given: DicomJson): ProcedureStep {
    const modification = withoutCharacterSet(given);
    const setDigest = digestOf(modification);
    if (this.status !== 'IN PROGRESS') {
      if (setDigest === this.state.setDigest) return this;
      throw new ProcedureStepEndedError();
    }
    this.assertSettable(modification);
    const attributes = sorted({ ...this.state.attributes, ...modification });
    if (digestOf(attributes) === digestOf(this.state.attributes)) return this;
    const next = new ProcedureStep({ ...this.state, revision: this.state.revision + 1, attributes, setDigest });
    next.assertStatus();
    assertComplete(attributes, next.status === 'IN PROGRESS' ? 'create' : 'final', next.status);
    next.assertReferences();
    return next;
  }

  /** Studies it is of, in their first order; the same one may be named for several requested procedures (F.7.2.1.2). */
  get studyInstanceUids(): readonly string[] {
    const named = itemsOf(this.state.attributes, tags.scheduledSteps).map((item) =>
      textOf(item, tags.studyInstanceUid),
    );
    return [...new Set(named)];
  }

  /** Series with the instances it references; images and others have no different meaning (F.7.2.2.2). */
  get performedSeries(): readonly PerformedSeries[] {
    const bySeries = new Map<string, Set<string>>();
    for (const item of itemsOf(this.state.attributes, tags.performedSeries)) {
      const uid = textOf(item, tags.seriesInstanceUid);
      const instances = bySeries.get(uid) ?? new Set<string>();
      for (const reference of referencesOf(item)) instances.add(reference);
      bySeries.set(uid, instances);
    }
    return [...bySeries].map(([seriesInstanceUid, instances]) => ({
      seriesInstanceUid,
      sopInstanceUids: [...instances].sort(),
    }));
  }

  /** Why it was discontinued, where the modality gave a code of a public scheme. */
  get discontinuationReason(): ReasonCode | undefined {
    const [item] = itemsOf(this.state.attributes, tags.discontinuationReason);
    // Code Value, Long Code Value, URN Code Value: exactly one of them is present (PS3.3 8.8).
    const value =
      ['00080100', '00080119', '00080120'].map((tag) => textOf(item, tag)).find((text) => text !== '') ?? '';
    const scheme = textOf(item, '00080102');
    return this.status === 'DISCONTINUED' && publicSchemes.has(scheme) && /^[A-Z0-9-]{1,16}$/.test(value)
      ? { value, scheme }
      : undefined;
  }

  private assertSettable(modification: DicomJson): void {
    const { attributes } = this.state;
    // Many modalities send all they know each time: what stays as it is changes nothing.
    const changed = Object.keys(modification).filter(
      (tag) => fixedTags.has(tag) && JSON.stringify(modification[tag]) !== JSON.stringify(attributes[tag]),
    );
    if (changed.length > 0) throw new AttributeNotSettableError(changed);
  }

  private assertStatus(): void {
    if (!['IN PROGRESS', 'DISCONTINUED', 'COMPLETED'].includes(this.status))
      throw new InvalidAttributeValueError(tags.status, 'PerformedProcedureStepStatus has no such value');
  }

  /** UIDs that facts are made of. */
  private assertReferences(): void {
    const { studyInstanceUids, performedSeries } = this;
    if (!studyInstanceUids.every(isUid) || studyInstanceUids.length > studiesMax)
      throw new InvalidAttributeValueError(tags.scheduledSteps, 'StudyInstanceUID is no UID, or there are too many');
    const uids = performedSeries.flatMap((series) => [series.seriesInstanceUid, ...series.sopInstanceUids]);
    const told = studyInstanceUids.length * performedSeries.length;
    if (!uids.every(isUid) || performedSeries.length > seriesMax || told > toldSeriesMax)
      throw new InvalidAttributeValueError(
        tags.performedSeries,
        'a series or instance is named by no UID, or too many are',
      );
  }
}

function assertComplete(attributes: DicomJson, moment: 'create' | 'final', status?: StepStatus): void {
  const { missing, empty } = shortfallsOf(attributes, moment);
  if (missing) throw new MissingAttributeError(missing);
  const others = empty?.tags.filter((tag) => !(status === 'DISCONTINUED' && mayBeEmpty(attributes, tag))) ?? [];
  if (empty && others.length > 0) throw new MissingAttributeValueError({ ...empty, tags: others });
}

/** The attribute itself, of a discontinued step; what one of its items lacks is another matter. */
function mayBeEmpty(attributes: DicomJson, tag: string): boolean {
  const element = attributes[tag];
  const isOptional = attributeRules.some((rule) => rule.tag === tag && rule.discontinued === 2);
  return isOptional && element !== undefined && isEmpty(element);
}

const referencesOf = (series: DicomJson): string[] =>
  [tags.referencedImages, tags.referencedOthers].flatMap((sequence) =>
    itemsOf(series, sequence).map((item) => textOf(item, tags.referencedSopInstanceUid)),
  );

/** In ascending order of tags: the same attributes give the same text. */
const sorted = (attributes: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What is kept is Unicode; whoever reads it chooses a character set anew. */
function withoutCharacterSet(given: DicomJson): DicomJson {
  const { [tags.characterSet]: _set, ...attributes } = given;
  return sorted(attributes);
}

const digestOf = (attributes: DicomJson): string =>
  createHash('sha256').update(JSON.stringify(attributes)).digest('hex');
