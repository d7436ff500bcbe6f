/**
 * What stands before all paths of a site that shares its host with others: the path of its public URL.
 * @param publicUrl "https://pacs.example/imaging/"
 * @returns "/imaging", without a slash at the end; '' for a site that has its host for itself
 */
export const prefixOf = (publicUrl: string): string => new URL(publicUrl).pathname.replace(/\/+$/, '');

/**
 * The request target (RFC 9112 3.2.1) as services know it. Some proxies take the prefix off and some leave it on, and a request
 * does not say which one it came by: it is taken off where it stands and what is left belongs to a service, or nothing else would
 * answer. So "/fhir/fhir/Patient" of a site at "/fhir" is "/fhir/Patient" behind either.
 * @param target path and query
 * @param isClaimed whether a service has routes under that path
 */
export function innerTarget(target: string, prefix: string, isClaimed: (path: string) => boolean): string {
  if (prefix === '' || !target.startsWith(prefix)) return target;
  const rest = target.slice(prefix.length);
  // "/imagingx" is not below "/imaging".
  if (rest !== '' && !/^[/?]/.test(rest)) return target;
  const inner = rest.startsWith('/') ? rest : `/${rest}`;
  const pathOf = (whole: string): string => whole.split('?', 1)[0] ?? whole;
  return isClaimed(pathOf(inner)) || !isClaimed(pathOf(target)) ? inner : target;
}
