// Every page. A page's own module (static/js/pages/) runs after this one and before Alpine starts.
import Alpine from "@alpinejs/csp";

import "./copy.js";
import "./dialogs.js";
import "./forms.js";
import "./htmx.js";
import "./menus.js";
import "./palette.js";
import "./samples.js";
import "./times.js";
import "./toasts.js";

window.Alpine = Alpine;
document.addEventListener("DOMContentLoaded", () => Alpine.start());
