let chosen = null;
element.addEventListener("click", (event) => {
  const tile = event.target.closest("button[data-index]");
  if (!tile || tile.getAttribute("aria-pressed") === "true") return;
  chosen = tile.dataset.index;
  trigger('select', { index: Number(chosen) });
});
// The tiles are drawn anew when another one is chosen: the keyboard stays where it was.
watch("value", () => {
  if (chosen !== null) element.querySelector(`button[data-index="${chosen}"]`)?.focus({ preventScroll: true });
  chosen = null;
});
