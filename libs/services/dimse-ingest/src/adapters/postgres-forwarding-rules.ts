import type { Database } from '@callosum/database';
import { newId } from '@callosum/kernel';
import { sql, type Selectable } from 'kysely';

import type { ForwardingRules, KnownRule } from '../application/forwarding-ports.js';
import {
  FixedForwardingRuleError,
  TooManyForwardingRulesError,
  UnknownForwardingRuleError,
} from '../domain/forwarding-errors.js';
import type { ForwardingRule } from '../domain/forwarding-rule.js';
import { forwardingRuleInput, forwardingRulesMax } from '../settings-forwarding.js';
import type { ForwardingRuleTable, ForwardingTables } from './forwarding-tables.js';

/** Rules are asked for with each stored instance; what another replica changed holds here within this time. */
const freshMs = 1_000;

/** Rules in PostgreSQL, beside those of the settings. */
export class PostgresForwardingRules implements ForwardingRules {
  readonly #fixed: readonly KnownRule[];
  #read: { readonly rules: Promise<readonly KnownRule[]>; readonly at: number } | undefined;

  /** Told already: rules are read each second. */
  #unreadable: ReadonlySet<string> = new Set();

  /** @param onUnreadable told of a rule that a later version wrote, once; it sends nothing, and the others go on */
  constructor(
    private readonly database: Database<ForwardingTables>,
    fixed: readonly Omit<ForwardingRule, 'id'>[],
    private readonly onUnreadable: (id: string) => void,
  ) {
    this.#fixed = fixed.map((rule, index) => ({ ...rule, id: `setting-${index + 1}`, fixed: true }));
  }

  current(): Promise<readonly KnownRule[]> {
    const now = performance.now();
    if (this.#read && now - this.#read.at < freshMs) return this.#read.rules;
    const read = { rules: this.all(), at: now };
    this.#read = read;
    // A failure is not remembered.
    read.rules.catch(() => this.#read === read && this.#forget());
    return read.rules;
  }

  async all(): Promise<readonly KnownRule[]> {
    const rows = await this.database.db.selectFrom('forwarding_rule').selectAll().orderBy('created_at').execute();
    const unreadable = new Set<string>();
    const known = rows.flatMap((row) => {
      const rule = knownOf(row);
      if (!rule) unreadable.add(row.id);
      return rule ?? [];
    });
    for (const id of unreadable) if (!this.#unreadable.has(id)) this.onUnreadable(id);
    this.#unreadable = unreadable;
    return [...this.#fixed, ...known];
  }

  async create(rule: Omit<ForwardingRule, 'id'>): Promise<KnownRule> {
    const known = { ...rule, id: newId(), fixed: false };
    await this.database.db.transaction().execute(async (trx) => {
      await sql`lock table forwarding_rule in share row exclusive mode`.execute(trx);
      const { count } = await trx
        .selectFrom('forwarding_rule')
        .select((select) => select.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      if (Number(count) >= forwardingRulesMax) throw new TooManyForwardingRulesError(forwardingRulesMax);
      await trx
        .insertInto('forwarding_rule')
        .values({ id: known.id, rule: JSON.stringify(rule) })
        .execute();
    });
    this.#forget();
    return known;
  }

  async replace(id: string, rule: Omit<ForwardingRule, 'id'>): Promise<KnownRule> {
    this.#assertChangeable(id);
    const { numUpdatedRows } = await this.database.db
      .updateTable('forwarding_rule')
      .set({ rule: JSON.stringify(rule) })
      .where('id', '=', id)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new UnknownForwardingRuleError();
    this.#forget();
    return { ...rule, id, fixed: false };
  }

  async remove(id: string): Promise<void> {
    this.#assertChangeable(id);
    const { numDeletedRows } = await this.database.db
      .deleteFrom('forwarding_rule')
      .where('id', '=', id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw new UnknownForwardingRuleError();
    this.#forget();
  }

  #assertChangeable(id: string): void {
    if (this.#fixed.some((rule) => rule.id === id)) throw new FixedForwardingRuleError();
  }

  #forget(): void {
    this.#read = undefined;
  }
}

function knownOf({ id, rule, created_at: since }: Selectable<ForwardingRuleTable>): KnownRule | undefined {
  const parsed = forwardingRuleInput.safeParse(rule);
  return parsed.success ? { ...parsed.data, id, since, fixed: false } : undefined;
}
