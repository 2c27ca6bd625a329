/**
 * Shapes that the API answers with, as far as the page reads them.
 *
 * @typedef {{xmin: number, ymin: number, xmax: number, ymax: number}} Box pixels
 * @typedef {{char: string, score: number}} Character
 * @typedef {{code: string, name: string, country: string, predicted: boolean}} Region
 * @typedef {{name: string, polygon: [number, number][]}} Zone corners are fractions of width and height
 *
 * @typedef {object} Read One plate of one picture.
 * @property {string} id
 * @property {string} plate
 * @property {string | null} camera_id
 * @property {string} time
 * @property {number} score
 * @property {number} dscore
 * @property {{code: string, score: number}} region
 * @property {{type: string, make: string, model: string, color: string, orientation: string, direction: number | null} | null} vehicle
 * @property {Box} box
 * @property {{plate: string | null, vehicle: string | null}} image
 * @property {Correction | null} correction
 * @property {string[]} watchlists
 * @property {number} seen_before
 *
 * @typedef {{plate?: string, region?: string, make?: string, model?: string, color?: string, accepted?: boolean}} Correction
 * @typedef {{plate: string, note: string, valid_from: string | null, valid_to: string | null}} Listed
 * @typedef {{id: string, name: string, plates: Listed[], distance: number}} WatchList
 */

export {};
