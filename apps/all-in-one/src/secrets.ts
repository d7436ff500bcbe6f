import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Passwords of the database roles, made at first start and kept in the data folder for its owner only. */
export function rolePasswords(dataDir: string): (role: string) => string {
  const path = join(dataDir, 'secrets.json');
  const known: Record<string, string> = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>)
    : {};
  return (role) => {
    const existing = known[role];
    if (existing !== undefined) return existing;
    const password = randomBytes(24).toString('base64url');
    known[role] = password;
    writeFileSync(`${path}.new`, JSON.stringify(known, null, 2), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return password;
  };
}

/** The key services sign tokens for each other with, made at first start, readable by its owner. @returns its path */
export function serviceKeysFile(dataDir: string): string {
  const path = join(dataDir, 'service-keys.json');
  if (existsSync(path)) return path;
  const keys = [{ kid: 'first', k: randomBytes(32).toString('base64url') }];
  writeFileSync(`${path}.new`, JSON.stringify({ keys }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}
