// The map of encodings: a click chooses the nearest point, an arrow key the next one in its direction.
const dots = () => [...element.querySelectorAll("circle[data-i]")].map((dot) => ({
  index: Number(dot.dataset.i), x: dot.cx.baseVal.value, y: dot.cy.baseVal.value,
}));
const ring = () => element.querySelector("circle.ring");
const choose = (dot) => {
  ring().setAttribute("cx", dot.x);
  ring().setAttribute("cy", dot.y);
  trigger('select', { index: dot.index });
};
element.addEventListener("click", (event) => {
  const map = event.target.closest("svg.map");
  if (!map) return;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const distance = (dot) => Math.hypot(dot.x - at.x, dot.y - at.y);
  choose(dots().reduce((a, b) => (distance(b) < distance(a) ? b : a)));
});
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
element.addEventListener("keydown", (event) => {
  const way = DIRECTIONS[event.key];
  if (!way || !event.target.closest("svg.map")) return;
  event.preventDefault(); // the page would scroll
  const [x, y] = ["cx", "cy"].map((name) => Number(ring().getAttribute(name)));
  let best = null, least = Infinity;
  for (const dot of dots()) {
    const ahead = (dot.x - x) * way[0] + (dot.y - y) * way[1];
    const aside = Math.abs((dot.x - x) * way[1]) + Math.abs((dot.y - y) * way[0]);
    if (ahead > 0.05 && ahead + 2 * aside < least) [best, least] = [dot, ahead + 2 * aside];
  }
  if (best) choose(best);
});
