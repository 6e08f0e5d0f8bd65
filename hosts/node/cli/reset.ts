/** `reset`: the factory reset of a state folder. Nobody is asked: control keeps the machine in its list. */
import { existsSync } from "node:fs";
import Tailnet from "../../../modules/tailnet.js";
import { type CommandOptions, UsageError } from "./options.js";
import { ExitCode, startExitCodeOf } from "./up.js";

export function reset({ stateDir }: CommandOptions): number {
	if (stateDir === undefined) throw new UsageError("reset: expected --state-dir");
	if (!existsSync(stateDir)) throw new UsageError(`reset: there is no folder ${stateDir}`);
	try {
		Tailnet.reset(stateDir);
	} catch (error) {
		const { code, message } = error as { code: string; message: string };
		console.error(`error: ${message} (${code})`);
		return startExitCodeOf(code);
	}
	console.log(`nothing of a node is left in ${stateDir}: its next start is a new machine, which needs a login`);
	return ExitCode.ok;
}
