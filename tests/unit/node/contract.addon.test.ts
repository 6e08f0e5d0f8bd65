/** The contract of the socket classes on two real nodes, with the native core between them. */
import { cases } from "../../contract/contract.js";
import type { Side } from "../../contract/place.js";
import { describe, test } from "../../harness.js";
import { pair, type StageNode, stage, until } from "./stage.js";

const side = (node: StageNode, reported: string[]): Side => {
	const { TCP, UDP, Listener, Resolver } = node.tailnet;
	return { TCP, UDP, Listener, Resolver, v4: node.v4, v6: node.v6, name: node.tailnet.name.split(".")[0] as string, reported };
};

describe("contract, on real nodes", () => {
	test("every case", async () => {
		await stage({}, async (_lab, start) => {
			const reported: [string[], string[]] = [[], []];
			let next = 0;
			const [a, b] = await pair((hostname, options) => {
				const texts = reported[next++] as string[];
				return start(hostname, { ...options, onError: (error) => void texts.push(error.message) });
			});
			const problems: string[] = [];
			for (const { name, run } of cases) {
				try {
					await run({ a: side(a, reported[0]), b: side(b, reported[1]), until, rest: () => new Promise((done) => setTimeout(done, 60)) });
				} catch (error) {
					problems.push(`${name}: ${(error as Error).message}`);
				}
			}
			if (problems.length > 0) throw new Error(problems.join("\n"));
		});
	});
});
