import { CallosumError } from '@callosum/kernel';

/** Thrown when nobody said how the requestor can be called: it has no entry with a port. */
export class NotCallableError extends CallosumError {
  constructor() {
    super('dimse-ingest.not-callable', 'unavailable', 'the AE has no host and port to be called at');
  }
}

/** Thrown when the requestor answered a report with a failure. */
export class ReportRefusedError extends CallosumError {
  constructor(readonly status: string) {
    super('dimse-ingest.report-refused', 'unavailable', `the report was answered with ${status}`);
  }
}

/** Thrown when more commitment requests wait for their report than are kept. */
export class TooManyCommitmentsError extends CallosumError {
  constructor() {
    super('dimse-ingest.too-many-commitments', 'unavailable', 'too many reports of commitments wait');
  }
}

/** Thrown when another worker has the requestor meanwhile: what this one did is not recorded. */
export class CommitmentClaimLostError extends CallosumError {
  constructor() {
    super('dimse-ingest.claim-lost', 'conflict', 'another worker reports to this requestor');
  }
}
