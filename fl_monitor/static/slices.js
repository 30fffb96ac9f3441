// The slices of a scan: asked for one by one, kept in memory for a while, and drawn in grey.

const PLANES = { axial: { across: 0, down: 1, right: 2 }, coronal: { across: 1, down: 0, right: 2 }, sagittal: { across: 2, down: 0, right: 1 } };
const SLICES_KEPT_BYTES = 128e6;
const SLICES_AHEAD = 6;
const LOADS_AT_ONCE = 4;
const MARK = '#ffd84d';
const CHOSEN_MARK = '#ff7ad9';

// Gives slices by plane and number. What is wanted now comes first, then its neighbours; what was passed over never.
function makeSlices(scan, onLoad, onLoss) {
  const kept = new Map();
  const loading = new Set();
  let wanted = [];
  let keptBytes = 0;
  let isOver = false;

  function pump() {
    for (const key of wanted) {
      if (isOver || loading.size >= LOADS_AT_ONCE) return;
      if (!kept.has(key) && !loading.has(key)) load(key);
    }
  }

  async function load(key) {
    loading.add(key);
    try {
      const reply = await fetch(`/api/scans/${scan.id}/slices/${key}`, { cache: 'no-store' });
      if (!reply.ok) throw new Error(await reply.text());
      keep(key, new Int16Array(await reply.arrayBuffer()));
      if (!isOver) onLoad();
    } catch (error) {
      wanted = wanted.filter((other) => other !== key);
      if (!isOver) onLoss(error.message);
    }
    loading.delete(key);
    pump();
  }

  function keep(key, pixels) {
    kept.set(key, pixels);
    keptBytes += pixels.byteLength;
    for (const [oldest, old] of kept) {
      if (keptBytes <= SLICES_KEPT_BYTES) return;
      kept.delete(oldest);
      keptBytes -= old.byteLength;
    }
  }

  return {
    get(plane, number) {
      const key = `${plane}/${number}`;
      const pixels = kept.get(key);
      if (pixels && kept.delete(key)) kept.set(key, pixels); // the last to be forgotten
      return pixels;
    },
    // Slices at a position in every plane, and those beside it in the one that somebody goes through.
    want(position, leading) {
      const keyOf = (plane, number) => `${plane}/${number}`;
      wanted = Object.keys(PLANES).map((plane) => keyOf(plane, position[PLANES[plane].across]));
      const { across } = PLANES[leading];
      for (let step = 1; step <= SLICES_AHEAD; step += 1) {
        for (const number of [position[across] + step, position[across] - step]) {
          if (number >= 0 && number < scan.size_zyx_vox[across]) wanted.push(keyOf(leading, number));
        }
      }
      pump();
    },
    stop() {
      isOver = true;
      kept.clear();
    },
  };
}

// Where a plane's voxels come to lie on a canvas: as large as fits, in the proportions of the body.
function placeOn(canvas, scan, plane) {
  const { down, right } = PLANES[plane];
  const [rows, columns] = [scan.size_zyx_vox[down], scan.size_zyx_vox[right]];
  const [rowMm, columnMm] = [scan.spacing_zyx_mm[down], scan.spacing_zyx_mm[right]];
  const pxPerMm = Math.min(canvas.width / (columns * columnMm), canvas.height / (rows * rowMm));
  const [width, height] = [columns * columnMm * pxPerMm, rows * rowMm * pxPerMm];
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  const isHeadUp = down === 0; // z grows to the head, which is above
  const toRow = (row) => (isHeadUp ? rows - 1 - row : row);
  return {
    rows, columns, left, top, width, height, pxPerMm,
    toPx: (position) => [left + (position[right] + 0.5) * columnMm * pxPerMm, top + (toRow(position[down]) + 0.5) * rowMm * pxPerMm],
    toVoxel(x, y) {
      const inside = (value, most) => Math.min(Math.max(Math.floor(value), 0), most - 1);
      return { [right]: inside((x - left) / (columnMm * pxPerMm), columns), [down]: toRow(inside((y - top) / (rowMm * pxPerMm), rows)) };
    },
  };
}

