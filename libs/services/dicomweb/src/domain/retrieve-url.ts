/** Retrieve URL (PS3.3 C.4.23.1.1, PS3.18 10.6.3.3). */
const retrieveUrl = '00081190';

/**
 * The text of a dataset of the DICOM JSON model with a Retrieve URL, in its place among the attributes, which ascend
 * (PS3.18 F.2.2), and nothing else of it changed. One that the object itself had is replaced.
 * @param json an object, as `JSON.stringify` or PostgreSQL's jsonb writes it
 */
export function withRetrieveUrl(json: string, url: string): string {
  const text = json.includes(`"${retrieveUrl}":`) ? without(json) : json;
  const at = firstAfter(text);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const element = `"${retrieveUrl}":${JSON.stringify({ vr: 'UR', Value: [url] })}`;
  // At the end of what is not empty a comma stands before it.
  if (after.startsWith('}')) return `${before}${before.endsWith('{') ? '' : ','}${element}${after}`;
  return `${before}${element},${after}`;
}

/** Rare: the object has one, or an item in it has; the whole is read. */
function without(json: string): string {
  const dataset = JSON.parse(json) as Record<string, unknown>;
  delete dataset[retrieveUrl];
  return JSON.stringify(dataset);
}

/** Where the first attribute behind it begins, or the end of the object. */
function firstAfter(json: string): number {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    switch (json.charAt(at)) {
      case '{':
      case '[':
        depth++;
        break;
      case '}':
      case ']':
        if (--depth === 0) return at;
        break;
      case '"': {
        const end = endOfString(json, at);
        // At the outermost level only names of attributes are strings.
        if (depth === 1 && json.slice(at + 1, end) > retrieveUrl) return at;
        at = end;
        break;
      }
    }
  }
  return json.length;
}

/** @returns where the closing quotation mark is */
function endOfString(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let escapes = 0;
    while (json[at - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}
