import { identity, imaging, inference, results, topics, type Topic } from '@callosum/contracts';
import type { EventLog, LogEvent, Subscription } from '@callosum/event-log';

/** What was published, as the last line of stdout tells it. */
export interface Published {
  readonly studyInstanceUid: string;
  readonly patient: string;
  readonly imagingStudy: string;
  readonly diagnosticReport: string;
  readonly observations: readonly string[];
  readonly seg: string | null;
  readonly sr: string | null;
  readonly elapsedMs: number;
}

export type Outcome = { readonly published: Published } | { readonly failure: string };

/** Follows studies through the log: prints each stage as it happens, and knows how each ended. */
export class StageWatcher {
  #subscription: Subscription | undefined;
  /** SOP Instance UIDs by study. */
  readonly #stored = new Map<string, Set<string>>();
  readonly #last = new Map<string, string>();
  /** The latest revision that was told to be complete, by study. */
  readonly #completed = new Map<string, number>();
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #studyOfJob = new Map<string, string>();
  #firstStoreAt: number | undefined;

  constructor(
    private readonly log: EventLog,
    private readonly print: (elapsedMs: number, stage: string, text: string) => void,
  ) {}

  async start(): Promise<void> {
    this.#subscription = await this.log.subscribe({
      group: `start-command-${process.pid}-${Date.now()}`,
      topics: Object.values(topics).map(({ name }) => name),
      from: 'latest',
      handler: (event) => {
        this.#handle(event);
        return Promise.resolve();
      },
      onCrash: (error) => {
        for (const end of this.#waiting.values()) end({ failure: `the event log cannot be read: ${error.message}` });
      },
    });
  }

  async stop(): Promise<void> {
    await this.#subscription?.close();
  }

  /** The clock of all durations starts here. */
  firstStore(): void {
    this.#firstStoreAt ??= Date.now();
  }

  elapsedMs(): number {
    return this.#firstStoreAt === undefined ? 0 : Date.now() - this.#firstStoreAt;
  }

  /** Distinct instances of the study the archive told of since the watcher started. */
  storedCount(studyInstanceUid: string): number {
    return this.#stored.get(studyInstanceUid)?.size ?? 0;
  }

  /** Undefined when the log told nothing of the study: it is on its way, or was stored before. */
  lastStage(studyInstanceUid: string): string | undefined {
    return this.#last.get(studyInstanceUid);
  }

  /** Whether the log told that the study, up to this revision, is complete. */
  toldComplete(studyInstanceUid: string, revision: number): boolean {
    return (this.#completed.get(studyInstanceUid) ?? 0) >= revision;
  }

  /** Stages of the study are printed no more. */
  leave(studyInstanceUid: string): void {
    this.#waiting.delete(studyInstanceUid);
  }

  /** Resolves when the study's report is published, or when it is certain that none will be without a person. */
  outcome(studyInstanceUid: string): Promise<Outcome> {
    return new Promise((resolve) => this.#waiting.set(studyInstanceUid, resolve));
  }

  #stage(study: string, stage: string, text: string): void {
    this.#last.set(study, `${stage}: ${text}`);
    if (this.#waiting.has(study)) this.print(this.elapsedMs(), stage, text);
  }

  #handle(event: LogEvent): void {
    const read = <M>(topic: Topic<M>): M => topic.message.fromJSON(JSON.parse(event.value));
    switch (event.topic) {
      case topics.instanceStored.name:
        return this.#instanceStored(read(topics.instanceStored));
      case topics.associationReleased.name:
        return this.#associationReleased(read(topics.associationReleased));
      case topics.studyUpdated.name:
        return this.#studyUpdated(read(topics.studyUpdated));
      case topics.studyCompleted.name:
        return this.#studyCompleted(read(topics.studyCompleted));
      case topics.studyLinked.name:
        return this.#studyLinked(read(topics.studyLinked));
      case topics.studyQuarantined.name:
        return this.#studyQuarantined(read(topics.studyQuarantined));
      case topics.jobScheduled.name:
        return this.#jobScheduled(read(topics.jobScheduled));
      case topics.jobCompleted.name:
        return this.#jobCompleted(read(topics.jobCompleted));
      case topics.jobFailed.name:
        return this.#jobFailed(read(topics.jobFailed));
      case topics.resultPublished.name:
        return this.#resultPublished(read(topics.resultPublished));
    }
  }

  #instanceStored(fact: imaging.InstanceStored): void {
    const stored = this.#stored.get(fact.studyInstanceUid) ?? new Set();
    const isFirst = stored.size === 0;
    this.#stored.set(fact.studyInstanceUid, stored.add(fact.sopInstanceUid));
    if (fact.issuedByCallosum) this.#stage(fact.studyInstanceUid, 'archived result', fact.sopInstanceUid);
    else if (isFirst) this.#stage(fact.studyInstanceUid, 'stored', 'first instance is durable in the archive');
  }

  #associationReleased(fact: imaging.AssociationReleased): void {
    this.#stage(fact.studyInstanceUid, 'association released', `${fact.instanceCount} instances stored`);
  }

  #studyUpdated(fact: imaging.StudyUpdated): void {
    this.#stage(
      fact.studyInstanceUid,
      'indexed',
      `study revision ${fact.revision}: ${fact.changes.map(short('STUDY_CHANGE_')).join(', ')}`,
    );
  }

  #studyCompleted(fact: imaging.StudyCompleted): void {
    this.#completed.set(fact.studyInstanceUid, fact.revision);
    const series = fact.series.map(({ modality, instanceCount }) => `${modality} ×${instanceCount}`).join(', ');
    this.#stage(
      fact.studyInstanceUid,
      'complete',
      `revision ${fact.revision} by ${short('COMPLETENESS_EVIDENCE_')(fact.evidence)}: ${series}`,
    );
  }

  #studyLinked(fact: identity.StudyLinked): void {
    this.#stage(
      fact.studyInstanceUid,
      'identity',
      `linked to ${fact.patientReference}${fact.provisional ? ' (provisional)' : ''}`,
    );
  }

  #studyQuarantined(fact: identity.StudyQuarantined): void {
    this.#stage(fact.studyInstanceUid, 'quarantined', reasonsOf(fact));
    this.#end(fact.studyInstanceUid, { failure: quarantineFailure(fact) });
  }

  #jobScheduled(fact: inference.JobScheduled): void {
    const study = fact.input?.studyInstanceUid ?? '';
    this.#studyOfJob.set(fact.jobId, study);
    this.#stage(
      study,
      'job scheduled',
      `${fact.model?.modelId} ${fact.model?.version} on series ${fact.input?.seriesInstanceUid}`,
    );
  }

  #jobCompleted(fact: inference.JobCompleted): void {
    const { modelId = '', version = '' } = fact.model ?? {};
    const kilobytes = Math.ceil(Number(fact.resultArtifact?.byteCount ?? 0n) / 1000);
    const text = `${modelId} ${version} gave a result of ${kilobytes} kB at attempt ${fact.attempt}`;
    this.#stage(fact.input?.studyInstanceUid ?? '', 'model', text);
  }

  #jobFailed(fact: inference.JobFailed): void {
    const study = fact.input?.studyInstanceUid ?? '';
    const reason = short('JOB_FAILURE_REASON_')(fact.reason);
    const why = [reason, fact.detail].filter((part) => part !== '').join(': ');
    this.#stage(study, 'job failed', why);
    if (fact.reason !== inference.JobFailureReason.JOB_FAILURE_REASON_SUPERSEDED) {
      this.#end(study, { failure: `the model's job failed: ${why}; what the worker said is in its Task` });
    }
  }

  #resultPublished(fact: results.ResultPublished): void {
    if (fact.kind === results.PublicationKind.PUBLICATION_KIND_IMAGING_STUDY) {
      this.#stage(fact.studyInstanceUid, 'FHIR', `${fact.imagingStudyReference} written`);
    }
    if (fact.kind !== results.PublicationKind.PUBLICATION_KIND_RESULT) return;
    this.#stage(
      fact.studyInstanceUid,
      'published',
      `${fact.diagnosticReportReference} with ${fact.observationReferences.length} observations`,
    );
    this.#end(fact.studyInstanceUid, { published: publishedOf(fact, this.elapsedMs()) });
  }

  #end(study: string, outcome: Outcome): void {
    this.#waiting.get(study)?.(outcome);
  }
}

const reasonsOf = ({ reasons }: identity.StudyQuarantined): string =>
  reasons.map(short('QUARANTINE_REASON_')).join(', ');

/** Why a quarantined study has no report. */
export const quarantineFailure = (fact: identity.StudyQuarantined): string =>
  `the study is quarantined (${reasonsOf(fact)}): a person must decide whose it is`;

/** The fact of a publication as the last line of stdout tells it. */
export function publishedOf(fact: results.ResultPublished, elapsedMs: number): Published {
  return {
    studyInstanceUid: fact.studyInstanceUid,
    patient: fact.patientReference,
    imagingStudy: fact.imagingStudyReference,
    diagnosticReport: fact.diagnosticReportReference,
    observations: fact.observationReferences,
    seg: fact.segSopInstanceUid || null,
    sr: fact.srSopInstanceUid || null,
    elapsedMs,
  };
}

/** "STUDY_CHANGE_CREATED" → "created". */
function short(prefix: string): (value: string) => string {
  return (value) => value.replace(prefix, '').toLowerCase().replaceAll('_', ' ');
}
