let chosen = null;
element.addEventListener("click", (event) => {
  const tile = event.target.closest("button[data-index]");
  if (!tile || tile.getAttribute("aria-pressed") === "true") return;
  chosen = tile.dataset.index;
  trigger('select', { index: Number(chosen) });
});
// Choosing a tile redraws all of them: the keyboard focus is put back.
watch("value", () => {
  if (chosen !== null) element.querySelector(`button[data-index="${chosen}"]`)?.focus({ preventScroll: true });
  chosen = null;
});
