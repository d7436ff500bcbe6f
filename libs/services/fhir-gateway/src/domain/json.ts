import { badRequest, FhirError } from './fhir-error.js';
import { limits } from './limits.js';

/** A JSON object whose shape is not known yet. */
export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Parses FHIR JSON (R4 json, 2.6.2). Nesting is bounded before parsing, so that nothing after it can run out
 * of stack; then names and characters that no FHIR element has are refused, among them those that would reach
 * JavaScript's object prototype or that PostgreSQL cannot store.
 * @throws {FhirError} 400
 */
export function parseJson(bytes: Buffer): JsonObject {
  checkDepth(bytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new FhirError(400, 'structure', 'the body is no JSON in UTF-8');
  }
  if (!isObject(value)) throw new FhirError(400, 'structure', 'the body is no JSON object');
  checkNames(value);
  return value;
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [...'"\\{}[]'].map((c) => c.charCodeAt(0));

function checkDepth(bytes: Buffer): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (inString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      if (depth > limits.jsonDepthMax)
        throw new FhirError(400, 'too-long', `nesting is limited to ${limits.jsonDepthMax} levels`);
    } else if (byte === closeBrace || byte === closeBracket) depth -= 1;
  }
}

/** R4 json: element names; "_" starts the extensions of a primitive. */
const elementName = /^_?[A-Za-z][A-Za-z0-9]{0,63}$/;

function checkNames(value: unknown): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000')) throw badRequest('the character U+0000 is not allowed in FHIR strings');
  } else if (Array.isArray(value)) {
    for (const item of value) checkNames(item);
  } else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (name in Object.prototype || !elementName.test(name))
        throw new FhirError(400, 'structure', 'the body has an element name that FHIR does not know');
      checkNames(item);
    }
  }
}
