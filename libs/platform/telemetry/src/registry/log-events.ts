export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LogEventDefinition {
  readonly level: LogLevel;
  /** What happened, and what a person does where something is to be done. */
  readonly meaning: string;
}

const at =
  (level: LogLevel) =>
  (meaning: string): LogEventDefinition => ({ level, meaning });
const debug = at('debug');
const info = at('info');
const warn = at('warn');
const error = at('error');
const fatal = at('fatal');

/**
 * Every event a service logs (`msg` of its line). Its fields are ids, counts, codes and DICOM UIDs, never datasets,
 * names or free text. A name that is not here does not compile; `npm test -- telemetry` holds the list against the source.
 */
export const logEvents = {
  // The life of a process.
  ready: info('The process takes work on `httpPort`'),
  'service.started': info('One service of the process has started; `grpc` is where others reach it'),
  'start.failed': fatal('The process could not start and ends: `err` says why'),
  draining: info('SIGTERM was received: within `graceMs` the process ends'),
  drained: info('The process ends; `abandoned` says that something did not end by itself'),
  'close.failed': warn('A part did not close as it should while the process ended'),
  'node.warning': warn('Node.js or a library warned: `warning` is its name, `code` its code'),
  'telemetry.trouble': warn('OpenTelemetry could not do its work (for example reach the collector); work goes on'),
  'nest.log': debug('The framework said something'),
  'nest.warn': warn('The framework warned'),
  'nest.error': error('An error that the framework met outside a request'),

  // Setting up.
  'database.awaited': info('`migrate` waits for PostgreSQL'),
  'platform.prepared': info('Roles, schemas and shared tables are there'),
  'schema.migrated': info('A schema is at its newest migration'),
  'group.rewound': info('After a restored database a Kafka group is given facts of a topic again'),
  'facts.announced': info('After a log that lost its data, facts of a schema go into its outbox again: how many'),
  'group.unchanged': info('A Kafka group had handled nothing since then'),
  'postgres.note': warn('The embedded PostgreSQL said something while it started'),
  'postgres.ended': fatal('The embedded PostgreSQL has ended: the process ends too'),

  // Who may.
  'http.denied': info('A request without good credentials or the role: `route`, `status`, `code`'),
  'grpc.denied': warn('A call between services without good credentials: `path`, `code`'),
  'http.tls-is-the-ingress': warn('This HTTP port is open to other machines and encrypts nothing itself'),
  'grpc.tokens-without-tls': warn('Tokens of services cross the network unencrypted on this port'),
  'credential.issued': info("A vendor's credential was issued, by whom"),
  'credential.revoked': info("A vendor's credential was revoked, by whom"),
  'credential.ended-a-call': warn('A worker was cut off: its credential was revoked or ran out'),
  'credential.watch-failed': warn('Revoked credentials could not be looked up; tried again'),

  // Requests.
  'http.failed': error('A request failed for a reason that is ours: 5xx'),
  'dicomweb.answer-cut': error(
    'A retrieve failed in the middle of its answer: the status had been sent, the connection is cut',
  ),
  'dicomweb.index-away': warn(
    'study-index does not answer, or refuses to (`err`): metadata and frames are read from the objects, slower, and searches fail; told every five minutes at most',
  ),
  'dicomweb.failed': error('A DICOMweb request failed for a reason that is ours: 5xx'),
  'dicomweb.too-many-retrieves': warn(
    'A retrieve was refused with 503: as many as may at once are under way, in all or of one who asks',
  ),
  'dicomweb.too-many-searches': warn(
    'A search was refused with 503: as many as may at once are under way, in all or of one who asks, or the index is asked by too many',
  ),
  'dicomweb.too-many-stores': warn(
    'A STOW-RS request was refused with 503: as many as may at once are under way, in all or of one who sends',
  ),
  'dicomweb.store-failed': error(
    'An object of a STOW-RS request was not stored for a reason that is ours; the others were',
  ),
  'fhir.done': debug('A FHIR request was answered'),
  'fhir.refused': info('A FHIR request was answered with 4xx: `code`'),
  'fhir.failed': error('A FHIR request failed for a reason that is ours: 5xx'),
  'grpc.refused': info("A call between services failed for a reason that is the caller's: `path`, `code`"),
  'grpc.failed': warn('A call between services failed for a reason that is ours: `path`'),

  // The event log and its databases.
  'kafka.log': debug('The Kafka client said something'),
  'kafka.small-site': warn('Kafka may lose acknowledged events, and the settings allow it'),
  'kafka.difference': warn('Kafka is not set up as production asks: where, setting, wanted, found'),
  'event-log.trouble': warn('The event log is away or slow; tried again'),
  'consumer.crashed': fatal('A consumer has ended for good; `/healthz` fails and the process must be restarted'),
  'event.parked': error(
    'A fact could not be handled and lies with all later ones of its key: topic, event id, code, and whether it, or the one before it, is `retried` by itself',
  ),
  'parked.retried': info(
    'Parked facts were tried without a person: topic, key, counts, and the code of what is still away',
  ),
  'parked.needs-person': error(
    'A parked fact that was tried again by itself failed for good and waits for a person: topic, key, code',
  ),
  'parked.retry-failed': warn('Parked facts could not be looked for or written down; tried again'),
  'parked.replayed': info('Somebody replayed parked work: topic, key, counts'),
  'parked.dropped': warn('Somebody gave up parked work: topic, key, counts'),
  'outbox.relay-failed': warn('Facts could not be sent to the event log; tried again'),
  'database.without-tls': warn(
    'What is stored crosses the network to PostgreSQL unencrypted, and the settings allow it',
  ),
  'database.connection-lost': warn('A connection to PostgreSQL broke; the next use opens another'),
  'gauges.unread': debug('A number of waiting work could not be read for `/metrics`'),

  // DIMSE.
  'dimse.listening': info('The DIMSE port is open'),
  'dimse.failed': error('An association met an error that is ours; others go on'),
  'dimse.certificate-unusable': error(
    'Certificates for DICOM were written anew and cannot be used (`code`): those from before go on; read again every 10 s',
  ),
  'dimse.certificate-renewed': info('New certificates serve DICOM connections from now on'),
  'ae.changed': info('An AE was created, changed or removed by the API: `aet`, `what`, by whom'),
  'ae.unreadable': error('An AE of the table cannot be read by this version: it may not call until it can'),
  'ae.list-failed': warn('Changes of AEs could not be looked for; those known go on, tried again'),
  'assoc.none': debug('A connection ended without an association'),
  'assoc.accepted': info('An association was accepted: `aet`, its id'),
  'assoc.rejected': warn('An association was rejected: `why`'),
  'assoc.released': info('An association ended as it should: counts'),
  'assoc.aborted': info('An association was aborted: by whom and why'),
  'assoc.release-not-announced': error(
    'The end of an association could not be told: its studies wait their quiet period',
  ),
  'procedure-step.not-forgotten': error(
    'Procedure steps past their retention could not be removed; tried again in an hour',
  ),
  'commitment.taken': info('A storage commitment was asked for: `instances`; its report follows'),
  'commitment.reported': info('A requestor took the report of its storage commitment: `committed`, `failed`'),
  'commitment.answered': info('A node reported what it commits to of what we sent to it: `committed`, `failed`'),
  'commitment.not-here': info(
    'A storage commitment was not reported on the association it was asked for on; it is reported on a new one',
  ),
  'commitment.delayed': warn(
    'A storage commitment could not be reported (`code`); tried again for CALLOSUM_COMMITMENT_REPORT_HOURS. `dimse-ingest.not-callable`: the AE has no host and port in the list of AEs',
  ),
  'commitment.given-up': error(
    'A storage commitment was never reported: the requestor keeps its copies, and may ask again once it can be reached',
  ),
  'commitment.loop-failed': error('Reports of storage commitments could not be looked for; tried again'),
  'dimse.refused': warn('A request other than C-STORE was answered with a failure: `operation`, `status`, `code`'),
  'worklist.order-left-out': warn(
    "An order cannot be said in DICOM and is in nobody's worklist: `order`, the id of its ServiceRequest, and `code`",
  ),
  'worklist.undated-refused': warn(
    'The FHIR server answers no search with `:missing` (`code`), or passes over it (none): orders without an occurrence are on the lists of the day they were written and the next alone; tried again after an hour',
  ),
  'retrieve.incomplete': warn(
    'A C-MOVE or C-GET could not send all: `destination`, counts, and `code`, why the first instance failed',
  ),
  'forward.rule-changed': info(
    'Somebody made, changed or removed a forwarding rule: its id, the destination `aet`, by whom',
  ),
  'forward.rule-unreadable': error(
    'A forwarding rule of the table cannot be read by this version: nothing is sent by it until it can; others go on',
  ),
  'forward.failed': warn(
    'A destination refused an instance for good (`code`): it stays until a person retries or drops it',
  ),
  'forward.destination-away': warn(
    'A destination of forwarding takes nothing (`code`): what waits for it is tried again after `pauseMs`, others go on',
  ),
  'forward.destination-back': info('A destination that had been away takes instances again'),
  'forward.retried': info('Somebody let failed instances of a destination be tried again: how many, by whom'),
  'forward.dropped': warn('Somebody gave up instances that waited for a destination or had failed: how many, by whom'),
  'forward.loop-failed': error('What is to be forwarded could not be looked for or written down; tried again'),
  'pull.requested': info('Somebody asked for a pull: its id, and the source `aet`'),
  'pull.delayed': warn('A pull was broken off (`code`): it goes on after `pauseMs`'),
  'pull.ended': info('A pull is completed or has failed (`code`): counts of studies and instances'),
  'pull.cancelled': info('Somebody cancelled a pull: its id, by whom'),
  'pull.loop-failed': error('Pulls could not be looked for or written down; tried again'),
  'store.refused': warn('One C-STORE was answered with a failure: `status`, `code`'),

  // The archive.
  'archive.conflicting-pixels': error(
    'Other pixels came under a known SOPInstanceUID: both are kept, the first is current, or with `refused` nothing of the second; a person should look',
  ),
  'archive.conflicting-study': error(
    'Another study or series came under a known SOPInstanceUID: both are kept, the first stays where it was, or with `refused` nothing of the second; a person should look',
  ),
  'archive.swept': info('Blobs whose storing nobody was told of were removed'),
  'archive.uploads-swept': info('Uploads that never ended were removed'),
  'archive.sweep-failed': error('The sweeper could not do its round; tried again'),
  'archive.erased': info('Bytes of hidden instances of a study were erased for good: `instances`'),
  'archive.erasure-failed': error(
    'Bytes that are due could not be erased: of a study, or `blobs` of some; the next run tries again',
  ),
  'archive.tombstones-replayed': info('A recovery recorded tombstones that lay beside the blobs and had no row'),
  'archive.unknown-blobs': warn(
    'Whole objects have no row: is the database older than the blobs? `npx callosum reindex` takes them in',
  ),
  'archive.blob-unreadable': warn('A recovery could not read a blob: left by a crash, or damaged'),
  'archive.blob-unmarked': warn("A recovery found a blob that is not Callosum's"),

  // Index and identity.
  'instance.gone': debug('An instance was erased before its fact was handled: nothing is indexed'),
  'instance.indexed': debug('An instance is in the index'),
  'reindex.instance-failed': warn('A reindex could not read an object'),
  'study.completed': info('A study is complete: revision, series'),
  'study.waits-for-instances': info(
    'A quiet period is over, and acknowledged instances are not indexed: it is looked at again',
  ),
  'study.stands-still': error(
    'A study has waited for over an hour for acknowledged instances to be indexed; once an hour',
  ),
  'study.look-failed': error(
    'One study that is due could not be completed: it is tried again after growing pauses, the others go on; at first, then once an hour',
  ),
  'study.held': info(
    'The quiet period of a study is over, and its procedure steps hold it back for a limited time: `stepsInProgress`, `missing` stated instances',
  ),
  'study.completed-short': warn(
    'A study is complete without instances that its procedure steps stated (`missing`): they did not come in time',
  ),
  'procedure-step.taken-up': info('What a modality said of a procedure step of a study was taken up'),
  'procedure-step.ignored': warn('A study has more procedure steps than are kept; this one states nothing'),
  'instances.withheld': info('Instances left the index: a tombstone of the archive names them'),
  'instances.restored': info('Instances are in the index again: the archive shows them'),
  'tombstone.decided': info('Somebody hid or restored instances, or placed or lifted a legal hold: `effect`, `actor`'),
  'rejection-note.not-forgotten': error('What notes awaited for too long could not be removed; tried again in an hour'),
  'rejection-note.taken-back': info('A corrected rejection note names less, and what it named alone is shown again'),
  'rejection-note.obeyed': info('A rejection note hid instances of its study: `code` is its document title (DCM)'),
  'rejection-note.refused': warn(
    'A rejection note also references instances of another study or patient, or outside its evidence: those are not hidden; a person should look',
  ),
  'study.let-go': info('A study was hidden, for its retention is over; its bytes are erased after the grace'),
  'retention.failed': error('Studies whose retention is over could not be looked for; tried again in a minute'),
  'study-text.written': info(
    'Texts that parts of names and numbers are looked for in were written for so many `studies`',
  ),
  'study-text.failed': error(
    'Texts that parts of names and numbers are looked for in could not be written; tried again in a minute',
  ),
  'study.completion-failed': error('Complete studies could not be looked for; tried again'),
  'identity.decided': info('A study was linked or quarantined, with reasons'),
  'identity.resolved': info('A person decided whose a study is'),

  // Inference.
  'worker.listening': info('The worker port is open'),
  'series.considered': info('A series is complete before its study, and models that need not wait got their jobs'),
  'jobs.held': warn(
    'Jobs are offered to nobody: a procedure step of the study was discontinued; a completed step or a person releases them',
  ),
  'jobs.released': info('Held jobs are offered: a procedure step of the study was completed'),
  'job.released': info('A person let a held job go: by whom'),
  'worker.registered': info('A worker offers a model: slots, version'),
  'worker.call-refused': info('A call of a worker was refused for a reason that is its own: `path`, `code`'),
  'worker.call-failed': warn('A call of a worker failed for a reason that is ours'),
  'worker.offer-failed': warn('Jobs could not be offered to a worker; tried again'),
  'worker.silent': warn(
    'A stream was ended: its worker (`worker`, the instance id) let its leases run out one after the other, or was not heard again after one',
  ),
  'worker.frame-refused': warn('A message of a worker was refused: its job, the kind of message'),
  'study.considered': info('Jobs were made of a complete study, or none'),
  'model.backfilled': info('A model that is new here was offered studies from before'),
  'job.completed': info('A result was accepted'),
  'attempt.failed': warn('An attempt at a job gave no result: it is offered again until `CALLOSUM_JOB_ATTEMPTS_MAX`'),
  'attempt.expired': warn('A worker was silent longer than its lease: the job is offered again'),
  'upkeep.failed': error('Expired attempts could not be looked for; tried again'),
  'label-maps.swept': info('Label maps that no result uses were removed'),

  // Publishing.
  'publication.done': info('What was to be published is'),
  'publication.delayed': warn('A sink is away or refused: tried again'),
  'publication.parked': error('A publication was refused for good: a person should look'),
  'publication.loop-failed': error('Publications could not be looked for; tried again'),
} as const satisfies Readonly<Record<string, LogEventDefinition>>;

export type LogEventName = keyof typeof logEvents;
