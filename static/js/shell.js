// Every page of the app shell, after app.js.
import "./htmx.js";
import "./palette.js";
