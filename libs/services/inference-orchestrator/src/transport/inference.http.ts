import { anonymous, type Principal } from '@callosum/auth';
import { isUid, isUuid } from '@callosum/kernel';
import type { Waker } from '@callosum/event-log';
import { CallerPrincipal, LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';

import { explainSelection } from '../application/explain-selection.js';
import type { JobQueries, Models, Studies } from '../application/ports.js';
import type { ConsideredStudies } from '../application/scheduling-ports.js';
import { JobNotHeldError, MalformedRequestError } from '../domain/errors.js';
import { JOB_QUERIES, MODELS, SCHEDULING, STUDIES, WAKER } from '../tokens.js';

/** /api/inference: why a series was chosen, and how jobs stand. No attribute of a patient. */
@Controller('/api/inference')
export class InferenceHttp {
  constructor(
    @Inject(MODELS) readonly models: Models,
    @Inject(STUDIES) readonly studies: Studies,
    @Inject(SCHEDULING) readonly considered: ConsideredStudies,
    @Inject(JOB_QUERIES) private readonly jobs: JobQueries,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** A dry run of selection; `model` narrows it to one model id. */
  @Get('selection/:studyUid')
  selection(@Param('studyUid') studyUid: string, @Query('model') model: unknown) {
    const modelId = typeof model === 'string' && model !== '' ? model : undefined;
    return explainSelection(this, uid(studyUid), modelId);
  }

  @Get('jobs')
  async jobsOfStudy(@Query('study') study: unknown) {
    const studyInstanceUid = uid(study);
    return { studyInstanceUid, jobs: await this.jobs.ofStudy(studyInstanceUid) };
  }

  /** A person decides that a held job runs: the examination is of use although it was broken off. */
  @Post('jobs/:jobId/release')
  @HttpCode(200)
  async release(@Param('jobId') jobId: string, @CallerPrincipal() { subject }: Principal = anonymous) {
    if (!isUuid(jobId) || !(await this.jobs.release(jobId))) throw new JobNotHeldError();
    this.waker.wake();
    this.log.info({ job: jobId, by: subject }, 'job.released');
    return { jobId };
  }
}

function uid(value: unknown): string {
  if (typeof value !== 'string' || !isUid(value)) throw new MalformedRequestError('the study is no UID');
  return value;
}
