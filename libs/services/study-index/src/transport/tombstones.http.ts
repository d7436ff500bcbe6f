import {
  type Archive,
  type Decided,
  NothingKeptError,
  type Recorded,
  TombstonesChangedError,
  type TombstoneScope,
  type TombstoneStatus,
} from '@callosum/archive';
import { type Principal, principalOf } from '@callosum/auth';
import { isUid } from '@callosum/kernel';
import { ARCHIVE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import {
  Controller,
  createParamDecorator,
  Delete,
  type ExecutionContext,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  PreconditionFailedException,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { MalformedRequestError, MalformedUidError, PreconditionError } from '../domain/errors.js';
import { erasureGraceMs } from '../settings-tombstones.js';
import type { StudyIndexSettings } from '../settings.js';

const study = 'studies/:study';
const series = `${study}/series/:series`;
const instance = `${series}/instances/:instance`;

/** Names of the path. */
interface Path {
  readonly study: string;
  readonly series?: string;
  readonly instance?: string;
}

/** What somebody decides about. */
interface Decision {
  readonly scope: TombstoneScope;
  readonly decided: Decided;
}

/** A `Decision`, of the path, the caller and the caller's If-Match. */
const Asked = createParamDecorator((_data: unknown, context: ExecutionContext): Decision => {
  const { params, headers, raw } = context.switchToHttp().getRequest<FastifyRequest<{ Params: Path }>>();
  return { scope: scopeOf(params), decided: decidedOf(principalOf(raw), headers['if-match']) };
});

/** A study's tombstones as they are now, answered with them. */
type Answer = ReturnType<typeof toJson>;

/** /api/imaging: what of the archive is shown, kept and let go (docs/adr/0073). No attribute of a patient. */
@Controller('/api/imaging')
export class TombstonesHttp {
  constructor(
    @Inject(ARCHIVE) private readonly archive: Pick<Archive, 'tombstones'>,
    @Inject(SETTINGS) private readonly settings: StudyIndexSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** @returns 404 for a study that the archive never kept anything of */
  @Get(`${study}/tombstones`)
  async status(@Param() path: Path, @Res({ passthrough: true }) reply: FastifyReply): Promise<Answer> {
    return this.#answer(scopeOf(path), reply);
  }

  /** Hides at once, and erases after the site's grace. @returns 404 for what the archive does not keep */
  @Delete([study, series, instance])
  async remove(@Asked() decision: Decision, @Res({ passthrough: true }) reply: FastifyReply): Promise<Answer> {
    const hide = { reason: 'person', eraseAfterMs: erasureGraceMs(this.settings) } as const;
    return this.#done('deleted', decision, reply, (tombstones, { scope, decided }) =>
      tombstones.hide(scope, { ...hide, ...decided }),
    );
  }

  /**
   * Shows again what persons and retention hid. What a note rejected, or Callosum withdrew, is to be named: as one instance,
   * or by `reason=rejected`.
   * @returns 404 when nothing of it is hidden, 409 when nobody else hides it
   */
  @Post([`${study}/restore`, `${series}/restore`, `${instance}/restore`])
  @HttpCode(200)
  async restore(
    @Asked() decision: Decision,
    @Query('reason') reason: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Answer> {
    if (reason !== undefined && reason !== 'rejected')
      throw new MalformedRequestError('reason is "rejected", or is not given');
    const named = reason === 'rejected' ? { rejected: true } : {};
    return this.#done('restored', decision, reply, (tombstones, { scope, decided }) =>
      tombstones.restore(scope, { ...decided, ...named }),
    );
  }

  @Put(`${study}/legal-hold`)
  async hold(@Asked() decision: Decision, @Res({ passthrough: true }) reply: FastifyReply): Promise<Answer> {
    return this.#done('held', decision, reply, (tombstones, { scope, decided }) =>
      tombstones.hold(scope.studyInstanceUid, decided),
    );
  }

  @Delete(`${study}/legal-hold`)
  async release(@Asked() decision: Decision, @Res({ passthrough: true }) reply: FastifyReply): Promise<Answer> {
    return this.#done('released', decision, reply, (tombstones, { scope, decided }) =>
      tombstones.release(scope.studyInstanceUid, decided),
    );
  }

  /** Who did what to which study: the audit trail, beside the tombstone itself. */
  async #done(
    effect: string,
    decision: Decision,
    reply: FastifyReply,
    record: (tombstones: Archive['tombstones'], decision: Decision) => Promise<Recorded>,
  ): Promise<Answer> {
    const { studyInstanceUid } = decision.scope;
    const { actor } = decision.decided;
    const recorded = await record(this.archive.tombstones, decision).catch((error: unknown) => {
      // RFC 9110 13.1.1: somebody else decided since the caller looked.
      throw error instanceof TombstonesChangedError ? new PreconditionFailedException(error.message) : error;
    });
    const { instances, sequence } = recorded;
    this.log.info({ study: studyInstanceUid, effect, instances, sequence, actor }, 'tombstone.decided');
    return this.#answer({ studyInstanceUid }, reply);
  }

  async #answer({ studyInstanceUid }: TombstoneScope, reply: FastifyReply): Promise<Answer> {
    const status = await this.archive.tombstones.status(studyInstanceUid);
    const { sequence, shown, hidden, erased } = status;
    if (sequence === 0 && shown + hidden + erased === 0) throw new NothingKeptError();
    void reply.header('etag', `"${String(status.sequence)}"`);
    return toJson(studyInstanceUid, status);
  }
}

const actorOf = ({ kind, subject }: Principal): string => (kind === 'anonymous' ? 'anonymous' : subject);

/** If-Match names the status that the caller decided on (RFC 9110 13.1.1); `*` and none are for any. */
function decidedOf(principal: Principal, ifMatch: string | undefined): Decided {
  const actor = actorOf(principal);
  if (ifMatch === undefined || ifMatch.trim() === '*') return { actor };
  const tag = /^"(\d{1,15})"$/.exec(ifMatch.trim())?.[1];
  if (tag === undefined) throw new PreconditionError();
  return { actor, expectedSequence: Number(tag) };
}

function scopeOf(path: Path): TombstoneScope {
  for (const [name, value] of Object.entries(path) as [string, string][])
    if (!isUid(value)) throw new MalformedUidError(name);
  return { studyInstanceUid: path.study, seriesInstanceUid: path.series, sopInstanceUid: path.instance };
}

const toJson = (studyInstanceUid: string, status: TombstoneStatus) => ({
  studyInstanceUid,
  shown: status.shown,
  hidden: status.hidden,
  rejected: status.rejected,
  erased: status.erased,
  ...(status.eraseAt ? { eraseAt: status.eraseAt.toISOString() } : {}),
  ...(status.legalHold
    ? { legalHold: { actor: status.legalHold.actor, placedAt: status.legalHold.placedAt.toISOString() } }
    : {}),
  tombstones: status.tombstones.map(({ recordedAt, ...tombstone }) => ({
    ...tombstone,
    recordedAt: recordedAt.toISOString(),
  })),
});
