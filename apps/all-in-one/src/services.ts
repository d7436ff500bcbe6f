import { dicomweb } from '@callosum/dicomweb-service';
import { dimseIngest } from '@callosum/dimse-ingest-service';
import { fhirGateway } from '@callosum/fhir-gateway-service';
import { identityMapping } from '@callosum/identity-mapping-service';
import { inferenceOrchestrator } from '@callosum/inference-orchestrator-service';
import { resultPublisher } from '@callosum/result-publisher-service';
import type { ServiceDefinition } from '@callosum/runtime';
import { studyIndex } from '@callosum/study-index-service';

/** In the order they start: who answers first, who takes studies in last. They stop in the opposite order. */
export const services: readonly ServiceDefinition[] = [
  fhirGateway,
  studyIndex,
  identityMapping,
  inferenceOrchestrator,
  resultPublisher,
  dicomweb,
  dimseIngest,
];
