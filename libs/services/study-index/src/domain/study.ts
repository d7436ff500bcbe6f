/** How far a study is, as far as its source instances go. Revision 0: only instances Callosum issued. */
export interface StudyProgress {
  readonly revision: number;
  readonly state: 'receiving' | 'complete';
  readonly identityDigest: string;
}

export type Change = 'created' | 'identity' | 'results' | 'reopened';

export interface Transition {
  readonly progress: StudyProgress;
  readonly changes: readonly Change[];
  /** A source instance came or went: the study waits for quiet again. */
  readonly restartsQuietPeriod: boolean;
}

/**
 * What an instance did to the index.
 * - `source`: a source instance appeared, was corrected or left
 * - `issued`: an instance Callosum issued appeared or was corrected (rule 4: it opens nothing)
 * - `none`: the rows were only written again
 */
export type Effect = 'source' | 'issued' | 'none';

/**
 * The next state of a study, and what others must be told.
 * @param identityDigest '' when the study has no instances left
 * @param revisionFloor of a source instance that a recovery or a rebuild found: others may know of revisions that this
 *   index has forgotten, and ignore a study that goes back. 0 for one that arrived in the ordinary way.
 */
export function advance(before: StudyProgress, effect: Effect, identityDigest: string, revisionFloor = 0): Transition {
  // Nobody is asked whose a study without instances is.
  const identity: readonly Change[] =
    before.revision > 0 && identityDigest !== '' && before.identityDigest !== identityDigest ? ['identity'] : [];
  if (effect === 'source' && before.revision === 0) {
    return {
      progress: { revision: Math.max(1, revisionFloor), state: 'receiving', identityDigest },
      changes: ['created'],
      restartsQuietPeriod: true,
    };
  }
  if (effect === 'source' && before.state === 'complete') {
    return {
      progress: { revision: Math.max(before.revision + 1, revisionFloor), state: 'receiving', identityDigest },
      changes: ['reopened', ...identity],
      restartsQuietPeriod: true,
    };
  }
  const results: readonly Change[] = effect === 'issued' ? ['results'] : [];
  return {
    progress: {
      ...before,
      revision: effect === 'source' ? Math.max(before.revision, revisionFloor) : before.revision,
      identityDigest,
    },
    changes: [...results, ...identity],
    restartsQuietPeriod: effect === 'source',
  };
}

/** Settings of completeness, in milliseconds. */
export interface QuietPeriods {
  readonly quietPeriodMs: number;
  /** After the sender released its association; never longer than `quietPeriodMs`. */
  readonly releasedQuietPeriodMs: number;
}

/**
 * A sender that released an association may open the next one at once (modalities reopen per image), so even
 * then a study waits this long.
 */
export const quietPeriodFloorMs = 200;

/** The periods that hold: the released one is never above the full one and never below the floor. */
export function quietPeriods(
  quietPeriodMs: number,
  releasedQuietPeriodMs = Math.min(1_000, quietPeriodMs),
): QuietPeriods {
  const quiet = Math.max(quietPeriodMs, quietPeriodFloorMs);
  return {
    quietPeriodMs: quiet,
    releasedQuietPeriodMs: Math.max(Math.min(releasedQuietPeriodMs, quiet), quietPeriodFloorMs),
  };
}
