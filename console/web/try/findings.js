/**
 * Answers of the recogniser in one shape, whether plates or vehicles were asked for.
 *
 * @typedef {import("../types.js").Box} Box
 * @typedef {{text: string, score: number, characters: import("../types.js").Character[]}} Reading
 * @typedef {{name: string, score: number}} Guess
 *
 * @typedef {object} Plate
 * @property {number} score probability that it is a plate
 * @property {Box} box
 * @property {[number, number][]} polygon
 * @property {Reading[]} readings the best first
 * @property {{code: string, score: number}[]} regions
 *
 * @typedef {object} Vehicle
 * @property {string} type
 * @property {number} score
 * @property {Box} box
 * @property {Guess[]} makes
 * @property {Guess[]} colors
 * @property {Guess[]} orientations
 * @property {string} years
 *
 * @typedef {object} Finding
 * @property {Plate | null} plate
 * @property {Vehicle | null} vehicle
 * @property {number | null} direction degrees
 * @property {number} directionScore
 */

/**
 * @param {any} answer
 * @returns {Finding[]}
 */
export function findings(answer) {
  const results = answer.results ?? (answer.plates ?? []).map((/** @type {any} */ each) => each.result);
  return results.map((/** @type {any} */ result) => ({
    ...("plate" in result && typeof result.plate === "string" ? ofPlate(result) : ofVehicle(result)),
    direction: result.direction ?? null,
    directionScore: result.direction_score ?? 0,
  }));
}

/** @param {any} result */
function ofPlate(result) {
  const { vehicle } = result;
  const known = vehicle && (vehicle.score > 0 || vehicle.box.xmax > 0);
  return {
    plate: {
      score: result.dscore,
      box: result.box,
      polygon: result.polygon ?? [],
      readings: result.candidates.map((/** @type {any} */ each, /** @type {number} */ index) =>
        reading(each.plate, each.score, each.characters ?? (index === 0 ? result.characters : undefined)),
      ),
      regions: [result.region],
    },
    vehicle: known
      ? {
          type: vehicle.type,
          score: vehicle.score,
          box: vehicle.box,
          makes: makes(result.model_make),
          colors: guesses(result.color, "color"),
          orientations: guesses(result.orientation, "orientation"),
          years: years(result.year),
        }
      : null,
  };
}

/** @param {any} result */
function ofVehicle({ plate, vehicle }) {
  return {
    plate: plate && {
      score: plate.score,
      box: plate.box,
      polygon: plate.polygon ?? [],
      readings: plate.props.plate.map((/** @type {any} */ each) => reading(each.value, each.score, each.characters)),
      regions: plate.props.region.map((/** @type {any} */ each) => ({ code: each.value, score: each.score })),
    },
    vehicle: vehicle && {
      type: vehicle.type,
      score: vehicle.score,
      box: vehicle.box,
      makes: makes(vehicle.props.make_model),
      colors: guesses(vehicle.props.color, "value"),
      orientations: guesses(vehicle.props.orientation, "value"),
      years: years(vehicle.props.year),
    },
  };
}

/**
 * @param {string} text
 * @param {number} score
 * @param {import("../types.js").Character[]} [characters]
 * @returns {Reading}
 */
function reading(text, score, characters) {
  return { text, score, characters: characters ?? [] };
}

/** @param {any[]} [found] */
function makes(found = []) {
  return found
    .filter((each) => each.make !== "generic" && each.score > 0)
    .map((each) => ({ name: each.model === "Unknown" ? each.make : `${each.make} ${each.model}`, score: each.score }));
}

/**
 * @param {any[] | undefined} found
 * @param {string} field
 */
function guesses(found, field) {
  return (found ?? []).filter((each) => each.score > 0).map((each) => ({ name: each[field], score: each.score }));
}

/** @param {any[]} [found] */
function years(found) {
  if (!found?.length) return "";
  const [from, to] = found[0].year_range;
  return from === to ? String(from) : `${from}–${to}`;
}
