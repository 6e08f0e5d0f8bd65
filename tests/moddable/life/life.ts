/**
 * An app whose nodes begin and end. Its commands:
 *
 *   {"do":"cycle","count":N,"until":S}     N nodes one after the other, each closed when it has come to S (see cycles.ts)
 *   {"do":"closeIn","callback":C}          one node, closed in the first call of that callback
 *   {"do":"keep"}                          a node that runs on, with sockets in use; {"do":"drop"} closes it
 *   {"do":"worker","count":N,"until":S}    N workers one after the other, each with a node, terminated when that has come to S
 *   {"do":"figures"}                       what is in use
 *
 * Members of "options" are options of the nodes, besides those that the app was begun with.
 */

import { closeIn } from "life/close-in";
import { cycle, use } from "life/cycles";
import { cycleWorkers } from "life/workers";
import { figures } from "subject/figures";
import type { Say } from "subject/up";
import Tailnet, { type TailnetOptions } from "tailnet";

interface Command {
	id?: number;
	do: string;
	count?: number;
	until?: string;
	callback?: string;
	options?: TailnetOptions;
}

export function life(base: TailnetOptions, say: Say): (line: string) => void {
	let kept: Tailnet | undefined;
	const actions: Record<string, (command: Command, options: TailnetOptions) => object | Promise<object>> = {
		async cycle({ count = 1, until = "" }, options) {
			await cycle(options, count, until);
			return {};
		},
		async closeIn({ callback = "" }, options) {
			return { after: await closeIn(options, callback) };
		},
		async keep(_command, options) {
			kept = new Tailnet(options);
			await kept.running;
			use(kept);
			return { addresses: kept.addresses };
		},
		drop() {
			kept?.close();
			kept = undefined;
			return {};
		},
		begin(_command, options) {
			kept = new Tailnet(options);
			return {};
		},
		async worker({ count = 1, until = "" }, options) {
			await cycleWorkers(options, count, until);
			return {};
		},
		figures,
		state: () => ({ state: kept?.state ?? "none" }),
	};
	say({ event: "loaded" });
	return (line) => {
		const command = JSON.parse(line) as Command;
		const id = command.id ?? null;
		if (command.do === "close") {
			kept?.close();
			say({ event: "result", id, ok: true });
			say({ event: "exit", code: 0 });
			return;
		}
		const action = actions[command.do];
		if (!action) {
			say({ event: "result", id, ok: false, message: `do: no command called ${command.do}` });
			return;
		}
		Promise.resolve()
			.then(() => action(command, { ...base, ...command.options }))
			.then(
				(result) => say({ event: "result", id, ok: true, ...result }),
				(error: Error) => say({ event: "result", id, ok: false, message: error.message }),
			);
	};
}
