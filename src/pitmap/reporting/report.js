// Two conveniences for the pictures of a scene; the page is complete without them.
for (const figure of document.querySelectorAll("figure.scene")) {
  const tools = document.createElement("div");
  tools.className = "tools";
  const map = figure.querySelector(".map img"), stack = figure.querySelector(".image .stack");
  if (map && stack) {
    const laid = map.cloneNode();
    laid.className = "laid";
    laid.alt = "";
    laid.style.opacity = 0;
    stack.querySelector("img").after(laid);
    const label = document.createElement("label"), slider = document.createElement("input");
    slider.type = "range";
    slider.min = 0;
    slider.max = 100;
    slider.value = 0;
    slider.addEventListener("input", () => { laid.style.opacity = slider.value / 100; });
    label.append(`${document.body.dataset.lay} `, slider);
    tools.append(label);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = document.body.dataset.larger;
  button.addEventListener("click", () => {
    button.textContent = document.body.dataset[figure.classList.toggle("larger") ? "smaller" : "larger"];
  });
  tools.append(button);
  figure.querySelector(".panels").before(tools);
}
