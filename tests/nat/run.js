/**
 * The NAT laboratory: nodes of ours and stock nodes behind routers of every kind, in pairs, and networks that change under them.
 *
 *   node tests/nat/run.js [--only TEXT] [--list]
 *
 * --only takes the scenario files whose name contains TEXT, or if there is none, those with such a sentence. INTEROP_VERBOSE=1 shows all logs. Prints one
 * line a case and closes with "N passed, N failed, N skipped". Exit code: 0 all passed or the ring cannot run here (it says why), 1 a failure.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missing } from "../interop/harness/requirements.js";
import { runRing } from "../interop/harness/scenarios.js";

const { values } = parseArgs({ options: { only: { type: "string", default: "" }, list: { type: "boolean", default: false } } });
process.exit(await runRing("nat", join(import.meta.dirname, "scenarios"), missing("nat"), values));
