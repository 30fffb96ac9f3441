// Draws one chart with Plotly in the colours of the page around it. Used by the board and the report.

const FEDERATION = '*';

function plotlyOptions() {
  return {
    displaylogo: false,
    displayModeBar: isTouch() ? false : 'hover',
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d', 'toImage'],
    responsive: true,
    showSendToCloud: false, // plotly.js would send the data to its maker's server
    plotlyServerURL: '',
  };
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function readTheme(root) {
  const style = getComputedStyle(root);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    ink: read('--st-text-color', '#1f2937'),
    paper: read('--st-background-color', '#ffffff'),
    line: 'rgba(128,128,128,0.22)',
    font: style.fontFamily,
  };
}

function isDark(color) {
  const probe = element('canvas').getContext('2d');
  probe.fillStyle = color;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

function themedTrace(trace, theme, hidden) {
  const site = trace.meta?.site;
  const shown = { ...trace, visible: !hidden.has(site) };
  if (site !== FEDERATION) return shown;
  return { ...shown, line: { ...trace.line, color: theme.ink }, marker: { ...trace.marker, color: theme.ink } };
}

function themedLayout(layout, theme) {
  const axis = (settings) => ({
    automargin: true, gridcolor: theme.line, linecolor: theme.line, zeroline: false, fixedrange: isTouch(), ...settings,
  });
  return {
    ...layout,
    autosize: true,
    dragmode: isTouch() ? false : 'zoom',
    font: { color: theme.ink, family: theme.font, size: 12 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    hoverlabel: { bgcolor: theme.paper, bordercolor: theme.line, font: { color: theme.ink, family: theme.font } },
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: theme.ink, activecolor: theme.ink },
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  };
}

// On a touch screen a finger on a chart scrolls the page; zooming there would trap it.
function isTouch() {
  return matchMedia('(pointer: coarse)').matches;
}

function makeChart(board) {
  const note = element('p', 'fl-note');
  const plot = element('div', 'fl-plot');
  const empty = element('p', 'fl-note');
  const slider = makeSlider(board.words, draw);
  const save = element('button', 'fl-action', 'PNG');
  let chart = null;

  plot.setAttribute('role', 'figure');
  save.type = 'button';
  save.onclick = savePicture;

  function shownFrame() {
    return chart.frames[slider.position(chart.frames.length)];
  }

  function draw() {
    const theme = readTheme(plot);
    const frame = shownFrame();
    plot.setAttribute('aria-label', frame?.alt ?? chart.alt);
    slider.show(chart.frames, frame);
    const data = (frame?.data ?? chart.figure.data).map((trace) => themedTrace(trace, theme, board.hidden));
    plot.style.height = chart.figure.layout.height ? `${chart.figure.layout.height}px` : '';
    Plotly.react(plot, data, themedLayout(chart.figure.layout, theme), plotlyOptions());
  }

  function savePicture() {
    const theme = readTheme(plot);
    const font = { ...plot.layout.font, family: 'sans-serif' }; // the page's own is not to be had in a picture
    const layout = { ...plot.layout, font, paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, title: { text: chart.title }, margin: { l: 60, r: 30, t: 60, b: 60 } };
    Plotly.downloadImage({ data: plot.data, layout }, { format: 'png', scale: 2, width: 1000, height: 560, filename: `fedluna-${chart.name}` });
  }

  return {
    body: [note, plot, slider.root, empty],
    head: [save],
    show(newChart) {
      chart = newChart;
      const isEmpty = !chart.figure;
      note.textContent = chart.note;
      empty.textContent = isEmpty ? chart.empty : '';
      plot.hidden = save.hidden = isEmpty;
      if (isEmpty) slider.root.hidden = true;
      else draw();
      save.setAttribute('aria-label', `${board.words.save_picture}: ${chart.title}`);
    },
    restyle() {
      if (chart?.figure) draw();
    },
    remove() {
      Plotly.purge(plot);
    },
  };
}

// A slider through the frames of a chart; it stays with the newest until somebody moves it.
function makeSlider(words, draw) {
  const range = element('input', 'fl-range');
  const label = element('output', 'fl-note');
  const root = element('div', 'fl-slider', range, label);
  let chosen = null;

  range.type = 'range';
  range.min = '0';
  range.setAttribute('aria-label', words.choose_round);
  range.oninput = () => {
    chosen = range.value === range.max ? null : Number(range.value);
    draw();
  };

  return {
    root,
    position: (numFrames) => Math.min(chosen ?? Infinity, numFrames - 1),
    show(frames, frame) {
      root.hidden = frames.length < 2;
      if (root.hidden) return;
      range.max = String(frames.length - 1);
      range.value = String(frames.indexOf(frame));
      label.textContent = frame.label;
      range.setAttribute('aria-valuetext', frame.label);
    },
  };
}
