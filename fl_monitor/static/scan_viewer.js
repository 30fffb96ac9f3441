// The viewer of one scan: three planes through a point, a grey window, and the nodules that were found.

const WINDOWS = { lung: { width: 1500, level: -600 }, mediastinum: { width: 400, level: 40 }, bone: { width: 1800, level: 400 } };
const CLICK_PX = 4;
const SLIDE_PX_PER_SLICE = 6;
const NOTCH_PX = 40;
const PAGE_SLICES = 10;

function makeViewer(words) {
  const state = { scan: null, slices: null, position: [0, 0, 0], view: { ...WINDOWS.lung }, chosen: null, main: 'axial', leading: 'axial' };
  const planes = Object.fromEntries(Object.keys(PLANES).map((plane) => [plane, makePlane(plane)]));
  const presets = Object.keys(WINDOWS).map((name) => {
    const button = actionButton(words[name], () => { state.view = { ...WINDOWS[name] }; draw(); });
    button.dataset.window = name;
    return button;
  });
  const level = element('output', 'fl-note');
  const fault = element('p', 'fl-bad');
  const group = element('div', 'fl-windows', ...presets, level);
  group.setAttribute('role', 'group');
  group.setAttribute('aria-label', words.window);
  fault.setAttribute('role', 'status');
  const title = element('h2', '');
  const grid = element('div', 'fl-planes', ...Object.values(planes).map((plane) => plane.root));
  const root = element('section', 'fl-card fl-viewer', element('div', 'fl-head', title, group), fault, grid, element('p', 'fl-note', words.help));
  const resized = new ResizeObserver(() => { if (state.scan) draw(); });
  Object.values(planes).forEach((plane) => resized.observe(plane.canvas));

  function makePlane(plane) {
    const canvas = element('canvas', 'fl-slice');
    const range = element('input', 'fl-range');
    const label = element('span', 'fl-note');
    const enlarge = actionButton(words[plane], () => { state.main = plane; draw(); });
    enlarge.setAttribute('aria-label', `${words.enlarge}: ${words[plane]}`);
    canvas.setAttribute('role', 'img');
    range.type = 'range';
    range.min = '0';
    range.setAttribute('aria-label', words.plane.replace('{plane}', words[plane]));
    range.oninput = () => goTo(plane, Number(range.value));
    range.onkeydown = (event) => {
      const step = { PageUp: PAGE_SLICES, PageDown: -PAGE_SLICES }[event.key];
      if (!step) return;
      event.preventDefault();
      goTo(plane, Number(range.value) + step);
    };
    listenTo(canvas, {
      scroll: (step) => goTo(plane, state.position[PLANES[plane].across] + step),
      window: (dx, dy) => {
        state.view = { width: Math.max(1, state.view.width + 4 * dx), level: state.view.level + 2 * dy };
        draw();
      },
      click: (x, y) => {
        range.focus({ preventScroll: true });
        const found = placeOn(canvas, state.scan, plane).toVoxel(x, y);
        moveTo(state.position.map((number, axis) => found[axis] ?? number), plane);
      },
    });
    const root = element('div', 'fl-plane', element('div', 'fl-plane-head', enlarge, label), canvas, range);
    root.dataset.plane = plane;
    return { root, canvas, range, label, enlarge };
  }

  function goTo(plane, number) {
    const { across } = PLANES[plane];
    moveTo(state.position.map((old, axis) => (axis === across ? number : old)), plane);
  }

  function moveTo(position, leading) {
    state.position = position.map((number, axis) => Math.min(Math.max(Math.round(number), 0), state.scan.size_zyx_vox[axis] - 1));
    state.leading = leading;
    state.slices.want(state.position, leading);
    draw();
  }

  function draw() {
    for (const plane of Object.keys(PLANES)) drawPlane(plane);
    for (const button of presets) {
      const preset = WINDOWS[button.dataset.window];
      button.setAttribute('aria-pressed', String(preset.width === state.view.width && preset.level === state.view.level));
    }
    level.textContent = words.level.replace('{width}', Math.round(state.view.width)).replace('{level}', Math.round(state.view.level));
    grid.dataset.main = state.main;
  }

  // A slice that is still on its way leaves the one before, and what is said stays about that one.
  function drawPlane(plane) {
    const { canvas, range, label, enlarge } = planes[plane];
    const { across } = PLANES[plane];
    const number = state.position[across];
    range.max = String(state.scan.size_zyx_vox[across] - 1);
    range.value = String(number);
    enlarge.setAttribute('aria-pressed', String(plane === state.main));
    const pixels = state.slices.get(plane, number);
    if (!pixels || !canvas.clientWidth) return;
    [canvas.width, canvas.height] = [canvas.clientWidth, canvas.clientHeight].map((px) => Math.round(px * devicePixelRatio));
    const place = placeOn(canvas, state.scan, plane);
    const nodules = nodulesIn(state.scan, plane, number);
    paintSlice(canvas, place, pixels, state.view);
    paintGuides(canvas, plane, place, state.position, words.letters.split(' '));
    paintMarks(canvas, place, nodules, state.chosen);
    const where = words.slice.replace('{number}', number + 1).replace('{total}', state.scan.size_zyx_vox[across]);
    const marked = nodules.length ? `, ${words.marked.replace('{ranks}', nodules.map((nodule) => nodule.rank).join(', '))}` : '';
    label.textContent = `${number + 1} / ${state.scan.size_zyx_vox[across]}`;
    canvas.setAttribute('aria-label', `${words[plane]}, ${where}${marked}`);
    range.setAttribute('aria-valuetext', `${where}${marked}`);
    canvas.dataset.slice = String(number);
    canvas.dataset.marked = nodules.map((nodule) => nodule.rank).join(' ');
  }

  return {
    root,
    open(scan) {
      state.slices?.stop();
      fault.textContent = '';
      title.textContent = scan.label;
      state.scan = scan;
      state.chosen = null;
      state.slices = makeSlices(scan, draw, (reason) => { fault.textContent = words.unloaded.replace('{reason}', reason); });
      moveTo(scan.size_zyx_vox.map((size) => size / 2), 'axial');
    },
    choose(nodule) {
      state.chosen = nodule.rank;
      moveTo(nodule.center_zyx_vox, 'axial');
    },
    close() {
      state.slices?.stop();
      state.scan = null;
    },
    remove() { resized.disconnect(); },
  };
}

