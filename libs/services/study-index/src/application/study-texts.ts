/** The texts that parts of names and numbers of studies are looked for in. */
export interface StudyTexts {
  /** Writes texts that are not those of their studies as they are now. @returns how many; 0 when there are no more */
  writeSome(): Promise<number>;
}

/**
 * Writes the texts of all studies that have none, or one of before.
 * @param pause after each portion: whoever indexes and searches goes first
 * @param signal ends it after a portion
 * @returns how many were written
 */
export async function writeTexts(
  texts: StudyTexts,
  pause: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<number> {
  let written = 0;
  while (!signal.aborted) {
    const more = await texts.writeSome();
    if (more === 0) break;
    written += more;
    await pause();
  }
  return written;
}
