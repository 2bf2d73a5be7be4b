// Rows of small pictures to choose from: the faces of a morph, and its film strip. A face that was chosen already is a place to go to.
let chosen = null;
element.addEventListener("click", (event) => {
  const tile = event.target.closest("button[data-index]");
  if (!tile) return;
  chosen = tile.dataset.index;
  trigger("select", { index: Number(chosen) });
});
// Choosing a face redraws the row: the keyboard focus is put back, unless it has moved on meanwhile.
watch("value", () => {
  const lost = document.activeElement === null || document.activeElement === document.body;
  if (chosen !== null && lost) element.querySelector(`button[data-index="${chosen}"]`)?.focus({ preventScroll: true });
  chosen = null;
});
