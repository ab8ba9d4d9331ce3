// Formulas in Markdown: $…$ and \(…\) in a line, $$…$$ and \[…\] apart from it. They come out as elements with the TeX as their text,
// which typesetting (typeset.js) replaces where they are shown.
const INLINE = [["$$", "$$", "math display"], ["$", "$", "math"], ["\\(", "\\)", "math"], ["\\[", "\\]", "math display"]];
const BLOCKS = [["$$", "$$"], ["\\[", "\\]"]];

export function maths(parser) {
  parser.inline.ruler.before("escape", "maths", inline);
  parser.block.ruler.before("fence", "maths", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
  parser.renderer.rules.maths = (tokens, at) => {
    const { meta, content } = tokens[at];
    const tag = meta.block ? "div" : "span";
    return `<${tag} class="${meta.kind}">${parser.utils.escapeHtml(content)}</${tag}>`;
  };
}

function inline(state, silent) {
  const { src, pos } = state;
  const form = INLINE.find(([open]) => src.startsWith(open, pos));
  if (!form) return false;
  const [open, close, kind] = form;
  const from = pos + open.length;
  const to = closing(src, from, close);
  if (to < 0) return false;
  const text = src.slice(from, to);
  // A price is no formula: "$5 and $6" has a space before its second sign, "$5-$6" a digit behind it.
  if (open === "$" && (/^\s|\s$/.test(text) || /\d/.test(src[to + 1] ?? ""))) return false;
  if (!text.trim()) return false;
  if (!silent) Object.assign(state.push("maths", "", 0), { content: text.trim(), meta: { kind, block: false } });
  state.pos = to + close.length;
  return true;
}

function closing(src, from, close) {
  for (let at = src.indexOf(close, from); at >= 0; at = src.indexOf(close, at + 1)) {
    if (src[at - 1] !== "\\" || close[0] === "\\") return at;
  }
  return -1;
}

function block(state, startLine, endLine, silent) {
  const line = (number) => state.src.slice(state.bMarks[number] + state.tShift[number], state.eMarks[number]);
  const first = line(startLine);
  const form = BLOCKS.find(([open]) => first.startsWith(open));
  if (!form || state.sCount[startLine] - state.blkIndent >= 4) return false;
  const [open, close] = form;
  let last = startLine;
  let text = first.slice(open.length);
  while (!text.trimEnd().endsWith(close)) {
    last += 1;
    if (last >= endLine || !line(last).trim()) return false;
    text += `\n${line(last)}`;
  }
  if (silent) return true;
  const token = state.push("maths", "", 0);
  Object.assign(token, { content: text.trimEnd().slice(0, -close.length).trim(), map: [startLine, last + 1], meta: { kind: "math display", block: true } });
  state.line = last + 1;
  return true;
}