// A mouse drags the window and turns slices with its wheel; a finger slides through slices sideways.
function listenTo(canvas, on) {
  let from = null;
  let turned = 0;

  canvas.addEventListener('wheel', (event) => {
    if (event.ctrlKey) return; // zooms the page
    event.preventDefault();
    turned += event.deltaMode ? NOTCH_PX * Math.sign(event.deltaY) : Math.max(-NOTCH_PX, Math.min(NOTCH_PX, event.deltaY));
    const steps = Math.trunc(turned / NOTCH_PX);
    turned -= steps * NOTCH_PX;
    if (steps) on.scroll(-steps);
  }, { passive: false });
  canvas.onpointerdown = (event) => {
    from = { x: event.clientX, y: event.clientY, isDragged: false };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (!from.isDragged && Math.hypot(dx, dy) < CLICK_PX) return;
    from.isDragged = true;
    const slices = Math.trunc(dx / SLIDE_PX_PER_SLICE);
    if (event.pointerType !== 'touch') {
      on.window(dx, dy);
      [from.x, from.y] = [event.clientX, event.clientY];
    } else if (slices) {
      on.scroll(slices);
      from.x += slices * SLIDE_PX_PER_SLICE;
    }
  };
  canvas.onpointerup = (event) => {
    if (from && !from.isDragged) {
      const box = canvas.getBoundingClientRect();
      on.click((event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio);
    }
    from = null;
  };
  canvas.onpointercancel = () => { from = null; };
}

function actionButton(text, onClick) {
  const button = element('button', 'fl-action', text);
  button.type = 'button';
  button.onclick = onClick;
  return button;
}
