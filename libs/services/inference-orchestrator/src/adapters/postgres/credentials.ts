import type { Database } from '@callosum/database';
import { sql } from 'kysely';

import type { Credential, Credentials, NewCredential } from '../../application/credential-ports.js';
import type { Tables } from './tables.js';

/** Shown at once; a site with more credentials than this has lost count of them. */
const listMax = 1_000;

/** By the database's clock, which all replicas share. */
export class PostgresCredentials implements Credentials {
  constructor(private readonly database: Database<Tables>) {}

  async add({ id, vendor, label, tokenSha256, issuedBy, expiresAt }: NewCredential): Promise<void> {
    await this.database.db
      .insertInto('worker_credential')
      .values({
        id,
        vendor,
        label,
        token_sha256: tokenSha256,
        issued_by: issuedBy,
        expires_at: expiresAt ?? null,
        revoked_at: null,
        last_used_at: null,
      })
      .execute();
  }

  async list(): Promise<readonly Credential[]> {
    const rows = await this.database.db
      .selectFrom('worker_credential')
      .selectAll()
      .orderBy('issued_at', 'desc')
      .limit(listMax)
      .execute();
    return rows.map((row) => ({
      id: row.id,
      vendor: row.vendor,
      label: row.label,
      issuedAt: row.issued_at,
      issuedBy: row.issued_by,
      expiresAt: row.expires_at ?? undefined,
      revokedAt: row.revoked_at ?? undefined,
      lastUsedAt: row.last_used_at ?? undefined,
    }));
  }

  async revoke(id: string): Promise<boolean> {
    const { numAffectedRows } = await sql`
      update worker_credential set revoked_at = coalesce(revoked_at, now()) where id = ${id}::uuid`.execute(
      this.database.db,
    );
    return numAffectedRows === 1n;
  }

  async inForce(id: string): Promise<{ vendor: string; tokenSha256: string } | undefined> {
    const { rows } = await sql<{ vendor: string; token_sha256: string; stale: boolean }>`
      select vendor, token_sha256, last_used_at is null or last_used_at < now() - interval '1 minute' as stale
      from worker_credential
      where id = ${id}::uuid and revoked_at is null and (expires_at is null or expires_at > now())`.execute(
      this.database.db,
    );
    const [row] = rows;
    if (!row) return undefined;
    if (row.stale)
      await sql`update worker_credential set last_used_at = now() where id = ${id}::uuid`.execute(this.database.db);
    return { vendor: row.vendor, tokenSha256: row.token_sha256 };
  }

  async ended(ids: readonly string[]): Promise<readonly string[]> {
    const { rows } = await sql<{ id: string }>`
      select id from worker_credential
      where id = any(${[...ids]}::uuid[]) and (revoked_at is not null or expires_at <= now())`.execute(
      this.database.db,
    );
    return rows.map(({ id }) => id);
  }
}
