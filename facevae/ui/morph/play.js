// Play: the mix goes there and back until the button is pressed again, a hand takes the slider, or the tab is left. The slider
// moves on when the picture of its last place has come. Where motion is not wanted, a press goes to the other end at once.
const ONE_WAY_MS = 4000, LONGEST_STEP_MS = 200, SLOW_MS = 800, LOST_MS = 30000;
const PREPARING = "Preparing …";
const button = element.querySelector("button");
const slider = () => document.querySelector("#position input[type=range]");
const picture = () => document.querySelector("#morph-result img");
const status = () => document.querySelector("#morph-status .status");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let playing = false, moving = false, said = "";

function move(value) {
  const range = slider();
  const next = String(Math.round(value * 100) / 100);
  if (range.value === next) return;
  range.value = next;
  moving = true;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  moving = false;
}
function arrived() { // the picture is that of the slider's place: its description says so
  const shown = picture();
  return shown?.complete && Number(/(\d+)% of the way/.exec(shown.alt)?.[1]) === Math.round(Number(slider().value) * 100);
}
function say(preparing) {
  const line = status();
  if (!line || preparing === (line.textContent === PREPARING)) return;
  if (preparing) said = line.textContent;
  line.textContent = preparing ? PREPARING : said;
}
function show(on) {
  playing = on;
  button.textContent = on ? "Stop" : "Play";
  if (!on) say(false);
}
function play() {
  let way = Number(slider().value), last = performance.now(); // 0 to 1 is there, 1 to 2 is back
  show(true);
  requestAnimationFrame(function step(now) {
    if (playing && (document.hidden || slider().offsetParent === null || now - last > LOST_MS)) show(false);
    if (!playing) return;
    if (arrived()) {
      say(false);
      way = (way + Math.min(Math.max(now - last, 0), LONGEST_STEP_MS) / ONE_WAY_MS) % 2;
      last = now;
      move(way > 1 ? 2 - way : way);
    } else say(now - last > SLOW_MS);
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
