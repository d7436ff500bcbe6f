import { describe, expect, it } from 'vitest';

import { BadRequestError } from '../domain/errors/door.js';
import type { ObjectWriter, StoredObject } from './ports/intake.js';
import { CommitLine, CommitTurns } from './store-line.js';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Objects whose commits a test ends, by name. */
class Commits {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, { resolve: (object: StoredObject) => void; reject: (error: unknown) => void }>();

  writer(name: string, sopInstanceUid: string | undefined = name): ObjectWriter {
    return {
      write: () => Promise.resolve(),
      sopInstance: () => (sopInstanceUid === undefined ? undefined : { sopClassUid: '1.2', sopInstanceUid }),
      commit: () => {
        this.begun.push(name);
        return new Promise((resolve, reject) => this.#ends.set(name, { resolve, reject }));
      },
      abort: () => Promise.resolve(),
    };
  }

  async end(name: string, error?: unknown): Promise<void> {
    const object = { sopClassUid: '1.2', studyInstanceUid: '1.3', seriesInstanceUid: '1.4', status: 'stored' } as const;
    if (error === undefined) this.#ends.get(name)?.resolve({ ...object, sopInstanceUid: name });
    else this.#ends.get(name)?.reject(error);
    await tick();
  }
}

const lineOf = (inFlightMax: number, turns = new CommitTurns(100), told: unknown[] = []): CommitLine =>
  new CommitLine(inFlightMax, turns, (error) => void told.push(error));

describe('CommitLine', () => {
  it('has so many on their way, and lets the next in when one of them has ended', async () => {
    const commits = new Commits();
    const line = lineOf(3);
    const taken: string[] = [];
    const all = (async () => {
      for (const name of ['1', '2', '3', '4', '5']) {
        await line.commit(line.place(), commits.writer(name));
        taken.push(name);
      }
    })();
    await tick();
    expect([commits.begun, taken]).toEqual([
      ['1', '2', '3'],
      ['1', '2', '3'],
    ]);
    await commits.end('2');
    expect(commits.begun).toEqual(['1', '2', '3', '4']);
    for (const name of ['4', '3', '1']) await commits.end(name);
    await all;
    const ended = line.ended();
    await commits.end('5');
    // In the order they came, whatever order they ended in.
    expect((await ended).map(({ stored }) => stored?.sopInstanceUid)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('lets objects of one SOP Instance in one after the other, and others past them', async () => {
    const commits = new Commits();
    const line = lineOf(8);
    await line.commit(line.place(), commits.writer('first', '1.2.3'));
    await line.commit(line.place(), commits.writer('other', '1.2.4'));
    const second = line.commit(line.place(), commits.writer('second', '1.2.3'));
    await tick();
    expect(commits.begun).toEqual(['first', 'other']);
    await commits.end('first');
    await second;
    expect(commits.begun).toEqual(['first', 'other', 'second']);
  });

  it('lets what cannot be named in alone', async () => {
    const commits = new Commits();
    const line = lineOf(8);
    await line.commit(line.place(), commits.writer('1'));
    const unnamed = line.commit(line.place(), { ...commits.writer('2'), sopInstance: () => undefined });
    await tick();
    expect(commits.begun).toEqual(['1']);
    await commits.end('1');
    await unnamed;
    const third = line.commit(line.place(), commits.writer('3'));
    await tick();
    expect(commits.begun).toEqual(['1', '2']);
    await commits.end('2');
    await third;
    expect(commits.begun).toEqual(['1', '2', '3']);
  });

  it('has one on its way where all turns of the process are taken, and gives its own back', async () => {
    const commits = new Commits();
    const turns = new CommitTurns(1);
    const [line, other] = [lineOf(8, turns), lineOf(8, turns)];
    await line.commit(line.place(), commits.writer('1'));
    await line.commit(line.place(), commits.writer('2'));
    await other.commit(other.place(), commits.writer('a'));
    const waiting = other.commit(other.place(), commits.writer('b'));
    await tick();
    expect(commits.begun).toEqual(['1', '2', 'a']);
    await commits.end('a');
    await waiting;
    expect(commits.begun).toEqual(['1', '2', 'a', 'b']);
    await commits.end('2');
    expect(turns.tryTake()).toBe(true);
  });

  it('takes what fails for an answer, and tells of the first defect', async () => {
    const commits = new Commits();
    const told: unknown[] = [];
    const line = lineOf(8, new CommitTurns(8), told);
    for (const name of ['1', '2', '3']) await line.commit(line.place(), commits.writer(name));
    const [defect, wrong] = [new TypeError('x'), new BadRequestError('y')];
    await commits.end('1', wrong);
    await commits.end('2', defect);
    await commits.end('3', new TypeError('z'));
    expect((await line.ended()).map(({ failureReason, failed }) => [failureReason, failed?.sopInstanceUid])).toEqual([
      [0xc000, '1'],
      [0x0110, '2'],
      [0x0110, '3'],
    ]);
    expect(told).toEqual([defect]);
    expect([line.defect, line.hasFailedWith(wrong), line.hasFailedWith(new BadRequestError('y'))]).toEqual([
      defect,
      true,
      false,
    ]);
  });
});
