/** The SDK's module "time", as far as its MQTT client goes. */
export default {
	get ticks() {
		return Math.floor(performance.now());
	},
	delta: (from, to = Math.floor(performance.now())) => to - from,
};
