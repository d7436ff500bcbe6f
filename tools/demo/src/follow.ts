import { setTimeout as sleep } from 'node:timers/promises';

import { storeFiles } from '@callosum/dimse';
import { errorMessage } from '@callosum/kernel';

import { earlierOutcome } from './earlier-outcome.js';
import { nothingReads } from './nothing-reads.js';
import type { Outcome, StageWatcher } from './stages.js';
import type { StudyToSend } from './study.js';
import type { System } from './system.js';

/** Facts of a newly stored instance show well within this; a study without any was sent before. */
const noNewFactsMs = 3_000;

export type PrintStage = (elapsedMs: number, stage: string, text: string) => void;

/** What the sender knows of its association: the log tells nothing of instances that were there before. */
interface Sending {
  acknowledged: number;
  readonly instances: number;
}

/** Sends one study and follows it to its end, or for `timeoutMs`. After that nothing of it is printed any more. */
export async function follow(
  system: System,
  watcher: StageWatcher,
  study: StudyToSend,
  timeoutMs: number,
  print: PrintStage,
  store: typeof storeFiles = storeFiles,
): Promise<Outcome> {
  const { studyInstanceUid, files, seriesCount, description } = study;
  const end = new AbortController();
  const say = (stage: string, text: string): void => {
    if (!end.signal.aborted) print(watcher.elapsedMs(), stage, text);
  };
  say('sending', `${description}: ${files.length} instances in ${seriesCount} series, study ${studyInstanceUid}`);
  const outcome = watcher.outcome(studyInstanceUid);
  watcher.firstStore();
  const sending: Sending = { acknowledged: 0, instances: files.length };
  const late = sleep(timeoutMs, undefined, { signal: end.signal }).then((): Outcome => ({
    failure: lateReason(timeoutMs, sending, watcher.lastStage(studyInstanceUid)),
  }));
  late.catch(() => undefined);
  try {
    const sent = send(system, study, sending, say, end.signal, store);
    const failed = sent.then(
      () => new Promise<never>(() => undefined),
      (error: unknown): Outcome => ({ failure: `it could not be sent: ${errorMessage(error)}` }),
    );
    const before = sent.then(() => sentBefore(system, watcher, studyInstanceUid, say, end.signal));
    before.catch(() => undefined);
    const unread = sent.then(() => nothingReads(system, watcher, studyInstanceUid, end.signal));
    unread.catch(() => undefined);
    return await Promise.race([outcome, late, failed, before, unread]);
  } finally {
    end.abort();
    watcher.leave(studyInstanceUid);
  }
}

function lateReason(timeoutMs: number, { acknowledged, instances }: Sending, stage: string | undefined): string {
  const sent = `${acknowledged} of ${instances} instances were acknowledged`;
  const last = stage ?? (acknowledged < instances ? 'sending' : 'association: no new fact of the study was seen since');
  return `not within ${timeoutMs / 1000} s; ${sent}, and it got as far as "${last}"`;
}

/** One association, as a modality does it. @throws when no instance was stored */
async function send(
  { dimse: { host, port, aeTitle } }: System,
  { files }: StudyToSend,
  sending: Sending,
  say: (stage: string, text: string) => void,
  end: AbortSignal,
  store: typeof storeFiles,
): Promise<void> {
  await store({
    host,
    port,
    calledAet: aeTitle,
    callingAet: 'CALLOSUM-DEMO',
    files,
    onProgress: ({ stored, status, comment, error, file }) => {
      if (stored) return void sending.acknowledged++;
      if (end.aborted) return;
      const name = typeof file === 'string' ? file : 'an instance';
      const why =
        error?.message ?? `status ${status?.toString(16).toUpperCase().padStart(4, '0') ?? '?'} ${comment ?? ''}`;
      process.stderr.write(`not stored: ${name}: ${why}\n`);
    },
  });
  const { acknowledged, instances } = sending;
  if (acknowledged === 0) throw new Error('no instance was accepted');
  say('association', `${aeTitle} at ${host}:${port} acknowledged ${acknowledged} of ${instances} instances`);
}

/** A study sent again makes no new facts: what became of it is already there. Never resolves when the facts are new. */
async function sentBefore(
  { log }: System,
  watcher: StageWatcher,
  studyInstanceUid: string,
  say: (stage: string, text: string) => void,
  end: AbortSignal,
): Promise<Outcome> {
  await sleep(noNewFactsMs, undefined, { signal: end });
  if (watcher.storedCount(studyInstanceUid) === 0) {
    const outcome = await earlierOutcome(log, studyInstanceUid, watcher.elapsedMs());
    if (outcome) {
      say('already there', 'the same instances were stored before; nothing new happens');
      return outcome;
    }
  }
  return new Promise<never>(() => undefined);
}
