// The catalogue: the list follows its filters (htmx); without scripts the filters have a button.
import "../htmx.js";
