import type { imaging } from '@callosum/contracts';

/** The archive decides what is shown; the index learns of it a moment later. */
export interface WithheldAmong {
  withheldAmong(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** Instances asked about at once. */
const askedAtOnce = 500;

/**
 * Where the bytes of instances are, but for those that are hidden by now: whoever asks is about to give them to a model, a
 * viewer or another node.
 */
export async function* withoutWithheld(
  archive: WithheldAmong,
  studyInstanceUid: string,
  located: AsyncIterable<imaging.LocateInstancesResponse>,
): AsyncGenerator<imaging.LocateInstancesResponse> {
  let page: imaging.LocateInstancesResponse[] = [];
  for await (const one of located) {
    page.push(one);
    if (page.length < askedAtOnce) continue;
    yield* await shownOf(archive, studyInstanceUid, page);
    page = [];
  }
  yield* await shownOf(archive, studyInstanceUid, page);
}

async function shownOf(
  archive: WithheldAmong,
  studyInstanceUid: string,
  page: readonly imaging.LocateInstancesResponse[],
): Promise<imaging.LocateInstancesResponse[]> {
  const uids = page.flatMap(({ instance }) => instance?.sopInstanceUid ?? []);
  const withheld = await archive.withheldAmong(studyInstanceUid, uids);
  return page.filter(({ instance }) => !withheld.has(instance?.sopInstanceUid ?? ''));
}
