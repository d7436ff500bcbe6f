import { topicByName, type Topic } from '@callosum/contracts';
import { errorCode } from '@callosum/kernel';
import { contextOf } from '@callosum/telemetry';
import type { INestApplication } from '@nestjs/common';
import {
  BaseRpcContext,
  Server,
  type CustomTransportStrategy,
  type MessageHandler,
  type MicroserviceOptions,
  type NestMicroservice,
} from '@nestjs/microservices';
import { context, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { isObservable, lastValueFrom, type Observable } from 'rxjs';

import type { Backoff } from '../backoff.js';
import { withPolicyPerFetch } from '../consumer.js';
import { whileHandling } from '../context.js';
import { decodeEvent } from '../decode.js';
import { EventLogUnavailableError, HandlerSetupError, UnknownEventTypeError } from '../errors.js';
import type { EventLog, Subscription } from '../event-log.js';
import type { LogEvent } from '../event.js';
import { countEvent } from '../metrics.js';
import type { ParkedKey, ParkedStore, ReplayOptions, ReplayOutcome } from '../parked.js';
import { Replayer, type ReplayerEvents, type ReplayerTuning } from '../replayer.js';
import { EventErrorFilter } from './filter.js';

/** The second argument of an event handler; the first is the decoded message, or a list of them (`together`). */
export class EventLogContext extends BaseRpcContext<[LogEvent, ...LogEvent[]]> {
  get event(): LogEvent {
    return this.args[0];
  }

  /** As many as the handler was given messages. */
  get events(): readonly LogEvent[] {
    return this.args;
  }
}

/**
 * Extras of an `@EventPattern` whose handler takes facts of one key and one flow together, as lists of messages and of
 * `context.events`, one at least. When it rejects each comes again in a list of its own, those too whose effect it has
 * committed: the inbox tells.
 */
export const together = { together: true } as const;

export interface EventLogTransportOptions {
  readonly log: EventLog;
  /** Consumer group: the service's deployed name. */
  readonly group: string;
  readonly parked: ParkedStore;
  /** Told when consuming stopped for good: liveness must fail. */
  readonly onCrash: (error: Error) => void;
  readonly onParked?: (event: LogEvent, errorCode: string, error: unknown, retried: boolean) => void;
  /** Told of what is replayed without a person. */
  readonly replays?: ReplayerEvents;
  readonly backoff?: Backoff;
  readonly replayerTuning?: Partial<ReplayerTuning>;
  /** Another catalogue than the house's, in tests. */
  readonly catalogue?: (name: string) => Topic<never> | undefined;
}

const tracer = trace.getTracer('@callosum/event-log');

/**
 * Brings events to Nest's `@EventPattern(topics.x.name)` handlers, whichever adapter runs. Connect it with
 * `connectEventLog`. One application is one service is one group; one topic has one handler.
 */
export class EventLogTransport extends Server implements CustomTransportStrategy {
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: EventLogTransportOptions;
  readonly #topics = new Map<string, Topic<never>>();
  #connected = false;
  #subscription: Subscription | undefined;
  #replayer: Replayer | undefined;

  constructor(options: EventLogTransportOptions) {
    super();
    this.#options = options;
  }

  /** Called by `connectEventLog`, once handlers' errors pass unchanged. */
  markConnected(): void {
    this.#connected = true;
  }

  /** @throws {HandlerSetupError} for an uncatalogued topic, a second handler, or a handler that answers */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const name = typeof pattern === 'string' ? pattern : JSON.stringify(pattern);
    if (!isEventHandler) throw new HandlerSetupError(`${name} is no @EventPattern: the event log carries no requests`);
    const topic = (this.#options.catalogue ?? topicByName)(name);
    if (!topic) throw new HandlerSetupError(`topic ${name} has a handler but is in no catalogue`);
    if (this.#topics.has(name)) throw new HandlerSetupError(`topic ${name} has two handlers`);
    this.#topics.set(name, topic);
    super.addHandler(name, callback, true, extras);
  }

  listen(callback: (error?: unknown) => void): void {
    this.#subscribe().then(() => callback(), callback);
  }

  async close(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await Promise.all([this.#replayer?.close(), subscription?.close()]);
  }

  /**
   * Handles the parked facts of one key again, in order; see ParkedStore.replay.
   * @throws {EventLogUnavailableError} before the handlers are there, and once the service drains
   */
  replay(key: Omit<ParkedKey, 'group'>, eventsMax?: number): Promise<ReplayOutcome> {
    if (!this.#subscription) return Promise.reject(new EventLogUnavailableError('the service consumes nothing now'));
    return this.#replay(key, eventsMax === undefined ? {} : { eventsMax });
  }

  on(): never {
    throw new HandlerSetupError('the event log has no events of its own');
  }

  unwrap<T>(): T {
    return this.#options.log as T;
  }

  async #subscribe(): Promise<void> {
    if (!this.#connected) throw new HandlerSetupError('connect the transport with connectEventLog()');
    if (this.#topics.size === 0) return;
    const { log, group, parked, onCrash, onParked, backoff, replays, replayerTuning } = this.#options;
    const replayer = new Replayer({
      group,
      parked,
      replay: (key, options) => this.#replay(key, options),
      ...replays,
      ...(replayerTuning ? { tuning: replayerTuning } : {}),
    });
    this.#subscription = await log.subscribe({
      group,
      topics: [...this.#topics.keys()],
      from: 'earliest',
      onCrash,
      handler: withPolicyPerFetch({
        group,
        parked,
        dispatch: (event) => this.#handle([event]),
        together: {
          countOf: (events) => this.#togetherOf(events),
          dispatch: (events) => this.#handle(events),
        },
        onRecovered: (code) => replayer.recovered(code),
        ...(onParked ? { onParked } : {}),
        ...(backoff ? { backoff } : {}),
      }),
    });
    this.#replayer = replayer.start();
  }

  #replay(key: Omit<ParkedKey, 'group'>, options: ReplayOptions): Promise<ReplayOutcome> {
    const { parked, group } = this.#options;
    return parked.replay({ ...key, group }, (event) => this.#handleAgain(event), options);
  }

  async #handleAgain(event: LogEvent): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#handle([event]);
    } catch (error) {
      countEvent(this.#options.group, event, 'replay-failed', startedAt);
      throw error;
    }
    countEvent(this.#options.group, event, 'replayed', startedAt);
  }

  /** Facts of the first one's key and flow, so that what follows from them has one cause and one trace. */
  #togetherOf(events: readonly LogEvent[]): number {
    const [first] = events;
    if (!first || !this.#takesMany(first.topic)) return 1;
    const other = events.findIndex(
      ({ topic, key, correlationId }) =>
        topic !== first.topic || key !== first.key || correlationId !== first.correlationId,
    );
    return other < 0 ? events.length : other;
  }

  #takesMany(topic: string): boolean {
    return this.messageHandlers.get(topic)?.extras?.['together'] === true;
  }

  /** One attempt at one event, or at some together, each in its trace; the last is the cause of what is added to an outbox. */
  #handle(events: readonly LogEvent[]): Promise<void> {
    const spans = events.map((event) => this.#spanOf(event, events.length));
    const [span, cause] = [spans.at(-1), events.at(-1)];
    if (!span || !cause) return Promise.resolve();
    const inTrace = trace.setSpan(contextOf(cause.traceparent), span);
    return context.with(inTrace, () => inSpans(spans, () => whileHandling(cause, () => this.#call(events))));
  }

  #spanOf(event: LogEvent, count: number): Span {
    const attributes = {
      'messaging.system': 'callosum',
      'messaging.operation.type': 'process',
      'messaging.destination.name': event.topic,
      'messaging.consumer.group.name': this.#options.group,
      'messaging.message.id': event.id,
      'messaging.message.conversation_id': event.correlationId,
      ...(count > 1 ? { 'messaging.batch.message_count': count } : {}),
      'callosum.topic': event.topic,
      'callosum.group': this.#options.group,
    };
    const options = { kind: SpanKind.CONSUMER, attributes };
    return tracer.startSpan(`process ${event.topic}`, options, contextOf(event.traceparent));
  }

  async #call(events: readonly LogEvent[]): Promise<void> {
    const [first, ...others] = events;
    const topic = first && this.#topics.get(first.topic);
    const handler = first && this.messageHandlers.get(first.topic);
    if (!first || !topic || !handler) throw new UnknownEventTypeError(first?.topic ?? '');
    const messages = events.map((event) => {
      if (event.type !== topic.type) throw new UnknownEventTypeError(event.topic);
      return decodeEvent(topic, event);
    });
    const payload = this.#takesMany(first.topic) ? messages : messages[0];
    const result: unknown = await handler(payload, new EventLogContext([first, ...others]));
    if (isObservable(result)) await lastValueFrom(result as Observable<unknown>, { defaultValue: undefined });
  }
}

/**
 * Adds the transport to an application. `app.startAllMicroservices()` then subscribes.
 * Done by hand rather than by Nest's one call because that one registers the handlers before a filter can be set.
 */
export function connectEventLog(app: INestApplication, transport: EventLogTransport): void {
  const microservice = app.connectMicroservice<MicroserviceOptions>(
    { strategy: transport },
    { deferInitialization: true },
  ) as NestMicroservice;
  microservice.useGlobalFilters(new EventErrorFilter());
  microservice.registerListeners();
  microservice.setIsInitialized(true);
  microservice.setIsInitHookCalled(true);
  transport.markConnected();
}

async function inSpans(spans: readonly Span[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // The code only: messages of libraries may quote what they choke on.
    for (const span of spans) span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode(error) });
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}
