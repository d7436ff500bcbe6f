/** One reason for a status, and when it is given. */
export interface StatedAnswer {
  /** HTTP status (PS3.18 Table 8.5-1). */
  readonly status: number;
  /** Code of the error that is answered with it; undefined where it is no error, or is not one of this service's own. */
  readonly code?: string;
  readonly when: string;
}

/** The lines of the statement, by status. Every error of `domain/errors` has one, and no line is of an error that there is not. */
export const statedAnswers: readonly StatedAnswer[] = [
  { status: 200, when: 'the answer follows; of a store: every object is durable' },
  {
    status: 202,
    when: 'a store: some objects are durable, or one came under a known SOP Instance UID with other pixels or of another study or series (a warning)',
  },
  { status: 204, when: 'a search finds nothing; a preflight of a page that was let in (CORS)' },
  { status: 206, when: 'a part of a single part as stored, for `Range`' },
  { status: 304, when: 'the client has it already (`If-None-Match`)' },
  {
    status: 400,
    code: 'dicomweb.bad-request',
    when: 'a path, parameter, header or multipart that cannot be read, with nothing of it stored',
  },
  { status: 401, when: 'no token, or one that is not believed (`WWW-Authenticate`)' },
  { status: 403, when: 'a token without the role' },
  {
    status: 404,
    code: 'dicomweb.not-found',
    when: 'what the path names is not here, was never here, or is hidden or erased; a thumbnail of a study or series without a picture, or of an image with Burned In Annotation',
  },
  { status: 405, when: 'a method that the resource has not, such as DELETE; those it has stand in `Allow`' },
  {
    status: 406,
    code: 'dicomweb.not-acceptable',
    when: 'no form that is accepted can be had without loss, or at all',
  },
  {
    status: 406,
    code: 'dicomweb.not-renderable',
    when: 'a picture of what has none: a report, a video that is no MP4, pixels that cannot be decoded or shown, pictures of a study or series without any; a thumbnail of an instance without a picture, of which are documents and videos too',
  },
  { status: 408, code: 'dicomweb.slow-request', when: 'a store that brings too little for too long' },
  { status: 409, when: 'a store: nothing could be kept; the reasons stand in the answer' },
  { status: 412, when: 'it is not what the client says it has (`If-Match`)' },
  {
    status: 413,
    code: 'dicomweb.too-large',
    when: 'a limit of the settings is passed; a search that has found nothing after 30 s and would walk the archive; a match or metadata of more than 63 MiB; more frames of an object than are given at once, or an object of which frames cannot be told apart',
  },
  {
    status: 415,
    code: 'dicomweb.unsupported-media-type',
    when: 'a payload of another media type, or with a content coding',
  },
  { status: 416, when: '`Range` begins behind the end' },
  {
    status: 431,
    when: 'request line and headers of more than 81 KiB, in which 1,000 UIDs of 64 characters have room; without a body',
  },
  {
    status: 500,
    code: 'dicomweb.object-broken',
    when: 'a stored object that cannot be read, or a defect: both are logged, and the answer says no more',
  },
  { status: 501, when: 'a body with a transfer coding beside chunked (`Transfer-Encoding: gzip, chunked`)' },
  {
    status: 503,
    code: 'dicomweb.too-many-searches',
    when: 'as many requests search as may at once, or half as many of one person or client (`Retry-After`)',
  },
  {
    status: 503,
    code: 'dicomweb.too-many-stores',
    when: 'as many requests store as may at once, or half as many of one person or client (`Retry-After`)',
  },
  {
    status: 503,
    code: 'dicomweb.too-many-retrieves',
    when: 'as many requests retrieve as may at once, or half as many ask for pictures; half as many of either of one person or client (`Retry-After`)',
  },
  {
    status: 503,
    code: 'dicomweb.memory-taken',
    when: 'others hold the memory that the answer needs, and go on to (`Retry-After`)',
  },
  {
    status: 503,
    code: 'dicomweb.index-behind',
    when: 'the index does not know the object yet, and it is too large to do without (`Retry-After`)',
  },
  { status: 503, when: 'the archive, the index or the database is away, or full (`Retry-After`)' },
];

/** Errors that are answered with no status of their own, by code, and what becomes of them. */
export const withoutStatus: Readonly<Record<string, string>> = {
  'dicomweb.retrieve-ended': 'nobody is left to be answered',
  'dicomweb.sop-class': 'Failure Reason 0122',
  'dicomweb.transfer-syntax': 'Failure Reason C122',
  'dicomweb.unusable-metadata': 'Failure Reason C000',
  'dicomweb.store-memory-taken': 'Failure Reason A700',
};
