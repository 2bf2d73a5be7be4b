// The looks are buttons of one widget: which one was pressed goes with its event (facevae/ui/edit/looks.py).
element.addEventListener("click", (event) => {
  const tile = event.target.closest("button[data-look]");
  if (tile) trigger("select", { look: tile.dataset.look });
});
