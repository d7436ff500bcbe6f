import { fhirGateway } from '@callosum/fhir-gateway-service';
import { runService } from '@callosum/runtime';

await runService(fhirGateway);
