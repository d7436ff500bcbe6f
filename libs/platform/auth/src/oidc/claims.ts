import { isRole, type Role } from '../roles.js';

/**
 * The roles a token holds. `claim` is the name of a claim, or a path with dots through objects; its value is an array
 * of names or names with blanks between them (as `scope` is).
 * @param prefix taken off each name; names without it are not ours
 */
export function rolesOf(claims: Readonly<Record<string, unknown>>, claim: string, prefix: string): ReadonlySet<Role> {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : walk(claims, claim.split('.'));
  const names: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/\s+/) : [];
  return new Set(
    names
      .filter((name): name is string => typeof name === 'string' && name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter(isRole),
  );
}

function walk(value: unknown, path: readonly string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, head)) return undefined;
  return walk((value as Record<string, unknown>)[head], rest);
}
