import type { IncomingMessage, ServerResponse } from 'node:http';

export interface StatusPageOptions {
  /** Whether /metrics is on this port. */
  readonly metrics: boolean;
  /** Path of the site's public URL, without a slash at the end: what links stand under. */
  readonly prefix?: string;
  /** False where each service is a process of its own, and has its probes there. */
  readonly oneProcess?: boolean;
}

/** `/`: a plain page that says what runs and where to go. `services` grows while they start. */
export function statusPage(
  services: readonly { readonly name: string }[],
  { metrics, prefix = '', oneProcess = true }: StatusPageOptions,
) {
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url !== '/' && request.url !== '/index.html') return false;
    const rows = services.map(({ name }) => `<li>${name}</li>`).join('');
    const links = [
      ['/viewer', 'Viewer (OHIF)'],
      ['/dicom-web/studies', 'DICOMweb: studies'],
      ['/fhir/metadata', 'FHIR R4: capability statement'],
      ['/fhir/DiagnosticReport', 'FHIR R4: reports'],
      ['/api/identity/quarantine', 'Studies waiting for a person: quarantine'],
      ...(oneProcess ? [['/readyz', 'Readiness of every service']] : []),
      ...(metrics ? [['/metrics', 'Metrics']] : []),
    ]
      .map(([href, text]) => `<li><a href="${escaped(prefix + href)}">${text}</a></li>`)
      .join('');
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    });
    response.end(
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Callosum</title>` +
        `<style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>` +
        `<h1>Callosum</h1><p>The bridge between DICOM and FHIR R4. These services run${oneProcess ? ' in this process' : ', each in a process of its own'}:</p><ul>${rows}</ul><h2>Where to go</h2><ul>${links}</ul></html>`,
    );
    return true;
  };
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
