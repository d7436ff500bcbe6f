/**
 * What a service may inject. Provided by the runtime, globally, in each service's own Nest application:
 * `constructor(@Inject(DATABASE) private readonly database: Database<Tables>)`.
 */

/** `Database<Tables>` of @callosum/database, bound to the service's own schema and role. */
export const DATABASE = Symbol('callosum.database');
/** `Outbox` of @callosum/event-log over the service's own schema. */
export const OUTBOX = Symbol('callosum.outbox');
/** `Archive` of @callosum/archive; only in services whose definition says `usesArchive`. */
export const ARCHIVE = Symbol('callosum.archive');
/** `ObjectStore` of @callosum/object-store. */
export const OBJECT_STORE = Symbol('callosum.object-store');
/** The service's own settings, parsed (`z.output` of its schema). */
export const SETTINGS = Symbol('callosum.settings');
/** `PlatformSettings`. */
export const PLATFORM_SETTINGS = Symbol('callosum.platform-settings');
/** `Authenticator` of @callosum/auth: how this service proves itself (the FHIR server's token) and whom it believes. */
export const AUTHENTICATOR = Symbol('callosum.authenticator');
/** `Clock` of @callosum/kernel. */
export const CLOCK = Symbol('callosum.clock');
/** `Drain`: when to stop taking work from outside, and how long what runs may go on. */
export const DRAIN = Symbol('callosum.drain');
/** `Logger` of @callosum/telemetry with the service's name. */
export const LOGGER = Symbol('callosum.logger');
/** `StudyIndexClient`: nice-grpc client of study-index with tracing and a default deadline. */
export const STUDY_INDEX = Symbol('callosum.study-index');
/** `IdentityClient`: nice-grpc client of identity-mapping. */
export const IDENTITY = Symbol('callosum.identity');
