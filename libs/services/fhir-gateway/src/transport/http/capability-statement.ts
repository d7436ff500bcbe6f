import type { CapabilityStatement } from '@callosum/fhir';
import type { CapabilityStatementRestResource } from '@medplum/fhirtypes';

import type { Definitions } from '../../application/ports.js';

/**
 * What this server does, made from the routes and definitions it runs on (R4 CapabilityStatement, kind instance).
 * @param issuer of the tokens it asks for; undefined where it asks for none
 */
export function capabilityStatement(
  definitions: Definitions,
  base: string,
  started: Date,
  issuer: string | undefined,
): CapabilityStatement {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: started.toISOString(),
    publisher: 'Callosum',
    kind: 'instance',
    software: { name: 'Callosum fhir-gateway' },
    implementation: { description: 'Callosum FHIR R4 endpoint', url: base },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        documentation:
          'Unknown search parameters are refused. Token and reference searches are case-sensitive. References are not checked for existence.',
        ...(issuer === undefined ? {} : { security: security(issuer) }),
        interaction: [{ code: 'transaction' }, { code: 'batch' }],
        resource: definitions.resourceTypes.map((type) => resourceCapability(type, definitions)),
      },
    ],
  };
}

function security(issuer: string): NonNullable<NonNullable<CapabilityStatement['rest']>[number]['security']> {
  const system = 'http://terminology.hl7.org/CodeSystem/restful-security-service';
  return {
    service: [{ coding: [{ system, code: 'OAuth', display: 'OAuth' }] }],
    description: `Bearer access tokens of ${issuer} with the role fhir-reader or fhir-writer.`,
  };
}

function resourceCapability(type: string, definitions: Definitions): CapabilityStatementRestResource {
  return {
    type: type as NonNullable<CapabilityStatementRestResource['type']>,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    interaction: (['read', 'vread', 'update', 'delete', 'history-instance', 'create', 'search-type'] as const).map(
      (code) => ({ code }),
    ),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'not-match',
    conditionalUpdate: true,
    conditionalDelete: 'not-supported',
    referencePolicy: ['literal', 'logical'],
    searchParam: [...definitions.parameters(type).values()].map(({ code, kind, url, documentation }) => ({
      name: code,
      type: kind,
      ...(url ? { definition: url } : {}),
      ...(documentation ? { documentation } : {}),
    })),
  };
}
