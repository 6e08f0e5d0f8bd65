/** DISCO and STUN told from WireGuard: tests/vectors/classify.json, protocol/relay.md §1. */
import { isDisco } from "../../modules/disco/box.js";
import { isStun } from "../../modules/path/stun.js";
import { expect, fromHex } from "../harness.js";
import type vectors from "../vectors/classify.json";
import { type Check, each } from "./check.js";

export type ClassifyVectors = Partial<typeof vectors>;

export function classifyChecks(file: ClassifyVectors): Check[] {
	return each(
		file.datagrams,
		(datagram) => datagram.name,
		(datagram) => {
			const packet = fromHex(datagram.packet);
			expect(isDisco(packet)).toBe(datagram.class === "disco" && !datagram.geneve);
			if (datagram.class === "stun") expect(isStun(packet)).toBe(true);
		},
	);
}
