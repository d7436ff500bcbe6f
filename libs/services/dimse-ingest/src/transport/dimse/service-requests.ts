import {
  type Answer,
  DimseStatusError,
  findAnswers,
  type NormalizedAnswer,
  operationAnswers,
  type OperationRequest,
  type RetrieveAnswer,
  retrieveStatus,
  statusText,
} from '@callosum/dimse';
import { errorCode } from '@callosum/kernel';
import { secondsSince } from '@callosum/telemetry';
import { context, type Context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

import { type DimseService, type OpenAssociation, type ServiceHandler } from './dimse-service.js';
import { servicesByClass } from './acceptance.js';
import type { DimseMetrics } from './metrics.js';

const service = 'dimse-ingest';

export interface ServiceRequestsParts {
  readonly services: readonly DimseService[];
  readonly association: OpenAssociation;
  readonly metrics: DimseMetrics;
  /** Of the association's span. */
  readonly parent: Context;
  /** Told of a request that did not end well. */
  readonly onRefused: (operation: string, status: string, error: unknown) => void;
}

/**
 * The requests of one association, each to the service of its abstract syntax, with a span and a duration of its own.
 * The span of a C-FIND, C-MOVE or C-GET lasts until its final answer; what the service does meanwhile is inside.
 */
export function serviceRequests(parts: ServiceRequestsParts): Required<ServiceHandler> {
  const byClass = servicesByClass(parts.services);
  const opened = new Map<DimseService, ServiceHandler>();

  const handlerOf = (request: OperationRequest): ServiceHandler => {
    const found = byClass.get(request.abstractSyntaxUid);
    if (!found) return {};
    const known = opened.get(found) ?? found.open(parts.association);
    opened.set(found, known);
    return known;
  };
  const unrecognized = (): never => {
    throw new DimseStatusError(operationAnswers.unserved.status);
  };
  const one = (
    operation: string,
    request: OperationRequest,
    call: (handler: ServiceHandler) => Promise<NormalizedAnswer> | undefined,
  ): Promise<NormalizedAnswer> =>
    observed(parts, operation, request, (current) =>
      context.with(current, async () => call(handlerOf(request)) ?? unrecognized()),
    );
  const many = <T, R extends Answer | RetrieveAnswer | undefined | void>(
    operation: string,
    request: OperationRequest,
    call: (handler: ServiceHandler) => AsyncIterable<T, R> | undefined,
  ): AsyncGenerator<T, R> => observedMany(parts, operation, request, () => call(handlerOf(request)) ?? unrecognized());

  return {
    find: (request) => many('C-FIND', request, (handler) => handler.find?.(request)),
    move: (request) => many('C-MOVE', request, (handler) => handler.move?.(request)),
    get: (request, sender) => many('C-GET', request, (handler) => handler.get?.(request, sender)),
    nEventReport: (request) => one('N-EVENT-REPORT', request, (handler) => handler.nEventReport?.(request)),
    nGet: (request) => one('N-GET', request, (handler) => handler.nGet?.(request)),
    nSet: (request) => one('N-SET', request, (handler) => handler.nSet?.(request)),
    nAction: (request) => one('N-ACTION', request, (handler) => handler.nAction?.(request)),
    nCreate: (request) => one('N-CREATE', request, (handler) => handler.nCreate?.(request)),
    nDelete: (request) => one('N-DELETE', request, (handler) => handler.nDelete?.(request)),
  };
}

class Observation {
  readonly #startedAt = performance.now();
  readonly #span: Span;
  readonly context: Context;

  constructor(
    private readonly parts: ServiceRequestsParts,
    private readonly operation: string,
    request: OperationRequest,
  ) {
    const attributes = { 'callosum.service': service, 'dicom.sop_class_uid': request.abstractSyntaxUid };
    this.#span = trace
      .getTracer(`callosum.${service}`)
      .startSpan(`dimse.${operation.toLowerCase()}`, { kind: SpanKind.SERVER, attributes }, parts.parent);
    this.context = trace.setSpan(parts.parent, this.#span);
  }

  answered(status: number): void {
    const text = statusText(status);
    this.#span.setAttribute('dicom.status', text);
    this.#span.end();
    this.parts.metrics.operated(this.operation, text, secondsSince(this.#startedAt));
  }

  failed(error: unknown): void {
    const status = error instanceof DimseStatusError ? error.status : operationAnswers.defect.status;
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode(reasonOf(error)) });
    this.parts.onRefused(this.operation, statusText(status), error);
    this.answered(status);
  }
}

/** Why a status was answered, where the service says it: a status alone does not tell a defect of ours. */
function reasonOf(error: unknown): unknown {
  return error instanceof DimseStatusError && error.cause !== undefined ? error.cause : error;
}

async function observed(
  parts: ServiceRequestsParts,
  operation: string,
  request: OperationRequest,
  work: (current: Context) => Promise<NormalizedAnswer>,
): Promise<NormalizedAnswer> {
  const observation = new Observation(parts, operation, request);
  try {
    const answer = await work(observation.context);
    observation.answered(answer.status);
    return answer;
  } catch (error) {
    observation.failed(error);
    throw error;
  }
}

async function* observedMany<T, R extends Answer | RetrieveAnswer | undefined | void>(
  parts: ServiceRequestsParts,
  operation: string,
  request: OperationRequest,
  start: () => AsyncIterable<T, R>,
): AsyncGenerator<T, R> {
  const observation = new Observation(parts, operation, request);
  let ended = false;
  let iterator: AsyncIterator<T, R> | undefined;
  try {
    // Each step runs inside the span; a generator keeps no context over its yields.
    iterator = context.with(observation.context, () => start()[Symbol.asyncIterator]());
    const step = iterator.next.bind(iterator);
    for (;;) {
      const next = await context.with(observation.context, () => step());
      if (next.done) {
        ended = true;
        observation.answered(statusOf(next.value, request));
        return next.value;
      }
      yield next.value;
    }
  } catch (error) {
    ended = true;
    observation.failed(error);
    throw error;
  } finally {
    // Whoever iterates stopped: a C-CANCEL, or the association ended.
    if (!ended) {
      await iterator?.return?.();
      observation.answered(findAnswers.canceled.status);
    }
  }
}

/** As the library answers where the service leaves it to it. */
function statusOf(answer: Answer | RetrieveAnswer | undefined | void, request: OperationRequest): number {
  if (answer?.status !== undefined) return answer.status;
  if (request.signal.aborted) return findAnswers.canceled.status;
  return answer && 'counts' in answer ? retrieveStatus(answer.counts) : findAnswers.ended.status;
}
