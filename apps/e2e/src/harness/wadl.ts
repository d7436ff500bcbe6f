import { runPython } from './python.js';

/** A method of a resource, as a WADL document has it. */
export interface WadlMethod {
  readonly name: string;
  readonly id: string;
  /** From the base on, "studies/{study}/metadata". */
  readonly path: string;
  readonly accept: readonly string[];
  readonly parameters: readonly string[];
  readonly statuses: readonly number[];
  /** Those with representations. */
  readonly good: readonly number[];
}

/** Reads with an XML parser of other people's, which is strict. */
const program = `
import json, sys
from xml.etree import ElementTree

WADL = "{http://wadl.dev.java.net/2009/02}"
root = ElementTree.fromstring(sys.argv[1])
assert root.tag == WADL + "application", root.tag
[resources] = root.findall(WADL + "resources")
methods = []

def statuses(response):
    return [int(one) for one in response.get("status").split()]

def walk(node, path):
    for method in node.findall(WADL + "method"):
        responses = method.findall(WADL + "response")
        params = method.findall(f"{WADL}request/{WADL}param")
        methods.append({
            "name": method.get("name"),
            "id": method.get("id"),
            "path": "/".join(path),
            "accept": [o.get("value") for p in params if p.get("style") == "header" for o in p.findall(WADL + "option")],
            "parameters": [p.get("name") for p in params if p.get("style") == "query"],
            "statuses": [status for response in responses for status in statuses(response)],
            "good": [status for response in responses if len(response) > 0 for status in statuses(response)],
        })
    for resource in node.findall(WADL + "resource"):
        walk(resource, [*path, resource.get("path")])

walk(resources, [])
print(json.dumps({"base": resources.get("base"), "methods": methods}))
`;

/** @throws when it is no WADL document */
export const readWadl = (text: string): Promise<{ readonly base: string; readonly methods: readonly WadlMethod[] }> =>
  runPython(program, [text]);
