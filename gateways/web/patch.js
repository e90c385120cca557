// Owns what changed between two documents, as a merge patch (RFC 7396); pure.

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export function difference(before, after) {
  const patch = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[name], after[name]];
    if (same(was, is)) continue;
    if (isObject(was) && isObject(is)) patch[name] = difference(was, is);
    else patch[name] = is === undefined ? null : is;
  }
  return patch;
}

// The document with one value changed, at a path such as ["digest", "at"]; all else stays the same object.
export function changed(document, [name, ...rest], value) {
  const copy = Array.isArray(document) ? [...document] : { ...document };
  copy[name] = rest.length ? changed(document[name], rest, value) : value;
  return copy;
}
