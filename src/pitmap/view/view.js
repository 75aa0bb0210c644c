"use strict";
// Two maps lie on each other and move together; the upper one is cut where the slider stands.

const element = (id) => document.getElementById(id);
const OUTLINE = { "line-color": "#000000", "line-width": 4, "line-opacity": 0.6 };
const CORE = { "line-color": "#ffe600", "line-width": 1.6 };

function text(tag, content) {
  const node = document.createElement(tag);
  node.textContent = content;
  return node;
}

function choices(study) {
  const found = [];
  for (const scene of study.scenes) {
    for (const layer of scene.layers.filter((one) => one.listed)) {
      const where = study.scenes.length > 1 ? [scene.date, scene.name] : [];
      found.push({ scene, layer, title: [layer.title, ...where.filter(Boolean)].join(" · ") });
    }
  }
  return found;
}

function style(choice, outlines) {
  const { scene, layer } = choice;
  const [west, south, east, north] = scene.bounds;
  const sources = {
    raster: {
      type: "raster",
      tiles: [`${location.origin}/tiles/${encodeURIComponent(scene.name)}/${layer.name}/{z}/{x}/{y}.png`],
      tileSize: 512,
      maxzoom: 20,
      ...(west < east ? { bounds: [west, south, east, north] } : {}),
    },
  };
  const layers = [
    { id: "background", type: "background", paint: { "background-color": "#e9ecef" } },
    { id: "raster", type: "raster", source: "raster", paint: { "raster-resampling": layer.name === "image" ? "linear" : "nearest", "raster-fade-duration": 0 } },
  ];
  if (scene.mines && outlines) {
    sources.mines = { type: "geojson", data: `${location.origin}/mines/${encodeURIComponent(scene.name)}.geojson?${scene.mines}` };
    layers.push({ id: "mines-fill", type: "fill", source: "mines", paint: { "fill-opacity": 0 } });
    layers.push({ id: "mines-halo", type: "line", source: "mines", paint: OUTLINE });
    layers.push({ id: "mines", type: "line", source: "mines", paint: CORE });
  }
  return { version: 8, sources, layers };
}

function facts(properties, scene) {
  const number = properties.id ?? properties.mine;
  const box = document.createElement("div");
  box.append(text("strong", `No. ${number}`));
  const table = document.createElement("table");
  const hectares = (value) => (value === undefined || value === null ? undefined : `${value} ha`);
  const rows = [
    ["What became of it", properties.verdict && [properties.verdict, properties.relation].filter(Boolean).join(", ")],
    ["Before", hectares(properties.before_ha)],
    ["After", hectares(properties.after_ha)],
    ["Gained", hectares(properties.gained_ha)],
    ["Lost", hectares(properties.lost_ha)],
    ["Restored", hectares(properties.restored_ha)],
    ["Class", properties.name ?? properties.class],
    ["Area", properties.area_ha === undefined ? undefined : `${properties.area_ha} ha`],
    ["Perimeter", properties.perimeter_m === undefined ? undefined : `${Math.round(properties.perimeter_m)} m`],
    ["Confidence", properties.confidence === undefined || properties.confidence === null ? undefined : `${Math.round(100 * properties.confidence)} %`],
    ["Pixels", properties.pixels],
  ];
  for (const [name, value] of rows) {
    if (value === undefined || value === null) continue;
    const row = table.insertRow();
    row.append(text("th", name), text("td", String(value)));
  }
  box.append(table);
  for (const layer of scene.layers.filter((one) => one.name === "image" || !one.listed)) {
    const picture = document.createElement("img");
    picture.src = `/thumbnails/${encodeURIComponent(scene.name)}/${layer.name}/${number}.png`;
    picture.alt = `Image round mine ${number}${layer.listed ? "" : ", " + layer.title}`;
    if (!layer.listed) box.append(text("small", layer.title));
    box.append(picture);
  }
  if (scene.timeline?.hectares[number]) box.append(history(scene.timeline, number));
  return box;
}

