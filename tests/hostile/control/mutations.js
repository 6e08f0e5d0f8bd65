/**
 * Maps that are honest but for one place, chosen at random, where something else stands. Nothing is expected of the node but that it lives, says what it
 * refuses, keeps its bounds, and is well when control is honest again.
 */
const values = (random) => {
	const number = random.between(0, 70_000);
	return [
		null,
		true,
		-1,
		number,
		2 ** 53,
		1.5,
		"",
		"x".repeat(number),
		"\u0000\ud800",
		`100.64.${number & 255}.1/32`,
		`nodekey:${"0".repeat(number & 127)}`,
		"2026-13-45T99:99:99Z",
		[],
		Array(number >> 4).fill(null),
		Array(number >> 4).fill("0.0.0.0/0"),
		{},
		Object.fromEntries(Array.from({ length: number >> 6 }, (_, index) => [`k${index}`, index])),
	];
};

/** Objects and lists in a value, itself included. */
function placesIn(value, places = []) {
	if (typeof value !== "object" || value === null) return places;
	if (Object.keys(value).length > 0) places.push(value);
	for (const each of Object.values(value)) placesIn(each, places);
	return places;
}

/** @param honest a whole message, parsed, which is changed @returns where, for people */
export function mutate(honest, random) {
	const of = (list) => list[random.between(0, list.length - 1)];
	const place = of(placesIn(honest));
	const name = of(Object.keys(place));
	const kind = random.between(0, 3);
	if (kind === 0) delete place[name];
	else if (kind === 1 && Array.isArray(place)) for (let i = 0; i < 500; i += 1) place.push(place[name]);
	else place[name] = of(values(random));
	return name;
}
