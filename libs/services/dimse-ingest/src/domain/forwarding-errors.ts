import { CallosumError } from '@callosum/kernel';

/** Thrown when no rule has this id. */
export class UnknownForwardingRuleError extends CallosumError {
  constructor() {
    super('dimse-ingest.unknown-forwarding-rule', 'not-found', 'there is no such forwarding rule');
  }
}

/** Thrown when a rule of CALLOSUM_DIMSE_FORWARDING is to be changed over HTTP. */
export class FixedForwardingRuleError extends CallosumError {
  constructor() {
    super('dimse-ingest.fixed-forwarding-rule', 'conflict', 'the rule stands in CALLOSUM_DIMSE_FORWARDING');
  }
}

/** Thrown when there are as many rules as may be. */
export class TooManyForwardingRulesError extends CallosumError {
  constructor(rulesMax: number) {
    super('dimse-ingest.too-many-forwarding-rules', 'conflict', `there are ${rulesMax} forwarding rules already`);
  }
}

/** Thrown when a request to /api/dimse cannot be used. Names fields, never their values. */
export class MalformedDimseRequestError extends CallosumError {
  constructor(message: string) {
    super('dimse-ingest.malformed-request', 'invalid', message);
  }
}

/** Thrown when an application entity that is to be called is not known, or has no address. */
export class UncallableEntityError extends CallosumError {
  constructor() {
    super('dimse-ingest.uncallable-entity', 'not-found', 'no application entity of this title can be called');
  }
}
