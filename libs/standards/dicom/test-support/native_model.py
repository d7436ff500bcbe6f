"""Reads documents of the Native DICOM Model (PS3.19 A.1) with Python's XML parser and holds them to its schema (A.1.6).

JSON in on standard input: documents in base64. JSON out: of each its attributes, or what breaks the schema.
"""

import base64
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
GROUPS = ["Alphabetic", "Ideographic", "Phonetic"]
COMPONENTS = ["FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix"]


class Broken(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Broken(what)


def name(element):
    require(element.tag.startswith(NAMESPACE), f"{element.tag} is of another namespace")
    return element.tag[len(NAMESPACE) :]


def empty_around(element):
    """Elements that hold elements hold no text: all white space counts."""
    texts = [element.text or "", *[child.tail or "" for child in element]]
    require("".join(texts).strip() == "", f"text beside elements in {element.tag}")


def numbered(elements):
    for i, element in enumerate(elements, 1):
        require(element.attrib == {"number": str(i)}, f"{element.attrib} is not number {i}")


def leaf(element):
    require(len(element) == 0, f"{element.tag} holds elements")
    return element.text or ""


def person(element):
    empty_around(element)
    found = {}
    order = [GROUPS.index(name(group)) for group in element]
    require(order == sorted(set(order)), f"groups in another order: {order}")
    for group in element:
        require(group.attrib == {}, "attributes of a group")
        empty_around(group)
        places = [COMPONENTS.index(name(component)) for component in group]
        require(places == sorted(set(places)), f"components in another order: {places}")
        parts = [""] * len(COMPONENTS)
        for place, component in zip(places, group):
            parts[place] = leaf(component)
        found[name(group)] = "^".join(parts).rstrip("^")
    return found


def content(element):
    children = list(element)
    if not children:
        require((element.text or "").strip() == "", "text in an attribute")
        return None
    empty_around(element)
    kinds = {name(child) for child in children}
    require(len(kinds) == 1, f"a mixture of {kinds}")
    kind = kinds.pop()
    if kind == "BulkData":
        require(len(children) == 1, "several BulkData")
        require(set(children[0].attrib) in ({"uri"}, {"uuid"}), "BulkData without URI or UUID")
        return [kind, children[0].attrib.get("uri", "")]
    if kind == "InlineBinary":
        require(len(children) == 1 and children[0].attrib == {}, "several InlineBinary")
        return [kind, base64.b64decode(leaf(children[0])).hex()]
    numbered(children)
    if kind == "Item":
        return [kind, [dataset(child) for child in children]]
    if kind == "PersonName":
        return [kind, [person(child) for child in children]]
    require(kind == "Value", f"{kind} is no content")
    return [kind, [leaf(child) for child in children]]


def attribute(element):
    require(name(element) == "DicomAttribute", f"{element.tag} is no attribute")
    unknown = set(element.attrib) - {"tag", "vr", "keyword", "privateCreator"}
    require(not unknown, f"{unknown} are no XML attributes of an attribute")
    tag = element.attrib["tag"]
    require(re.fullmatch("[0-9A-F]{8}", tag), f"{tag} is no tag")
    require(re.fullmatch("[A-Z]{2}", element.attrib["vr"]), f"{element.attrib['vr']} is no VR")
    return {
        "tag": tag,
        "vr": element.attrib["vr"],
        "keyword": element.attrib.get("keyword", ""),
        "creator": element.attrib.get("privateCreator", ""),
        "content": content(element),
    }


def dataset(element):
    empty_around(element)
    return [attribute(child) for child in element]


def read(document):
    try:
        root = ElementTree.fromstring(base64.b64decode(document))
        require(name(root) == "NativeDicomModel", "another root")
        require(root.attrib == {SPACE: "preserve"}, f"{root.attrib} of the root")
        return {"attributes": dataset(root)}
    except (Broken, ElementTree.ParseError, ValueError, KeyError) as error:
        return {"broken": str(error)}


json.dump([read(document) for document in json.load(sys.stdin)], sys.stdout)
