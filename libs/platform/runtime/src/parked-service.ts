import type { operations } from '@callosum/contracts';
import { NothingParkedError, type ParkedItem, type ParkedKeySummary, type ParkedWork } from '@callosum/event-log';
import { CallosumError } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';

/** Thrown when a request on parked work lacks who, why or what. */
export class ParkedRequestError extends CallosumError {
  constructor(message: string) {
    super('operations.invalid-request', 'invalid', message);
  }
}

/** Pages of lists, and what one look at a key shows. */
const pageKeysMax = 100;
const itemsMax = 100;
/** A sentence or two; they stand in a row for as long as what was dropped. */
const reasonCharsMax = 500;
const nameCharsMax = 100;

/** callosum.operations.v1.ParkedService of one service, over everything it sets aside. */
export class ParkedGrpc implements operations.ParkedServiceImplementation {
  constructor(
    private readonly sources: readonly ParkedWork[],
    private readonly logger: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /** Source after source; a page token is "<source>:<position in it>". */
  async listParked(request: operations.ListParkedRequest): Promise<operations.ListParkedResponse> {
    const { topic, pageToken } = request;
    const [, at = '0', after] = /^(\d{1,2}):(\d{0,19})$/.exec(pageToken) ?? [];
    if (pageToken && after === undefined) throw new ParkedRequestError('page_token is not one of ours');
    const source = this.sources[Number(at)];
    if (!source) return { keys: [], nextPageToken: '' };
    const query = { ...(topic ? { topic } : {}), ...(after ? { after } : {}), limit: pageKeysMax };
    const keys = !topic || source.owns(topic) ? await source.keys(query) : [];
    const last = keys.at(-1);
    const more = keys.length === pageKeysMax && last ? `${at}:${last.position}` : '';
    const next = Number(at) + 1 < this.sources.length ? `${Number(at) + 1}:` : '';
    return { keys: keys.map(toKey), nextPageToken: more || next };
  }

  async showParked({ topic, key }: operations.ShowParkedRequest): Promise<operations.ShowParkedResponse> {
    const { items, total } = await this.#source(topic).items(topic, key, itemsMax);
    if (total === 0) throw new NothingParkedError(topic);
    return { items: items.map(toItem), itemsTotal: total };
  }

  async replayParked({ topic, key }: operations.ReplayParkedRequest): Promise<operations.ReplayParkedResponse> {
    const { replayed, left, errorCode = '' } = await this.#source(topic).replay(topic, key);
    this.logger.info({ topic, key, replayed, left, code: errorCode || undefined }, 'parked.replayed');
    return { replayed, left, errorCode };
  }

  /** The reason is free text of a person: it goes into the row, not into the log. */
  async dropParked(request: operations.DropParkedRequest): Promise<operations.DropParkedResponse> {
    const { topic, key, id } = request;
    const droppedBy = text('dropped_by', request.droppedBy, nameCharsMax);
    const reason = text('reason', request.reason, reasonCharsMax);
    const order = { ...(id ? { eventId: id } : {}), droppedBy, reason };
    const { dropped, left } = await this.#source(topic).drop(topic, key, order);
    this.logger.warn({ topic, key, dropped, left }, 'parked.dropped');
    return { dropped, left };
  }

  #source(topic: string): ParkedWork {
    const source = this.sources.find((candidate) => candidate.owns(topic));
    if (!source) throw new NothingParkedError(topic);
    return source;
  }
}

function text(name: string, value: string, charsMax: number): string {
  const trimmed = value.trim();
  if (!trimmed || trimmed.includes('\0')) throw new ParkedRequestError(`${name} is required`);
  if (trimmed.length > charsMax) throw new ParkedRequestError(`${name} has more than ${charsMax} characters`);
  return trimmed;
}

const toKey = (summary: ParkedKeySummary): operations.ParkedKey => ({
  group: summary.group,
  topic: summary.topic,
  key: summary.key,
  items: summary.items,
  errorCode: summary.errorCode,
  parkedAt: summary.parkedAt.toISOString(),
  nextAttemptAt: summary.nextAttemptAt?.toISOString(),
  retries: summary.retries ?? 0,
});

const toItem = (item: ParkedItem): operations.ParkedItem => ({
  id: item.id,
  errorCode: item.errorCode,
  parkedAt: item.parkedAt.toISOString(),
  time: item.time?.toISOString(),
  type: item.type,
  source: item.source ?? '',
  correlationId: item.correlationId ?? '',
  causationId: item.causationId ?? '',
  traceparent: item.traceparent ?? '',
  payload: item.payload ?? '',
  payloadBytes: item.payloadBytes,
  nextAttemptAt: item.nextAttemptAt?.toISOString(),
  retries: item.retries ?? 0,
});
