import { operations } from '@callosum/contracts';
import type { Client } from 'nice-grpc';

import type { ServiceAddress } from './errors.js';

type ParkedClient = Client<operations.ParkedServiceDefinition>;

export interface ParkedTarget {
  readonly topic: string;
  readonly key: string;
}

export interface DropOptions extends ParkedTarget {
  readonly id?: string;
  readonly droppedBy: string;
  readonly reason: string;
}

type Say = (line: string) => void;

/** A call lists, shows or replays some hundreds of items. */
const deadlineMs = 120_000;

/** What no person has to do. */
const again = ({ nextAttemptAt, retries }: operations.ParkedKey): string[] =>
  nextAttemptAt ? [`tried again at ${nextAttemptAt}${retries > 0 ? ` (${retries} times in vain)` : ''}`] : [];

/** Parked work of one service: what `callosum parked` asks it. */
export class ParkedCommands {
  constructor(
    private readonly target: ServiceAddress,
    private readonly client: ParkedClient,
    private readonly say: Say,
  ) {}

  /** One line a key. @returns how many keys hold parked work */
  async list(topic = ''): Promise<number> {
    const keys = await this.#keys(topic);
    for (const parked of keys) {
      const { group, topic: of, key, items, errorCode, parkedAt } = parked;
      this.say([parkedAt, group, of, key, `${items} parked`, errorCode, ...again(parked)].join('  '));
    }
    return keys.length;
  }

  async show({ topic, key }: ParkedTarget): Promise<void> {
    const { items, itemsTotal } = await this.client.showParked({ topic, key }, this.#options());
    for (const item of items) {
      const fields = Object.entries(item).filter(
        ([name, value]) => value !== '' && value !== undefined && name !== 'payload',
      );
      this.say(fields.map(([name, value]) => `${name}=${String(value)}`).join('  '));
      this.say(`  ${item.payload || '(not readable as its message: not shown)'}`);
    }
    if (itemsTotal > items.length) this.say(`and ${itemsTotal - items.length} more`);
  }

  /** Until nothing of the key is left or an item fails. @returns true when nothing is left */
  async replay({ topic, key }: ParkedTarget): Promise<boolean> {
    for (let replayed = 0; ;) {
      const answer = await this.client.replayParked({ topic, key }, this.#options());
      replayed += answer.replayed;
      if (answer.left > 0 && !answer.errorCode && answer.replayed > 0) continue;
      const failed = answer.errorCode ? `, stopped at ${answer.errorCode}` : '';
      this.say(`${this.target.service}  ${topic}  ${key}  ${replayed} replayed, ${answer.left} left${failed}`);
      return answer.left === 0;
    }
  }

  /** Every key. @returns true when nothing is left */
  async replayAll(topic = ''): Promise<boolean> {
    let all = true;
    for (const key of await this.#keys(topic)) all = (await this.replay(key)) && all;
    return all;
  }

  async drop({ topic, key, id = '', droppedBy, reason }: DropOptions): Promise<void> {
    const request = { topic, key, id, droppedBy, reason };
    const { dropped, left } = await this.client.dropParked(request, this.#options());
    this.say(`${this.target.service}  ${topic}  ${key}  ${dropped} dropped, ${left} left`);
  }

  async #keys(topic: string): Promise<operations.ParkedKey[]> {
    const keys: operations.ParkedKey[] = [];
    for (let pageToken = ''; ;) {
      const page = await this.client.listParked({ topic, pageToken }, this.#options());
      keys.push(...page.keys);
      pageToken = page.nextPageToken;
      if (!pageToken) return keys;
    }
  }

  #options(): { signal: AbortSignal } {
    return { signal: AbortSignal.timeout(deadlineMs) };
  }
}
