interface Narrative {
  status: 'generated';
  div: string;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that may stand in XHTML: markup escaped, characters XML cannot hold taken off. */
const escapeXhtml = (text: string): string =>
  text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (character) => escapes[character] ?? '');

/** A paragraph that leads somewhere. */
export interface Link {
  readonly text: string;
  readonly href: string;
}

const inner = (line: string | Link): string =>
  typeof line === 'string' ? escapeXhtml(line) : `<a href="${escapeXhtml(line.href)}">${escapeXhtml(line.text)}</a>`;

/** A generated narrative (R4 narrative, 2.4.0) of one paragraph a line. */
export function narrative(...lines: readonly (string | Link)[]): Narrative {
  const paragraphs = lines
    .filter((line) => typeof line !== 'string' || line.trim() !== '')
    .map((line) => `<p>${inner(line)}</p>`);
  return { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${paragraphs.join('')}</div>` };
}
