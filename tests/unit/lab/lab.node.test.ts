/** A whole lab starts on loopback, serves and closes without a trace. */
import { connect } from "node:tls";
import { describe, expect, test } from "../../harness.js";
import { startLab } from "../../lab/lab.js";
import { TestControlClient } from "./control-client.js";

describe("lab", () => {
	test("two regions, control over HTTPS, one authority for all", async () => {
		const lab = await startLab({ regions: 2, controlTLS: true });
		expect(Object.keys((lab.derpMap["Regions"] ?? {}) as object)).toEqual(["901", "902"]);
		expect(lab.controlURL.startsWith("https://127.0.0.1:")).toBe(true);
		for (const region of lab.regions) {
			const socket = connect({ host: "127.0.0.1", port: region.derp.port, servername: region.hostName, ca: [lab.authorityPEM] });
			await new Promise((resolve, reject) => {
				socket.once("secureConnect", resolve);
				socket.once("error", reject);
			});
			expect(socket.authorized).toBe(true);
			socket.destroy();
		}
		await lab.close();
	});

	test("a node with the lab's key gets the DERP map; DERP admits only who registered", async () => {
		const lab = await startLab({ verifyClients: true, control: { habits: "headscale" } });
		const client = new TestControlClient();
		await client.connect(lab.control.port, lab.control.publicKey);
		expect((await client.register({ Auth: { AuthKey: lab.authKey } }))["MachineAuthorized"]).toBe(true);
		const message = await client.poll().with("DERPMap");
		expect(message["DERPMap"]).toEqual(lab.derpMap);
		client.close();
		await lab.close();
	});

	test("plain HTTP by default, and closing twice over is harmless to others", async () => {
		const [one, two] = [await startLab(), await startLab()];
		await one.close();
		expect((await fetch(`${two.controlURL}/health`)).status).toBe(200);
		await two.close();
	});
});
