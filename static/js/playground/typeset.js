// TeX as MathML, which browsers draw with their own fonts. A chunk of its own: most answers have no formulas.
import temml from "temml";

const OPTIONS = { throwOnError: true, trust: false, maxExpand: 200, maxSize: [20, 20] };

export function typeset(element) {
  const tex = element.textContent;
  try {
    temml.render(tex, element, { ...OPTIONS, displayMode: element.classList.contains("display") });
  } catch {
    element.textContent = tex; // what cannot be typeset is read as it was written
  }
}
