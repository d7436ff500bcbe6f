/**
 * Where the viewer is served, as its built files are to name each other: they do it from the root of the host.
 * @param prefix path of the site without a slash at the end, '' or "/imaging"
 */
export const viewerBase = (prefix: string): string => `${prefix}/viewer/`;

/** webpack's public path, in files with and without blanks. Searched as bytes: the largest has 17 MB. */
const publicPaths = ['.p = "/"', '.p="/"'];

/**
 * A file of the built viewer with its absolute paths moved under `base`.
 * @param base of letters, digits and the marks that no language reads as its own (CALLOSUM_PUBLIC_URL takes no others), with a
 * slash at both ends
 * @param extension of its name, with the dot; files of other kinds come back as they are
 */
export function withBase(bytes: Buffer, extension: string, base: string): Buffer {
  switch (extension) {
    case '.html':
      return edited(bytes, (text) =>
        text
          .replace(/\b(href|src|content)="\/(?!\/)/g, `$1="${base}`)
          .replaceAll('PUBLIC_URL="/"', `PUBLIC_URL="${base}"`),
      );
    case '.css':
      return edited(bytes, (text) => text.replace(/url\((["']?)\/(?!\/)/g, `url($1${base}`));
    case '.js':
      return publicPaths.reduce((file, from) => spliced(file, from, from.replace('"/"', `"${base}"`)), bytes);
    default:
      return bytes;
  }
}

/** True for files that `withBase` may change. */
export const hasPaths = (extension: string): boolean => ['.html', '.css', '.js'].includes(extension);

const edited = (bytes: Buffer, edit: (text: string) => string): Buffer => Buffer.from(edit(bytes.toString('utf8')));

function spliced(bytes: Buffer, from: string, to: string): Buffer {
  const parts: Buffer[] = [];
  let done = 0;
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, done)) {
    parts.push(bytes.subarray(done, at), Buffer.from(to));
    done = at + from.length;
  }
  return parts.length === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(done)]);
}
