/*
 * The cross ring: what of the product a processor of 32 bits without an operating system shows.
 *
 *   node tests/cross/run.js            all of it
 *   node tests/cross/run.js native     the core compiled: bytes, stacks
 *   node tests/cross/run.js emulated   the core's unit tests on an emulated rv32imc
 *   node tests/cross/run.js switches   the core built as a manifest may ask for it
 *   node tests/cross/run.js desktops   the hosts of macOS and Windows, as far as a Linux machine can tell
 */

import { checkDesktops } from "./desktops.js";
import { checkEmulated } from "./emulated.js";
import { checkNative } from "./native.js";
import { close, skip } from "./report.js";
import { ensureSources } from "./sources.js";
import { checkSwitches } from "./switches.js";
import { targets } from "./targets.js";

const wanted = process.argv[2];
const wants = (part) => wanted === undefined || wanted === part;
const sources = ensureSources();
if (wants("native")) for (const target of targets) await checkNative(target, sources);
if (wants("desktops")) {
	if (sources) await checkDesktops(sources);
	else skip("the hosts of macOS and Windows", "lwIP and libsodium in source cannot be had here");
}
if (!sources) skip("what runs on an emulated processor", "lwIP and libsodium in source cannot be had here");
else {
	if (wants("emulated")) await checkEmulated(targets[0], sources);
	if (wants("switches")) await checkSwitches(targets[0], sources);
}
process.exit(close() ? 0 : 1);
