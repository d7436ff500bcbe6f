import type { Clock } from '@callosum/kernel';

/** How long studies are kept, in days, by modality; `*` is for those that are not named. */
export type RetentionDays = Readonly<Record<string, number>>;

/** A complete study whose turn it is. */
export interface AgedStudy {
  readonly studyInstanceUid: string;
  /** Of series that hold source instances. */
  readonly modalities: readonly string[];
  /** When its last source instance came; null where it holds Callosum's own objects only. */
  readonly lastStoredAt: Date | null;
  /** Source instances that are indexed: what the archive has beside them may be of another modality. */
  readonly sourceInstances: number;
}

export interface RetentionStore {
  /** The next study whose turn it is, of which no other replica takes hold; undefined when none is. */
  claim(): Promise<AgedStudy | undefined>;
  /** Its next turn is in a day. */
  lookedAt(studyInstanceUid: string): Promise<void>;
}

/** Up to when what is to be let go may have come. */
export interface Over {
  readonly quietSince: Date;
  /**
   * What is hidden and not erased, whose modality the index does not know: for the longest of all periods; null where
   * one of a modality that is not named would be kept for ever.
   */
  readonly hiddenQuietSince: Date | null;
}

export interface RetentionArchive {
  /**
   * Hides the study for good, unless a legal hold or a person keeps it, something of it came after `over`, or the archive
   * shows other source instances of it than the index.
   * @returns how many instances
   */
  letGo(
    study: Pick<AgedStudy, 'studyInstanceUid' | 'sourceInstances'>,
    over: Over,
    eraseAfterMs: number | null,
  ): Promise<number>;
}

const dayMs = 86_400_000;
/** Studies of one turn: a site that sets a period for the first time has a backlog, and the process may be ending. */
const turnMax = 500;

/**
 * Since when nothing may have come of a study whose retention is over: for the longest period that one of its modalities
 * asks for. Undefined where it is kept for ever: a modality that is not named and has no `*` to fall back on.
 */
function quietSinceOf(days: RetentionDays, modalities: readonly string[], now: Date): Date | undefined {
  const periods = (modalities.length > 0 ? modalities : ['']).map((modality) => days[modality] ?? days['*']);
  if (periods.some((period) => period === undefined)) return undefined;
  return new Date(now.getTime() - Math.max(...periods.map((period) => period ?? 0)) * dayMs);
}

/** The last times that count as over, where the study was kept for long enough as far as the index knows. */
export function overSince(days: RetentionDays, { modalities, lastStoredAt }: AgedStudy, now: Date): Over | undefined {
  const quietSince = quietSinceOf(days, modalities, now);
  if (!quietSince || !lastStoredAt || lastStoredAt > quietSince) return undefined;
  return { quietSince, hiddenQuietSince: quietSinceOf(days, [...Object.keys(days), '*'], now) ?? null };
}

/** Lets go what was kept for long enough. @returns studies that were let go */
export async function letGoDueStudies(
  store: RetentionStore,
  archive: RetentionArchive,
  clock: Clock,
  { days, eraseAfterMs }: { readonly days: RetentionDays; readonly eraseAfterMs: number | null },
  onLetGo: (studyInstanceUid: string, instances: number) => void,
): Promise<number> {
  let letGo = 0;
  for (let looked = 0; looked < turnMax; looked++) {
    const study = await store.claim();
    if (!study) break;
    const over = overSince(days, study, clock.now());
    if (over) {
      const instances = await archive.letGo(study, over, eraseAfterMs);
      if (instances > 0) {
        onLetGo(study.studyInstanceUid, instances);
        letGo++;
      }
    }
    await store.lookedAt(study.studyInstanceUid);
  }
  return letGo;
}
