import { imaging } from '@callosum/contracts';

import type { Fact, FactStore } from './facts.js';

/** A study changed: the ImagingStudy of one already complete grows with the results that joined it. */
export function recordStudyUpdated(store: FactStore, fact: Fact, message: imaging.StudyUpdated): Promise<void> {
  return store.once(fact, message.studyInstanceUid, async (study) => {
    if (message.identityDigest) await study.identityDigest(message.identityDigest);
    const resultsJoined = message.changes.includes(imaging.StudyChange.STUDY_CHANGE_RESULTS);
    if (resultsJoined && (await study.completed())) await study.wantStudy();
    await study.arm();
  });
}

/** A revision is complete: its ImagingStudy is due as soon as the study is linked, whether or not a model matches. */
export function recordStudyCompleted(store: FactStore, fact: Fact, message: imaging.StudyCompleted): Promise<void> {
  return store.once(fact, message.studyInstanceUid, async (study) => {
    if (message.identityDigest) await study.identityDigest(message.identityDigest);
    await study.completed(message.revision);
    await study.recheckResults();
    await study.wantStudy();
    await study.arm();
  });
}
