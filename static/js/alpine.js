// Alpine for the modules of pages that need it:  import Alpine from "../alpine.js"; Alpine.data("name", () => ({ … }));
// It starts when every module of the page has run.
import "./quiet-globals.js";
import Alpine from "@alpinejs/csp";

window.Alpine = Alpine;
document.addEventListener("DOMContentLoaded", () => Alpine.start());

export default Alpine;
