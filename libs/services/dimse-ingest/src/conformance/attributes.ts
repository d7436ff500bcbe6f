import { commitmentFailures } from '../domain/commitment.js';
import { attributeRules } from '../domain/step-attributes.js';
import { worklistAttributes } from '../domain/worklist/worklist-query.js';

/** Attributes and reasons the services know, for the tables of the statement. */
export const statedAttributes = { worklist: worklistAttributes, step: attributeRules };
export const statedFailureReasons = Object.values(commitmentFailures);
