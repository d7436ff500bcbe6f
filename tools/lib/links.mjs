// Relative links of Markdown files and their anchors, as a forge shows them: what leads nowhere is found.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** What is installed, built or written by runs. */
const notOurs = new Set(['node_modules', 'dist', 'coverage']);

/** Paths of every Markdown file under a folder, hidden folders left out. */
export function markdownFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || notOurs.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return markdownFiles(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** A line for each link that leads to no file of the tree, or to no heading of it. External addresses are not asked. */
export function deadLinks(root) {
  const anchors = new Map();
  const anchorsIn = (path) => {
    if (!anchors.has(path)) anchors.set(path, anchorsOf(readFileSync(path, 'utf8')));
    return anchors.get(path);
  };
  return markdownFiles(root).flatMap((path) =>
    linksOf(readFileSync(path, 'utf8')).flatMap(({ target, line }) => {
      const [file = '', anchor] = target.split('#', 2);
      const base = file.startsWith('/') ? root : dirname(path);
      const to = file === '' ? path : resolve(base, decoded(file).replace(/^\/+/, ''));
      const where = `${relative(root, path)}:${line}: ${target}`;
      if (!existsSync(to)) return [`${where} is not there`];
      const isHeadingWanted = anchor && statSync(to).isFile() && to.endsWith('.md');
      return isHeadingWanted && !anchorsIn(to).has(decoded(anchor)) ? [`${where} has no such heading`] : [];
    }),
  );
}

/** Targets of links, images and link definitions, without external ones, and the line each stands in. */
export function linksOf(markdown) {
  return withoutCode(markdown)
    .split('\n')
    .flatMap((text, index) => {
      const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+["'(][^)]*)?\)/g)];
      const definition = /^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/.exec(text);
      return [...inline, ...(definition ? [definition] : [])]
        .map(([, target]) => ({ target, line: index + 1 }))
        .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target));
    });
}

/** Anchors a forge gives headings, and those written as HTML. */
export function anchorsOf(markdown) {
  const seen = new Map();
  const anchors = new Set();
  for (const line of withoutFences(markdown).split('\n')) {
    for (const [, name] of line.matchAll(/<[a-z]+[^>]*\s(?:id|name)="([^"]+)"/g)) anchors.add(name);
    const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const name = slug(heading);
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    anchors.add(times === 0 ? name : `${name}-${times}`);
  }
  return anchors;
}

const slug = (heading) =>
  heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
    .replace(/\s/g, '-');

/** Lines keep their numbers. */
const withoutFences = (markdown) =>
  markdown.replace(/^( {0,3})(```+|~~~+)[^\n]*\n[\s\S]*?(?:^ {0,3}\2[^\n]*$|$(?![\s\S]))/gm, blanked);
const withoutCode = (markdown) => withoutFences(markdown).replace(/(`+)(?!`)[^`\n]*?\1/g, blanked);
const blanked = (text) => text.replace(/[^\n]/g, ' ');

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
