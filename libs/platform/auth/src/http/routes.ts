import type { Access, Rule, Rules } from './access.js';
import { doorRoutes } from './dicomweb/door.js';
import { renderingRoutes } from './dicomweb/rendering.js';
import { retrieveRoutes } from './dicomweb/retrieve.js';
import { searchRoutes } from './dicomweb/search.js';
import { storeRoutes } from './dicomweb/store.js';

export type { Access } from './access.js';

const identityDesk = ['identity-desk'] as const;
const operator = ['operator'] as const;

/**
 * Who may do what over HTTP: every route of every service, by method and template. A route that is not here is denied
 * where authentication is on, and fails a test everywhere.
 */
export const routes: Rules = {
  ...storeRoutes,
  ...searchRoutes,
  ...retrieveRoutes,
  ...renderingRoutes,
  ...doorRoutes,
  'ANY /fhir': fhir,
  'ANY /fhir/*': fhir,
  // Demographics.
  'GET /api/identity/quarantine': identityDesk,
  'GET /api/identity/decisions/:studyUid': identityDesk,
  'POST /api/identity/quarantine/:decisionId/resolve': identityDesk,
  'GET /api/imaging/studies/:study/tombstones': ['dicom-reader', 'operator'],
  ...tombstones('DELETE', ''),
  ...tombstones('POST', '/restore'),
  'PUT /api/imaging/studies/:study/legal-hold': ['operator'],
  'DELETE /api/imaging/studies/:study/legal-hold': ['operator'],
  'GET /api/inference/selection/:studyUid': ['dicom-reader', 'operator'],
  'GET /api/inference/jobs': ['dicom-reader', 'operator'],
  'POST /api/inference/jobs/:jobId/release': ['operator'],
  'GET /api/dimse/aes': operator,
  'POST /api/dimse/aes': operator,
  'GET /api/dimse/aes/:aet': operator,
  'PUT /api/dimse/aes/:aet': operator,
  'DELETE /api/dimse/aes/:aet': operator,
  'POST /api/dimse/aes/:aet/echo': operator,
  'GET /api/dimse/forwarding-rules': operator,
  'POST /api/dimse/forwarding-rules': operator,
  'GET /api/dimse/forwarding-rules/:id': operator,
  'PUT /api/dimse/forwarding-rules/:id': operator,
  'DELETE /api/dimse/forwarding-rules/:id': operator,
  'GET /api/dimse/queues': operator,
  'POST /api/dimse/queues/:aet/retry': operator,
  'DELETE /api/dimse/queues/:aet': operator,
  // Selectors of pulls hold Patient IDs and accession numbers.
  'GET /api/dimse/pulls': operator,
  'POST /api/dimse/pulls': operator,
  'GET /api/dimse/pulls/:id': operator,
  'DELETE /api/dimse/pulls/:id': operator,
};

/** What is hidden, erased or shown again of a study, a series or an instance. */
function tombstones(method: string, what: string): Record<string, Rule> {
  const study = '/api/imaging/studies/:study';
  const series = `${study}/series/:series`;
  return Object.fromEntries(
    [study, series, `${series}/instances/:instance`].map((path) => [`${method} ${path}${what}`, ['operator'] as const]),
  );
}

/** The capability statement is for everyone: it says how to sign in (R4 security, 6.1.0). Searches by POST read. */
function fhir(method: string, path: string): Access {
  const reads = method === 'GET' || method === 'HEAD';
  if (reads && path === '/fhir/metadata') return 'public';
  const searches = method === 'POST' && /^\/fhir\/[A-Za-z]+\/_search$/.test(path);
  return reads || searches ? ['fhir-reader'] : ['fhir-writer'];
}

/**
 * Who may ask for this; undefined when the route is not in the table.
 * @param route template, e.g. "/dicom-web/studies/:study"
 * @param path as asked for, without the query
 */
export function accessTo(method: string, route: string, path: string): Access | undefined {
  const key = method === 'HEAD' ? 'GET' : method;
  const rule = routes[`${key} ${route}`] ?? routes[`ANY ${route}`];
  return typeof rule === 'function' ? rule(method, path) : rule;
}
