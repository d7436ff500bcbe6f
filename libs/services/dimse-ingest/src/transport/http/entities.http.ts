import { anonymous, type Principal } from '@callosum/auth';
import { CallerPrincipal, LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  HttpException,
  Inject,
  Param,
  Post,
  Put,
  Res,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { EchoEntity } from '../../application/echo-entity.js';
import type { StoredEntity } from '../../application/entity-ports.js';
import { type EntityRequest, type Expected, ManageEntities } from '../../application/manage-entities.js';
import type { ApplicationEntity } from '../../domain/application-entity.js';
import { MalformedEntityError, StaleEntityError } from '../../domain/entity-errors.js';
import { aeTitle, entityRequest, wrongMembers } from '../../entity-entry.js';

const preconditionFailed = 412;

/** /api/dimse/aes: the DICOM nodes of this site. No passcode and no hash of one is ever in an answer. */
@Controller('/api/dimse/aes')
export class EntitiesHttp {
  constructor(
    @Inject(ManageEntities) private readonly entities: ManageEntities,
    @Inject(EchoEntity) private readonly echoEntity: EchoEntity,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Get()
  async list() {
    const { fixed, stored } = await this.entities.all();
    return { aes: [...fixed.map(ofSetting), ...stored.map(ofTable)] };
  }

  @Post()
  async create(
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() { subject }: Principal = anonymous,
  ) {
    const stored = await this.entities.create(requestOf(body), subject);
    void reply.code(201).header('location', `/api/dimse/aes/${encodeURIComponent(stored.entity.aet)}`);
    return this.#changed('created', stored, subject, reply);
  }

  /** Of a title that stands in the setting for several hosts, the first with all `hosts`. */
  @Get(':aet')
  async one(@Param('aet') aet: string, @Res({ passthrough: true }) reply: FastifyReply) {
    const { fixed, stored } = await this.entities.one(title(aet));
    if (stored) return tagged(stored, reply);
    const [first, ...others] = fixed;
    if (!first) return undefined;
    return { ...ofSetting(first), ...(others.length > 0 ? { hosts: fixed.map(({ host }) => host) } : {}) };
  }

  /** Replaces or creates; `If-Match` and `If-None-Match: *` say what the caller believes is there (412 otherwise). */
  @Put(':aet')
  async replace(
    @Param('aet') aet: string,
    @Body() body: unknown,
    @Headers('if-match') match: string | undefined,
    @Headers('if-none-match') noneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerPrincipal() { subject }: Principal = anonymous,
  ) {
    const request = requestOf({ aet: title(aet), ...(body as object) });
    if (request.aet !== aet) throw new MalformedEntityError('not usable: aet is not that of the path');
    const expected = noneMatch === '*' ? 'absent' : expectedOf(match);
    const stored = await precondition(this.entities.replace(request, subject, expected));
    return this.#changed('replaced', stored, subject, reply);
  }

  @Delete(':aet')
  @HttpCode(204)
  async remove(
    @Param('aet') aet: string,
    @Headers('if-match') match: string | undefined,
    @CallerPrincipal() { subject }: Principal = anonymous,
  ) {
    await precondition(this.entities.remove(title(aet), subject, expectedOf(match)));
    this.log.info({ aet, what: 'removed', by: subject }, 'ae.changed');
  }

  /** C-ECHO to the AE. 200 with what became of it: that the AE does not answer is what was asked. */
  @Post(':aet/echo')
  @HttpCode(200)
  async echo(@Param('aet') aet: string) {
    return { aet, ...(await this.echoEntity.execute(title(aet))) };
  }

  #changed(what: string, stored: StoredEntity, by: string, reply: FastifyReply) {
    this.log.info({ aet: stored.entity.aet, what, by }, 'ae.changed');
    return tagged(stored, reply);
  }
}

function tagged(stored: StoredEntity, reply: FastifyReply) {
  void reply.header('etag', `"${stored.revision}"`);
  return ofTable(stored);
}

/** @throws {MalformedEntityError} */
function title(aet: string): string {
  if (!aeTitle.test(aet)) throw new MalformedEntityError('this is no AE title');
  return aet;
}

/** @throws {MalformedEntityError} */
function requestOf(body: unknown): EntityRequest {
  const parsed = entityRequest.safeParse(body ?? {});
  if (!parsed.success) throw new MalformedEntityError(`not usable: ${wrongMembers(parsed.error).slice(0, 200)}`);
  const { origin: _origin, changedAt: _at, changedBy: _by, ...request } = parsed.data;
  return request;
}

/** RFC 9110 section 13.1.1. @throws {MalformedEntityError} */
function expectedOf(match: string | undefined): Expected {
  if (match === undefined) return undefined;
  if (match.trim() === '*') return 'present';
  const [, revision] = /^"(\d{1,15})"$/.exec(match.trim()) ?? [];
  if (!revision) throw new MalformedEntityError('If-Match: one entity tag as an answer gave it, or *');
  return Number(revision);
}

async function precondition<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StaleEntityError) throw new HttpException(error.message, preconditionFailed);
    throw error;
  }
}

const withoutHashes = ({ users, ...entity }: ApplicationEntity) => ({
  ...entity,
  ...(users
    ? { users: users.map(({ name, passcodeHash }) => ({ name, passcodeSet: passcodeHash !== undefined })) }
    : {}),
});

const ofSetting = (entity: ApplicationEntity) => ({ ...withoutHashes(entity), origin: 'setting' });

const ofTable = ({ entity, changedAt, changedBy }: StoredEntity) => ({
  ...withoutHashes(entity),
  origin: 'table',
  changedAt: changedAt.toISOString(),
  changedBy,
});
