import { imaging } from '@callosum/contracts';
import { PLATFORM_SETTINGS, type PlatformSettings, SETTINGS } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { StudyIndexReader } from '../../application/ports.js';
import { type QidoLevel, readQuery } from '../../domain/qido.js';
import { takesDicomJson } from '../../domain/accept.js';
import { NotAcceptableError } from '../../domain/errors.js';
import type { DicomwebSettings } from '../../settings.js';
import { STUDY_INDEX_READER } from '../../tokens.js';
import { acceptedBy } from './accepted-by.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';

const queryLevels: Record<QidoLevel, imaging.QueryLevel> = {
  study: imaging.QueryLevel.QUERY_LEVEL_STUDY,
  series: imaging.QueryLevel.QUERY_LEVEL_SERIES,
  instance: imaging.QueryLevel.QUERY_LEVEL_INSTANCE,
};

/** Attributes named in a header, which must not grow with the request. */
const namedMax = 20;

type JsonDataset = Record<string, { vr: string; Value?: unknown[] }>;

/** QIDO-RS, PS3.18 10.6. */
@Controller('dicom-web')
@UseFilters(DicomwebErrorFilter)
export class QidoController {
  constructor(
    @Inject(STUDY_INDEX_READER) private readonly index: StudyIndexReader,
    @Inject(SETTINGS) private readonly settings: DicomwebSettings,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get('studies')
  studies(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#search('study', {}, request, reply);
  }

  @Get('series')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#search('series', {}, request, reply);
  }

  @Get('instances')
  instances(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#search('instance', {}, request, reply);
  }

  @Get('studies/:study/series')
  seriesOfStudy(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('study') studyInstanceUid: string,
  ): Promise<void> {
    return this.#search('series', { studyInstanceUid }, request, reply);
  }

  @Get('studies/:study/instances')
  instancesOfStudy(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('study') studyInstanceUid: string,
  ): Promise<void> {
    return this.#search('instance', { studyInstanceUid }, request, reply);
  }

  @Get('studies/:study/series/:series/instances')
  instancesOfSeries(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('study') studyInstanceUid: string,
    @Param('series') seriesInstanceUid: string,
  ): Promise<void> {
    return this.#search('instance', { studyInstanceUid, seriesInstanceUid }, request, reply);
  }

  async #search(
    level: QidoLevel,
    path: { studyInstanceUid?: string; seriesInstanceUid?: string },
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    if (!takesDicomJson(acceptedBy(request)))
      throw new NotAcceptableError('search results are given as application/dicom+json');
    const parameters = new URL(request.url, 'http://localhost').searchParams;
    const query = readQuery(level, path, parameters, this.settings.CALLOSUM_QIDO_LIMIT_MAX);
    const found: string[] = [];
    const message = imaging.SearchRequest.fromPartial({
      ...query,
      level: queryLevels[level],
      matches: [...query.matches],
      includeTags: [...query.includeTags],
    });
    let unsupported: readonly string[] = [];
    for await (const { dicomJson, unsupportedKeys } of this.index.search(message)) {
      found.push(this.#withRetrieveUrl(dicomJson, level));
      unsupported = unsupportedKeys;
    }
    if (found.length === 0) return void reply.code(204).send();
    const warnings = [
      ...(found.length === query.limit
        ? [`299 callosum "there may be more results; ask with offset=${query.offset + found.length}"`]
        : []),
      ...(unsupported.length > 0
        ? [`299 callosum "not supported at this level, and left out: ${unsupported.slice(0, namedMax).join(', ')}"`]
        : []),
    ];
    if (warnings.length > 0) void reply.header('warning', warnings.join(', '));
    void reply.type('application/dicom+json').send(`[${found.join(',')}]`);
  }

  /** Retrieve URL (0008,1190), which only the server that answers knows (PS3.18 10.6.3.3). */
  #withRetrieveUrl(json: string, level: QidoLevel): string {
    const dataset = JSON.parse(json) as JsonDataset;
    const uid = (tag: string): string => String(dataset[tag]?.Value?.[0] ?? '');
    const study = `${this.platform.CALLOSUM_PUBLIC_URL}/dicom-web/studies/${uid('0020000D')}`;
    const series = `${study}/series/${uid('0020000E')}`;
    const url = level === 'study' ? study : level === 'series' ? series : `${series}/instances/${uid('00080018')}`;
    dataset['00081190'] = { vr: 'UR', Value: [url] };
    return JSON.stringify(dataset);
  }
}
