/**
 * A moment as PostgreSQL reads it. ISO 8601 alone has no four-digit form for what a FHIR date can reach: year 10000,
 * where the span of "9999" ends, and year 0, which PostgreSQL calls 1 BC.
 * @param ms since 1970
 */
export function timestampText(ms: number): string {
  const at = new Date(ms);
  const year = at.getUTCFullYear();
  const iso = at.toISOString();
  // The year has a sign and six digits where four do not do: "+010000-01-01T…".
  const rest = iso.slice(iso.indexOf('-', 1));
  const digits = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return `${digits}${rest}${year > 0 ? '' : ' BC'}`;
}
