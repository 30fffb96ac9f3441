// Draws charts with Plotly in the colours of the page around them. Used by the Live page and the report.

const FEDERATION = '*';

function plotlyOptions() {
  return {
    displaylogo: false,
    displayModeBar: isTouch() ? false : 'hover',
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
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
  const site = trace.meta.site;
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

function makeCharts(grid, legend) {
  const drawn = new Map();
  const hidden = new Set();
  let charts = [];
  let colors = {};

  function draw() {
    const theme = readTheme(grid);
    for (const name of [...drawn.keys()]) {
      if (!charts.some((chart) => chart.name === name)) removeCard(name);
    }
    for (const chart of charts) {
      const { plot, note } = drawn.get(chart.name) ?? addCard(chart);
      note.textContent = chart.note;
      plot.setAttribute('aria-label', chart.alt);
      const data = chart.figure.data.map((trace) => themedTrace(trace, theme, hidden));
      Plotly.react(plot, data, themedLayout(chart.figure.layout, theme), plotlyOptions());
    }
  }

  function addCard(chart) {
    const note = element('p', 'fl-note');
    const plot = element('div', 'fl-plot');
    plot.setAttribute('role', 'img');
    const card = element('section', 'fl-card fl-chart', element('h3', '', chart.title), note, plot);
    card.dataset.chart = chart.name;
    grid.append(card);
    const parts = { plot, note, card };
    drawn.set(chart.name, parts);
    return parts;
  }

  function removeCard(name) {
    Plotly.purge(drawn.get(name).plot);
    drawn.get(name).card.remove();
    drawn.delete(name);
  }

  function drawLegend() {
    const entries = [[FEDERATION, readTheme(grid).ink], ...Object.entries(colors)];
    legend.replaceChildren(...entries.map(([site, color]) => legendButton(site, color)));
    legend.hidden = charts.length === 0;
  }

  function legendButton(site, color) {
    const swatch = element('span', 'fl-swatch');
    swatch.style.background = color;
    const button = element('button', 'fl-legend', swatch, site === FEDERATION ? 'Federation' : site);
    button.type = 'button';
    button.setAttribute('aria-pressed', String(!hidden.has(site)));
    button.onclick = () => {
      if (!hidden.delete(site)) hidden.add(site);
      button.setAttribute('aria-pressed', String(!hidden.has(site)));
      draw();
    };
    return button;
  }

  return {
    show(newCharts, newColors) {
      charts = newCharts;
      colors = newColors;
      draw();
      drawLegend();
    },
    restyle() {
      draw();
      drawLegend();
    },
    remove() {
      [...drawn.keys()].forEach(removeCard);
    },
  };
}
