import type { Resource } from './resource.js';
import { transactionOf } from './transaction.js';

/** Media type of a WADL document (PS3.18 8.9, annex H). */
export const wadlMediaType = 'application/vnd.sun.wadl+xml';

interface Node {
  readonly segment: string;
  readonly resources: Resource[];
  readonly children: Node[];
}

/**
 * The Capabilities Description (PS3.18 annex H) of resources: a WADL document in which each segment of a path is a resource with
 * the methods that it has and what lies below it. The capabilities themselves do not stand in it (annex H, note).
 * @param base URL of the service without a slash at the end, "https://pacs.example/dicom-web"
 */
export function wadlOf(resources: readonly Resource[], base: string): string {
  const root: Node = { segment: '', resources: [], children: [] };
  for (const resource of resources) {
    let node = root;
    for (const segment of resource.template.split('/').slice(2)) {
      let child = node.children.find((one) => one.segment === segment);
      if (child === undefined) node.children.push((child = { segment, resources: [], children: [] }));
      node = child;
    }
    node.resources.push(resource);
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<application xmlns="http://wadl.dev.java.net/2009/02">',
    `<resources base="${escaped(base)}">`,
    // The base itself is a resource of WADO-URI.
    ...(root.resources.length > 0 ? resourceLines({ ...root, children: [] }) : []),
    ...root.children.flatMap(resourceLines),
    '</resources>',
    '</application>',
    '',
  ].join('\n');
}

/** ":study" is a parameter of the template, "{study}"; "*" is the rest of a path. */
function resourceLines({ segment, resources, children }: Node): string[] {
  const name = segment === '*' ? 'path' : segment.startsWith(':') ? segment.slice(1) : undefined;
  return [
    `<resource path="${escaped(name === undefined ? segment : `{${name}}`)}">`,
    ...(name === undefined ? [] : [`<param name="${escaped(name)}" style="template" required="true"/>`]),
    ...resources.flatMap(methodLines),
    ...children.flatMap(resourceLines),
    '</resource>',
  ];
}

function methodLines(resource: Resource): string[] {
  const { method, takes, gives, parameters, statuses } = resource;
  const good = statuses.filter((status) => status < 300);
  const others = statuses.filter((status) => status >= 300);
  return [
    `<method name="${method}" id="${escaped(transactionOf(resource))}">`,
    '<request>',
    `<param name="Accept" style="header" default="${escaped(gives[0] ?? '*/*')}">`,
    ...gives.map((type) => `<option value="${escaped(type)}"/>`),
    '</param>',
    ...parameters.map((name) => `<param name="${escaped(name)}" style="query"/>`),
    ...takes.map((type) => `<representation mediaType="${escaped(type)}"/>`),
    '</request>',
    `<response status="${good.join(' ')}">`,
    ...gives.map((type) => `<representation mediaType="${escaped(type)}"/>`),
    '</response>',
    `<response status="${others.join(' ')}"/>`,
    '</method>',
  ];
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
