import type { ColumnType, Generated } from 'kysely';

/** An AE that people keep by the API. */
export interface ApplicationEntityTable {
  aet: string;
  revision: ColumnType<string, number, number>;
  /** As `entityEntry` says; passcodes are hashes. */
  entry: ColumnType<unknown, string, string>;
  changed_by: string;
  changed_at: Generated<Date>;
}

/** One row, taken by each change: changes come one after the other, and replicas see that there was one. */
export interface ApplicationEntityRevisionTable {
  one: Generated<boolean>;
  revision: ColumnType<string, number, number>;
}

export interface EntityTables {
  application_entity: ApplicationEntityTable;
  application_entity_revision: ApplicationEntityRevisionTable;
}
