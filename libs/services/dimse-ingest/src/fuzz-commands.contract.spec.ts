import { echo } from '@callosum/dimse';
import { orSkip } from '@callosum/testing';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { dataset, element } from '../../../standards/dimse/test-support/objects.js';
import {
  associateRq,
  cancelCommand,
  Command,
  commandFieldOf,
  commandSet,
  Data,
  pData,
  pdv,
  RawPeer,
  releaseRq,
  statusOf,
  storeCommand,
  withDataset,
} from '../../../standards/dimse/test-support/raw-peer.js';
import { startGauges } from '../test-support/gauges.js';
import { mutate, mutation, uids } from '../test-support/hostile.js';
import { answerMs } from '../test-support/mutated-stores.js';
import { startWatchedNode, type WatchedNode } from '../test-support/watched-node.js';

const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 1_000);
const seed = 20261128;
const transferSyntaxes = ['1.2.840.10008.1.2.1'];

const gauges = startGauges();
const started = await orSkip(() => startWatchedNode({ index: true }));
afterAll(async () => {
  await started.server?.stop();
  await gauges.stop();
});

const asked = ['1.2.840.10008.1.1', uids.ct, uids.studyRootFind, uids.studyRootGet, uids.mpps, uids.commitment];
const contexts = asked.map((abstractSyntax, index) => ({ id: 1 + 2 * index, abstractSyntax, transferSyntaxes }));
const query = Buffer.concat([element(0x0008, 0x0052, 'CS', 'STUDY'), element(0x0020, 0x000d, 'UI', '1.2.9')]);
const object = dataset({ sopInstanceUid: '1.2.3.4.5', studyInstanceUid: '1.2.9', pixelBytes: 500 });

interface Message {
  readonly contextId: number;
  readonly command: Buffer;
  readonly dataset?: Buffer;
}
/** Each is right by itself. */
const messages: readonly Message[] = [
  { contextId: 1, command: commandSet(0x0030, 7) },
  { contextId: 3, command: storeCommand(), dataset: object },
  { contextId: 5, command: commandSet(0x0020, 7, [withDataset]), dataset: query },
  { contextId: 5, command: cancelCommand(7) },
  { contextId: 7, command: commandSet(0x0010, 7, [withDataset]), dataset: query },
  { contextId: 9, command: commandSet(0x0140, 7, [withDataset]), dataset: query },
  { contextId: 11, command: commandSet(0x0130, 7, [withDataset]), dataset: query },
];
/** What C-ECHO-RSP says of it: a Command Field of 8030. */
const echoed = 0x8030;
const echoRq = pData(pdv(1, Command.last, commandSet(0x0030, 99)));

describe.skipIf(started.missing !== undefined)('the node and command sets', () => {
  const node = started.server as WatchedNode;
  async function associated(): Promise<RawPeer> {
    const peer = await RawPeer.connect(node.to().port);
    await peer.send(associateRq({ contexts })).next(2);
    return peer;
  }

  /** Resolves with whether it was answered; rejects when nothing came and the association goes on. */
  async function answered(peer: RawPeer): Promise<boolean> {
    for (const deadline = Date.now() + answerMs; Date.now() < deadline;) {
      if (peer.received.some((bytes) => bytes.readUInt8(0) === 4 && commandFieldOf(bytes) === echoed)) return true;
      if (peer.closed || peer.received.some((bytes) => bytes.readUInt8(0) === 7)) return false;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error('neither an answer nor an end');
  }

  it('answers whatever a command set says, or ends the association; the next request is not forgotten', async () => {
    let [count, answers] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...messages),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        async ({ contextId, command, dataset: bytes }, mutations) => {
          const peer = await associated();
          const values = [pdv(contextId, Command.last, mutate(command, mutations))];
          if (bytes) values.push(pdv(contextId, Data.last, bytes));
          peer.send(pData(...values), echoRq);
          if (await answered(peer)) answers++;
          peer.socket.destroy();
          if (++count % 50 === 0) expect(await echo(node.to('OTHER'))).toEqual({ status: 0 });
        },
      ),
      { seed, numRuns: runs, endOnFailure: true },
    );
    // Both happen.
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThan(count);
    await expect.poll(() => gauges.sum('callosum.dimse.associations.open'), { timeout: 15_000 }).toBe(0);
    await expect.poll(() => node.leftovers(), { timeout: 15_000 }).toEqual([]);
    expect(gauges.defects).toEqual([]);
  });

  it('keeps an object that comes in values of one byte and of none as it is', async () => {
    const bytes = dataset({ sopInstanceUid: '1.2.8.1', studyInstanceUid: '1.2.8', pixelBytes: 2_000 });
    const none = pdv(3, Data.more, Buffer.alloc(0));
    const peer = await associated();
    peer.send(pData(pdv(3, Command.last, storeCommand('1.2.8.1'))));
    for (let at = 0; at < bytes.length; at += 200) {
      const ones = [...bytes.subarray(at, at + 200)].map((byte) => pdv(3, Data.more, Buffer.from([byte])));
      peer.send(pData(...ones.flatMap((one) => [one, none, none, none])));
    }
    peer.send(pData(pdv(3, Data.last, Buffer.alloc(0))));
    expect(statusOf(await peer.next(4))).toBe(0);
    await peer.send(releaseRq).next(6);
    const [row] = await node.query<{ blob_key: string }>(
      "select blob_key from archive.intake where study_instance_uid = '1.2.8'",
    );
    expect((await node.open(row?.blob_key ?? '')).subarray(-bytes.length).equals(bytes)).toBe(true);
  });
});
