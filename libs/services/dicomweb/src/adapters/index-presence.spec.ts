import { imaging } from '@callosum/contracts';
import { createPeerClients, type StudyIndexClient } from '@callosum/runtime';
import { ClientError, createServer, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { keptInstance } from '../test-support/kept.js';
import { IndexPresence, IndexUnavailableError } from './index-presence.js';
import { StudyIndexGrpc } from './study-index-grpc.js';

const { signal } = new AbortController();
const times = { firstMs: 20, nextMs: 40, silentMs: 1_000 };
const kept = keptInstance({ blobKey: 'new' });
/** Never says anything, and does not even end when it is told to. */
const silent = (): AsyncIterable<never> => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) });
async function* stream<T>(...messages: readonly T[]): AsyncGenerator<T> {
  await Promise.resolve();
  yield* messages;
}
const collect = async <T>(all: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
};

describe('an index that is silent', () => {
  it.each(['frames', 'metadata'] as const)('is not waited for longer than for an answer: %s', async (question) => {
    const client = { locateFrames: silent, readMetadata: silent } as unknown as StudyIndexClient;
    const index = new StudyIndexGrpc(client, new IndexPresence(() => undefined, times));
    const asked = question === 'frames' ? index.frames(kept, [1], signal) : collect(index.metadata(kept, signal));
    await expect(asked).rejects.toBeInstanceOf(IndexUnavailableError);
  });

  it('is asked by one in a while, and by all once it answers', async () => {
    let now = 1_000_000;
    const told: unknown[] = [];
    const presence = new IndexPresence(
      (error) => told.push(error),
      times,
      () => now,
    );
    let asked = 0;
    const ask = (answer: () => AsyncIterable<number>) =>
      collect(
        presence.messages(() => {
          asked++;
          return answer();
        }, signal),
      );
    await expect(ask(silent)).rejects.toBeInstanceOf(IndexUnavailableError);
    for (let i = 0; i < 5; i++) await expect(ask(() => stream(1))).rejects.toBeInstanceOf(IndexUnavailableError);
    expect(asked).toBe(1);
    now += times.silentMs;
    const one = ask(silent);
    await expect(ask(() => stream(1))).rejects.toBeInstanceOf(IndexUnavailableError);
    await expect(one).rejects.toBeInstanceOf(IndexUnavailableError);
    expect(asked).toBe(2);
    now += times.silentMs;
    expect(await ask(() => stream(1, 2))).toEqual([1, 2]);
    expect(await ask(() => stream(3))).toEqual([3]);
    expect(asked).toBe(4);
    // One line for all of it.
    expect(told).toHaveLength(1);
    now += 300_000;
    await expect(ask(silent)).rejects.toBeInstanceOf(IndexUnavailableError);
    expect(told).toHaveLength(2);
  });

  it('in the middle is one that is away, and the next question is asked', async () => {
    const presence = new IndexPresence(() => undefined, times);
    const begun = async function* (): AsyncGenerator<number> {
      yield 1;
      yield* silent();
    };
    const found: number[] = [];
    const taking = async (): Promise<void> => {
      for await (const one of presence.messages(begun, signal)) {
        found.push(one);
        // Whoever takes its time is not who is waited for.
        await new Promise((resolve) => setTimeout(resolve, 2 * times.nextMs));
      }
    };
    await expect(taking()).rejects.toBeInstanceOf(IndexUnavailableError);
    expect(found).toEqual([1]);
    expect(await collect(presence.messages(() => stream(2), signal))).toEqual([2]);
  });
});

describe('an index that answers', () => {
  it('ends a question that is not taken to its end', async () => {
    const presence = new IndexPresence(() => undefined, times);
    let given: AbortSignal | undefined;
    for await (const one of presence.messages((signal) => {
      given = signal;
      return stream(1, 2);
    }, signal)) {
      expect(one).toBe(1);
      break;
    }
    expect(given?.aborted).toBe(true);
  });

  it('and refuses is told of, and asked again', async () => {
    const told: IndexUnavailableError[] = [];
    const denied = async function* (): AsyncGenerator<never> {
      await Promise.resolve();
      yield* [];
      throw new ClientError('/callosum.imaging.v1.StudyIndexService/LocateFrames', Status.PERMISSION_DENIED, 'no');
    };
    const client = { locateFrames: denied } as unknown as StudyIndexClient;
    const index = new StudyIndexGrpc(client, new IndexPresence((error) => told.push(error), times));
    for (let i = 0; i < 3; i++)
      await expect(index.frames(kept, [1], signal)).rejects.toBeInstanceOf(IndexUnavailableError);
    expect(told.map(({ cause }) => (cause as ClientError).code)).toEqual([Status.PERMISSION_DENIED]);
  });
});

describe('an index over a network', () => {
  it('that is silent is left, and told so: what it does for nobody ends', async () => {
    let left = 0;
    const waits = async function* (_: unknown, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<never> {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      left++;
      yield* [];
    };
    const server = createServer();
    const { methods } = imaging.StudyIndexServiceDefinition;
    const implementation = Object.fromEntries(Object.keys(methods).map((name) => [name, waits]));
    server.add(
      imaging.StudyIndexServiceDefinition,
      implementation as unknown as imaging.StudyIndexServiceImplementation,
    );
    const address = `127.0.0.1:${String(await server.listen('127.0.0.1:0'))}`;
    const clients = createPeerClients('dicomweb', { studyIndex: address, identity: address });
    try {
      const patient = { firstMs: 300, nextMs: 300, silentMs: 1 };
      const index = new StudyIndexGrpc(clients.studyIndex, new IndexPresence(() => undefined, patient));
      await expect(index.frames(kept, [1], signal)).rejects.toBeInstanceOf(IndexUnavailableError);
      await expect.poll(() => left).toBe(1);
      await expect(collect(index.metadata(kept, signal))).rejects.toBeInstanceOf(IndexUnavailableError);
      await expect.poll(() => left).toBe(2);
      // A client that goes is no sign of the index.
      const gone = new AbortController();
      const asked = index.frames(kept, [1], gone.signal);
      gone.abort();
      await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    } finally {
      clients.close();
      server.forceShutdown();
    }
  });
});
