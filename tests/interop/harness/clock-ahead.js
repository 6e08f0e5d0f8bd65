/** Imported by a node's process before anything else: its wall clock is ahead, as after a sleep of so many milliseconds (CLOCK_AHEAD_MS). */
const ahead = Number(process.env.CLOCK_AHEAD_MS);
const { now } = Date;
Date.now = () => now() + ahead;
