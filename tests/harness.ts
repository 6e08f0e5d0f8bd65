/**
 * `test`, `describe`, `expect` and a few helpers for every test of modules/. In Node they are jest's; tests/xs/harness.ts takes this module's
 * place when the tests are bundled for an XS engine, and implements the matchers used here.
 */
import { beforeEach, describe, expect, test } from "@jest/globals";

export { fromHex, Random, toHex } from "./xs/harness-tools.js";
export { beforeEach, describe, expect, test };
