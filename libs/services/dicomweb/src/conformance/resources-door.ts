import type { Resource } from './resource.js';
import { wadlMediaType } from './wadl.js';

const capabilities = (template: string, statuses: readonly number[]): Resource => ({
  method: 'OPTIONS',
  template,
  section: '8.9',
  takes: [],
  gives: [wadlMediaType],
  parameters: ['accept'],
  statuses,
});

/** What is the same for all services: Retrieve Capabilities. */
export const doorResources: readonly Resource[] = [
  capabilities('/dicom-web', [200, 400, 406]),
  capabilities('/dicom-web/*', [200, 400, 404, 406]),
];
