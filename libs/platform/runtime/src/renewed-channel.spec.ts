import { imaging } from '@callosum/contracts';
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { type Channel, createServer, type Server, Status } from 'nice-grpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createPeerClients, type PeerClients } from './clients.js';
import { renewedChannel } from './renewed-channel.js';

/** More than a server takes at once (1,000), and in the time of the test (33 a second). */
const brokenOff = 1_800;
const sideBySide = 100;

const answer = imaging.SearchResponse.fromPartial({ unsupportedKeys: ['one'] });

describe('calls of services to each other', () => {
  let server: Server;
  let clients: PeerClients;
  /** Connections that calls came over. */
  let peers: Set<string>;
  /** Calls without an end that came, and of them those that the server was told are of no use any more. */
  let begun: number;
  let ended: number;
  /** Lets a search named `long` end. */
  let goOn: () => void;

  beforeEach(async () => {
    peers = new Set();
    [begun, ended] = [0, 0];
    const { promise, resolve } = Promise.withResolvers<undefined>();
    goOn = () => resolve(undefined);
    const withoutEnd = async (signal: AbortSignal): Promise<void> => {
      if (signal.aborted) return;
      await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }));
    };
    const implementation: Partial<imaging.StudyIndexServiceImplementation> = {
      search: async function* ({ asker }, { signal, peer }) {
        peers.add(peer);
        if (asker !== 'endless') {
          yield answer;
          if (asker === 'long') await promise;
          return;
        }
        begun++;
        try {
          yield answer;
          await withoutEnd(signal);
        } finally {
          ended++;
        }
      },
      awaitIndexed: async (_request, { signal }) => {
        begun++;
        await withoutEnd(signal);
        ended++;
        return {};
      },
    };
    server = createServer();
    const { methods } = imaging.StudyIndexServiceDefinition;
    const notAsked = Object.fromEntries(Object.keys(methods).map((name) => [name, () => expect.unreachable(name)]));
    const all = { ...notAsked, ...implementation } as unknown as imaging.StudyIndexServiceImplementation;
    server.add(imaging.StudyIndexServiceDefinition, all);
    const address = `127.0.0.1:${String(await server.listen('127.0.0.1:0'))}`;
    clients = createPeerClients('spec', { studyIndex: address, identity: address });
  });
  afterEach(() => {
    clients.close();
    server.forceShutdown();
  });

  const search = (asker: string, signal?: AbortSignal): AsyncIterable<imaging.SearchResponse> =>
    clients.studyIndex.search({ asker }, signal ? { signal } : {});
  const countOf = async (messages: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _ of messages) count++;
    return count;
  };

  const breakOff = {
    'whose caller went': async () => {
      const gone = new AbortController();
      const messages = search('endless', gone.signal)[Symbol.asyncIterator]();
      await messages.next();
      gone.abort();
      await expect(messages.next()).rejects.toMatchObject({ name: 'AbortError' });
    },
    'of which no more is read': async () => {
      for await (const { unsupportedKeys } of search('endless')) {
        expect(unsupportedKeys).toEqual(['one']);
        break;
      }
    },
    'that take too long': () =>
      expect(clients.studyIndex.awaitIndexed({}, { deadline: 100 })).rejects.toMatchObject({
        code: Status.DEADLINE_EXCEEDED,
      }),
  };

  it.each(Object.entries(breakOff))(
    '%s are broken off, and cost others nothing, however many',
    async (_, breakOff) => {
      const long = countOf(search('long'));
      await expect.poll(() => peers.size).toBe(1);
      for (let done = 0; done < brokenOff; done += sideBySide) {
        await Promise.all(Array.from({ length: sideBySide }, breakOff));
        expect(await countOf(search('short'))).toBe(1);
      }
      // The server is told of each, and works for none of them any more. Some may have taken too long to get there.
      await expect.poll(() => begun - ended).toBe(0);
      expect(begun).toBeGreaterThan(0.8 * brokenOff);
      goOn();
      expect(await long).toBe(1);
    },
    60_000,
  );

  it('share one connection when they end by themselves', async () => {
    for (let done = 0; done < brokenOff; done += sideBySide)
      await Promise.all(Array.from({ length: sideBySide }, () => countOf(search('short'))));
    expect(peers.size).toBe(1);
  }, 60_000);
});

describe('a channel that goes on over new connections', () => {
  const opened: { closed: number; readonly ends: ((code: status) => void)[] }[] = [];
  const asked = ['/method', Infinity, null, null, null] as const;
  const nothing = { onReceiveMetadata: () => undefined, onReceiveMessage: () => undefined };
  let channel: Channel;

  beforeEach(() => {
    opened.splice(0);
    channel = renewedChannel(() => {
      const connection = { closed: 0, ends: [] as ((code: status) => void)[] };
      opened.push(connection);
      const createCall = () => ({
        start: (metadata: Metadata, { onReceiveStatus }: { onReceiveStatus(ended: StatusObject): void }) =>
          void connection.ends.push((code) => onReceiveStatus({ code, details: '', metadata })),
      });
      return { createCall, close: () => void connection.closed++ } as unknown as Channel;
    });
  });
  /** @returns what it ended with */
  const call = (): status[] => {
    const codes: status[] = [];
    const onReceiveStatus = ({ code }: StatusObject): void => void codes.push(code);
    channel.createCall(...asked).start(new Metadata(), { ...nothing, onReceiveStatus });
    return codes;
  };
  const end = (connection: number, code: status): void => opened[connection]?.ends.pop()?.(code);

  it('leaves one on which 500 calls are open or were broken off, and closes it when its last call ends', () => {
    const codes = call();
    for (let n = 0; n < 499; n++) {
      call();
      end(0, n % 2 === 0 ? status.CANCELLED : status.RESOURCE_EXHAUSTED);
    }
    expect(opened).toHaveLength(1);
    call();
    expect(opened.map(({ ends, closed }) => [ends.length, closed])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    end(0, status.OK);
    expect(codes).toEqual([status.OK]);
    expect(opened.map(({ closed }) => closed)).toEqual([1, 0]);
  });

  it('closes one on which no call is open when it leaves it', () => {
    for (let n = 0; n < 500; n++) {
      call();
      end(0, status.CANCELLED);
    }
    expect(opened.map(({ closed }) => closed)).toEqual([0]);
    call();
    expect(opened.map(({ closed }) => closed)).toEqual([1, 0]);
  });

  it('stays on one whose calls its server ends, whatever it says', () => {
    for (let n = 0; n < 2_000; n++) {
      call();
      end(0, n % 2 === 0 ? status.OK : status.NOT_FOUND);
    }
    expect(opened).toHaveLength(1);
  });

  it('closes all of them when it is closed, and opens no other', () => {
    for (let n = 0; n < 501; n++) call();
    channel.close();
    expect(opened.map(({ closed }) => closed)).toEqual([1, 1]);
    for (let n = 0; n < 500; n++) call();
    end(0, status.CANCELLED);
    expect(opened.map(({ closed }) => closed)).toEqual([1, 1]);
  });
});
