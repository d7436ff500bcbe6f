import { anonymous, type Principal } from '@callosum/auth';
import { isUid } from '@callosum/kernel';
import { CallerPrincipal, LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';

import type { DecisionQueries } from '../application/decision-queries.js';
import type { ResolveQuarantine } from '../application/resolve-quarantine.js';
import type { Decision } from '../domain/decision.js';
import { MalformedRequestError, UnknownDecisionError } from '../domain/errors.js';
import { DECISION_QUERIES, RESOLVE_QUARANTINE } from '../tokens.js';

/** A screen of work; people page on with `after`. */
const pageMax = 200;

/** No control characters, line separators or lone surrogates: PostgreSQL stores no U+0000, and nobody's name holds the others. */
const oneLine = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u;

const resolution = z.intersection(
  // Who decided comes from the token; only where nobody is asked for one may people say who they are.
  z.object({ decidedBy: z.string().trim().min(1).max(200).regex(oneLine).optional() }),
  z.discriminatedUnion('action', [
    z.object({ action: z.literal('link'), patient: z.string().max(200) }),
    z.object({ action: z.literal('create-patient') }),
    z.object({ action: z.literal('reject') }),
  ]),
);

const page = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(pageMax).default(50),
  include: z.literal('rejected').optional(),
});

/** /api/identity: what people see of identity decisions, and decide. Answers hold demographics. */
@Controller('/api/identity')
export class IdentityHttp {
  constructor(
    @Inject(DECISION_QUERIES) private readonly queries: DecisionQueries,
    @Inject(RESOLVE_QUARANTINE) private readonly resolveQuarantine: ResolveQuarantine,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Studies that wait for a person, oldest first. */
  @Get('quarantine')
  async quarantine(@Query() query: unknown) {
    const { after, limit, include } = parse(page, query);
    const { decisions } = await this.queries.quarantine(after, limit, include === 'rejected');
    const next = decisions.length === limit ? decisions.at(-1)?.sequence : undefined;
    return { decisions: decisions.map(toJson), ...(next === undefined ? {} : { next }) };
  }

  /** Every decision on a study, newest first; an unknown study has none. */
  @Get('decisions/:studyUid')
  async decisions(@Param('studyUid') studyUid: string) {
    if (!isUid(studyUid)) throw new MalformedRequestError('the study is no UID');
    return { studyInstanceUid: studyUid, decisions: (await this.queries.history(studyUid)).map(toJson) };
  }

  /** 200 with the decision made, also when the same request made it before; 409 when it is no longer the one to decide. */
  @Post('quarantine/:decisionId/resolve')
  @HttpCode(200)
  async resolve(
    @Param('decisionId') decisionId: string,
    @Body() body: unknown,
    @CallerPrincipal() { kind, subject }: Principal = anonymous,
  ) {
    if (!oneLine.test(decisionId)) throw new UnknownDecisionError('of that form');
    const { decidedBy: said, ...asked } = parse(resolution, body);
    const decidedBy = kind === 'anonymous' ? said : subject;
    if (!decidedBy) throw new MalformedRequestError('not usable: decidedBy');
    const decision = await this.resolveQuarantine.run(decisionId, asked, decidedBy);
    this.log.info(
      { study: decision.studyInstanceUid, decisionId: decision.decisionId, action: asked.action },
      'identity.resolved',
    );
    return toJson(decision);
  }
}

/** @throws {MalformedRequestError} naming the fields, never their values */
function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const fields = [...new Set(parsed.error.issues.map(({ path }) => path.join('.') || 'body'))];
  throw new MalformedRequestError(`not usable: ${fields.join(', ')}`);
}

const toJson = ({ verdict, decider, evidence, ...decision }: Decision) => ({
  decisionId: decision.decisionId,
  studyInstanceUid: decision.studyInstanceUid,
  identityDigest: decision.identityDigest,
  state: verdict.state,
  ...(verdict.state === 'linked'
    ? { patient: verdict.patient, provisional: verdict.provisional }
    : { reasons: verdict.reasons }),
  decidedBy: decider.by === 'rules' ? 'rules' : decider.name,
  ...(decider.by === 'person' ? { resolves: decider.resolves } : {}),
  decidedAt: decision.decidedAt.toISOString(),
  ...(decision.supersededAt ? { supersededAt: decision.supersededAt.toISOString() } : {}),
  evidence,
});
