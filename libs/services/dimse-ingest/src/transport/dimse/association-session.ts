import type {
  AssociationEnd,
  AssociationHandler,
  AssociationInfo,
  RefusedRequest,
  StoreAnswer,
  StoreRequest,
} from '@callosum/dimse';
import { statusText } from '@callosum/dimse';
import { errorCode, isUid } from '@callosum/kernel';
import { type LogEventName, type Logger, secondsSince, withSpan } from '@callosum/telemetry';
import { context, type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

import type { AnnounceRelease } from '../../application/announce-release.js';
import type { StoreInstance } from '../../application/store-instance.js';
import { storeAnswers } from './answers.js';
import type { DimseMetrics } from './metrics.js';
import { answerOf } from './status-of.js';

const service = 'dimse-ingest';

/** What the session answers itself; the rest is its services'. */
type SessionHandler = Required<Pick<AssociationHandler, 'store' | 'echoed' | 'ended'>>;

export interface SessionParts {
  readonly storeInstance: StoreInstance;
  readonly announceRelease: AnnounceRelease;
  readonly metrics: DimseMetrics;
  readonly logger: Logger;
}

/** One association from its acceptance to its end: one trace, and what was stored on it. */
export class AssociationSession implements SessionHandler {
  readonly #span: Span;
  /** Of the association's span. */
  readonly context: Context;
  readonly #instanceCounts = new Map<string, number>();
  #stored = 0;
  #refused = 0;

  constructor(
    private readonly info: AssociationInfo,
    private readonly parts: SessionParts,
  ) {
    const attributes = {
      'callosum.service': service,
      'dicom.association_id': info.id,
      'dicom.calling_ae': info.callingAet,
      'dicom.called_ae': info.calledAet,
    };
    this.#span = trace
      .getTracer(`callosum.${service}`)
      .startSpan('dimse.association', { kind: SpanKind.SERVER, attributes, root: true });
    this.context = trace.setSpan(ROOT_CONTEXT, this.#span);
    parts.metrics.opened();
    this.#log('assoc.accepted', {
      called: info.calledAet,
      remoteAddress: info.remoteAddress,
      // 16 characters by PS3.7 D.3.3.2; peers send what they like.
      implementation: info.implementationVersion.slice(0, 16),
    });
  }

  async store(request: StoreRequest): Promise<StoreAnswer> {
    const startedAt = performance.now();
    let byteCount = 0;
    const answer = await context.with(this.context, () => this.#store(request, (stored) => (byteCount = stored)));
    const { callingAet } = this.info;
    this.parts.metrics.answered(callingAet, statusText(answer.status), byteCount, secondsSince(startedAt));
    return answer;
  }

  async #store(request: StoreRequest, storedBytes: (byteCount: number) => void): Promise<StoreAnswer> {
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, dataset } = request;
    const attributes = {
      'dicom.sop_class_uid': sopClassUid,
      'dicom.sop_instance_uid': named(sopInstanceUid),
      'dicom.transfer_syntax_uid': transferSyntaxUid,
    };
    try {
      return await withSpan(service, 'dimse.c-store', { kind: SpanKind.SERVER, attributes }, async (span) => {
        const object = {
          associationId: this.info.id,
          callingAet: this.info.callingAet,
          sopClassUid,
          sopInstanceUid,
          transferSyntaxUid,
        };
        const { studyInstanceUid, byteCount, outcome } = await this.parts.storeInstance.execute(
          object,
          dataset as AsyncIterable<Uint8Array>,
        );
        span.setAttributes({ 'dicom.study_instance_uid': studyInstanceUid, 'archive.outcome': outcome });
        this.#instanceCounts.set(studyInstanceUid, (this.#instanceCounts.get(studyInstanceUid) ?? 0) + 1);
        this.#stored++;
        storedBytes(byteCount);
        return { status: storeAnswers.stored.status };
      });
    } catch (error) {
      this.#refused++;
      const answer = answerOf(error);
      const fields = {
        aet: this.info.callingAet,
        association: this.info.id,
        instance: named(sopInstanceUid),
        status: statusText(answer.status),
        code: errorCode(error),
        err: error,
      };
      this.parts.logger.warn(fields, 'store.refused');
      return answer;
    }
  }

  echoed(): void {
    this.parts.metrics.echoed(this.info.callingAet);
  }

  /** A request was answered with a failure before it came to the archive or a service. */
  refusedUnseen({ operation, sopInstanceUid = '', status }: RefusedRequest): void {
    const { callingAet: aet, id: association } = this.info;
    const fields = { aet, association, status: statusText(status), code: 'dimse.refused-by-protocol' };
    if (operation !== 'C-STORE') return this.parts.logger.warn({ ...fields, operation }, 'dimse.refused');
    this.#refused++;
    this.parts.metrics.answered(aet, fields.status, 0, 0);
    this.parts.logger.warn({ ...fields, instance: named(sopInstanceUid) }, 'store.refused');
  }

  /** A request of a service was answered with a failure. */
  refused(operation: string, status: string, err: unknown): void {
    this.parts.logger.warn(
      { aet: this.info.callingAet, association: this.info.id, operation, status, code: errorCode(err), err },
      'dimse.refused',
    );
  }

  async ended(end: AssociationEnd): Promise<void> {
    const outcome = end.how;
    try {
      if (end.how === 'released') await context.with(this.context, () => this.#announce());
      else
        this.#span.setStatus({
          code: SpanStatusCode.ERROR,
          message: end.how === 'aborted' ? end.code : 'dimse.connection-lost',
        });
      this.#log(end.how === 'released' ? 'assoc.released' : 'assoc.aborted', {
        stored: this.#stored,
        refused: this.#refused,
        studies: this.#instanceCounts.size,
        ...(end.how === 'aborted' ? { by: end.by, code: end.code } : {}),
        ...(end.how === 'lost' ? { by: 'peer', code: 'dimse.connection-lost' } : {}),
      });
    } finally {
      this.#span.setAttributes({
        'dimse.instances_stored': this.#stored,
        'dimse.instances_refused': this.#refused,
        'dimse.outcome': outcome,
      });
      this.#span.end();
      this.parts.metrics.ended(this.info.callingAet, outcome);
    }
  }

  /** Without it the study waits its whole quiet period: a pity, not a loss. */
  async #announce(): Promise<void> {
    try {
      await this.parts.announceRelease.execute({
        associationId: this.info.id,
        callingAet: this.info.callingAet,
        instanceCounts: this.#instanceCounts,
      });
    } catch (error) {
      this.parts.logger.error({ association: this.info.id, err: error }, 'assoc.release-not-announced');
    }
  }

  #log(event: LogEventName, fields: Record<string, unknown>): void {
    context.with(this.context, () =>
      this.parts.logger.info({ aet: this.info.callingAet, association: this.info.id, ...fields }, event),
    );
  }
}

/** Whatever a peer sent in place of a UID is for neither logs nor spans. */
const named = (uid: string): string => (isUid(uid) ? uid : 'invalid');
