import type { Resource } from './resource.js';

const root = '/dicom-web';
const source = '/from/:source';
const entities = { ':study': 'Study', ':series': 'Series', ':instance': 'Instance' } as const;

/**
 * Name of the transaction that a resource is by a method, as PS3.18 Table H-1 has them, without blanks: "RetrieveStudyMetadata".
 * No two resources have the same one.
 */
export function transactionOf({ method, template }: Pick<Resource, 'method' | 'template'>): string {
  const inner = template.startsWith(root) ? template.slice(root.length) : template;
  if (inner.startsWith(source))
    return `${transactionOf({ method, template: `${root}${inner.slice(source.length)}` })}FromSource`;
  const segments = inner.split('/').filter((segment) => segment !== '');
  const known = Object.entries(entities).filter(([segment]) => segments.includes(segment));
  const [deepest, entity] = known.at(-1) ?? ['', ''];
  const tail = segments.slice(segments.indexOf(deepest) + 1).filter((segment) => !/^[:*]/.test(segment));
  if (method === 'POST' && tail.join('/') === (entity === '' ? 'studies' : '')) return `Store${entity}Instances`;
  if (method === 'GET' && isLevel(tail)) return `SearchFor${known.map(([, name]) => name).join('')}${words(tail)}`;
  if (method === 'GET' && entity !== '') return retrieveOf(entity, tail);
  return `${words([method.toLowerCase()])}${known.map(([, name]) => name).join('')}${words(tail)}`;
}

const isLevel = (tail: readonly string[]): boolean =>
  tail.length === 1 && ['studies', 'series', 'instances'].includes(tail[0] ?? '');

/** Of an entity or of what belongs to it. */
function retrieveOf(entity: string, tail: readonly string[]): string {
  const [first = '', ...more] = tail;
  if (first === '') return `Retrieve${entity}`;
  // Frames are of instances only; what can be had of them is named after them.
  if (first === 'frames') return more.length === 0 ? 'RetrieveFrames' : retrieveOf('Frames', more);
  return first === 'rendered' ? `RetrieveRendered${entity}${words(more)}` : `Retrieve${entity}${words(tail)}`;
}

const words = (segments: readonly string[]): string =>
  segments.map((segment) => segment.charAt(0).toUpperCase() + segment.slice(1)).join('');
