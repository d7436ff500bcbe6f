import { matchesTemplate } from './path-template.js';
import { resources } from './resources.js';

/**
 * Methods of the resource at a path, for `Allow` (RFC 9110 10.2.1); none where there is no resource.
 * @param path as it was asked for, "/dicom-web/studies/1.2.3"
 */
export function allowedMethods(path: string): string[] {
  const found = resources
    // Capabilities are asked of every path; that makes none of them a resource.
    .filter(({ method, template }) => method !== 'OPTIONS' || template === path)
    .filter(({ template }) => matchesTemplate(template, path))
    .map(({ method }) => method);
  if (found.length === 0) return [];
  return [...new Set(['OPTIONS', ...found, ...(found.includes('GET') ? ['HEAD'] : [])])].sort();
}