function paintSlice(canvas, place, pixels, view) {
  const picture = new ImageData(place.columns, place.rows);
  const grey = new Uint32Array(picture.data.buffer);
  const low = view.level - view.width / 2;
  const scale = 255 / view.width;
  for (let i = 0; i < pixels.length; i += 1) {
    const value = Math.min(Math.max((pixels[i] - low) * scale, 0), 255) | 0;
    grey[i] = 0xff000000 | (value << 16) | (value << 8) | value;
  }
  const sheet = element('canvas');
  [sheet.width, sheet.height] = [place.columns, place.rows];
  sheet.getContext('2d').putImageData(picture, 0, 0);
  const brush = canvas.getContext('2d');
  brush.fillStyle = '#000';
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.imageSmoothingQuality = 'high';
  brush.drawImage(sheet, place.left, place.top, place.width, place.height);
}

// The nodules whose ball a slice cuts.
function nodulesIn(scan, plane, number) {
  const { across } = PLANES[plane];
  const spacingMm = scan.spacing_zyx_mm[across];
  return scan.nodules.filter((nodule) => Math.abs(nodule.center_zyx_vox[across] - number) * spacingMm <= Math.max(nodule.diameter_mm, spacingMm) / 2);
}

function paintMarks(canvas, place, nodules, chosenRank) {
  const brush = canvas.getContext('2d');
  const unit = canvas.width / canvas.clientWidth || 1;
  brush.font = `600 ${12 * unit}px system-ui, sans-serif`;
  for (const nodule of nodules) {
    const [x, y] = place.toPx(nodule.center_zyx_vox);
    const radius = (nodule.diameter_mm / 2) * place.pxPerMm;
    const isChosen = nodule.rank === chosenRank;
    for (const [style, width] of [['rgba(0,0,0,0.6)', 4], [isChosen ? CHOSEN_MARK : MARK, isChosen ? 2 : 1.5]]) {
      brush.strokeStyle = style;
      brush.lineWidth = width * unit;
      brush.beginPath();
      brush.arc(x, y, radius, 0, 2 * Math.PI);
      brush.stroke();
    }
    paintText(brush, String(nodule.rank), x + (radius + 3 * unit) * 0.8, y - (radius + 3 * unit) * 0.8, isChosen ? CHOSEN_MARK : MARK, unit);
  }
}

// Which side of the body is where, and at the edges where the other planes cut.
function paintGuides(canvas, plane, place, position, letters) {
  const brush = canvas.getContext('2d');
  const unit = canvas.width / canvas.clientWidth || 1;
  const [rightSide, leftSide, front, back, head, feet] = letters;
  const [left, right] = plane === 'sagittal' ? [front, back] : [rightSide, leftSide];
  const [top, bottom] = plane === 'axial' ? [front, back] : [head, feet];
  const [width, height] = [canvas.width, canvas.height];
  const edge = 11 * unit;
  brush.font = `${12 * unit}px system-ui, sans-serif`;
  brush.textAlign = 'center';
  brush.textBaseline = 'middle';
  for (const [text, x, y] of [[left, edge, height / 2], [right, width - edge, height / 2], [top, width / 2, edge], [bottom, width / 2, height - edge]]) {
    paintText(brush, text, x, y, '#e5e7eb', unit);
  }
  const [x, y] = place.toPx(position);
  brush.strokeStyle = '#7db9f5';
  brush.lineWidth = unit;
  brush.beginPath();
  for (const [from, to] of [[0, 6], [height - 6 * unit, height]]) { brush.moveTo(x, from); brush.lineTo(x, from ? to : 6 * unit); }
  for (const [from, to] of [[0, 6], [width - 6 * unit, width]]) { brush.moveTo(from, y); brush.lineTo(from ? to : 6 * unit, y); }
  brush.stroke();
}

function paintText(brush, text, x, y, color, unit) {
  brush.lineWidth = 3 * unit;
  brush.strokeStyle = 'rgba(0,0,0,0.75)';
  brush.strokeText(text, x, y);
  brush.fillStyle = color;
  brush.fillText(text, x, y);
}
