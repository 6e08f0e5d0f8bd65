/** Lines of text and a QR code: on the screen where there is one, as text always. */

import Poco from "commodetto/Poco";
import parseBMF from "commodetto/parseBMF";
import "pocoqrcode";
import Resource from "Resource";
import qrCode from "qrcode";

const margin = 10;
/** The largest that is read from a small screen; a login URL takes about half. */
const maxVersion = 8;

export function show(text: string, url?: string): void {
	trace(`${text} ${url ?? ""}\n`);
	if (typeof screen === "undefined") return;
	const poco = new Poco(screen, { displayListLength: 4096 });
	const font = parseBMF(new Resource("OpenSans-Semibold-18.bf4"));
	const [black, white] = [poco.makeColor(0, 0, 0), poco.makeColor(255, 255, 255)];
	poco.begin();
	poco.fillRectangle(white, 0, 0, poco.width, poco.height);
	let y = margin;
	for (const line of text.split("\n")) {
		poco.drawText(line, font, black, margin, y, poco.width - 2 * margin);
		y += font.height;
	}
	if (url) {
		const code = qrCode({ input: url, maxVersion });
		const scale = Math.floor(Math.min(poco.width - 2 * margin, poco.height - y - 2 * margin) / code.size);
		poco.drawQRCode(code, (poco.width - scale * code.size) >> 1, y + margin, scale, black);
	}
	poco.end();
	poco.close();
}
