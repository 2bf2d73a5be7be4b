// Tiles of a gallery are called after their pictures, and say which one is chosen: Gradio calls them "Thumbnail 1 of 12".
const set = (button, name, value) => value && button.getAttribute(name) !== value && button.setAttribute(name, value);
const nameAll = () => document.querySelectorAll(".tiles .thumbnail-item").forEach((button) => {
  set(button, "aria-label", button.querySelector("img")?.alt);
  set(button, "aria-pressed", String(button.classList.contains("selected")));
});
const look = { childList: true, subtree: true, attributes: true, attributeFilter: ["alt", "class", "aria-label"] };
new MutationObserver(nameAll).observe(document.querySelector("#tabs") || document.body, look);
nameAll();
