// Play: the mix slider goes there and back until the button is pressed again, a hand takes the slider, or the tab is left.
// Where motion is not wanted, a press goes to the other end at once.
const ONE_WAY_MS = 4000;
const button = element.querySelector("button");
const slider = () => document.querySelector("#position input[type=range]");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let playing = false, moving = false;

function move(value) {
  const range = slider();
  const next = String(Math.round(value * 100) / 100);
  if (range.value === next) return;
  range.value = next;
  moving = true;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  moving = false;
}
function show(on) {
  playing = on;
  button.textContent = on ? "Stop" : "Play";
}
function play() {
  const range = slider(), from = Number(range.value), start = performance.now();
  show(true);
  requestAnimationFrame(function step(now) {
    if (playing && (document.hidden || range.offsetParent === null)) show(false);
    if (!playing) return;
    const way = (from + Math.max(now - start, 0) / ONE_WAY_MS) % 2; // 0 to 1 is there, 1 to 2 is back
    move(way > 1 ? 2 - way : way);
    requestAnimationFrame(step);
  });
}
button.addEventListener("click", () => {
  if (playing) show(false);
  else if (still.matches) move(Number(slider().value) < 0.5 ? 1 : 0);
  else play();
});
document.addEventListener("input", ({ target }) => {
  if (!moving && target instanceof Element && target.closest("#position")) show(false);
}, true);
