/** Numbers in texts, read by their characters: patterns cannot lie in flash, and one made anew for every address is slow. */

/** Whether text is 1 to most decimal digits. */
export function isDigits(text: string, most: number): boolean {
	const { length } = text;
	if (length === 0 || length > most) return false;
	for (let i = 0; i < length; i += 1) {
		const code = text.charCodeAt(i);
		if (code < 48 || code > 57) return false;
	}
	return true;
}

/** Whether text is hexadecimal digits, in either case, as many as length says. */
export function isHex(text: string, length: number): boolean {
	if (text.length !== length) return false;
	for (let i = 0; i < length; i += 1) {
		const code = text.charCodeAt(i);
		const letter = code | 0x20;
		if (!((code >= 48 && code <= 57) || (letter >= 97 && letter <= 102))) return false;
	}
	return true;
}

/** Value of a decimal number of at most three digits without leading zeros; -1 for any other text. */
export function parseSmall(text: string): number {
	const { length } = text;
	if (length === 0 || length > 3 || (length > 1 && text.charCodeAt(0) === 48)) return -1;
	let value = 0;
	for (let i = 0; i < length; i += 1) {
		const digit = text.charCodeAt(i) - 48;
		if (digit < 0 || digit > 9) return -1;
		value = value * 10 + digit;
	}
	return value;
}

/** Value of a hexadecimal number of one to four digits; -1 for any other text. */
export function parseHexGroup(text: string): number {
	const { length } = text;
	if (length === 0 || length > 4) return -1;
	let value = 0;
	for (let i = 0; i < length; i += 1) {
		const code = text.charCodeAt(i);
		const letter = code | 0x20;
		const digit = code >= 48 && code <= 57 ? code - 48 : letter >= 97 && letter <= 102 ? letter - 87 : -1;
		if (digit < 0) return -1;
		value = (value << 4) | digit;
	}
	return value;
}
