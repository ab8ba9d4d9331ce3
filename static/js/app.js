// Every page. What the app shell has on top is in shell.js, what one page alone needs in pages/.
import "./copy.js";
import "./dialogs.js";
import "./forms.js";
import "./menus.js";
import "./samples.js";
import "./times.js";
import "./toasts.js";
