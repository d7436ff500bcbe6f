import { anonymous, type Principal } from '@callosum/auth';
import { isAeTitle } from '@callosum/dimse';
import { isUid, isUuid } from '@callosum/kernel';
import { CallerPrincipal, LOGGER, SETTINGS } from '@callosum/runtime';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import { Body, Controller, Delete, Get, Headers, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';

import type { ApplicationEntities } from '../../application/ports.js';
import type { PullRequest, Pulls, PullView } from '../../application/pull-ports.js';
import { MalformedDimseRequestError, UncallableEntityError } from '../../domain/forwarding-errors.js';
import type { PullSelector } from '../../domain/pull.js';
import { UnknownPullError } from '../../domain/pull-errors.js';
import { APPLICATION_ENTITIES, PULLS } from '../../tokens.js';
import { parsed } from './request.js';

/** Unfinished ones: a list for the day, not an archive's migration. */
const openMax = 1_000;
const pageMax = 200;

/** A single value of SH or LO: no control characters, backslash, or wildcards, which would match others. */
const value = (lengthMax: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(lengthMax)
    .regex(/^[^\p{Cc}\p{Cs}\\*?]+$/u);
const modality = z.string().regex(/^[A-Z0-9_]{1,16}$/);

const pullRequest = z
  .strictObject({
    source: z.string().refine(isAeTitle),
    studyInstanceUid: z.string().refine(isUid).optional(),
    accessionNumber: value(16).optional(),
    patientId: value(64).optional(),
    issuerOfPatientId: value(64).optional(),
    modalities: z.array(modality).min(1).max(20).optional(),
    studyDateFrom: z.iso.date().optional(),
    studyDateTo: z.iso.date().optional(),
  })
  .superRefine((request, context) => {
    const refuse = (path: string): void => context.addIssue({ code: 'custom', path: [path], message: 'not usable' });
    const given = [request.studyInstanceUid, request.accessionNumber, request.patientId].filter(Boolean);
    if (given.length !== 1) refuse('studyInstanceUid, accessionNumber or patientId, exactly one');
    const { issuerOfPatientId, modalities, studyDateFrom, studyDateTo } = request;
    if (request.patientId === undefined && (issuerOfPatientId ?? modalities ?? studyDateFrom ?? studyDateTo))
      refuse('what belongs to a patientId');
    if (studyDateFrom && studyDateTo && studyDateFrom > studyDateTo) refuse('studyDateTo');
  });

const page = z.object({
  limit: z.coerce.number().int().min(1).max(pageMax).default(50),
  before: z.coerce.number().int().min(1).optional(),
});

/** /api/dimse/pulls: studies brought from other nodes. One pull says what was asked for; lists say nothing of a patient. */
@Controller('/api/dimse/pulls')
export class PullsHttp {
  constructor(
    @Inject(PULLS) private readonly pulls: Pulls,
    @Inject(APPLICATION_ENTITIES) private readonly entities: ApplicationEntities,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: { readonly CALLOSUM_DIMSE_AE: string },
  ) {}

  /** 202 with a new pull; 200 with the one there is, for the same request while it is unfinished or the same key. */
  @Post()
  async request(
    @Body() body: unknown,
    @Headers('idempotency-key') key: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() { subject }: Principal = anonymous,
  ) {
    const { source, studyDateFrom, studyDateTo, ...selector } = parsed(pullRequest, body ?? {});
    if (source === this.settings.CALLOSUM_DIMSE_AE || !(await this.entities.callable(source)))
      throw new UncallableEntityError();
    const request: PullRequest = {
      source,
      selector: { ...selector, studyDateFrom: dateOf(studyDateFrom), studyDateTo: dateOf(studyDateTo) },
      idempotencyKey: idempotencyKey(key),
      requestedBy: subject,
      traceparent: currentTraceparent(),
    };
    const { id, isNew } = await this.pulls.request(request, openMax);
    if (isNew) this.log.info({ pull: id, aet: source }, 'pull.requested');
    void reply.code(isNew ? 202 : 200).header('location', `/api/dimse/pulls/${id}`);
    return this.one(id);
  }

  @Get()
  async list(@Query() query: unknown) {
    const { limit, before } = parsed(page, query);
    const views = await this.pulls.list(limit, before);
    const next = views.length === limit ? views.at(-1)?.number : undefined;
    return { pulls: views.map(toJson), ...(next === undefined ? {} : { next }) };
  }

  @Get(':id')
  async one(@Param('id') id: string) {
    const view = isUuid(id) ? await this.pulls.find(id) : undefined;
    if (!view) throw new UnknownPullError();
    return { ...toJson(view), ...(view.selector ? { asksFor: asksFor(view.selector) } : {}) };
  }

  /** What came stays; the source is told to stop. One that has ended stays as it is. */
  @Delete(':id')
  async cancel(@Param('id') id: string, @CallerPrincipal() { subject }: Principal = anonymous) {
    if (!isUuid(id)) throw new UnknownPullError();
    if (await this.pulls.cancel(id)) this.log.info({ pull: id, by: subject }, 'pull.cancelled');
    return this.one(id);
  }
}

/** @throws {MalformedDimseRequestError} */
function idempotencyKey(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value))) return value;
  throw new MalformedDimseRequestError('not usable: Idempotency-Key');
}

const dateOf = (iso: string | undefined): string | undefined => iso?.replaceAll('-', '');
const isoOf = (date: string | undefined): string | undefined => date?.replace(/^(....)(..)(..)$/, '$1-$2-$3');

const asksFor = ({ studyDateFrom, studyDateTo, ...selector }: PullSelector) => ({
  ...selector,
  studyDateFrom: isoOf(studyDateFrom),
  studyDateTo: isoOf(studyDateTo),
});

const toJson = (view: PullView) => ({
  id: view.id,
  source: view.source,
  state: view.state,
  errorCode: view.errorCode,
  studies: { found: view.found, asked: view.asked, failed: view.failedStudies },
  instances: { expected: view.expected, received: view.received, failed: view.failed },
  requestedBy: view.requestedBy,
  createdAt: view.createdAt.toISOString(),
  endedAt: view.endedAt?.toISOString(),
  nextAttemptAt: view.nextAttemptAt?.toISOString(),
});
