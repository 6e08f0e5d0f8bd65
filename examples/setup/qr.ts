/** A text as QR code, as SVG: dark on light in any colour scheme, for that is what cameras read. */
import qrCode from "qrcode";

/** A login URL takes about half. */
const maxVersion = 10;
/** Light modules around it, as the standard asks. */
const margin = 4;

export function qr(text: string): string {
	const code = qrCode({ input: text, maxVersion });
	const { size } = code;
	const modules = new Uint8Array(code);
	const runs: string[] = [];
	for (let y = 0; y < size; y += 1)
		for (let x = 0; x < size; x += 1) {
			const begin = x;
			while (x < size && modules[y * size + x] === 1) x += 1;
			if (x > begin) runs.push(`M${begin + margin} ${y + margin}h${x - begin}v1h-${x - begin}z`);
		}
	const side = size + 2 * margin;
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${runs.join("")}"/></svg>`;
}
