// Pictures while a hand moves a slider: asked for here, one at a time, and put where Gradio's own picture is (live.py says why).
// The last value is always asked for, and Gradio's picture of it comes where the hand rests.
const TRACKS = ".sigma, #detail", REST_MS = 250;
let look = null; // what the widgets held when the script was told last, by their ids
let changes = 0; // what Gradio has put on the page since makes an answer that is on its way worthless
let busy = false, again = false, resting = 0, holding = false;
let told = true, settled = true; // Gradio was asked for the value that the hand left; Gradio's picture of it is there
let covered = null; // Gradio's own picture below ours

const picture = () => [...document.querySelectorAll(look?.show === "Compare" ? "#slide img" : "#result img")].at(-1);

function uncover() {
  if (covered && covered.image.src === covered.ours) covered.image.src = covered.src;
  covered = null;
}

function put({ picture: source, words }) {
  const image = picture();
  if (!image) return;
  if (covered?.image !== image || image.src !== covered.ours) covered = { image, src: image.src };
  covered.ours = image.src = source;
  if (look.show !== "Compare") image.alt = words;
}

// Sliders as they stand now: the number beside a track may be empty, which the track itself cannot be.
function now() {
  const values = { ...look };
  for (const block of document.querySelectorAll(TRACKS)) {
    const number = block.querySelector("input[type=number]");
    if (block.id in values && number) values[block.id] = number.value === "" ? null : Number(number.value);
  }
  return values;
}

async function ask() {
  if (busy) { again = true; return; }
  again = false;
  if (!look || look.show === "Original" || settled) return;
  busy = true;
  const begun = changes;
  const answer = await server.draw(now()).catch(() => null);
  busy = false;
  if (begun === changes && answer?.picture) put(answer);
  else if (!again) uncover(); // Gradio's picture comes; ours of an older value must not stay
  if (again) ask();
}

function rest() {
  clearTimeout(resting);
  told = true;
  trigger("rest");
}

function moved() {
  clearTimeout(resting);
  resting = setTimeout(rest, REST_MS);
  told = settled = false;
  trigger("move");
  ask();
}

function left() {
  rest();
  trigger("release");
}

const ours = (event) => event.target instanceof Element && event.target.closest(TRACKS);
const soon = (act) => setTimeout(act, 0); // once the widgets have taken in what happened
document.addEventListener("input", (event) => { if (ours(event) && event.target.type === "range") soon(moved); });
document.addEventListener("change", (event) => { if (ours(event) && event.target.type === "number") soon(moved); });
document.addEventListener("click", (event) => {
  if (ours(event) && event.target.closest(".reset-button")) soon(() => { moved(); left(); });
});
document.addEventListener("pointerdown", (event) => { if (ours(event) && event.target.type === "range") holding = true; });
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => {
  if (holding) soon(left);
  holding = false;
});
document.addEventListener("focusout", (event) => { if (ours(event) && !holding) soon(() => trigger("release")); });
document.addEventListener("facevae-look", (event) => {
  look = event.detail;
  changes += 1;
});
new MutationObserver((seen) => {
  const theirs = ({ target }) => target.closest("#result, #slide") && target.src !== covered?.ours;
  if (!seen.some(theirs)) return;
  changes += 1;
  settled = told;
  covered = null;
}).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["src"] });
