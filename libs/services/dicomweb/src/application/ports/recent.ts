/** What the archive took a moment ago. */
export interface RecentBlobs {
  /**
   * Blobs of what came of a study within the last milliseconds, the newest first; empty for a study that rests, which is
   * nearly every one that is asked for.
   */
  recentBlobs(studyInstanceUid: string, withinMs: number, limit: number): Promise<readonly string[]>;
}
