/**
 * A document with its generated tables as they are now. In it each stands between two comments, `<!-- generated: NAME -->` and
 * `<!-- end -->`; everything else is written by hand. Fails when a table has no place, or a place no table.
 * @param path of the document, for the message
 * @param tables by name: a function of `table`
 * @param table (head, rows) → Markdown
 */
export function fillTables(path, document, tables, table) {
  const places = new Set();
  const filled = document.replace(/(<!-- generated: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, name, end) => {
    if (!tables[name]) throw new Error(`${path}: there is no table ${name}`);
    places.add(name);
    return `${begin}\n${tables[name](table)}\n\n${end}`;
  });
  const missing = Object.keys(tables).filter((name) => !places.has(name));
  if (missing.length > 0) throw new Error(`${path} has no place for ${missing.join(', ')}`);
  return filled;
}
