/** The contract of the bound socket classes, between two nodes in one app. The cases are those of tests/contract, which Node runs as well. */
export default {
	title: "Contract of the socket classes",
	cases: [
		[
			"every case of the contract holds in the simulator",
			async (t) => {
				const app = await t.world.launch("contract", { app: "contract", tailnet: { store: undefined } });
				await app.waitFor("the app", (event) => event.event === "loaded", 20_000);
				const { cases } = await app.do({ do: "run" }, 150_000);
				t.assert.deepEqual(
					cases.filter(({ problem }) => problem),
					[],
				);
				t.assert.ok(cases.length > 40, `only ${cases.length} cases`);
			},
			{ timeoutMS: 180_000 },
		],
	],
};
