/**
 * What people and clients may do, in the words of a hospital. A token's roles are matched to these by name, after the
 * prefix a site may have set; any other role of a token means nothing here.
 */
export const roles = {
  'dicom-reader': 'search, retrieve and view studies (QIDO-RS, WADO-RS, the viewer, what models did)',
  'dicom-writer': 'store objects (STOW-RS)',
  'fhir-reader': 'read and search FHIR resources',
  'fhir-writer': 'create, update and delete FHIR resources, send transactions',
  'identity-desk': 'see quarantined studies with their demographics, and decide whose they are',
  operator:
    'see jobs, keep the list of DICOM nodes, forward and pull, replay parked work, rebuild the index, delete and restore studies, place legal holds, issue and revoke credentials of vendors',
  admin: 'everything the other roles may',
} as const;

export type Role = keyof typeof roles;

export const isRole = (name: string): name is Role => Object.hasOwn(roles, name);

/** True when one of `needed` is held. `admin` holds all. */
export const holds = (held: ReadonlySet<Role>, needed: readonly Role[]): boolean =>
  held.has('admin') || needed.some((role) => held.has(role));

/** Whoever may call between services: the seven, and the command line tool. */
export const callers = [
  'dimse-ingest',
  'dicomweb',
  'study-index',
  'identity-mapping',
  'inference-orchestrator',
  'result-publisher',
  'fhir-gateway',
  'cli',
] as const;
export type Caller = (typeof callers)[number];

export const isCaller = (name: string): name is Caller => (callers as readonly string[]).includes(name);

/**
 * What services may do over HTTP at each other: the worklist is read from orders, identity asks for Patients and makes
 * provisional ones, results are published.
 */
export const rolesOfService: Readonly<Partial<Record<Caller, readonly Role[]>>> = {
  'dimse-ingest': ['fhir-reader'],
  'identity-mapping': ['fhir-reader', 'fhir-writer'],
  'result-publisher': ['fhir-reader', 'fhir-writer'],
};
