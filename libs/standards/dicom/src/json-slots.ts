/** As it stands before the URI of a bulk value (PS3.18 F.2.2), with or without blanks after the colon. */
const name = '"BulkDataURI":';

/**
 * Cuts the text of datasets in the DICOM JSON model where bulk data URIs begin, so that what they begin with can be put
 * in later: the parts joined by a base URL are the text with each path behind that base. A value that only looks like a
 * URI is none: inside a string JSON escapes the quotation marks.
 * @param json text as `JSON.stringify` or PostgreSQL's jsonb writes it
 * @param path what those URIs begin with that are to have the base before them, "/dicom-web/"; others stay as they are
 * @returns one part more than there are such URIs; joined they are `json`
 */
export function cutAtBulkDataUris(json: string, path: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  for (let at = json.indexOf(name); at >= 0; at = json.indexOf(name, at)) {
    at += name.length;
    while (json[at] === ' ') at++;
    if (!json.startsWith(`"${path}`, at)) continue;
    parts.push(json.slice(begin, at + 1));
    begin = at + 1;
  }
  parts.push(json.slice(begin));
  return parts;
}
