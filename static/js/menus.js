// Menus are popovers (class="menu" popover), opened by a button with popovertarget; here they find their place and their arrow keys.
const GAP = 4;

document.addEventListener("toggle", ({ target, newState }) => {
  if (newState !== "open" || !target.classList.contains("menu")) return;
  const button = document.querySelector(`[popovertarget="${target.id}"]`);
  place(target, button.getBoundingClientRect());
  addEventListener("resize", () => target.hidePopover(), { once: true });
}, true);

function place(menu, button) {
  const { width, height } = menu.getBoundingClientRect();
  const above = menu.dataset.menu === "above" || (button.bottom + GAP + height > innerHeight && button.top > height);
  const end = menu.dataset.menu === "end" || button.left + width > innerWidth - GAP;
  const left = end ? button.right - width : button.left;
  menu.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
  menu.style.top = `${Math.max(GAP, above ? button.top - height - GAP : button.bottom + GAP)}px`;
}

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu:popover-open") ?? opened(event.target);
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key) || event.target.matches('input[type="radio"]')) return;
  const stops = [...menu.querySelectorAll("a, button, input")].filter((one) => one.checkVisibility() && !one.disabled);
  const at = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  stops.at(at >= stops.length ? 0 : at)?.focus();
  event.preventDefault();
});

function opened(button) {
  const menu = document.getElementById(button.getAttribute?.("popovertarget"));
  return menu?.matches(".menu:popover-open") ? menu : null;
}

// Whoever tabs out of a menu or the drawer has left it.
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  const popover = target.closest?.("[popover]:popover-open");
  if (!popover || !relatedTarget || popover.contains(relatedTarget)) return;
  if (relatedTarget.getAttribute("popovertarget") !== popover.id) popover.hidePopover();
});
