/** The archive decides what is shown; the index learns of it a moment later. */
export interface WithheldAmong {
  withheldAmong(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** Instances asked about at once. */
const askedAtOnce = 500;

/**
 * Instances, but for those that are hidden by now: whoever asks where their bytes are is about to give them to a model, a
 * viewer or another node.
 * @param uidOf SOP Instance UID
 */
export async function* withoutWithheld<T>(
  archive: WithheldAmong,
  studyInstanceUid: string,
  located: AsyncIterable<T> | Iterable<T>,
  uidOf: (one: T) => string,
): AsyncGenerator<T> {
  let page: T[] = [];
  const shown = async (): Promise<T[]> => {
    const withheld = await archive.withheldAmong(studyInstanceUid, page.map(uidOf));
    return page.filter((one) => !withheld.has(uidOf(one)));
  };
  for await (const one of located) {
    page.push(one);
    if (page.length < askedAtOnce) continue;
    yield* await shown();
    page = [];
  }
  yield* await shown();
}
