import { imaging, topics } from '@callosum/contracts';
import { LOGGER } from '@callosum/runtime';
import { type Logger, record } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';

import type { JudgeStudy } from '../application/judge-study.js';
import { JUDGE_STUDY } from '../tokens.js';
import { logDecision } from './log-decision.js';

const { STUDY_CHANGE_CREATED, STUDY_CHANGE_IDENTITY } = imaging.StudyChange;

/** Judges a study when it appears and whenever its identity attributes change. */
@Controller()
export class StudyUpdatedEvents {
  constructor(
    @Inject(JUDGE_STUDY) private readonly judge: JudgeStudy,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @EventPattern<string>(topics.studyUpdated.name)
  async studyUpdated(@Payload() { studyInstanceUid, changes, updatedAt }: imaging.StudyUpdated): Promise<void> {
    if (!changes.includes(STUDY_CHANGE_CREATED) && !changes.includes(STUDY_CHANGE_IDENTITY)) return;
    const decision = await this.judge.run(studyInstanceUid);
    if (!decision) return;
    const { verdict } = decision;
    if (verdict.state === 'linked' && updatedAt !== undefined) {
      const seconds = Math.max(0, Date.now() - Date.parse(updatedAt)) / 1000;
      record('callosum.identity.link.duration', seconds, { 'callosum.decided_by': 'rules' });
    }
    logDecision(this.log, decision);
  }
}
