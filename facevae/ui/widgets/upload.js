// Upload of photos by the browser itself, with progress and Cancel: chosen, dropped or pasted (facevae/ui/widgets/upload.py says why).
const [choose, cancel] = ["choose", "cancel"].map((name) => element.querySelector(`button.${name}`));
const [field, line, bar, note] = ["input", ".progress", "progress", ".note"].map((name) => element.querySelector(name));
const several = field.multiple, mostBytes = Number(field.dataset.mostBytes), mostFiles = Number(field.dataset.mostFiles);
let waiting = [], running = null;

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

function say(words) {
  note.textContent = words;
}

function drop() {
  waiting = [];
  running?.abort();
  running = null;
  line.hidden = true;
}

function send(file, others) {
  const body = new FormData(), request = new XMLHttpRequest();
  body.append("files", file);
  running = request;
  line.hidden = false;
  bar.removeAttribute("value");
  line.querySelector("span").textContent = file.name;
  request.upload.onprogress = ({ loaded, total }) => { if (running === request) bar.value = loaded / total; };
  const over = (act) => () => {
    if (running !== request) return; // cancelled, or a later choice is on its way
    running = null;
    line.hidden = true;
    act();
    if (waiting.length) send(waiting.shift(), 0);
  };
  request.onload = over(() => {
    let answer = null;
    try { answer = JSON.parse(request.responseText); } catch { /* told below */ }
    if (request.status === 200 && answer?.length) trigger("upload", { path: answer[0], others });
    else say(answer?.error || answer?.detail || `${file.name} could not be uploaded: try again.`);
  });
  request.onerror = over(() => say(`${file.name} could not be uploaded: the page cannot be reached.`));
  request.open("POST", `${window.gradio_config?.root ?? "."}/gradio_api/upload`);
  request.send(body);
}

// The last choice wins where there is place for one photo; where there is for several, all are taken, in their order.
function take(files) {
  say("");
  const small = files.filter((file) => file.size <= mostBytes), large = files.find((file) => file.size > mostBytes);
  if (large) say(`${large.name} is too large a file (${megabytes(large.size)} MB): at most ${Math.round(mostBytes / 1e6)} MB work.`);
  if (!small.length) return;
  if (!several) {
    drop();
    send(small[0], small.length - 1);
    return;
  }
  if (small.length > mostFiles) say(`The first ${mostFiles} of ${small.length} files are taken.`);
  waiting.push(...small.slice(0, mostFiles));
  if (!running) send(waiting.shift(), 0);
}

choose.addEventListener("click", () => { field.value = ""; field.click(); });
field.addEventListener("change", () => take([...field.files]));
element.addEventListener("facevae-files", (event) => take(event.detail));
element.addEventListener("facevae-address", () => say("This is an address, not a photo: save the picture, then open the file."));
cancel.addEventListener("click", () => {
  drop();
  say("The upload was cancelled.");
  choose.focus();
});
