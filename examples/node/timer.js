/** The SDK's module "timer" over Node's timers. */
export default class Timer {
	#timer;

	static #start(begin, callback, delayMS) {
		const timer = new Timer();
		timer.#timer = begin(() => callback(timer), delayMS);
		return timer;
	}

	static set(callback, delayMS = 0) {
		return Timer.#start(setTimeout, callback, delayMS);
	}

	static repeat(callback, everyMS) {
		return Timer.#start(setInterval, callback, everyMS);
	}

	static clear(timer) {
		clearTimeout(timer?.#timer);
	}
}
