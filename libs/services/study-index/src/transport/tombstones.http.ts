import {
  type Archive,
  type Decided,
  NothingKeptError,
  type Recorded,
  TombstonesChangedError,
  type TombstoneScope,
  type TombstoneStatus,
} from '@callosum/archive';
import { anonymous, type Principal } from '@callosum/auth';
import { isUid } from '@callosum/kernel';
import { ARCHIVE, CallerPrincipal, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import {
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  PreconditionFailedException,
  Put,
  Res,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { MalformedUidError, PreconditionError } from '../domain/errors.js';
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
  async remove(
    @Param() path: Path,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() principal: Principal = anonymous,
  ): Promise<Answer> {
    const scope = scopeOf(path);
    const hide = { reason: 'person', eraseAfterMs: erasureGraceMs(this.settings) } as const;
    const recorded = this.archive.tombstones.hide(scope, { ...hide, ...decided(principal, ifMatch) });
    return this.#done('deleted', scope, principal, recorded, reply);
  }

  /** Shows again what is hidden, for whatever reason it is. @returns 404 when nothing of it is hidden */
  @Post([`${study}/restore`, `${series}/restore`, `${instance}/restore`])
  @HttpCode(200)
  async restore(
    @Param() path: Path,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() principal: Principal = anonymous,
  ): Promise<Answer> {
    const scope = scopeOf(path);
    const recorded = this.archive.tombstones.restore(scope, decided(principal, ifMatch));
    return this.#done('restored', scope, principal, recorded, reply);
  }

  @Put(`${study}/legal-hold`)
  async hold(
    @Param() path: Path,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() principal: Principal = anonymous,
  ): Promise<Answer> {
    const scope = scopeOf(path);
    const recorded = this.archive.tombstones.hold(scope.studyInstanceUid, decided(principal, ifMatch));
    return this.#done('held', scope, principal, recorded, reply);
  }

  @Delete(`${study}/legal-hold`)
  async release(
    @Param() path: Path,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() principal: Principal = anonymous,
  ): Promise<Answer> {
    const scope = scopeOf(path);
    const recorded = this.archive.tombstones.release(scope.studyInstanceUid, decided(principal, ifMatch));
    return this.#done('released', scope, principal, recorded, reply);
  }

  /** Who did what to which study: the audit trail, beside the tombstone itself. */
  async #done(
    effect: string,
    { studyInstanceUid }: TombstoneScope,
    principal: Principal,
    recorded: Promise<Recorded>,
    reply: FastifyReply,
  ): Promise<Answer> {
    const { instances, sequence } = await recorded.catch((error: unknown) => {
      // RFC 9110 13.1.1: somebody else decided since the caller looked.
      throw error instanceof TombstonesChangedError ? new PreconditionFailedException(error.message) : error;
    });
    const actor = actorOf(principal);
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
function decided(principal: Principal, ifMatch: string | undefined): Decided {
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
