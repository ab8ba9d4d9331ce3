// The members of a JSON object as text: to change one leaves the others as they were written, large numbers and the order of keys too.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;
const MEMBER = /^\s*("(?:[^"\\]|\\.)*")\s*:\s*([^]*?)\s*$/;

// Name → text of the value. `text` is a JSON object.
export function membersOf(text) {
  const found = new Map();
  let depth = 0;
  let from = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token.startsWith('"')) continue;
    if ("{[".includes(token)) {
      depth += 1;
      if (depth === 1) from = index + 1;
      continue;
    }
    if (depth === 1) {
      const member = MEMBER.exec(text.slice(from, index));
      if (member) found.set(JSON.parse(member[1]), member[2]);
      from = index + 1;
    }
    if (token !== ",") depth -= 1;
  }
  return found;
}

// The object with one member set, or without it where `value` is undefined; empty for one without members.
export function withMember(text, name, value) {
  const members = membersOf(text);
  if (value === undefined) members.delete(name);
  else members.set(name, JSON.stringify(value, null, 2).replaceAll("\n", "\n  "));
  if (!members.size) return "";
  return `{\n${[...members].map(([key, written]) => `  ${JSON.stringify(key)}: ${written}`).join(",\n")}\n}`;
}
