import { imaging } from '@callosum/contracts';

import { ask } from './connect.js';
import { ServiceFailedError } from './errors.js';

export interface ReindexOptions {
  /** "host:port" or "unix:path". */
  readonly address: string;
  /** The run is given up after this time; what was rebuilt stays. */
  readonly timeoutMs: number;
  /** Blobs younger than this are not taken for lost; what study-index thinks right when absent. */
  readonly settledSeconds?: number | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** A line a second is enough to see that it goes on. */
const sayEveryMs = 1000;

/**
 * Asks study-index to complete the archive's ledger and rebuild itself from the blobs, and tells how far it is.
 * @returns how many instances could not be read; their rows were left as they are
 * @throws {ServiceFailedError}
 */
export async function reindex({ address, timeoutMs, settledSeconds, env, say }: ReindexOptions): Promise<number> {
  const started = Date.now();
  let last: imaging.ReindexResponse | undefined;
  let saidAt = 0;
  await ask('study-index', address, imaging.StudyIndexServiceDefinition, env, async (client) => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      for await (const progress of client.reindex({ settledSeconds }, { signal })) {
        last = progress;
        if (Date.now() - saidAt < sayEveryMs) continue;
        saidAt = Date.now();
        say(
          progress.instancesTotal === 0n
            ? `${progress.blobsExamined} blobs compared with the ledger${ledgerNews(progress)}`
            : `${progress.instancesDone} of ${progress.instancesTotal} instances${unreadable(progress)}`,
        );
      }
    } catch (error) {
      if (signal.aborted) throw new Error(`not done after ${timeoutMs / 1000} s, given up`, { cause: error });
      throw error;
    }
  });
  if (!last) throw new ServiceFailedError('study-index', address, 'ended without an answer');
  say(`${last.blobsExamined} blobs compared with the ledger${ledgerNews(last)}`);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(`index rebuilt from ${last.instancesDone} instances in ${seconds} s${unreadable(last)}`);
  return Number(last.instancesFailed);
}

const ledgerNews = ({ blobsRecovered, blobsUnreadable }: imaging.ReindexResponse): string =>
  (blobsRecovered > 0n ? `, ${blobsRecovered} recovered` : '') +
  (blobsUnreadable > 0n ? `, ${blobsUnreadable} without a row are no readable objects (study-index logs each)` : '');

const unreadable = ({ instancesFailed }: imaging.ReindexResponse): string =>
  instancesFailed > 0n ? `, ${instancesFailed} unreadable (their rows are left; study-index logs each)` : '';
