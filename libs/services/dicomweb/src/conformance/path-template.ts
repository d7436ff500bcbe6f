/**
 * Templates of resources, "/dicom-web/studies/:study": ":name" stands for one segment of the path, "*" at the end for the rest of it.
 * As Fastify's router has them.
 */
export function matchesTemplate(template: string, path: string): boolean {
  const [wanted, given] = [template.split('/'), path.split('/')];
  return wanted.every((segment, i) => {
    if (segment === '*') return i === wanted.length - 1 && given.length > i && given.slice(i).join('/') !== '';
    const found = given[i];
    if (found === undefined || (i === wanted.length - 1 && given.length !== wanted.length)) return false;
    return segment.startsWith(':') ? found !== '' : segment === found;
  });
}

/** Whether a template is the path's own or lies below it: the path holds values or is a template itself. */
export function isAtOrBelow(template: string, path: string): boolean {
  const count = path.split('/').length;
  const head = template.split('/').slice(0, count).join('/');
  return matchesTemplate(head, path);
}
