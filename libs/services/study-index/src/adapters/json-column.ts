/**
 * Text for a jsonb column. PostgreSQL's text holds neither NUL nor lone surrogates; broken objects do hold them.
 */
export function jsonColumn(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? cleanText(part) : part));
}

/** The same for a text column. */
export const cleanText = (text: string): string => Buffer.from(text.replaceAll('\0', '')).toString();
