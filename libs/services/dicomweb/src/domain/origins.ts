/** Hosts that are this machine: what is sent to them in clear passes no network. */
const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);

/**
 * Origins (RFC 6454 6.1) whose pages may read answers, from a list with commas. Each is named: "*" and "null" would be any page on
 * the net, and where nobody is asked for a token such a page would read every study through the browser of whoever may. Without
 * TLS anybody on the way could be that page, so http is for loopback only.
 * @returns the origins as browsers send them, or what is wrong with the list
 */
export function readOrigins(text: string): { readonly origins: readonly string[] } | { readonly problem: string } {
  const origins: string[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const url = /^https?:\/\//i.test(part) && URL.canParse(part) ? new URL(part) : undefined;
    // Origins have no path; a slash at the end is forgiven.
    if (url === undefined || url.href !== `${url.origin}/` || url.hostname.includes('*'))
      return {
        problem: 'is a list of origins with commas, such as https://viewer.example:8443, without paths and without *',
      };
    if (url.protocol === 'http:' && !isLoopback(url.hostname))
      return { problem: 'takes origins without TLS (http) on loopback addresses only' };
    origins.push(url.origin);
  }
  return { origins: [...new Set(origins)] };
}