// Hectares on every date, with a bar each.
function history(timeline, number) {
  const table = document.createElement("table");
  table.className = "history";
  table.createCaption().textContent = "Time line";
  const values = timeline.hectares[number], most = Math.max(...values, 1e-9);
  timeline.labels.forEach((label, index) => {
    const row = table.insertRow(), bar = document.createElement("i"), cell = document.createElement("td");
    bar.style.width = `${(6 * values[index]) / most}em`;
    cell.className = "bar";
    cell.append(bar);
    row.append(text("th", label), cell, text("td", `${values[index]} ha`));
  });
  return table;
}

async function start() {
  const study = await (await fetch("/study.json")).json();
  document.title = `${study.title} – pitmap`;
  element("title").textContent = study.title;
  const explain = (layer) => {
    element("legend").replaceChildren(...(layer.classes ?? study.classes).map((one) => {
      const item = text("li", one.name);
      const patch = document.createElement("i");
      patch.style.background = one.colour;
      item.prepend(patch);
      return item;
    }));
  };
  const all = choices(study);
  for (const select of [element("left"), element("right")]) {
    all.forEach((choice, index) => select.append(new Option(choice.title, String(index))));
  }
  const second = all.findIndex((c) => c.layer.name === "map");
  element("right").value = String(second >= 0 ? second : Math.min(1, all.length - 1));
  const chosen = (id) => all[Number(element(id).value)];
  const outlines = () => element("outlines").checked;
  const fit = (scene) => {
    const [west, south, east, north] = scene.bounds;
    return [[west, south], [west < east ? east : east + 360, north]];
  };

  const options = (id, side) => ({
    container: id, style: style(chosen(side), outlines()), bounds: fit(chosen("left").scene),
    fitBoundsOptions: { padding: 20 }, dragRotate: false, pitchWithRotate: false, attributionControl: false,
    maxZoom: 21,
  });
  const under = new maplibregl.Map(options("under", "left"));
  const over = new maplibregl.Map(options("over", "right"));
  over.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  over.addControl(new maplibregl.ScaleControl(), "bottom-right");
  window.pitmap = { under, over };

  let following = false;
  const follow = (leader, follower) => leader.on("move", () => {
    if (following) return;
    following = true;
    follower.jumpTo({ center: leader.getCenter(), zoom: leader.getZoom() });
    following = false;
  });
  follow(under, over);
  follow(over, under);

  const swipe = () => {
    const share = `${Number(element("swipe").value) / 10}%`;
    element("over").style.clipPath = `inset(0 0 0 ${share})`;
    element("line").style.left = share;
  };
  element("swipe").addEventListener("input", swipe);
  swipe();

  const show = (map, side) => {
    map.setStyle(style(chosen(side), outlines()), { diff: false });
    explain((["left", "right"].map((one) => chosen(one).layer).find((layer) => layer.classes)) ?? {});
  };
  explain(chosen("right").layer);
  element("left").addEventListener("change", () => show(under, "left"));
  element("right").addEventListener("change", () => show(over, "right"));
  element("outlines").addEventListener("change", () => { show(under, "left"); show(over, "right"); });

  for (const [map, side] of [[under, "left"], [over, "right"]]) {
    map.on("click", (event) => {
      if (!map.getLayer("mines-fill")) return;
      const [found] = map.queryRenderedFeatures(event.point, { layers: ["mines-fill"] });
      if (!found) return;
      const close = text("button", "Close");
      close.addEventListener("click", () => { element("mine").hidden = true; });
      element("mine").replaceChildren(facts(found.properties, chosen(side).scene), close);
      element("mine").hidden = false;
    });
  }
  if (study.report) {
    const button = element("report");
    button.hidden = false;
    button.addEventListener("click", () => {
      const page = element("page");
      if (!page.src) page.src = `/files/${study.report}`;
      page.hidden = !page.hidden;
      button.setAttribute("aria-expanded", String(!page.hidden));
      under.resize();
      over.resize();
    });
  }
}

start().catch((error) => { element("message").textContent = `The study cannot be shown: ${error.message}`; });
