import type { Authenticator } from '@callosum/auth';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import { FhirClient } from '@callosum/fhir';
import type { Clock } from '@callosum/kernel';
import {
  AUTHENTICATOR,
  CLOCK,
  DATABASE,
  LOGGER,
  OUTBOX,
  PLATFORM_SETTINGS,
  type PlatformSettings,
  SETTINGS,
  STUDY_INDEX,
  type StudyIndexClient,
} from '@callosum/runtime';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import { Module } from '@nestjs/common';

import { PostgresDecisionQueries } from './adapters/decision-queries.js';
import { PostgresDecisionStore } from './adapters/decision-store.js';
import { PostgresLeaseStore } from './adapters/lease-store.js';
import { FhirPatientRecord } from './adapters/patient-record.js';
import { GrpcStudyDirectory } from './adapters/study-directory.js';
import type { IdentityTables } from './adapters/tables.js';
import { AcquireLease } from './application/acquire-lease.js';
import { JudgeStudy } from './application/judge-study.js';
import type { DecisionStore, PatientRecord, StudyDirectory } from './application/ports.js';
import { ResolveQuarantine } from './application/resolve-quarantine.js';
import type { IdentitySettings } from './settings.js';
import {
  DECISION_QUERIES,
  DECISIONS,
  JUDGE_STUDY,
  PATIENT_RECORD,
  RESOLVE_QUARANTINE,
  STUDY_DIRECTORY,
} from './tokens.js';
import { IdentityGrpc } from './transport/identity.grpc.js';
import { IdentityHttp } from './transport/identity.http.js';
import { logDecision } from './transport/log-decision.js';
import { StudyUpdatedEvents } from './transport/study-updated.events.js';

/** Identity waits for no slow record: its event is tried again. Below the time others wait for the same identifier. */
const fhirTimeoutMs = 10_000;

const traceHeaders = (): Record<string, string> => {
  const traceparent = currentTraceparent();
  return traceparent ? { traceparent } : {};
};

@Module({
  controllers: [StudyUpdatedEvents, IdentityHttp],
  providers: [
    {
      provide: DECISIONS,
      inject: [DATABASE, OUTBOX, CLOCK],
      useFactory: ({ db }: Database<IdentityTables>, outbox: Outbox, clock: Clock) =>
        new PostgresDecisionStore(db, outbox, clock),
    },
    {
      provide: DECISION_QUERIES,
      inject: [DATABASE],
      useFactory: ({ db }: Database<IdentityTables>) => new PostgresDecisionQueries(db),
    },
    {
      provide: PATIENT_RECORD,
      inject: [PLATFORM_SETTINGS, AUTHENTICATOR],
      useFactory: ({ CALLOSUM_FHIR_URL }: PlatformSettings, { fhirToken: accessToken }: Authenticator) =>
        new FhirPatientRecord(
          new FhirClient({
            baseUrl: CALLOSUM_FHIR_URL,
            timeoutMs: fhirTimeoutMs,
            headers: traceHeaders,
            ...(accessToken ? { accessToken } : {}),
          }),
          CALLOSUM_FHIR_URL,
        ),
    },
    {
      provide: STUDY_DIRECTORY,
      inject: [STUDY_INDEX],
      useFactory: (client: StudyIndexClient) => new GrpcStudyDirectory(client),
    },
    {
      provide: JUDGE_STUDY,
      inject: [STUDY_DIRECTORY, PATIENT_RECORD, DECISIONS, PLATFORM_SETTINGS, SETTINGS],
      useFactory: (
        directory: StudyDirectory,
        record: PatientRecord,
        decisions: DecisionStore,
        platform: PlatformSettings,
        settings: IdentitySettings,
      ) => new JudgeStudy(directory, record, decisions, platform.CALLOSUM_SITE, settings.CALLOSUM_IDENTITY_ISSUERS),
    },
    {
      provide: RESOLVE_QUARANTINE,
      inject: [STUDY_DIRECTORY, PATIENT_RECORD, DECISIONS],
      useFactory: (directory: StudyDirectory, record: PatientRecord, decisions: DecisionStore) =>
        new ResolveQuarantine(directory, record, decisions),
    },
    {
      provide: IdentityGrpc,
      inject: [DECISIONS, PATIENT_RECORD, DATABASE, LOGGER],
      useFactory: (decisions: DecisionStore, record: PatientRecord, { db }: Database<IdentityTables>, log: Logger) => {
        const leases = new PostgresLeaseStore(db);
        const acquire = new AcquireLease(decisions, record, leases, (decision) => logDecision(log, decision));
        return new IdentityGrpc(decisions, acquire, leases);
      },
    },
  ],
})
export class IdentityMappingModule {}
