import type { Clock } from '@callosum/kernel';

import type { ReleaseAnnouncer } from './ports.js';

export interface ReleasedAssociation {
  readonly associationId: string;
  readonly callingAet: string;
  /** Instances stored on it, by StudyInstanceUID. */
  readonly instanceCounts: ReadonlyMap<string, number>;
}

/** Tells, per study, that its sender said it is done: the study's quiet period may be shorter. */
export class AnnounceRelease {
  constructor(
    private readonly announcer: ReleaseAnnouncer,
    private readonly clock: Clock,
  ) {}

  async execute({ associationId, callingAet, instanceCounts }: ReleasedAssociation): Promise<void> {
    if (instanceCounts.size === 0) return;
    const releasedAt = this.clock.now().toISOString();
    await this.announcer.announce(
      [...instanceCounts].map(([studyInstanceUid, instanceCount]) => ({
        studyInstanceUid,
        associationId,
        source: callingAet,
        instanceCount,
        releasedAt,
      })),
    );
  }
}
