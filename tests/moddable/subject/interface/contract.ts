/** The contract of the socket classes (tests/contract) between two nodes in one app: {"do":"run"} answers with its cases, and what each missed. */

import { cases } from "contract/contract";
import type { Side } from "contract/place";
import type { Say } from "subject/up";
import Tailnet, { type TailnetOptions } from "tailnet";
import Timer from "timer";

const limitMS = 20_000;
const restMS = 60;

function until(what: string, condition: () => boolean): Promise<void> {
	return new Promise((resolve, reject) => {
		const end = Date.now() + limitMS;
		const look = (): void => {
			try {
				if (condition()) resolve();
				else if (Date.now() > end) reject(new Error(`did not come: ${what}`));
				else Timer.set(look, 2);
			} catch (error) {
				reject(error);
			}
		};
		look();
	});
}

const rest = (): Promise<void> => new Promise((resolve) => void Timer.set(() => resolve(), restMS));

function open(options: TailnetOptions, hostname: string): { tailnet: Tailnet; reported: string[] } {
	const reported: string[] = [];
	return { reported, tailnet: new Tailnet({ ...options, hostname, onError: (error) => reported.push(error.message) }) };
}

function sideOf({ tailnet, reported }: ReturnType<typeof open>, name: string): Side {
	const { TCP, UDP, Listener, Resolver, addresses } = tailnet;
	const isV6 = (address: string): boolean => address.includes(":");
	return { TCP, UDP, Listener, Resolver, name, reported, v4: addresses.find((each) => !isV6(each)) as string, v6: addresses.find(isV6) as string };
}

const sees = (tailnet: Tailnet, address: string): boolean => [...tailnet.peers].some((peer) => peer.address === address && peer.relay !== undefined);

async function run(options: TailnetOptions): Promise<object[]> {
	const [first, second] = [open(options, "alpha"), open(options, "beta")];
	try {
		await Promise.all([first.tailnet.running, second.tailnet.running]);
		const [a, b] = [sideOf(first, "alpha"), sideOf(second, "beta")];
		await until("both in each other's map", () => sees(first.tailnet, b.v4) && sees(second.tailnet, a.v4));
		const results: object[] = [];
		for (const each of cases) {
			try {
				await each.run({ a, b, until, rest });
				results.push({ name: each.name });
			} catch (error) {
				results.push({ name: each.name, problem: (error as Error).message });
			}
		}
		return results;
	} finally {
		first.tailnet.close();
		second.tailnet.close();
	}
}

export function contract(options: TailnetOptions, say: Say): (line: string) => void {
	say({ event: "loaded" });
	return (line) => {
		const { id = null, do: wanted } = JSON.parse(line) as { id?: number; do: string };
		if (wanted === "close") {
			say({ event: "result", id, ok: true });
			say({ event: "exit", code: 0 });
			return;
		}
		run(options).then(
			(results) => say({ event: "result", id, ok: true, cases: results }),
			(error: Error) => say({ event: "result", id, ok: false, message: error.message }),
		);
	};
}
