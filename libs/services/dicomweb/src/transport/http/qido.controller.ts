import { finished, Readable } from 'node:stream';

import { imaging } from '@callosum/contracts';
import { cutAtBulkDataUris } from '@callosum/dicom';
import { LOGGER, PLATFORM_SETTINGS, type PlatformSettings, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type Matches, SearchMatches } from '../../application/search-matches.js';
import { datasetChoices } from '../../domain/accept.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { NotAcceptableError } from '../../domain/errors/door.js';
import { type QidoLevel, type QidoQuery, readQuery, type ResourcePath } from '../../domain/qido.js';
import { parametersOf } from '../../domain/query-parameters.js';
import { withRetrieveUrl } from '../../domain/retrieve-url.js';
import type { DicomwebSettings } from '../../settings.js';
import { acceptedBy } from './accepted-by.js';
import { onceClosed } from './answer.js';
import { askerOf } from './asker.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { searchBody } from './qido-body.js';

const queryLevels: Record<QidoLevel, imaging.QueryLevel> = {
  study: imaging.QueryLevel.QUERY_LEVEL_STUDY,
  series: imaging.QueryLevel.QUERY_LEVEL_SERIES,
  instance: imaging.QueryLevel.QUERY_LEVEL_INSTANCE,
};

/** What the index has bulk data URIs begin with. */
const bulkDataPath = '/dicom-web/';
/** Attributes named in a header, which must not grow with the request. */
const namedMax = 20;

/** One for all: nobody reads where, and an error of its own with its stack would be made for every answer. */
const closed = new DOMException('the answer has ended', 'AbortError');

/** QIDO-RS, PS3.18 10.6. */
@Controller('dicom-web')
@UseFilters(DicomwebErrorFilter)
export class QidoController {
  constructor(
    @Inject(SearchMatches) private readonly matches: SearchMatches,
    @Inject(SETTINGS) private readonly settings: DicomwebSettings,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
    @Inject(LOGGER) private readonly logger: Logger,
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

  async #search(level: QidoLevel, path: ResourcePath, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const [choice] = datasetChoices(acceptedBy(request), true);
    if (!choice)
      throw new NotAcceptableError(
        'search results are given as application/dicom+json, or as multipart/related; type="application/dicom+xml"',
      );
    const parameters = parametersOf(request.url);
    const query = readQuery(level, path, parameters, this.settings.CALLOSUM_QIDO_LIMIT_MAX);
    const isHead = request.method === 'HEAD';
    const asker = askerOf(request);
    const leave = this.matches.begin(asker);
    const ended = new AbortController();
    onceClosed(reply, () => {
      // Also where all was sent: of what HEAD asks for more is found than is read.
      ended.abort(closed);
      leave();
    });
    try {
      // HEAD has the header fields of GET (RFC 9110 9.3.2): whether there are more than the limit takes as many to be found.
      const found = await this.matches.find(messageOf(query, query.limit, asker), ended.signal);
      // Names and all else of patients: nobody keeps them for others, and nobody shows what has been hidden since.
      void reply.header('vary', 'accept').header('cache-control', 'private, no-cache');
      const warnings = warningsOf(query, found);
      if (warnings.length > 0) void reply.header('warning', warnings.join(', '));
      if (found.isEmpty || query.limit === 0) return void reply.code(204).send();
      const site = baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL);
      const textOf = (row: imaging.SearchRow): string =>
        withRetrieveUrl(
          // The index knows paths below the site only; what is not absolute no client could open behind a prefix.
          cutAtBulkDataUris(row.dicomJson, bulkDataPath).join(site),
          `${site}/dicom-web/${pathOf(row, level)}`,
        );
      const { contentType, open } = searchBody(choice, textsOf(found.rows, textOf));
      // How long the answer to GET is nobody knows who did not write it.
      const body = isHead ? Readable.from([]) : await open();
      void reply.type(contentType);
      if (!Buffer.isBuffer(body)) {
        onceClosed(reply, () => body.destroy());
        finished(body, (error) => {
          // The status has been sent: all that is left to do is to cut the connection, which Fastify does.
          if (error && !ended.signal.aborted) this.logger.error({ err: error }, 'dicomweb.answer-cut');
        });
      }
      void reply.send(body);
    } catch (error) {
      // Nobody waits for it.
      if (ended.signal.aborted) return;
      throw error;
    }
  }
}

const messageOf = (query: QidoQuery, limit: number, asker = ''): imaging.SearchRequest =>
  imaging.SearchRequest.fromPartial({
    level: queryLevels[query.level],
    matches: [...query.matches],
    includeTags: [...query.includeTags],
    includeAll: query.includeAll,
    limit,
    offset: query.offset,
    fuzzyMatching: query.fuzzyMatching,
    emptyValueMatching: query.emptyValueMatching,
    returnedLevels: query.returnedLevels.map((level) => queryLevels[level]),
    asker,
  });

/** PS3.18 8.3.4.4.1 would have the number of those that remain, for which all of them would have to be found. */
const warningsOf = ({ offset, limit, notDone }: QidoQuery, found: Matches): string[] =>
  [
    ...(found.hasMore ? [`There are additional results that can be requested; ask with offset=${offset + limit}`] : []),
    ...(found.unsupportedKeys.length > 0
      ? [`not supported at this level, and left out: ${found.unsupportedKeys.slice(0, namedMax).join(', ')}`]
      : []),
    ...(found.notIndexed > 0 ? [`${found.notIndexed} instances of the study are stored and not found yet`] : []),
    ...notDone,
  ].map((text) => `299 callosum "${text}"`);

/** A list of a list, and else one by one as they are found. */
function textsOf(
  rows: Matches['rows'],
  textOf: (row: imaging.SearchRow) => string,
): AsyncIterable<string> | readonly string[] {
  if (!(Symbol.asyncIterator in rows)) return rows.map(textOf);
  return (async function* () {
    for await (const row of rows) yield textOf(row);
  })();
}

/** The resource that a match is (PS3.18 10.1.1). */
function pathOf({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: imaging.SearchRow, level: QidoLevel): string {
  const study = `studies/${studyInstanceUid}`;
  if (level === 'study') return study;
  const series = `${study}/series/${seriesInstanceUid}`;
  return level === 'series' ? series : `${series}/instances/${sopInstanceUid}`;
}
