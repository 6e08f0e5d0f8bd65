/**
 * The browser ring: the status page in a real Chromium, over a tailnet, through a stock peer.
 *
 *   node tests/browser/run.js [--only TEXT]
 *
 * Pictures of the page go to build/browser. Closes with "N passed, N failed, N skipped". Scenario files are what tests/interop/harness/scenarios.js runs.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missing } from "../interop/harness/requirements.js";
import { runRing } from "../interop/harness/scenarios.js";
import { browserMissing } from "./harness/browser.js";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
process.exit(await runRing("browser", join(import.meta.dirname, "scenarios"), [...missing(), ...browserMissing()], values));
