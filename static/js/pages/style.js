// The style page: finding an icon by its name.
import Alpine from "../alpine.js";

Alpine.data("icons", () => ({
  wanted: "",
  get shown() {
    return [...this.$refs.list.children].filter((item) => item.textContent.includes(this.wanted.trim()));
  },
  filter() {
    for (const item of this.$refs.list.children) item.hidden = !this.shown.includes(item);
  },
}));
