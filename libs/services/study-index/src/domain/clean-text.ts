/** Text that PostgreSQL can hold, which has neither NUL nor lone surrogates; broken objects do have them. */
export const cleanText = (text: string): string => Buffer.from(text.replaceAll('\0', '')).toString();

/** For `JSON.stringify`: the same for all text in a value. */
export const cleaned = (_key: string, part: unknown): unknown => (typeof part === 'string' ? cleanText(part) : part);
