/** How a request says where it was sent. */
export interface Addressed {
  /** Host and port of the request (RFC 9110 7.2); '' when it names none. */
  readonly host: string;
  /** 'https' where the connection itself is encrypted. */
  readonly protocol: string;
}

/**
 * Base of the URLs in an answer: Retrieve URL (0008,1190), BulkDataURI (PS3.18 F.2.2). It is the site's own
 * (CALLOSUM_PUBLIC_URL). A site on a loopback address has more names than one, "localhost" and "127.0.0.1", and a page of
 * one may not read what lies at the other: there the base is the name that was asked. No other Host is believed: it
 * would send who reads the answer elsewhere, and behind a proxy it is the proxy's name for this process. Some clients leave the
 * port out whichever it is (dicomweb-client of Python): then it is the site's.
 * @param publicUrl a URL without query; its path is the prefix of all paths
 * @returns scheme, authority and prefix without a slash at the end, "https://pacs.example/imaging"
 */
export function baseUrlOf({ host, protocol }: Addressed, publicUrl: string): string {
  const site = new URL(publicUrl);
  const prefix = site.pathname.replace(/\/+$/, '');
  const asked = isLoopback(site.hostname) ? originOf(protocol, host, site) : undefined;
  return `${asked ?? site.origin}${prefix}`;
}

/** Undefined for what is no loopback address. */
function originOf(protocol: string, host: string, site: URL): string | undefined {
  const withPort = /:\d+$/.test(host) || site.port === '' ? host : `${host}:${site.port}`;
  const text = `${protocol}://${withPort}`;
  // Without what else a URL may hold: a name and a password, a path.
  if (!/^https?:\/\/[\w.:[\]-]+$/.test(text) || !URL.canParse(text)) return undefined;
  const { hostname, origin } = new URL(text);
  return isLoopback(hostname) ? origin : undefined;
}

/** RFC 1122 3.2.1.3 (127.0.0.0/8), RFC 4291 2.5.3, RFC 6761 6.3. `new URL` has written it the one way there is. */
const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
