/*
 * The cross ring: what of the product a processor of 32 bits without an operating system shows.
 *
 *   node tests/cross/run.js            all of it
 *   node tests/cross/run.js native     the core compiled: bytes, stacks
 *   node tests/cross/run.js emulated   the core's unit tests on an emulated rv32imc
 */

import { checkEmulated } from "./emulated.js";
import { checkNative } from "./native.js";
import { close, skip } from "./report.js";
import { ensureSources } from "./sources.js";
import { targets } from "./targets.js";

const part = process.argv[2];
const sources = ensureSources();
if (part !== "emulated") for (const target of targets) await checkNative(target, sources);
if (part !== "native") {
	if (sources) await checkEmulated(targets[0], sources);
	else skip("the unit tests on an emulated processor", "lwIP and libsodium in source cannot be had here");
}
process.exit(close() ? 0 : 1);
