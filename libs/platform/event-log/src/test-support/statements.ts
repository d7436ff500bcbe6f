import type { KyselyPlugin } from 'kysely';

/** Counts statements of raw SQL by what stands in them, and changes none. */
export class StatementCounter implements KyselyPlugin {
  readonly #seen: string[] = [];

  transformQuery({ node }: Parameters<KyselyPlugin['transformQuery']>[0]): typeof node {
    if (node.kind === 'RawNode') this.#seen.push(node.sqlFragments.join('?'));
    return node;
  }

  transformResult({ result }: Parameters<KyselyPlugin['transformResult']>[0]): Promise<typeof result> {
    return Promise.resolve(result);
  }

  of(words: string): number {
    return this.#seen.filter((statement) => statement.includes(words)).length;
  }
}
