/** The lab's STUN server against the vectors of the official one. */
import { createSocket } from "node:dgram";
import { stunServerRequests, stunServerResponses } from "../../checks/lab.js";
import { describe, expect, fromHex, test, toHex } from "../../harness.js";
import { bindingResponse, StunServer } from "../../lab/stun-server.js";
import vectors from "../../vectors/stun.json" with { type: "json" };

describe("lab: STUN server", () => {
	for (const { name, run } of [...stunServerRequests(vectors), ...stunServerResponses(vectors)]) test(name, run);

	test("answers over UDP with the sender's address, and says nothing to others", async () => {
		const server = await StunServer.start(["127.0.0.1"]);
		const socket = createSocket("udp4");
		await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
		const answer = new Promise<Buffer>((resolve) => socket.once("message", resolve));
		socket.send(fromHex(vectors.parseBindingRequest[1]?.packet as string), server.port, "127.0.0.1");
		socket.send(fromHex(vectors.requests[1]?.packet as string), server.port, "127.0.0.1");
		const expected = bindingResponse(fromHex(vectors.requests[1]?.txid as string), "127.0.0.1", socket.address().port);
		expect(toHex(await answer)).toBe(toHex(expected));
		expect([server.requests, server.answers]).toEqual([2, 1]);
		socket.close();
		server.close();
	});
});
