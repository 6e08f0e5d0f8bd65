/** What XS has and Node has not, of what the examples and the SDK's network classes use. */
Object.assign(globalThis, { trace: (...parts) => void process.stdout.write(parts.join("")) });
const encoder = new TextEncoder();
const decoder = new TextDecoder();
ArrayBuffer.fromString = (text) => encoder.encode(text).slice().buffer;
String.fromArrayBuffer = (buffer) => decoder.decode(buffer);
Math.irandom = (limit) => Math.floor(Math.random() * limit);
