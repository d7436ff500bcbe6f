import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';

import type { Places } from '../command-line.js';
import type { ObjectSet } from '../dimse/objects.js';
import { interleaved } from '../dimse/rounds.js';
import { type Bare, startBare } from './bare.js';
import { type Answered, HttpClient } from './http-client.js';
import type { MeasuredName, Receiver } from './receiver.js';
import { type Measured, msText } from './report.js';

/** One request that is made of each receiver in turn. */
export interface Question {
  readonly what: string;
  /** How many times as fast as Orthanc its answer is to be. */
  readonly wanted?: number;
  /** Path below the base. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * What is wrong with an answer; undefined when it is whole. Asked once of each receiver, before anything is timed: those that are
   * timed are held to its length.
   */
  readonly wrong: (answer: Buffer, headers: Answered['headers']) => string | undefined;
}

export interface Turns {
  /** Rounds that count, after one that does not. */
  readonly rounds: number;
  /** Requests of the same to each receiver before them: a server that has run for a day has its code compiled. */
  readonly warm: number;
  readonly places: Pick<Places, 'runs'>;
}

/** Requests that take long warm up by being long. */
const warmMsMax = 10_000;

/**
 * How long each takes to be answered, to the last byte, over one connection that stays open; beside them a bare server that gives
 * the first one's answer from a file.
 * @throws when an answer is not what it should be, or one that is timed is not as long as the one that was looked at
 */
export async function askInTurn(
  running: readonly Receiver[],
  { rounds, warm, places }: Turns,
  question: Question,
): Promise<Measured> {
  const { what, wanted, path, headers, wrong } = question;
  const clients = new Map<MeasuredName, HttpClient>(running.map(({ name, base }) => [name, new HttpClient(base)]));
  let bare: Bare | undefined;
  const byteCount = new Map<string, number>();
  try {
    for (const [name, client] of clients) {
      const answer = await client.ask(path, { headers, keep: true });
      const problem = wrong(answer.body ?? Buffer.alloc(0), answer.headers);
      if (problem !== undefined) throw new Error(`${what}, of ${name}: ${problem}`);
      byteCount.set(name, answer.byteCount);
      if (!bare) {
        bare = await startBare(places.runs, answer);
        // Its turn comes behind those that are looked at now.
        clients.set('bare', new HttpClient(bare.base));
      }
      const began = performance.now();
      for (let n = 0; n < warm && performance.now() - began < warmMsMax; n++) await client.ask(path, { headers });
    }
    const runs = new Map(
      [...clients].map(([name, client]) => [
        name,
        async (): Promise<number> => {
          const { ms, byteCount: bytes } = await client.ask(path, { headers });
          const looked = byteCount.get(name) ?? Number.NaN;
          if (bytes !== looked)
            throw new Error(`${what}, of ${name}: ${String(bytes)} bytes, and ${String(looked)} when it was looked at`);
          return ms;
        },
      ]),
    );
    const ms = await interleaved(runs, rounds, (round, name, time) => {
      process.stderr.write(`${what}, ${name}, round ${String(round)}: ${msText(time)} ms\n`);
    });
    return { what, ms, byteCount, ...(wanted === undefined ? {} : { wanted }) };
  } finally {
    for (const client of clients.values()) client.close();
    await bare?.stop();
  }
}

/** An instance that was sent, and its pixels. */
export interface SentInstance {
  /** Below the base, without a slash at either end. */
  readonly path: string;
  readonly file: string;
}

/** In the order in which they were sent. */
export const instancesOf = ({ folders }: ObjectSet): SentInstance[] =>
  folders.flatMap((folder) =>
    readdirSync(folder)
      .sort()
      .map((name) => {
        const file = join(folder, name);
        const { dataset } = parseFile(readFileSync(file));
        const uid = (keyword: string): string => dataset.string(keyword) ?? '';
        const path = `/studies/${uid('StudyInstanceUID')}/series/${uid('SeriesInstanceUID')}/instances/${uid('SOPInstanceUID')}`;
        return { path, file };
      }),
  );

/** Little-endian pixels of an object that was sent. */
export const pixelsOf = ({ file }: SentInstance): Uint8Array =>
  parseFile(readFileSync(file)).dataset.bytes('PixelData') ?? new Uint8Array(0);
