import { isUid } from '@callosum/kernel';
import { Controller, Get, Inject, Param, Query } from '@nestjs/common';

import { explainSelection } from '../application/explain-selection.js';
import type { ConsideredStudies, JobQueries, Models, Studies } from '../application/ports.js';
import { MalformedRequestError } from '../domain/errors.js';
import { JOB_QUERIES, MODELS, SCHEDULING, STUDIES } from '../tokens.js';

/** /api/inference: why a series was chosen, and how jobs stand. No attribute of a patient. */
@Controller('/api/inference')
export class InferenceHttp {
  constructor(
    @Inject(MODELS) readonly models: Models,
    @Inject(STUDIES) readonly studies: Studies,
    @Inject(SCHEDULING) readonly considered: ConsideredStudies,
    @Inject(JOB_QUERIES) private readonly jobs: JobQueries,
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
}

function uid(value: unknown): string {
  if (typeof value !== 'string' || !isUid(value)) throw new MalformedRequestError('the study is no UID');
  return value;
}
