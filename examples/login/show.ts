/** Lines of text and a QR code: on the screen where there is one, as text always. */

import Poco, { type PocoPrototype } from "commodetto/Poco";
import parseBMF from "commodetto/parseBMF";
import "pocoqrcode";
import Resource from "Resource";
import qrCode from "qrcode";

const margin = 10;
/** The largest that is read from a small screen; a login URL takes about half. */
const maxVersion = 8;

function wrap(poco: PocoPrototype, text: string, font: ReturnType<typeof parseBMF>, width: number): string[] {
	const lines = [""];
	for (const character of text) {
		if (poco.getTextWidth(lines.at(-1) + character, font) > width) lines.push("");
		lines.push(lines.pop() + character);
	}
	return lines;
}

export function show(text: string, url?: string): void {
	trace(`${text} ${url ?? ""}\n`);
	if (typeof screen === "undefined") return;
	const poco = new Poco(screen, { displayListLength: 4096 });
	const font = parseBMF(new Resource("OpenSans-Semibold-18.bf4"));
	const [black, white] = [poco.makeColor(0, 0, 0), poco.makeColor(255, 255, 255)];
	poco.begin();
	poco.fillRectangle(white, 0, 0, poco.width, poco.height);
	const width = poco.width - 2 * margin;
	let y = margin;
	for (const line of text.split("\n").flatMap((part) => wrap(poco, part, font, width))) {
		poco.drawText(line, font, black, margin, y);
		y += font.height;
	}
	if (url) {
		const lines = wrap(poco, url, font, width);
		const bottom = poco.height - margin - lines.length * font.height;
		const code = qrCode({ input: url, maxVersion });
		const scale = Math.floor(Math.min(width, bottom - y - 2 * margin) / code.size);
		poco.drawQRCode(code, (poco.width - scale * code.size) >> 1, y + margin, scale, black);
		for (let i = 0; i < lines.length; i += 1) poco.drawText(lines[i] as string, font, black, margin, bottom + i * font.height);
	}
	poco.end();
	poco.close();
}
