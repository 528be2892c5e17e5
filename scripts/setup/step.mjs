/**
 * What the steps of the set-up have in common.
 *
 * @typedef {object} SetupContext
 * @property {string} root Absolute path of the clone.
 * @property {NodeJS.ProcessEnv} environment What earlier steps made of the environment.
 * @property {(words: string) => void} progress Prints one line.
 *
 * @typedef {object} Provided
 * @property {NodeJS.ProcessEnv} environment
 * @property {string} version What was found or brought, in words.
 *
 * @typedef {(context: SetupContext) => Promise<Provided>} SetupStep
 */

/** What stops the set-up, in a sentence that says what to do next; shown without a stack. */
export class SetupError extends Error {}
